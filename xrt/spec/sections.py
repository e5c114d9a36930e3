"""The sections of a study file, each with its defaults: data, training, search, pruning, confirm, resources.

Types are strict ("3" is not 3, true is not 1) and unknown fields are refused. What fields must satisfy
together stands in `checks`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from xrt.data import Source
from xrt.spec.problems import LARGEST_WHOLE, Problem, Refused, refuse

Count = Annotated[int, Field(ge=1, le=LARGEST_WHOLE)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Frozen, strict, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Where the sentences come from, and how many are used."""

    source: Literal["hub", "folder", "embedded"] = Field(
        default="hub", description="The Hugging Face hub, a folder of TSV files, or the package (task mini)."
    )
    path: Text | None = Field(default=None, description="The folder, for source: folder.")
    train_rows: Count | None = Field(default=None, description="Train on so many rows; null: on all.")
    dev_rows: Count | None = Field(
        default=None, description="Evaluate on so many aligned dev examples; null: all."
    )
    neighbours: Text | None = Field(
        default=None, description="A JSON table of synonyms; null: the one that belongs to the task."
    )

    @property
    def origin(self) -> Source:
        """As the readers want it."""
        return Source(self.source, self.path)


class Training(Section):
    """Fine-tuning of every trial."""

    epochs: float = Field(
        default=3.0, gt=0, le=LARGEST_WHOLE, description="Passes over the training data, in full or in part."
    )
    batch_size: Count = Field(default=32, description="Sentence pairs an optimizer step.")
    max_tokens: int = Field(default=128, ge=8, le=LARGEST_WHOLE, description="Longer pairs are cut.")
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the steps with a rising learning rate."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Of AdamW.")
    clip: float = Field(default=1.0, gt=0, description="Largest L2 norm of the gradient.")
    freeze_word_embeddings: bool = Field(default=False, description="Train all but the word embeddings.")
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="Overrides every dropout of the encoder; null: as it was pretrained."
    )
    micro_batch: Count | None = Field(
        default=None, description="Pairs that pass through the encoder at once; null: the batch."
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Less memory for more time: states inside a layer are computed twice."
    )


class Search(Section):
    """How the space is searched."""

    trials: Count = Field(default=32, description="Configurations to try.")
    metric: str = Field(default="dev/mean/mixed", description="What is maximised: a metric of the dev split.")
    seed: int = Field(default=7, ge=0, le=2**32 - 1, description="Of the sampler and of the trials.")
    concurrent: Count | None = Field(default=None, description="Trials at once; null: as many as fit.")


class Pruning(Section):
    """ASHA: trials of an arm are evaluated at rungs, and only the better share of them continues past a rung."""

    reduction: int = Field(
        default=3, ge=2, le=100, description="One of so many trials of an arm passes a rung."
    )
    rungs: int = Field(
        default=3, ge=1, le=10, description="Rungs of the shortest training of an arm, its end included."
    )
    rung_rows: Count | None = Field(
        default=None,
        description="Examples of each language pair at a rung; null: a tenth of the cost of plain training.",
    )


MOST_SEEDS = 100


class _Seeds:
    """Reads `5`, or `[3, 10]`."""

    allowed = f"a whole number from 2 to {MOST_SEEDS}, or [fewest, most] of such"

    def __call__(self, given: Any) -> tuple[int, int]:
        ends = list(given) if isinstance(given, list | tuple) else [given, given]
        whole = all(isinstance(n, int) and not isinstance(n, bool) and 2 <= n <= MOST_SEEDS for n in ends)
        if len(ends) != 2 or not whole or ends[0] > ends[1]:
            raise Refused([Problem((), refuse(given, self.allowed))]).for_pydantic()
        return ends[0], ends[1]


_read_seeds = _Seeds()
Seeds = Annotated[tuple[int, int], PlainValidator(_read_seeds), PlainSerializer(list, list[int]), _read_seeds]


class Confirm(Section):
    """Training the best of every arm again with new seeds, and evaluating it on the test split."""

    seeds: Seeds = Field(
        default=(3, 10), description="Trainings of each: [fewest, most], as many as the verdict takes."
    )


class Resources(Section):
    """What one trial occupies."""

    cpu: Count = Field(default=1, description="CPUs, and threads, of a trial.")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0, le=LARGEST_WHOLE)] = Field(
        default="auto",
        description="Share of a GPU for a trial; auto: what it needs, where there are any; 0: none.",
    )


class Checkpoints(Section):
    """What is kept on disk to go on from, and of trials that have ended."""

    seconds: float = Field(
        default=600.0,
        gt=0,
        le=LARGEST_WHOLE,
        description="Between two checkpoints of a trial; rungs save too.",
    )
    keep: Count = Field(
        default=3,
        description="Finished trials of the search whose weights are kept: the best; of others, the answers.",
    )

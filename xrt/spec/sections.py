"""The sections of a study file, each with its defaults: data, training, search, pruning, confirm, evaluation,
resources.

Types are strict ("3" is not 3, true is not 1) and unknown fields are refused. What fields must satisfy
together stands in `checks`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

from xrt.data import Source, Split
from xrt.data.tasks import SPLITS, Named
from xrt.errors import SpecError
from xrt.spec.problems import LARGEST_WHOLE, Problem, Refused, refuse

Count = Annotated[int, Field(ge=1, le=LARGEST_WHOLE)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Frozen, strict, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _word(given: Any) -> Any:
    """A label word that is a whole number is its text: `labels: [0, 1]` means the words "0" and "1"."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


Word = Annotated[str, BeforeValidator(_word), Field(min_length=1)]
Column = Text | Annotated[int, Field(ge=1, le=LARGEST_WHOLE)]


class ColumnNames(Section):
    """The columns, by name, or by number from 1 in files without a header; null: found by their usual names."""

    first: Column | None = Field(default=None, description="Sentence 1; `{language}` in a name is the code.")
    second: Column | None = Field(default=None, description="Sentence 2, likewise.")
    label: Column | None = Field(default=None, description="The label.")
    id: Column | None = Field(default=None, description="Aligns languages; without ids, row numbers do.")
    language: Column | None = Field(default=None, description="The language of a row, if a file has several.")
    split: Column | None = Field(default=None, description="The split of a row, if a file has several.")

    @property
    def named(self) -> Named:
        """As the readers want it."""
        return tuple((role, name) for role, name in self if name is not None)


class SplitNames(Section):
    """Names of the splits in file names, columns or on the hub; null: their usual names."""

    train: Text | None = Field(default=None, description="For `train`.")
    dev: Text | None = Field(default=None, description="For `dev`, `validation`, `valid`, `val` or `trial`.")
    test: Text | None = Field(default=None, description="For `test`.")

    @property
    def named(self) -> tuple[tuple[Split, str], ...]:
        """As the readers want it."""
        return tuple((split, name) for split in SPLITS if (name := getattr(self, split)) is not None)


class Paths(Section):
    """A path for each split, if one pattern cannot cover them all."""

    train: Text | None = Field(default=None, description="Training data of the source languages.")
    dev: Text | None = Field(default=None, description="The dev split.")
    test: Text | None = Field(default=None, description="The test split, for a confirmation.")


class Data(Section):
    """Where the sentences come from, and how many are used."""

    source: Literal["hub", "folder", "embedded"] = Field(
        default="hub", description="The Hugging Face hub, files (path), or the package (mini, mini-topics)."
    )
    path: Text | Paths | None = Field(
        default=None,
        description="With source: folder, a folder, a file, or a pattern, `data/{split}/{language}.tsv`; or a path for "
        "each split.",
    )
    columns: ColumnNames | None = Field(default=None, description="Names of the columns.")
    labels: dict[Word, Word | None] | None = Field(
        default=None,
        description="The task's label for each label word of the data, `{ENTAILMENT: entailment}`; null drops rows.",
    )
    splits: SplitNames | None = Field(default=None, description="Names of the splits in the data.")
    align: Literal["all", "own"] = Field(
        default="all",
        description="A language without ids whose number of rows differs from the source's is refused (all), or is "
        "evaluated alone, in no mixed pair (own). With single sentences, own gives every language its own examples.",
    )
    conflicts: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="What to do if two languages disagree about more than a third of the labels.",
    )
    train_rows: Count | None = Field(default=None, description="Number of rows to train on; null: all.")
    dev_rows: Count | None = Field(default=None, description="Number of aligned dev examples; null: all.")
    test_rows: Count | None = Field(default=None, description="Number of aligned test examples; null: all.")
    neighbours: Text | None = Field(
        default=None, description="A JSON table of synonyms; null: the task's own, or the published one."
    )

    @property
    def origin(self) -> Source:
        """As the readers want it."""
        return Source(
            self.source,
            _paths(self.path),
            self.columns.named if self.columns else (),
            tuple((self.labels or {}).items()),
            self.splits.named if self.splits else (),
            self.align,
            self.conflicts,
        )

    @property
    def place(self) -> str:
        """In words: a path, or the kind of source."""
        paths = _paths(self.path)
        return ", ".join(path for _, path in paths) if isinstance(paths, tuple) else paths or self.source


def _paths(path: str | Paths | None) -> str | tuple[tuple[Split, str], ...] | None:
    if not isinstance(path, Paths):
        return path
    return tuple((split, one) for split in SPLITS if (one := getattr(path, split)))


class Search(Section):
    """How the space is searched."""

    trials: Count = Field(default=32, description="Configurations to try.")
    metric: str = Field(
        default="dev/mean/mixed",
        description="The dev metric to maximise. For a task without mixed pairs the default is dev/mean/targets.",
    )
    seed: int = Field(
        default=7, ge=0, le=2**32 - 1, description="Seed of the sampler and of the search's trials."
    )
    concurrent: Count | None = Field(
        default=None, description="Trials that run at once; null: as many as fit."
    )
    after: str | None = Field(
        default=None,
        description="An earlier run, or a study for its newest run: the sampler starts from its trials and their dev "
        "scores. They do not count as trials of this run.",
    )


class Pruning(Section):
    """ASHA: trials of an arm are evaluated at rungs, and only the best share of them continues past a rung."""

    reduction: int = Field(
        default=3,
        ge=2,
        le=100,
        description="At each rung one in `reduction` trials of an arm continues; each rung is at `reduction` times "
        "the steps of the rung before.",
    )
    rungs: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Number of rungs, the end of an arm's shortest training included.",
    )
    rung_rows: Count | None = Field(
        default=None,
        description="Examples per language pair at a rung; null: the rungs before the last cost a tenth of plain "
        "training together.",
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


def checked_seeds(given: Any) -> tuple[int, int]:
    """The bounds of a confirmation, as `confirm.seeds` takes them.

    Raises:
        SpecError: they are something else.
    """
    try:
        return _read_seeds(given)
    except PydanticCustomError:
        raise SpecError(f"--set: confirm.seeds: {refuse(given, _Seeds.allowed)}") from None


Seeds = Annotated[tuple[int, int], PlainValidator(_read_seeds), PlainSerializer(list, list[int]), _read_seeds]


class Confirm(Section):
    """Trains the best of every arm again with new seeds, and evaluates it on the test split."""

    seeds: Seeds = Field(
        default=(3, 10),
        description="Seeds of each configuration: [fewest, most]; more only for open verdicts.",
    )


class Evaluation(Section):
    """Adds predictions of test by votes under noise to a confirmation; verdicts do not use them."""

    votes: Count = Field(
        default=8, description="Predictions of each test example; the most common class counts."
    )
    under: Literal["noise"] = Field(default="noise", description="What is drawn anew for each prediction.")
    scale: float = Field(
        default=0.3,
        gt=0,
        le=LARGEST_WHOLE,
        description="Scale of the noise on word embeddings, relative to their mean norm, as in the method `noise`.",
    )


class Resources(Section):
    """What one trial occupies."""

    cpu: Count = Field(default=1, description="CPUs and threads of a trial.")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0, le=LARGEST_WHOLE)] = Field(
        default="auto",
        description="Share of a GPU for a trial, at most 1; auto: what it needs, if there is a GPU; 0: none.",
    )


class Checkpoints(Section):
    """What stays on disk: checkpoints to resume from, and weights of trials that have ended."""

    seconds: float = Field(
        default=600.0,
        gt=0,
        le=LARGEST_WHOLE,
        description="Seconds between two checkpoints of a trial; a trial that continues past a rung saves there too.",
    )
    keep: Count = Field(
        default=3,
        description="Number of best search trials that keep their weights; others keep predictions only.",
    )

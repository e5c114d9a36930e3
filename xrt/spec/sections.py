"""The sections of a study file, each with its defaults: data, training, search, pruning, confirm, resources.

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
    """Which columns are which: by name, or by number from 1 in files without a header; null: by the usual names."""

    first: Column | None = Field(default=None, description="Sentence 1; `{language}` in a name is the code.")
    second: Column | None = Field(default=None, description="Sentence 2, likewise.")
    label: Column | None = Field(default=None, description="The label.")
    id: Column | None = Field(default=None, description="What aligns languages; without ids, rows do.")
    language: Column | None = Field(
        default=None, description="The language of a row, where a file has several."
    )
    split: Column | None = Field(default=None, description="The split of a row, where a file has several.")

    @property
    def named(self) -> Named:
        """As the readers want it."""
        return tuple((role, name) for role, name in self if name is not None)


class SplitNames(Section):
    """What the splits are called in file names, columns or on the hub; null: as is usual."""

    train: Text | None = Field(default=None, description="For `train`.")
    dev: Text | None = Field(default=None, description="For `dev`, `validation`, `valid`, `val` or `trial`.")
    test: Text | None = Field(default=None, description="For `test`.")

    @property
    def named(self) -> tuple[tuple[Split, str], ...]:
        """As the readers want it."""
        return tuple((split, name) for split in SPLITS if (name := getattr(self, split)) is not None)


class Paths(Section):
    """A path for each split, where one pattern does not reach them all."""

    train: Text | None = Field(default=None, description="Training data of the source languages.")
    dev: Text | None = Field(default=None, description="The dev split.")
    test: Text | None = Field(default=None, description="The test split, for a confirmation.")


class Data(Section):
    """Where the sentences come from, and how many are used."""

    source: Literal["hub", "folder", "embedded"] = Field(
        default="hub", description="The Hugging Face hub, files (path), or the package (task mini)."
    )
    path: Text | Paths | None = Field(
        default=None,
        description="For source: folder: a folder, a file, or files by a pattern, `data/{split}/{language}.tsv`; "
        "or one for each split.",
    )
    columns: ColumnNames | None = Field(default=None, description="Which columns are which.")
    labels: dict[Word, Word | None] | None = Field(
        default=None,
        description="What label words of the data mean, `{ENTAILMENT: entailment}`; null leaves their rows out.",
    )
    splits: SplitNames | None = Field(default=None, description="What the splits are called there.")
    align: Literal["all", "own"] = Field(
        default="all",
        description="Languages without ids and with other rows than the source: refused, or (own) evaluated by "
        "themselves, in no mixed pair. Of single sentences own leaves every language its own examples.",
    )
    conflicts: Literal["refuse", "allow"] = Field(
        default="refuse", description="Languages that disagree about more than a third of the labels."
    )
    train_rows: Count | None = Field(default=None, description="Train on so many rows; null: on all.")
    dev_rows: Count | None = Field(
        default=None, description="Evaluate on so many aligned dev examples; null: all."
    )
    test_rows: Count | None = Field(
        default=None, description="Evaluate on so many aligned test examples; null: all."
    )
    neighbours: Text | None = Field(
        default=None, description="A JSON table of synonyms; null: the one that belongs to the task."
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
        description="What is maximised: a metric of the dev split. Where a task has no mixed pairs, the default is "
        "dev/mean/targets.",
    )
    seed: int = Field(default=7, ge=0, le=2**32 - 1, description="Of the sampler and of the trials.")
    concurrent: Count | None = Field(default=None, description="Trials at once; null: as many as fit.")


class Pruning(Section):
    """ASHA: trials of an arm are evaluated at rungs, and only the better share of them continues past a rung."""

    reduction: int = Field(
        default=3, ge=2, le=100, description="At each rung one in `reduction` trials of an arm goes on."
    )
    rungs: int = Field(
        default=3,
        ge=1,
        le=10,
        description="How often trials of an arm are compared, the end of its shortest training included.",
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
        description="Between two checkpoints of a trial; one that continues past a rung saves there, too.",
    )
    keep: Count = Field(
        default=3,
        description="Finished trials of the search whose weights are kept: the best; of others, the answers.",
    )

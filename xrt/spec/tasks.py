"""The task of a study: the name of one that ships, or a user's own, described in the study file."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StrictStr,
    ValidationError,
)

from xrt.data import TASKS, Hub, Task
from xrt.errors import SpecError, closest
from xrt.spec.problems import Problem, Refused, explain, refuse, unknown
from xrt.spec.sections import ColumnNames, Section, SplitNames, Text, Word

Words = Annotated[tuple[StrictStr, ...], Strict(False)]  # YAML has lists only
LabelWords = Annotated[tuple[Word, ...], Strict(False)]


class HubPlace(Section):
    """Where the Hugging Face hub keeps an aligned data set."""

    repo: Text = Field(
        description="The repository; `{language}` stands for the code if each language has its own."
    )
    config: Text | None = Field(
        default="{language}", description="The configuration, likewise; null: the repository's only one."
    )
    columns: ColumnNames | None = Field(default=None, description="Names of the columns.")
    splits: SplitNames | None = Field(default=None, description="Names of the splits on the hub.")

    @property
    def hub(self) -> Hub:
        """As the readers want it."""
        columns = self.columns.named if self.columns else ()
        return Hub(self.repo, self.config, columns, self.splits.named if self.splits else ())


class OwnTask(BaseModel):
    """A user's own data set of sentence pairs or single sentences, read from files or from the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(description="Its name: letters, digits, - and _.")
    languages: Words = Field(description="Codes of all languages to evaluate, as in file names.")
    labels: LabelWords = Field(description="Label words, as in its files.")
    source: StrictStr | Words = Field(
        default="en",
        description="The language to train on, or a list of several; a source that is not among the languages has "
        "training data only.",
    )
    sentences: Literal[1, 2] = Field(
        default=2, description="Sentences per example: a pair, or one (topic, sentiment, intent)."
    )
    hub: HubPlace | None = Field(default=None, description="Its place on the hub, for data: {source: hub}.")


ALLOWED = f"{', '.join(TASKS)}, or your own, {{{', '.join(f'{name}: ...' for name in OwnTask.model_fields)}}}"


def read_task(given: Any) -> Task:
    """The task that a study file means.

    Raises:
        Refused: with every problem.
    """
    if isinstance(given, Task):
        return given
    if isinstance(given, str) and given in TASKS:
        return TASKS[given]
    if isinstance(given, dict):
        return _own(given)
    hint = closest(given, TASKS) if isinstance(given, str) else ""
    raise Refused([Problem((), refuse(given, ALLOWED, hint))])


def plain_task(task: Task) -> str | dict[str, Any]:
    """As it stands in a study file."""
    if task == TASKS.get(task.name):
        return task.name
    lists = {"languages": list(task.languages), "labels": list(task.labels)}
    hub = {} if task.hub is None else {"hub": _plain_hub(task.hub)}
    # What most tasks are is not written, so that the digest of a trial is what it was before there was a choice.
    single = {} if task.sentences == 2 else {"sentences": task.sentences}
    source = task.source if len(task.sources) == 1 else list(task.sources)
    return {"name": task.name, **lists, "source": source, **single, **hub}


def _plain_hub(hub: Hub) -> dict[str, Any]:
    named = {name: dict(value) for name, value in (("columns", hub.columns), ("splits", hub.splits)) if value}
    return {"repo": hub.repo, "config": hub.config, **named}


def _own(given: dict[str, Any]) -> Task:
    fields = OwnTask.model_fields
    problems = [Problem((name,), unknown(name, fields)) for name in given if name not in fields]
    task = None
    try:
        own = OwnTask.model_validate({name: value for name, value in given.items() if name in fields})
        if own.name in TASKS:
            text = f'"{own.name}" comes with xrt; take another name, or write task: {own.name}.'
            problems.append(Problem(("name",), text))
        hub = own.hub.hub if own.hub else None
        sources = own.source if isinstance(own.source, tuple) else (own.source,)
        task = Task(own.name, own.languages, own.labels, sources, hub, sentences=own.sentences)
    except ValidationError as error:
        problems += explain(error, OwnTask)
    except SpecError as error:
        problems += [_relative(line) for line in error.problems]
    if task is None or problems:
        raise Refused(problems)
    return task


def _relative(line: str) -> Problem:
    """`task.labels: 1 given; ...` as a problem of the field `labels`."""
    field, _, text = line.partition(": ")
    return Problem(tuple(field.split(".")[1:]), text)


class _Reader:
    allowed = ALLOWED

    def __call__(self, given: Any) -> Task:
        try:
            return read_task(given)
        except Refused as refused:
            raise refused.for_pydantic() from None


_read = _Reader()
TaskField = Annotated[Task, PlainValidator(_read), PlainSerializer(plain_task), _read]

"""A study: the contents of its file, checked as a whole. It does not say how or where it is run.

`StudySpec.model_validate(mapping)` is for programs; people's files and overrides are read by `load_study`,
which words every problem.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from xrt.spec.arms import Arm, arm_named, arms_of
from xrt.spec.checks import together
from xrt.spec.document import dump
from xrt.spec.metric import Metric, default_metric
from xrt.spec.problems import Problem, Refused, refuse
from xrt.spec.sections import Checkpoints, Confirm, Data, Evaluation, Pruning, Resources, Search, Section
from xrt.spec.space import Space, Suggest, ask
from xrt.spec.tasks import TaskField, read_task
from xrt.spec.training import Training
from xrt.spec.values import Scalar, Value

NAME_RULE = 'a name of at most 64 letters, digits, ".", "_" and "-", beginning with a letter or digit'
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # part of paths: can never leave a folder


def is_name(text: str) -> bool:
    """Whether `text` can name a study."""
    return bool(_NAME.fullmatch(text))


def _named(given: str) -> str:
    if not is_name(given):
        raise _refused(Problem((), refuse(given, NAME_RULE)))
    return given


def _refused(*problems: Problem) -> PydanticCustomError:
    return Refused(problems).for_pydantic()


def with_metric(given: Any) -> Any:
    """A study's mapping with the metric that its task selects by, where the study does not say."""
    search = given.get("search", {}) if isinstance(given, Mapping) else None
    if not isinstance(search, Mapping) or "metric" in search:
        return given
    try:
        task = read_task(given.get("task"))
    except Refused:
        return given  # the field itself says what is wrong with it
    return {**given, "search": {**search, "metric": str(default_metric(task))}}


class _Compared:
    """Reads what a study compares; the method always, for its arms are compared with plain fine-tuning."""

    allowed = "[method] or [encoder, method]"

    def __call__(self, given: Any) -> tuple[str, ...]:
        names = (
            sorted(given)
            if isinstance(given, list | tuple) and all(isinstance(n, str) for n in given)
            else ()
        )
        if tuple(names) not in (("method",), ("encoder", "method")):
            raise _refused(Problem((), refuse(given, self.allowed)))
        return tuple(names)


_read_compared = _Compared()
Compared = Annotated[
    tuple[str, ...], PlainValidator(_read_compared), PlainSerializer(list, list[str]), _read_compared
]


class StudySpec(Section):
    """A study file. `null` for pruning, confirm or evaluation skips it."""

    study: Annotated[str, AfterValidator(_named)] = Field(
        description="The name of the study and of its results; by default the file's name."
    )
    task: TaskField = Field(
        description="pawsx, xnli, mini, mini-topics, or your own: {name, languages, labels, source, sentences}."
    )
    data: Data = Field(default_factory=Data, description=Data.__doc__)
    compare: Compared = Field(
        default=("method",),
        description="What the study compares; each value is an arm, tuned with the same number of trials.",
    )
    space: Space = Field(description=Space.__doc__)
    training: Training = Field(default_factory=Training, description=Training.__doc__)
    search: Search = Field(default_factory=Search, description=Search.__doc__)
    pruning: Pruning | None = Field(default_factory=Pruning, description=Pruning.__doc__)
    confirm: Confirm | None = Field(default_factory=Confirm, description=Confirm.__doc__)
    evaluation: Evaluation | None = Field(default=None, description=Evaluation.__doc__)
    resources: Resources = Field(default_factory=Resources, description=Resources.__doc__)
    checkpoints: Checkpoints = Field(default_factory=Checkpoints, description=Checkpoints.__doc__)

    @model_validator(mode="before")
    @classmethod
    def _with_metric(cls, given: Any) -> Any:
        return with_metric(given)

    @model_validator(mode="after")
    def _together(self) -> Self:
        problems = together(self, type(self))
        if problems:
            raise _refused(*problems)
        return self

    def raised(self, trials: int | None, seeds: tuple[int, int] | None) -> Self:
        """The study with other bounds of its search and of its confirmation; None: as they are."""
        changes: dict[str, Any] = {}
        if trials is not None:
            changes["search"] = self.search.model_copy(update={"trials": trials})
        if seeds is not None and self.confirm is not None:
            changes["confirm"] = self.confirm.model_copy(update={"seeds": seeds})
        return self.model_copy(update=changes)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """What is compared, plain arms first."""
        return arms_of(self.compare, tuple(self.space.method), self.space.encoders)

    def arm_of(self, params: Mapping[str, Any]) -> Arm:
        """The arm that a trial with these parameters belongs to."""
        encoder = str(params["encoder"]) if "encoder" in self.compare else None
        return arm_named(str(params["method"]), encoder)

    def values(self) -> Iterator[tuple[str, Value]]:
        """The flat name of every parameter that trials have, with what it may be; those of `training` last."""
        yield from self.space.values()
        yield from self.training.searched()

    def varying(self) -> tuple[str, ...]:
        """The names that have more than one value, which a sampler chooses."""
        return tuple(name for name, value in self.values() if value.varies)

    def sample(self, suggest: Suggest) -> dict[str, Scalar]:
        """The parameters of one trial: a point of the space, and of the fields of `training` that are searched."""
        settings = {name: ask(suggest, name, value) for name, value in self.training.searched()}
        return self.space.sample(suggest) | settings

    @property
    def metric(self) -> Metric:
        """What is maximised."""
        return Metric.parse(self.search.metric)

    @property
    def rungs(self) -> tuple[float, ...]:
        """The shares of an arm's shortest training at which its trials are evaluated: (1/9, 1/3, 1) for 3 rungs of
        reduction 3. In optimizer steps they are the same for all trials of an arm.
        """
        if self.pruning is None:
            return (1.0,)
        return tuple(1 / self.pruning.reduction**k for k in reversed(range(self.pruning.rungs)))

    def to_plain(self) -> dict[str, Any]:
        """Everything resolved, as plain values; `StudySpec.model_validate` gives an equal study."""
        return self.model_dump()

    def to_yaml(self) -> str:
        """Everything resolved, as the text of a study file; loading it gives an equal study."""
        return dump(self.to_plain())

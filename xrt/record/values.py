"""The values of a record: what a run is, what became of each trial, what it reported. They know no files.

All are frozen; a trial changes by `begun`, `reported`, `closed`, which return the trial as it is then. Times
are unix seconds on the driver's clock.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from xrt.data.integrity import digest
from xrt.errors import RecordError

V = TypeVar("V")

FORMAT = 2  # of run.json and of everything beside it; a reader refuses any other
Phase = Literal["search", "confirm"]
State = Literal["pending", "running", "finished", "pruned", "failed", "stopped"]
Ending = Literal["finished", "pruned", "failed", "stopped"]
Status = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Report:
    """What a trial reported at a rung. `step` counts optimizer steps, `share` is of its whole training.

    `dev/...` is of the rung's sample; at the end of the training (share 1) it is of the whole dev split.
    """

    rung: int
    share: float
    step: int
    time: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what it trains and what became of it.

    Attributes:
        params: the values sampled from the space, by flat name.
        config: everything resolved.
        configuration: the id of its configuration. Trials of one configuration differ by their seed alone.
        added: the trial was added after somebody had seen the verdicts of the run.
        outside: it failed for want of something outside it (a disk, a folder, a network, a cache): a resumed run
            trains it again.
    """

    id: str
    params: dict[str, Any]
    config: dict[str, Any]
    seed: int
    configuration: str = ""
    phase: Phase = "search"
    added: bool = False
    state: State = "pending"
    reason: str | None = None
    outside: bool = False
    started: float | None = None
    ended: float | None = None
    reports: tuple[Report, ...] = ()
    node: str | None = None
    checkpoint: str | None = None

    @property
    def last(self) -> Report | None:
        return self.reports[-1] if self.reports else None

    @property
    def metrics(self) -> Mapping[str, float]:
        """Of the last report; empty before the first."""
        return self.last.metrics if self.last else {}

    @property
    def method(self) -> str:
        return str(self.params["method"])

    @property
    def about(self) -> dict[str, Any]:
        """What is written into its files, by which they are known to be its own."""
        return {"trial": self.id, "sample": digest([dict(self.params), self.seed])}

    def score(self, metric: str) -> float:
        """The metric of its last report; NaN where there is none.

        Of a finished trial that is the whole dev split's, of any other the sample's of the last rung it reached.
        """
        return self.metrics.get(metric, math.nan)

    @property
    def seconds(self) -> float | None:
        """From the first start to the end, pauses included; None while it runs."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    def begun(self, time: float, node: str | None = None) -> "TrialRecord":
        """Running, for the first time or again: the first start stays, an earlier end is forgotten."""
        started = time if self.started is None else self.started
        return replace(
            self,
            state="running",
            started=started,
            ended=None,
            reason=None,
            outside=False,
            node=node or self.node,
        )

    def reported(self, report: Report) -> "TrialRecord":
        """With one more report.

        A trial that went back to its checkpoint reports a rung again, at another time. What was said first
        stays, for ASHA decided by it and MLflow has it; only metrics that are new at that rung are added.
        """
        reports = {known.rung: known for known in self.reports}
        if first := reports.get(report.rung):
            report = replace(first, metrics={**report.metrics, **first.metrics})
        reports[report.rung] = report
        return replace(self, reports=tuple(reports[rung] for rung in sorted(reports)))

    def closed(
        self, state: Ending, time: float, reason: str | None = None, outside: bool = False
    ) -> "TrialRecord":
        """Ended, for good or (`stopped`, `outside`) until somebody resumes the run."""
        return replace(self, state=state, ended=time, reason=reason, outside=outside)


@dataclass(frozen=True)
class Data:
    """Fingerprint of one split of a data set. `context` is its use (training, evaluation or test), `origin` the
    folder or the hub that it was read from.
    """

    name: str
    split: str
    digest: str
    rows: int
    context: str
    origin: str | None = None


@dataclass(frozen=True)
class Meta:
    """What a run is.

    Attributes:
        uid: its own in all the world, for two machines may share one MLflow server.
        source: the language trained on; of several, all of them with commas between.
        tracking: the MLflow address that the run was started with; None: the store beside the results.
        repeats: the run that this one repeats.
        dropped: what the data leave out, one line a split.
        misalignment: encoder -> site -> {"distance": {language: distance}, "unrelated": distance}.
        seeds: the bounds of the confirmation, [fewest, most]; None: as the study says.
        seen: how often its verdicts were shown as final.
        waiting: what keeps its trials from running, while nothing runs.
        spec: the checksum of spec.yaml.
        encoders: a fingerprint of each: of its files, or its commit on the hub.
    """

    uid: str
    name: str
    study: str
    metric: str
    started: float
    task: str
    languages: tuple[str, ...]
    source: str
    status: Status = "running"
    ended: float | None = None
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] | None = None
    host: str = ""
    user: str | None = None
    hardware: dict[str, Any] = field(default_factory=dict)
    data: tuple[Data, ...] = ()
    tracking: str | None = None
    repeats: str | None = None
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    misalignment: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, int] | None = None
    seen: int = 0
    waiting: str | None = None
    spec: str = ""
    encoders: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def decode(kind: type[V], value: Mapping[str, Any], where: object) -> V:
    """A value from the object of a JSON file; keys that it does not know are ignored.

    Raises:
        RecordError: every field that is missing or wrong, one line each.
    """
    hashable: Any = kind  # mypy does not take it for one
    try:
        decoded: V = _adapter(hashable).validate_python(value)
    except ValidationError as error:
        raise RecordError([_line(where, dict(problem)) for problem in error.errors()]) from error
    return decoded


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _line(where: object, problem: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in problem["loc"]) or "object"
    if problem["type"] == "missing":
        return f"{where}: {path}: is missing."
    return f"{where}: {path}: {repr(problem['input'])[:80]} is not allowed; {problem['msg'].lower()}."

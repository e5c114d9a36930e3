"""The values of a record: the run, its trials with their outcomes, and their reports. They know no files.

All are frozen; `begun`, `reported` and `closed` return a changed trial. Times are unix seconds on the driver's
clock.
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

FORMAT = 2  # of run.json and all files beside it; a reader refuses any other
Phase = Literal["search", "confirm"]
State = Literal["pending", "running", "finished", "pruned", "failed", "stopped"]
Ending = Literal["finished", "pruned", "failed", "stopped"]
# Of a trial that need not run any more.
OVER: tuple[State, ...] = ("finished", "pruned", "failed")
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
class Pace:
    """A trial's progress between two rungs. It is shown, never recorded.

    `loss` is the mean since the previous rung; `steps` is of the whole training.
    """

    step: int
    steps: int
    loss: float
    pairs_per_second: float
    steps_per_second: float

    @property
    def share(self) -> float:
        """The completed share of the training."""
        return self.step / self.steps

    @property
    def share_per_second(self) -> float:
        return self.steps_per_second / self.steps


@dataclass(frozen=True)
class TrialRecord:
    """One trial: its configuration and its outcome.

    Attributes:
        params: the values sampled from the space, by flat name.
        config: the whole resolved configuration.
        configuration: the id of its configuration. Trials of one configuration differ by their seed alone.
        added: the trial was added after somebody had seen the verdicts of the run.
        outside: it failed for lack of a disk, a folder, a network or a cache: a resumed run trains it again.
        worked: seconds that its processes took; None in records of earlier versions, and before its first report.
        since: up to which time `worked` counts, while a process works on it.
        device: what its last process trained on: a GPU's name, or "CPU".
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
    device: str | None = None
    worked: float | None = None
    since: float | None = None
    checkpoint: str | None = None

    @property
    def last(self) -> Report | None:
        return self.reports[-1] if self.reports else None

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the last report; empty before the first."""
        return self.last.metrics if self.last else {}

    @property
    def method(self) -> str:
        return str(self.params["method"])

    @property
    def about(self) -> dict[str, Any]:
        """The identity that is written into all its files."""
        return {"trial": self.id, "sample": digest([dict(self.params), self.seed])}

    def score(self, metric: str) -> float:
        """The metric of its last report; NaN if there is none.

        A finished trial's is of the whole dev split, any other's of the sample at the last rung it reached.
        """
        return self.metrics.get(metric, math.nan)

    @property
    def seconds(self) -> float | None:
        """The work of all its processes, without the time between them; None while it runs.

        What a killed process did after its last report is not counted. Records of earlier versions give the time from
        the first start to the end.
        """
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started if self.worked is None else self.worked

    def begun(self, time: float, node: str | None = None, device: str | None = None) -> "TrialRecord":
        """Running, for the first time or again: its first start stays, its earlier end is removed."""
        started = time if self.started is None else self.started
        return replace(
            self,
            state="running",
            started=started,
            ended=None,
            reason=None,
            outside=False,
            node=node or self.node,
            device=device or self.device,
            since=time,
        )

    def at_work(self, time: float) -> "TrialRecord":
        """With the work of its process up to this time."""
        if self.since is None:
            return self
        return replace(self, worked=(self.worked or 0.0) + max(0.0, time - self.since), since=time)

    def reported(self, report: Report) -> "TrialRecord":
        """With one more report.

        A trial that resumes from a checkpoint may report a rung again. The first report stays, because pruning used it
        and MLflow has it; only new metrics at that rung are added.
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
        counted = self.at_work(time)
        return replace(counted, state=state, ended=time, reason=reason, outside=outside, since=None)


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
class Earlier:
    """What the sampler of a run knows from an earlier run.

    Attributes:
        there: number of trials of its search.
        same: whether it was trained and selected on the same data.
        trials: those in the space of the new run, with scores of its metric only.
    """

    run: str
    uid: str
    there: int
    same: bool
    trials: tuple[TrialRecord, ...]

    @property
    def sentence(self) -> str:
        return f"TPE began with {len(self.trials)} trials of an earlier run ({self.run})."


@dataclass(frozen=True)
class Meta:
    """What a run is.

    Attributes:
        uid: globally unique, because several machines may share one MLflow server.
        source: the source language; several are separated by commas.
        tracking: the MLflow address that the run was started with; None: the store beside the results.
        repeats: the run that this one repeats.
        after: the earlier run that its sampler learned from; None: none.
        dropped: the examples that the data leave out, one line per split.
        misalignment: encoder -> site -> {"distance": {language: distance}, "unrelated": distance}.
        trials: number of search trials after an extension; None: the study's.
        seeds: raised bounds of the confirmation, [fewest, most]; None: the study's.
        seen: how often the run has finished, after which its final verdicts could be seen.
        waiting: why no trial runs, while the run waits for machines.
        spec: the checksum of spec.yaml.
        encoders: a fingerprint of each encoder's files; behind `COMMIT+` if it is from the hub.
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
    after: Earlier | None = None
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    misalignment: dict[str, Any] = field(default_factory=dict)
    trials: int | None = None
    seeds: tuple[int, int] | None = None
    seen: int = 0
    waiting: str | None = None
    spec: str = ""
    encoders: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def decode(kind: type[V], value: Mapping[str, Any], where: object) -> V:
    """A value from the object of a JSON file; keys that it does not know are ignored.

    Raises:
        RecordError: one line for every missing or wrong field.
    """
    hashable: Any = kind  # for mypy it is not hashable
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

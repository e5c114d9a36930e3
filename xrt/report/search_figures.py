"""The data of the figures about the search, as plain rows: parameters, costs, rungs; `drawing` draws them.

Pruned trials are shown too, at the rung where they ended: they are evidence.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from xrt.findings.findings import Findings
from xrt.findings.statistics import NAN, over_groups
from xrt.record.values import TrialRecord
from xrt.spec.arms import PLAIN
from xrt.spec.metric import Metric


class Tried(NamedTuple):
    """A trial of the search: its dev score with the interval over example groups, and what it is drawn against."""

    trial: str
    method: str
    x: float
    score: float
    low: float
    high: float
    pruned: bool


class Panel(NamedTuple):
    """Score against one parameter of one method for one encoder; `plain` are plain trials with that encoder."""

    method: str
    parameter: str
    encoder: str
    points: tuple[Tried, ...]
    plain: tuple[Tried, ...]


class Costs(NamedTuple):
    """Score against the cost of training; `front`: those that no cheaper trial beats, cheapest first."""

    metric: Metric
    points: tuple[Tried, ...]
    front: tuple[Tried, ...]


class Course(NamedTuple):
    """How a trial went from rung to rung, in optimizer steps."""

    trial: str
    method: str
    state: str
    steps: tuple[int, ...]
    scores: tuple[float, ...]


class Passage(NamedTuple):
    """How many trials reached a number of optimizer steps, and how many were pruned there."""

    step: int
    reached: int
    pruned: int


class Courses(NamedTuple):
    """The search as pruning let it run. Costs are in plain steps, evaluation not counted."""

    metric: Metric
    courses: tuple[Course, ...]
    rungs: tuple[Passage, ...]
    spent: float
    exhaustive: float

    @property
    def share(self) -> float:
        """Of the cost of training every trial to its end; NaN where no cost was recorded."""
        return self.spent / self.exhaustive if self.exhaustive else math.nan


def tried(found: Findings, trial: TrialRecord, x: float) -> Tried:
    """A trial as a point; its interval is NaN where it has no predictions."""
    low = high = NAN
    metric = found.spec.metric
    if opened := found.predictions.get(trial.id):
        low, high = over_groups(opened, metric.cells(opened.pairs, opened.sources), draws=400)
    pruned = trial.state != "finished"
    return Tried(trial.id, trial.method, x, trial.score(str(metric)), low, high, pruned)


def panels(found: Findings) -> tuple[Panel, ...] | None:
    """Score against each number that a method is tuned by, one row per encoder; None where nothing varies.

    A training setting that is searched is a number of every method.
    """
    known = [t for t in found.searched if t.reports and t.state in ("finished", "pruned")]
    names = dict.fromkeys(
        (t.method, name)
        for t in known
        for name, value in t.params.items()
        if name != "learning_rate" and isinstance(value, int | float)
    )
    rows = []
    for encoder in found.spec.space.encoders:
        of_encoder = [t for t in known if t.params["encoder"] == encoder]
        plain = [t for t in of_encoder if t.method == PLAIN and t.state == "finished"]
        beside = tuple(tried(found, t, NAN) for t in plain)
        for method, name in names:
            if len({t.params[name] for t in known if t.params.get(name) is not None}) > 1:
                those = [t for t in of_encoder if t.method == method and t.params.get(name) is not None]
                points = sorted((tried(found, t, float(t.params[name])) for t in those), key=_by_x)
                rows.append(Panel(method, name.rpartition(".")[2], encoder, tuple(points), beside))
    return tuple(rows) or None


def costs(found: Findings) -> Costs | None:
    """Dev score of the finished trials against their cost, with the Pareto front; None where all cost the same."""
    metric = found.spec.metric
    priced = [(t, t.score("train/cost")) for t in found.ranking]
    known = [(trial, cost) for trial, cost in priced if cost > 0]
    if len({cost for _, cost in known}) < 2:
        return None
    points = sorted((tried(found, t, cost) for t, cost in known), key=_by_x)
    return Costs(metric, tuple(points), pareto(points))


def pareto(points: Sequence[Tried]) -> tuple[Tried, ...]:
    """Those that no other point beats at the same cost or less, cheapest first."""
    front: list[Tried] = []
    for point in sorted(points, key=lambda p: (p.x, -p.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return tuple(front)


def pruning(found: Findings) -> Courses | None:
    """Every trial of the search that reported, from rung to rung; None when there was one rung only."""
    metric = found.spec.metric
    trials = [t for t in found.searched if t.reports]
    steps = sorted({report.step for t in trials for report in t.reports})
    if len(steps) < 2:
        return None
    courses = tuple(_course(t, str(metric)) for t in trials)
    rungs = tuple(
        Passage(
            step,
            sum(step in c.steps for c in courses),
            sum(c.state == "pruned" and c.steps[-1] == step for c in courses),
        )
        for step in steps
    )
    priced = [(t.score("train/cost"), t.reports[-1].share) for t in trials]
    known = [(cost, share) for cost, share in priced if cost > 0]
    return Courses(metric, courses, rungs, sum(c for c, _ in known), sum(c / s for c, s in known))


def _course(trial: TrialRecord, metric: str) -> Course:
    points = [(r.step, r.metrics.get(metric, math.nan)) for r in trial.reports]
    steps, scores = zip(*points, strict=True)
    return Course(trial.id, trial.method, trial.state, steps, scores)


def _by_x(point: Tried) -> float:
    return point.x

"""What the figures of a report show, as plain rows. How they are drawn is known to `drawing` alone.

Each function reads a run and returns the rows of one figure, or None where there is nothing to show.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xrt.answers.confirmed import (
    Confirmation,
    describe,
    number,
    predictions_of,
    ranked,
    source_language,
)
from xrt.answers.statistics import chosen, over_examples
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.spec.tasks import whole_dev

LEAST_TRIALS = 8  # completed trials below which importances say nothing


class Matrix(NamedTuple):
    """Values by language of sentence 1 (rows) and of sentence 2 (columns); NaN where there is none."""

    title: str
    languages: tuple[str, ...]
    values: npt.NDArray[np.float64]  # (L, L)
    signed: bool  # differences, in points


class Gain(NamedTuple):
    """A difference to plain, with its interval."""

    name: str
    mean: float
    low: float
    high: float


class Tried(NamedTuple):
    """A finished trial of the search: its accuracy on dev with the interval over examples, and its cost."""

    trial: str
    method: str
    x: float
    accuracy: float
    low: float
    high: float


class Panel(NamedTuple):
    """Accuracy against one parameter of one method; `plain` are the plain trials, for comparison."""

    method: str
    parameter: str
    points: tuple[Tried, ...]
    plain: tuple[Tried, ...]


class Costs(NamedTuple):
    """Accuracy against the cost of training; `front`: those that no cheaper trial beats, cheapest first."""

    metric: str
    points: tuple[Tried, ...]
    front: tuple[Tried, ...]


class Importance(NamedTuple):
    name: str
    share: float


class Course(NamedTuple):
    """How a trial went from rung to rung."""

    trial: str
    method: str
    state: str
    shares: tuple[float, ...]
    values: tuple[float, ...]


class Rung(NamedTuple):
    """How many trials reached a share of the training, and how many were pruned there."""

    share: float
    reached: int
    pruned: int


class Pruning(NamedTuple):
    """The search as ASHA let it run. Costs are in plain steps, evaluation not counted."""

    metric: str
    courses: tuple[Course, ...]
    rungs: tuple[Rung, ...]
    spent: float
    exhaustive: float

    @property
    def share(self) -> float:
        """Of the cost of training every trial to its end; NaN where no cost was recorded."""
        return self.spent / self.exhaustive if self.exhaustive else math.nan


def matrix(title: str, trials: Sequence[TrialRecord], languages: Sequence[str], split: str) -> Matrix | None:
    """Mean over trials (the seeds of a configuration) of their accuracy matrices on `final` (dev) or `test`."""
    if not trials or not languages:
        return None
    names = [
        [f"{split}/acc/{a}" if a == b else f"{split}/pair/{a}-{b}" for b in languages] for a in languages
    ]
    values = np.array([[np.mean([number(t, name) for t in trials]) for name in row] for row in names])
    return None if np.isnan(values).all() else Matrix(title, tuple(languages), values, signed=False)


def difference(title: str, left: Matrix | None, right: Matrix | None) -> Matrix | None:
    """Left minus right, in points."""
    if left is None or right is None:
        return None
    return Matrix(title, left.languages, 100 * (left.values - right.values), signed=True)


def gains(confirmed: Confirmation | None, languages: Sequence[str]) -> tuple[Gain, ...] | None:
    """The winner's gain over plain by language and in the means, each with its own interval."""
    if confirmed is None or confirmed.winner is None or confirmed.winner.verdict == "baseline":
        return None
    names = [f"acc/{language}" for language in languages] + ["mean/targets", "mean/mixed"]
    found = [(name, confirmed.gain(confirmed.winner.configuration, name)) for name in names]
    rows = [Gain(name, g.mean, g.low, g.high) for name, g in found if g and not math.isnan(g.mean)]
    return tuple(rows) or None


class Gap(NamedTuple):
    """A language: how far the encoder puts it from the source before fine-tuning, and what the method gains there."""

    language: str
    distance: float  # in mean norms at the site, as a radius
    gain: Gain


class Gaps(NamedTuple):
    """One site of the encoder, `words` or `states`; `unrelated`: the distance of unrelated source sentences."""

    site: str
    encoder: str
    points: tuple[Gap, ...]
    unrelated: float


def gaps(run: Run, confirmed: Confirmation | None) -> tuple[Gaps, ...] | None:
    """The winner's gain over plain by target language against the misalignment of its encoder."""
    found = gains(confirmed, run.meta.languages)
    if confirmed is None or confirmed.winner is None or found is None:
        return None
    encoder = str(confirmed.winner.configuration.params.get("encoder"))
    gain = {one.name.removeprefix("acc/"): one for one in found}
    rows = []
    for site, probed in run.meta.extra.get("misalignment", {}).get(encoder, {}).items():
        points = tuple(Gap(a, d, gain[a]) for a, d in probed["distance"].items() if a in gain)
        rows.append(Gaps(site, encoder, points, probed["unrelated"]))
    return tuple(row for row in rows if len(row.points) > 1) or None


def tried(root: Path, trial: TrialRecord, metric: str, x: float) -> Tried:
    """The accuracy of a trial on the whole dev split; its interval is NaN where its predictions are gone."""
    low = high = math.nan
    found = predictions_of(root, trial, "dev")
    if found is not None and (cells := chosen(metric, found.pairs, found.source)):
        estimate = over_examples(found, cells, draws=400)
        low, high = estimate.low, estimate.high
    accuracy = number(trial, whole_dev(metric))
    accuracy = number(trial, metric) if math.isnan(accuracy) else accuracy
    return Tried(trial.id, trial.method, x, accuracy, low, high)


def panels(run: Run) -> tuple[Panel, ...] | None:
    """Accuracy against each number that a method is tuned by, where at least two values finished."""
    metric, root = run.meta.metric, run.paths.root
    done = ranked(run.trials(), metric)
    plain = tuple(tried(root, t, metric, math.nan) for t in done if t.method == "plain")
    found: list[Panel] = []
    names = dict.fromkeys(
        (t.method, name)
        for t in sorted(done, key=lambda t: t.id)
        for name, value in t.params.items()
        if name.startswith(f"{t.method}.") and isinstance(value, int | float)
    )
    for method, name in names:
        those = [t for t in done if t.method == method and name in t.params]
        if len({t.params[name] for t in those}) > 1:
            points = sorted((tried(root, t, metric, float(t.params[name])) for t in those), key=_by_x)
            found.append(Panel(method, name.partition(".")[2], tuple(points), plain))
    return tuple(found) or None


def costs(run: Run) -> Costs | None:
    """Accuracy on dev against the cost of training, with the Pareto front; None where all cost the same."""
    metric = run.meta.metric
    done = [t for t in ranked(run.trials(), metric) if number(t, "train/cost") > 0]
    if len({number(t, "train/cost") for t in done}) < 2:
        return None  # all cost the same
    points = sorted((tried(run.paths.root, t, metric, number(t, "train/cost")) for t in done), key=_by_x)
    return Costs(metric, tuple(points), pareto(points))


def pareto(points: Sequence[Tried]) -> tuple[Tried, ...]:
    """Those that no other point beats at the same cost or less, cheapest first."""
    front: list[Tried] = []
    for point in sorted(points, key=lambda p: (p.x, -p.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return tuple(front)


def importances(run: Run) -> tuple[Importance, ...] | None:
    """What the outcome depends on (conditional PED-ANOVA), from Optuna's journal; None with too few trials."""
    if not run.paths.optuna.exists():
        return None
    import optuna  # a second to import, and only this figure needs it
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(run.paths.optuna)))
        study = optuna.load_study(study_name=storage.get_all_studies()[0].study_name, storage=storage)
        complete = [
            t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE
        ]
        if len(complete) < LEAST_TRIALS:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that few trials are a weak basis: the report says so itself
            found = optuna.importance.get_param_importances(study)
    except (OSError, IndexError, KeyError, ValueError, RuntimeError):
        return None  # a journal of another hand, or values that are all equal
    rows = tuple(Importance(name, float(share)) for name, share in found.items())
    return rows if len(rows) > 1 and sum(row.share for row in rows) > 0 else None


def pruning(run: Run) -> Pruning | None:
    """Every trial of the search that reported, from rung to rung; None when there was one rung only."""
    metric = run.meta.metric
    trials = [t for t in run.trials() if t.phase == "search" and t.reports]
    shares = sorted({report.share for t in trials for report in t.reports})
    if len(shares) < 2:
        return None
    courses = tuple(_course(t, metric) for t in trials)
    rungs = tuple(
        Rung(
            share,
            sum(share in c.shares for c in courses),
            sum(c.state == "pruned" and c.shares[-1] == share for c in courses),
        )
        for share in shares
    )
    costs = [(number(t, "train/cost"), t.reports[-1].share) for t in trials]
    known = [(cost, share) for cost, share in costs if cost > 0]
    return Pruning(metric, courses, rungs, sum(c for c, _ in known), sum(c / s for c, s in known))


def _course(trial: TrialRecord, metric: str) -> Course:
    points = [(r.share, r.metrics.get(metric, math.nan)) for r in trial.reports]
    shares, values = zip(*points, strict=True)
    return Course(trial.id, trial.method, trial.state, shares, values)


class Rule(NamedTuple):
    """What a way of selecting would have chosen, and what it costs.

    Attributes:
        name: the dev metric that the rule maximises.
        value: of its winner, on the whole dev split.
        test: the winner's accuracies on the confirmed split by metric; NaN where it was not confirmed.
        regret: how far its winner is below the best confirmed configuration, by the run's headline metric.
    """

    name: str
    used: bool
    trial: str
    label: str
    value: float
    test: dict[str, float]
    regret: float


def rules(run: Run, confirmed: Confirmation | None) -> tuple[Rule, ...]:
    """The run's own rule first, then strict zero-shot, the oracles of the means, and proxies where reported."""
    trials = run.trials()
    source = source_language(trials)
    names = [run.meta.metric, f"dev/acc/{source}", "dev/mean/mixed", "dev/mean/targets"]
    whole = f"final/{source}_"  # at rungs a proxy is asked only where the study selects by one
    names += sorted(
        {name.replace("final", "dev", 1) for t in trials for name in t.metrics if name.startswith(whole)}
    )
    shown = list(dict.fromkeys([confirmed.metric if confirmed else "mean/mixed", "mean/targets"]))
    shown.append(f"acc/{source}")
    found: list[Rule] = []
    for name in dict.fromkeys(names):
        if first := ranked(trials, name)[:1]:
            found.append(_rule(name, name == run.meta.metric, first[0], confirmed, shown))
    return tuple(found)


def _rule(
    name: str, used: bool, winner: TrialRecord, confirmed: Confirmation | None, shown: Sequence[str]
) -> Rule:
    test = dict.fromkeys(shown, math.nan)
    regret = math.nan
    lines = confirmed.lines if confirmed else ()
    line = next((line for line in lines if line.configuration.id == winner.id), None)
    if confirmed and line:
        test = {metric: confirmed.score(line.configuration, metric).mean for metric in shown}
        regret = max(other.accuracy.mean for other in lines) - line.accuracy.mean
    value = number(winner, whole_dev(name))
    value = number(winner, name) if math.isnan(value) else value
    return Rule(name, used, winner.id, describe(winner.params), value, test, regret)


def _by_x(point: Tried) -> float:
    return point.x

"""Two summaries of all trials: the importance of parameters, and the expected best by number of trials."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xrt.record.values import TrialRecord
from xrt.spec.arms import Arm
from xrt.spec.study import StudySpec
from xrt.spec.values import Choice, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST_TRIALS = 8  # with fewer, importances mean nothing


class Importance(NamedTuple):
    """A parameter's share of the explained variance."""

    name: str
    share: float


class Course(NamedTuple):
    """The expected best score of an arm after 1, 2, ... trials."""

    arm: Arm
    expected: tuple[float, ...]


def importances(spec: StudySpec, trials: Sequence[TrialRecord]) -> tuple[Importance, ...] | None:
    """Conditional PED-ANOVA (Watanabe et al. 2023) over all trials of the search at their first rung.

    Pruned trials are evidence too, so all are compared at the rung that all of them have reached. None with too few
    trials, or with scores that are all equal.
    """
    import optuna

    scores = [(t, t.reports[0].metrics.get(spec.search.metric, math.nan)) for t in trials if t.reports]
    known = [(trial, score) for trial, score in scores if not math.isnan(score)]
    if len(known) < LEAST_TRIALS or len({score for _, score in known}) < 2:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    space = {name: distribution(value) for name, value in spec.values() if value.varies}
    for trial, score in known:
        varied = {name: value for name, value in trial.params.items() if name in space}
        kinds = {name: space[name] for name in varied}
        study.add_trial(optuna.trial.create_trial(params=varied, distributions=kinds, value=score))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the page says itself that few trials are a weak basis
            found = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):
        return None
    # Optuna's order of equal shares varies, but the same record must give the same page.
    ordered = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = tuple(Importance(name, float(share)) for name, share in ordered)
    return rows if len(rows) > 1 and sum(row.share for row in rows) > 0 else None


def distribution(value: Value) -> "BaseDistribution":
    """A value of the space as an Optuna distribution."""
    import optuna

    if isinstance(value, Choice):
        return optuna.distributions.CategoricalDistribution(value.options)
    if value.scale == "int":
        return optuna.distributions.IntDistribution(int(value.low), int(value.high))
    return optuna.distributions.FloatDistribution(value.low, value.high, log=value.scale == "log")


def expected_best(spec: StudySpec, trials: Sequence[TrialRecord]) -> tuple[Course, ...]:
    """The expected best dev score of each arm as a function of its number of trials (Dodge et al. 2019, "Show Your
    Work", equation 5). Pruned trials count with the score of their last rung.
    """
    found = []
    for arm in spec.arms:
        scores = sorted(
            score
            for t in trials
            if arm.holds(t.params) and not math.isnan(score := t.score(spec.search.metric))
        )
        if len(scores) > 1:
            found.append(Course(arm, tuple(_expected(scores, n) for n in range(1, len(scores) + 1))))
    return tuple(found)


def _expected(scores: Sequence[float], draws: int) -> float:
    """The mean of the largest of so many draws with replacement; `scores` in rising order."""
    count = len(scores)
    shares = [((i + 1) / count) ** draws - (i / count) ** draws for i in range(count)]
    return sum(share * score for share, score in zip(shares, scores, strict=True))

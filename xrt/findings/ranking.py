"""Which trials are best: the ranking of finished trials, and the order of a leaderboard.

The score of a trial is `TrialRecord.score`: a finished trial's is of the whole dev split. More is better.
"""

import math
from collections.abc import Sequence

from xrt.record.values import State, TrialRecord
from xrt.spec.arms import Arm
from xrt.spec.metric import Metric

_PLACES: dict[State, int] = {
    "finished": 0,
    "running": 1,
    "pruned": 2,
    "stopped": 3,
    "pending": 4,
    "failed": 5,
}


def ranked(
    trials: Sequence[TrialRecord], metric: Metric, *, tie: Metric | None = None, arm: Arm | None = None
) -> list[TrialRecord]:
    """The finished trials of the search, best first by `metric`.

    Args:
        tie: of trials that are equal by `metric`, the better by this one comes first; then the lower id.
        arm: only trials of this arm.
    """
    able = [
        t
        for t in trials
        if t.phase == "search" and t.state == "finished" and not math.isnan(t.score(str(metric)))
    ]
    chosen = [t for t in able if arm is None or arm.holds(t.params)]

    def place(trial: TrialRecord) -> tuple[float, float, str]:
        second = trial.score(str(tie)) if tie else math.nan
        return -trial.score(str(metric)), math.inf if math.isnan(second) else -second, trial.id

    return sorted(chosen, key=place)


def leaderboard(trials: Sequence[TrialRecord], metric: str) -> list[TrialRecord]:
    """Finished trials by score; then those that run, were pruned (the furthest first), stopped, failed."""

    def place(trial: TrialRecord) -> tuple[float, ...]:
        score, step = trial.score(metric), trial.last.step if trial.last else 0
        # Finished trials are compared by score alone, however long they trained.
        further = 0 if trial.state == "finished" else -step
        return _PLACES[trial.state], further, math.inf if math.isnan(score) else -score

    return sorted(trials, key=lambda t: (*place(t), len(t.id), t.id))

"""ASHA (Li et al. 2020) as a question to the record: does this trial stop? It has no memory of its own.

It is the stopping variant: a trial that reaches a rung goes on at once if it is among the best share of the trials
that reached that rung before it. Trials of one arm are compared, at equal optimizer steps. Later reports never change
the answer, so a kill at any moment cannot confuse it.

Another rule needs another `is_stopped`, and another `passing`, by which `plan` estimates the cost of the search.
"""

import math
from collections.abc import Iterable, Sequence

from xrt.record.values import Report, TrialRecord
from xrt.spec.study import StudySpec


def is_stopped(spec: StudySpec, trial: TrialRecord, trials: Iterable[TrialRecord]) -> bool:
    """Whether one of its reports before the end of its training left the trial behind.

    A trial that trains for longer than others of its arm also stands at their end, and is compared there.

    Args:
        trials: of the run; those of other arms and of the confirmation are not looked at.
    """
    if spec.pruning is None or trial.phase != "search":
        return False
    arm = spec.arm_of(trial.params)
    rivals = [t for t in trials if t.phase == "search" and t.id != trial.id and spec.arm_of(t.params) == arm]
    return any(_is_behind(spec, trial.id, report, rivals) for report in trial.reports if report.share < 1)


def passing(entrants: int, reduction: int) -> int:
    """How many of so many trials at a rung go on: one in `reduction`, rounded up, so that the first always does."""
    return math.ceil(entrants / reduction)


def _is_behind(spec: StudySpec, id: str, report: Report, rivals: Sequence[TrialRecord]) -> bool:
    """Whether too many trials had a better score at this rung by then. NaN is worse than every number."""
    assert spec.pruning is not None
    metric, moment = spec.search.metric, (report.time, id)
    earlier = [
        known.metrics[metric]
        for rival in rivals
        for known in rival.reports
        if known.rung == report.rung and (known.time, rival.id) < moment
    ]
    score = report.metrics[metric]
    better = [one for one in earlier if one > score or (math.isnan(score) and not math.isnan(one))]
    return len(better) >= passing(len(earlier) + 1, spec.pruning.reduction)

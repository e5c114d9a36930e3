"""ASHA (Li et al. 2020) as a function of the record: does this trial stop? It has no state of its own.

It is the stopping variant: a trial that reaches a rung is compared with the trials of its arm that reached it before,
itself included, at equal optimizer steps. It continues at once if it is among the best one in `reduction` of them.
Later reports never change the decision, so a kill at any moment does no harm.

To change how many of n trials continue, replace `continuing`; for any other rule, replace `_is_behind`. `plan`
estimates the cost of a search by `continuing`.
"""

import math
from collections.abc import Sequence
from statistics import mean

from xrt.record.values import Report, TrialRecord
from xrt.search.standings import Standings
from xrt.spec.study import StudySpec


def is_stopped(spec: StudySpec, trial: TrialRecord, standings: Standings) -> bool:
    """Whether the trial was behind at one of its rungs. Its last report does not count.

    A trial that trains for longer than others of its arm also stands at their end, and is compared there.

    Args:
        standings: with every report of the run's trials so far.
    """
    if spec.pruning is None or trial.phase != "search":
        return False
    return any(_is_behind(spec, trial, report, standings) for report in trial.reports if report.share < 1)


def continuing(entrants: int, reduction: int) -> int:
    """How many of `entrants` trials continue at a rung: one in `reduction`, rounded up, so the first always does."""
    return math.ceil(entrants / reduction)


def trained_share(spec: StudySpec) -> float:
    """The share of its training that a trial of the search completes on average."""
    return trained_share_of_arm(spec, spec.rungs, spec.search.trials // len(spec.arms))


def trained_share_of_arm(spec: StudySpec, rungs: Sequence[float], trials: int) -> float:
    """The share of its training that a trial completes on average, if its arm has these rungs and so many trials."""
    parts = zip((0.0, *rungs), rungs, strict=False)
    return sum(
        (upper - lower) * share
        for (lower, upper), share in zip(parts, _reaching(spec, rungs, trials), strict=True)
    )


def finishing(spec: StudySpec, rungs: Sequence[float], trials: int) -> float:
    """The share of an arm's trials that finish."""
    return _reaching(spec, rungs, trials)[-1]


def _reaching(spec: StudySpec, rungs: Sequence[float], trials: int) -> list[float]:
    """The share of an arm's trials that train towards each rung.

    The n-th to reach a rung goes on with probability `continuing(n) / n`.
    """
    reaching = [1.0]
    for _ in rungs[1:]:
        entrants = max(1, round(reaching[-1] * trials))
        reduction = spec.pruning.reduction if spec.pruning else 1
        share = mean(continuing(n, reduction) / n for n in range(1, entrants + 1))
        reaching.append(reaching[-1] * share)
    return reaching


def _is_behind(spec: StudySpec, trial: TrialRecord, report: Report, standings: Standings) -> bool:
    """Whether too many earlier trials had a better score at this rung. NaN is worse than every number."""
    assert spec.pruning is not None
    earlier, score = standings.earlier(trial, report), report.metrics[spec.search.metric]
    better = [one for one in earlier if one > score or (math.isnan(score) and not math.isnan(one))]
    return len(better) >= continuing(len(earlier) + 1, spec.pruning.reduction)

"""What the trials of a search scored, by arm and rung: what pruning and the sampler compare.

Each report is read once. Otherwise a search of 5,000 trials reads 20,000 reports again at each proposal and promotion.
"""

import math
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from xrt.record.values import Report, TrialRecord
from xrt.spec.arms import Arm
from xrt.spec.study import StudySpec


@dataclass(frozen=True)
class _AtRung:
    """The scores of an arm's trials at a rung."""

    moments: list[tuple[float, str, float]] = field(default_factory=list)  # time, trial, score; in order
    losses: list[float] = field(default_factory=list)  # the scores times -1, ascending


class Standings:
    """The scores of the trials read so far. Those of the confirmation are left out."""

    def __init__(self, spec: StudySpec, trials: Iterable[TrialRecord] = ()) -> None:
        self._metric, self._arm_of = spec.search.metric, spec.arm_of
        self._at: defaultdict[tuple[Arm, int], _AtRung] = defaultdict(_AtRung)
        self._known: Counter[str] = Counter()  # reports read, by trial
        # of the last report, by trial: its rung, its loss, and all losses there
        self._last: dict[str, tuple[int, float, list[float]]] = {}
        self.read(trials)

    def read(self, trials: Iterable[TrialRecord]) -> None:
        """Take in the reports that have come since the last call."""
        for trial in trials:
            if trial.phase == "search" and len(trial.reports) > self._known[trial.id]:
                for report in trial.reports[self._known[trial.id] :]:
                    at, score = self._of(trial, report), report.metrics[self._metric]
                    insort(at.moments, (report.time, trial.id, score))
                    insort(at.losses, _loss(score))
                    self._last[trial.id] = report.rung, _loss(score), at.losses
                self._known[trial.id] = len(trial.reports)

    def earlier(self, trial: TrialRecord, report: Report) -> list[float]:
        """The scores with which others of the trial's arm reached the rung of its report before it did.

        Of one moment, the trial with the lower id came first.
        """
        moments = self._of(trial, report).moments
        return [score for _, _, score in moments[: bisect_left(moments, (report.time, trial.id))]]

    def better(self, trial: TrialRecord, report: Report) -> int:
        """How many of the trial's arm have, at any time, a better score at the rung of its report."""
        return bisect_left(self._of(trial, report).losses, _loss(report.metrics[self._metric]))

    def merit(self, id: str) -> tuple[int, int]:
        """The last rung of a trial, and minus the number of better ones there: more is better; -1 before a report."""
        rung, loss, losses = self._last.get(id, (-1, 0.0, []))
        return rung, -bisect_left(losses, loss)

    def _of(self, trial: TrialRecord, report: Report) -> _AtRung:
        return self._at[self._arm_of(trial.params), report.rung]


def _loss(score: float) -> float:
    """NaN is worse than every number."""
    return math.inf if math.isnan(score) else -score

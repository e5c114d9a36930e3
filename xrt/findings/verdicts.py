"""The verdict on every robust arm: is its best configuration better than plain fine-tuning, and by how much?

"Better" needs two things at once: better than the ablation (plain at the same encoder, learning rate and training
settings) and better than the best plain configuration that a search of no smaller budget found. The p value of a claim
is the larger of the two (intersection-union test, Berger 1982). A claim is one arm by one metric; all claims of a run
share one error (`looks`). Interval and verdict come from the same corrected level, so they never contradict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xrt.findings.candidates import Candidates
from xrt.findings.configurations import Trained, difference
from xrt.findings.looks import FUTILE, Judged, chance, detectable, judge, weights
from xrt.findings.statistics import NAN, Estimate
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.metric import Metric

Verdict = Literal["better", "worse", "no reliable difference", "unstable", "unknown"]


@dataclass(frozen=True)
class Claim:
    """One robust arm by one metric, against what it must beat.

    Attributes:
        differences: to each reference (`Candidates.references`), look after look.
        judged: None while there is no interval.
        at: the numbers of seeds of all looks.
        failed: seeds of the arm's configuration whose training failed.
    """

    arm: Arm
    metric: Metric
    differences: tuple[tuple[Estimate, ...], ...]
    judged: Judged | None
    at: tuple[int, ...]
    failed: tuple[int, ...]

    @property
    def shown(self) -> tuple[Estimate, ...]:
        """The differences at the look of the verdict."""
        if not self.differences:
            return ()
        return self.differences[self.judged.look if self.judged else -1]

    @property
    def difference(self) -> Estimate:
        """The deciding difference: the less certain of the two, or the lower one if their signs differ."""
        if self.opposite:
            # "Better" needs both. A reader who sees the best plain above a method should read a loss.
            return min(self.shown, key=lambda d: d.mean)
        return max(self.shown, key=lambda d: (d.p, -abs(d.mean)), default=Estimate(NAN))

    @property
    def opposite(self) -> bool:
        """Whether the two differences have opposite signs."""
        return _opposite(self.shown)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the deciding difference at the corrected level; the hull of both if their signs differ."""
        if self.judged is None:
            return NAN, NAN
        ends = [d.interval(self.judged.level) for d in (self.shown if self.opposite else [self.difference])]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @property
    def p(self) -> float:
        """Corrected for looks and claims."""
        return self.judged.p if self.judged else NAN

    @property
    def verdict(self) -> Verdict:
        """The verdict; a configuration with failed seeds is never called better."""
        if self.judged is None:
            return "unknown"
        if not self.judged.reliable:
            return "no reliable difference"
        if self.difference.mean < 0:
            return "worse"
        return "unstable" if self.failed else "better"

    @property
    def open(self) -> bool:
        """Whether more seeds could still decide it."""
        if self.failed or self.judged is None or self.judged.reliable:
            return False
        level, look = self.judged.level, self.judged.look
        if look + 1 >= len(self.at):
            return False
        last = level * _growth(self.at, look)
        most = self.at[-1]
        both = (min(chance(d, last, most, sign) for d in self.shown) for sign in (1, -1))
        return max(both) >= FUTILE

    def detectable(self, seeds: int | None = None) -> float:
        """The smallest true difference that these seeds and examples (or `seeds`) find with a power of 80 %."""
        if self.judged is None:
            return NAN
        found = [detectable(d, self.judged.level, seeds or d.seeds) for d in self.shown]
        return max(found)


def _growth(at: Sequence[int], look: int) -> float:
    """How much wider the level of the last look is than that of `look`."""
    spent = weights(at)
    return spent[-1] / spent[look]


def claims(
    found: Candidates,
    trained: Mapping[str, Trained],
    metrics: Sequence[Metric],
    at: Sequence[int],
    looks_so_far: int | None = None,
) -> list[Claim]:
    """All claims of a run, judged together.

    Args:
        trained: configurations by id.
        at: the numbers of seeds of all looks.
        looks_so_far: how many looks to use; by default all that have been reached.
    """
    arms = [arm for arm in found.best if arm.method != PLAIN]
    open_ones = [
        (arm, metric, _history(found, trained, arm, metric, at[:looks_so_far]))
        for arm in arms
        for metric in metrics
    ]
    judged = judge([[_larger(look) for look in history] for _, _, history in open_ones], at)
    return [
        Claim(arm, metric, history, verdict, tuple(at), _failed(found, trained, arm))
        for (arm, metric, history), verdict in zip(open_ones, judged, strict=True)
    ]


def _failed(found: Candidates, trained: Mapping[str, Trained], arm: Arm) -> tuple[int, ...]:
    own = trained.get(found.best[arm])
    return own.failed if own else ()


def _history(
    found: Candidates, trained: Mapping[str, Trained], arm: Arm, metric: Metric, at: Sequence[int]
) -> tuple[tuple[Estimate, ...], ...]:
    """The differences at every look that has been reached, without failed seeds.

    After failures the first look has fewer seeds, because no others replace them.
    """
    own = trained.get(found.best[arm])
    others = [trained.get(id) for id in found.references(arm)]
    if own is None or arm.plain not in found.best:
        return ()
    history = []
    for seeds in at:
        looked = [_look(own, other, metric, seeds) for other in others]
        if any(d is None for d in looked):
            break
        history.append(tuple(d for d in looked if d is not None))
    return tuple(history)


def _look(own: Trained, other: Trained | None, metric: Metric, seeds: int) -> Estimate | None:
    """The difference over the first seeds of a look, None while one of them is still to be trained."""
    if other is None:
        return None
    planned = sorted({*own.seeds, *own.failed})[:seeds]
    ended = {*other.seeds, *other.failed}
    if len(planned) < seeds or not ended.issuperset(planned):
        return None
    found = difference(own, other, metric, planned)
    return found if found.known else None


def _opposite(differences: Sequence[Estimate]) -> bool:
    means = [d.mean for d in differences]
    return bool(means) and min(means) < 0 < max(means)


def _larger(differences: Sequence[Estimate]) -> float:
    """The p value of the intersection-union test; 1 if the differences have opposite signs."""
    if _opposite(differences):
        return 1.0
    return max((d.p for d in differences), default=math.nan)

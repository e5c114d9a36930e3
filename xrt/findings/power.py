"""The power of a study before it runs: the smallest true difference that its confirmation will find.

It uses the spread of an earlier run of the study, or else a stated assumption.
"""

from typing import NamedTuple

import numpy as np

from xrt.findings.findings import Findings
from xrt.findings.looks import detectable, looks, weights
from xrt.findings.statistics import LEVEL, Estimate
from xrt.spec.arms import PLAIN
from xrt.spec.metric import primary
from xrt.spec.study import StudySpec

SEED_SD = 0.006  # of the accuracy of a training, between seeds
GROUP_SD = 0.2  # of what an example group contributes to a difference of two configurations


class Sight(NamedTuple):
    """The smallest true difference that is found in 80 % of such studies, with the fewest and with the most seeds.

    Attributes:
        basis: where the spread comes from, in words.
    """

    fewest: float
    most: float
    basis: str


def sight(spec: StudySpec, groups: int, earlier: Findings | None = None) -> Sight | None:
    """The power of the study's confirmation; None without one, or without a robust arm.

    Args:
        groups: example groups of the test split.
        earlier: a run of the same study, whose spread is used.
    """
    claims = sum(arm.method != PLAIN for arm in spec.arms) * len(primary(spec.task, spec.metric))
    if spec.confirm is None or not claims:
        return None
    at = looks(*spec.confirm.seeds)
    spread, basis = _spread(earlier) or (_assumed(groups), _words(groups))
    ends = [
        detectable(spread, LEVEL / claims * weight, seeds)
        for seeds, weight in ((at[0], weights(at)[0]), (at[-1], weights(at)[-1]))
    ]
    return Sight(ends[0], ends[1], basis)


def _spread(earlier: Findings | None) -> tuple[Estimate, str] | None:
    """The widest difference of an earlier run."""
    confirmed = earlier.confirmation if earlier else None
    known = [d for c in confirmed.claims if c.judged for d in c.shown] if confirmed else []
    if not known or earlier is None:
        return None
    return max(known, key=lambda d: d.error_at(5)), f"with the spread of {earlier.meta.name}"


def _assumed(groups: int) -> Estimate:
    """The assumed spread of a difference between two configurations, with one seed each."""
    seed_error = SEED_SD * float(np.sqrt(2))
    rest = GROUP_SD / float(np.sqrt(max(1, groups)))
    return Estimate(0.0, seed_error, float(np.hypot(seed_error, rest)), seed_error, 1.0, 1, groups)


def _words(groups: int) -> str:
    return f"assuming {100 * SEED_SD:.1f} points between seeds and {groups:,} example groups"


def detectable_words(sight: Sight) -> str:
    """What a study will be able to see, in words."""
    # With two or three seeds the quantiles of t ask for differences that no accuracy can have.
    if sight.most >= 1:
        return f"no difference, with so few seeds: raise confirm.seeds ({sight.basis})"
    fewest, most = ("none" if end >= 1 else f"{100 * end:.1f}" for end in (sight.fewest, sight.most))
    span = fewest if fewest == most else f"{most} (most seeds) to {fewest} (fewest)"
    return f"a true difference of {span} points is found in 80 % of such studies, {sight.basis}"

"""Several looks at a growing number of seeds, and several claims, under one error.

Each look spends a share of a claim's error (Lan & DeMets 1983), after the power family of Kim & DeMets (1987): after n
of at most N seeds (n/N)^3 of it is spent. The share of a look is its weight, by which its p values are divided. The
weights add up to 1, so the bound holds whatever the dependence between looks (Bonferroni), also for t tests on few
seeds. Over claims the error is Holm's (1979), whose step-down with such p values is valid too (Maurer & Bretz 2013).
Knows numbers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from xrt.findings.statistics import LEVEL, Estimate

GROWTH = 1.5  # from a look to the next
POWER = 3.0  # of the spending function: little is spent on few seeds
FUTILE = 0.1  # a claim that would become reliable with less than this probability is not pursued


def looks(fewest: int, most: int) -> tuple[int, ...]:
    """The numbers of seeds at which the verdicts are taken: 3, 5, 8, 10 for 3 to 10."""
    found = [fewest]
    while found[-1] < most:
        found.append(min(most, int(np.ceil(found[-1] * GROWTH))))
    return tuple(found)


def weights(at: Sequence[int]) -> tuple[float, ...]:
    """The share of a claim's error that each look spends; they add up to 1."""
    spent = [(n / at[-1]) ** POWER for n in at]
    return tuple(np.diff([0.0, *spent]).tolist())


@dataclass(frozen=True)
class Judged:
    """One claim after the correction.

    Attributes:
        p: corrected for the looks and for the number of claims.
        level: of the interval that agrees with the verdict, at the look of the verdict.
        look: the place of that look.
        reliable: whether `p` is below the error of the whole.
    """

    p: float
    level: float
    look: int
    reliable: bool


def judge(
    histories: Sequence[Sequence[float]], at: Sequence[int], error: float = LEVEL
) -> list[Judged | None]:
    """Holm's correction over claims, each with its p values look after look (as many looks as it has had).

    Args:
        histories: each claim's p values at its looks so far; NaN where unknown. Claims without any do not count.
        at: the numbers of seeds of all looks.
    """
    spent = weights(at)
    best = [_best(history, spent) for history in histories]
    order = sorted((p, i) for i, (p, _) in enumerate(best) if not np.isnan(p))
    judged: list[Judged | None] = [None] * len(histories)
    largest, failed = 0.0, False
    divisor = len(order)
    for rank, (p, i) in enumerate(order):
        if not failed:
            divisor = len(order) - rank
            failed = p * divisor > error
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        # A claim that is not reliable is shown at its last look, where its interval contains 0.
        look = len(histories[i]) - 1 if failed else best[i][1]
        judged[i] = Judged(largest, error / divisor * spent[look], look, not failed)
    return judged


def _best(history: Sequence[float], spent: Sequence[float]) -> tuple[float, int]:
    """The smallest p value in units of its look's weight, and that look."""
    found = [(p / spent[look], look) for look, p in enumerate(history) if not np.isnan(p)]
    return min(found, default=(float("nan"), 0))


def chance(difference: Estimate, level: float, seeds: int, sign: int = 1) -> float:
    """The probability that a difference will be reliably positive (`sign` -1: negative) at `level` with `seeds` seeds.

    Conditional power under the current trend (Lan, Simon & Halperin 1982). Dropping claims with small power cannot
    raise the error.
    """
    if not difference.known or seeds <= difference.seeds:
        return 0.0
    error = difference.error_at(seeds)
    needed = -float(special.stdtrit(max(difference.freedom, seeds - 1.0), level / 2)) * error
    still = difference.seed_error * float(np.sqrt(max(1 - difference.seeds / seeds, 0.0)))
    if still == 0:
        return float(sign * difference.mean > needed)
    return float(special.ndtr((sign * difference.mean - needed) / still))


def detectable(difference: Estimate, level: float, seeds: int, power: float = 0.8) -> float:
    """The smallest true difference that so many seeds find with that power, given the spread seen here."""
    if not difference.known:
        return float("nan")
    freedom = max(difference.freedom, seeds - 1.0)
    quantiles = special.stdtrit(freedom, power) - special.stdtrit(freedom, level / 2)
    return float(quantiles * difference.error_at(seeds))

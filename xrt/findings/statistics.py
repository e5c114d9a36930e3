"""Uncertainty of a mean accuracy or a difference: over seeds, over examples, over both. Knows arrays only.

Two things are drawn at random in a confirmation: the seeds of training and the examples of the test split, and every
seed predicts every example. `crossed` estimates a mean over both with the two-way random model without replication,
as readers and cases in diagnostic studies (Dorfman, Berbaum & Metz 1992; Hillis 2007, Statistics in Medicine 26:596).
A bootstrap over 3 seeds gives intervals that are too narrow, and a t test over seeds alone ignores the choice of
examples: tests/bench/groups.py shows both.

What is drawn is a group of examples that share a sentence, with all its examples and all its cells (pairs of
languages): neither the examples of a group nor the cells of an example are independent.

Letters: S seeds, G example groups, P cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # `scipy.stats` has the same functions and takes a second to load

from xrt.robust.bootstrap import bootstrap_means
from xrt.robust.predictions import Predictions

Floats = npt.NDArray[np.float64]

LEVEL = 0.05
LUCK = 0.2  # see `_freedom`
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error; NaN if it cannot be estimated (one seed, no examples).

    Attributes:
        sd: between seeds.
        error: standard error of the mean; `seed_error` is the part of it that more seeds would reduce.
        freedom: degrees of freedom of the error.
        groups: the number of example groups; 0 if the estimate is over seeds alone.
    """

    mean: float
    sd: float = NAN
    error: float = NAN
    seed_error: float = NAN
    freedom: float = NAN
    seeds: int = 0
    groups: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not np.isnan(self.error)

    @property
    def p(self) -> float:
        """Two-sided, of the hypothesis that the mean is 0; meant for differences."""
        if not self.known:
            return NAN
        if self.error == 0:  # nothing varies, so p is 1 for no difference, else 0
            return float(abs(self.mean) < 1e-12)
        return 2 * float(special.stdtr(self.freedom, -abs(self.mean) / self.error))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval that leaves out 0 exactly where `p` is below `level`."""
        if not self.known:
            return NAN, NAN
        half = self.quantile(level) * self.error
        return self.mean - half, self.mean + half

    def quantile(self, level: float) -> float:
        """Student's quantile of a two-sided test at `level`."""
        return -float(special.stdtrit(self.freedom, level / 2)) if self.error else 0.0

    def error_at(self, seeds: int) -> float:
        """The standard error to expect with so many seeds and the same examples."""
        rest = max(self.error**2 - self.seed_error**2, 0.0)
        return float(np.sqrt(rest + self.seed_error**2 * self.seeds / seeds))


def crossed(values: Floats) -> Estimate:
    """The mean over seeds and groups of `values` (S, G), both of which are random draws.

    The variance of the mean is (MS_seeds + max(MS_groups - MS_rest, 0)) / SG: the seeds' part, and what groups have
    in common over the seeds; the part of each prediction alone is in both and counted once. Seeds can have equal
    means by luck; the variance is then MS_rest / SG, the least that is expected.
    """
    seeds, groups = values.shape
    by_seed, by_group, mean = values.mean(1), values.mean(0), float(values.mean())
    sd = float(by_seed.std(ddof=1)) if seeds > 1 else NAN
    if seeds < 2 or groups < 2:
        return Estimate(mean, sd, seeds=seeds, groups=groups)
    rest = values - by_seed[:, None] - by_group + mean
    ms_rest = (rest**2).sum() / ((seeds - 1) * (groups - 1))
    seeds_part = groups * by_seed.var(ddof=1)
    groups_part = max(seeds * by_group.var(ddof=1) - ms_rest, 0.0)
    if seeds_part + groups_part < 1e-9 * ms_rest:
        groups_part = ms_rest
    total = float(seeds_part + groups_part)
    error = float(np.sqrt(total / values.size))
    if error < 1e-12:
        return Estimate(mean, sd, 0.0, 0.0, 1.0, seeds, groups)
    seed_error = float(np.sqrt(seeds_part / values.size))
    return Estimate(
        mean, sd, error, seed_error, _freedom(seeds_part, groups_part, seeds, groups), seeds, groups
    )


def _freedom(seeds_part: float, groups_part: float, seeds: int, groups: int) -> float:
    """Satterthwaite's degrees of freedom, but with an upper bound in place of the seeds' mean square.

    Three seeds can be alike by luck. The plain formula then takes their small variance as well estimated, and
    its false positive rate is 8 % at nominal 5 % (4 % at 1.67 %).
    """
    bound = seeds_part * (seeds - 1) / float(special.chdtri(seeds - 1, 1 - LUCK))
    return float((bound + groups_part) ** 2 / (bound**2 / (seeds - 1) + groups_part**2 / (groups - 1)))


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of one value per seed, with Student's error: for these examples, not for others."""
    given = np.asarray(values, float)
    mean = float(given.mean()) if len(given) else NAN
    if len(given) < 2:
        return Estimate(mean, seeds=len(given))
    sd = float(given.std(ddof=1))
    error = sd / float(np.sqrt(len(given)))
    return Estimate(mean, sd, error, error, len(given) - 1.0, len(given))


def contributions(predictions: Predictions, cells: Sequence[int]) -> Floats:
    """Each example group's contribution (G,) to the mean accuracy over `cells`; the mean of these is that mean.

    The ratio estimator, linearised: a group without predictions in a cell contributes the cell's accuracy. Groups that
    no cell evaluates are left out. Empty if a cell has no examples, because the mean is then unknown.
    """
    right, total = predictions.by_group(cells)
    count = total.sum(1, keepdims=True)
    if not total.size or not count.all():
        return np.zeros(0)
    accuracy = right.sum(1, keepdims=True) / count
    centred = (right - accuracy * total) / count
    return np.asarray(accuracy.mean() + total.shape[1] * centred.mean(0))


def over_groups(predictions: Predictions, cells: Sequence[int], draws: int = 1000) -> tuple[float, float]:
    """The 95 % interval of the mean over `cells` for one trained encoder, by a bootstrap over example groups."""
    means = bootstrap_means(*predictions.by_group(cells), np.random.default_rng(0), draws)
    if not means.size:
        return NAN, NAN
    low, high = np.nanquantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)

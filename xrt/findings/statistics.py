"""How sure is a mean accuracy, how sure a difference: over seeds, over examples, over both. Knows arrays only.

Two things are drawn at random in a confirmation: the seeds of training and the examples of the test split, and
every seed answers every example. `crossed` estimates a mean over both with the two-way random model without
replication, as readers and cases in diagnostic studies (Dorfman, Berbaum & Metz 1992; Hillis 2007, Statistics in
Medicine 26:596). A bootstrap over 3 seeds is too sure of itself, a t test over seeds alone forgets that there could
have been other examples: tests/bench/type_one_error.py shows both.

Cells (pairs of languages) share their examples, so an example is drawn with all its cells.

Letters: S seeds, N aligned examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.multitest import multipletests

from xrt.robust.bootstrap import bootstrap_means
from xrt.robust.evaluation import MEANS, Pair, Predictions

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
LUCK = 0.2  # see `_freedom`
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval. What cannot be known (one seed, no examples) is NaN.

    Attributes:
        sd: between seeds.
        error: standard error of the mean.
        p: of the hypothesis that the mean is 0; meant for differences.
        examples: 0 where only the seeds were looked at.
    """

    mean: float
    sd: float
    error: float
    low: float
    high: float
    p: float
    seeds: int
    examples: int

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not np.isnan(self.low)


def crossed(values: Floats) -> Estimate:
    """The mean over seeds and examples of `values` (S, N), both taken for random draws.

    The variance of the mean is (MS_seeds + max(MS_examples - MS_rest, 0)) / SN: the seeds' part, and what
    examples have in common over the seeds; the part of each answer alone is in both and counted once.
    Seeds whose means are equal are so by luck, not certain of theirs: then it is MS_rest / SN, the least expected.
    """
    seeds, examples = values.shape
    by_seed, by_example, mean = values.mean(1), values.mean(0), float(values.mean())
    sd = float(by_seed.std(ddof=1)) if seeds > 1 else NAN
    if seeds < 2 or examples < 2:
        return Estimate(mean, sd, NAN, NAN, NAN, NAN, seeds, examples)
    rest = values - by_seed[:, None] - by_example + mean
    ms_rest = (rest**2).sum() / ((seeds - 1) * (examples - 1))
    seeds_part = examples * by_seed.var(ddof=1)
    examples_part = max(seeds * by_example.var(ddof=1) - ms_rest, 0.0)
    if seeds_part + examples_part < 1e-9 * ms_rest:
        examples_part = ms_rest
    total = float(seeds_part + examples_part)
    freedom = _freedom(seeds_part, examples_part, seeds, examples) if total else 1.0
    return _around(mean, sd, np.sqrt(total / values.size), freedom, (seeds, examples))


def _freedom(seeds_part: float, examples_part: float, seeds: int, examples: int) -> float:
    """Satterthwaite's degrees of freedom, but with an upper bound in place of the seeds' mean square.

    Three seeds can be alike by luck. The plain formula then takes their small variance for a well-known one, and
    finds differences where there are none in 8 % of the cases at nominal 5 % (4 % at 1.67 %).
    """
    bound = seeds_part * (seeds - 1) / float(stats.chi2.ppf(LUCK, seeds - 1))
    return (bound + examples_part) ** 2 / (bound**2 / (seeds - 1) + examples_part**2 / (examples - 1))


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of one value per seed, with Student's interval: for these examples, not for others."""
    given = np.asarray(values, float)
    sd = float(given.std(ddof=1)) if len(given) > 1 else NAN
    mean = float(given.mean()) if len(given) else NAN
    if len(given) < 2:
        return Estimate(mean, sd, NAN, NAN, NAN, NAN, len(given), 0)
    return _around(mean, sd, sd / np.sqrt(len(given)), len(given) - 1, (len(given), 0))


def _around(mean: float, sd: float, error: float, freedom: float, counts: tuple[int, int]) -> Estimate:
    if error < 1e-12:  # nothing varies: a difference of nothing is certainly none
        return Estimate(mean, sd, 0.0, mean, mean, float(abs(mean) < 1e-12), *counts)
    error = float(error)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return Estimate(mean, sd, error, mean - half, mean + half, p, *counts)


def chosen(metric: str, pairs: Sequence[Pair], source: str) -> list[int]:
    """The places among `pairs` of the cells that a metric is the mean of: `mean/mixed`, `acc/de`, `pair/de-zh`.

    A name may begin with its split (`dev/mean/mixed`). Empty where there is no such cell.
    """
    *_, kind, name = metric.split("/")
    if kind == "mean":
        return [i for i, pair in enumerate(pairs) if name in MEANS and MEANS[name](pair, source)]
    wanted = f"{name}-{name}" if kind == "acc" else name
    return [i for i, (a, b) in enumerate(pairs) if f"{a}-{b}" == wanted]


def contributions(predictions: Predictions, cells: Sequence[int]) -> Floats:
    """What each example (N,) gives to the mean over `cells` of their accuracies; their mean is that mean.

    An example that a cell does not ask gives it the cell's mean (the ratio estimator, linearised); one that no
    cell asks is left out, so N counts those that matter.
    """
    asked = predictions.labels[list(cells)] >= 0
    right = (predictions.predicted[list(cells)] == predictions.labels[list(cells)]) & asked
    filled = asked.any(1)
    asked, right = asked[filled], right[filled]  # a cell without examples has no accuracy: leave it out
    used = asked.any(0)
    asked, right = asked[:, used], right[:, used]
    if not asked.size:
        return np.zeros(0)
    total = asked.sum(1, keepdims=True)
    accuracy = right.sum(1, keepdims=True) / total
    centred = np.where(asked, right - accuracy, 0.0) / total
    return accuracy.mean() + asked.shape[1] * centred.mean(0)


def over_examples(
    predictions: Predictions, cells: Sequence[int], seed: int = 0, draws: int = 1000
) -> Estimate:
    """The mean over `cells` for one trained encoder, with a bootstrap interval over example ids."""
    labels = predictions.labels[list(cells)]
    asked = labels >= 0
    asked, right = asked[asked.any(1)], (predictions.predicted[list(cells)] == labels)[asked.any(1)]
    if not asked.any():
        return Estimate(NAN, NAN, NAN, NAN, NAN, NAN, 1, 0)
    used = asked.any(0)
    asked, right = asked[:, used], right[:, used]
    means = bootstrap_means(right, asked, np.random.default_rng(seed), draws)
    low, high = np.quantile(means, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    mean = float(((right & asked).sum(1) / asked.sum(1)).mean())
    return Estimate(mean, NAN, float(means.std(ddof=1)), float(low), float(high), NAN, 1, asked.shape[1])


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number (Holm 1979); a NaN stays one and does not count."""
    given = np.asarray(p_values, float)
    known = ~np.isnan(given)
    corrected = np.full(len(given), NAN)
    if known.any():
        corrected[known] = multipletests(given[known], method="holm")[1]
    return [float(p) for p in corrected]

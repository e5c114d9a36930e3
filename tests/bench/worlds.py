"""Worlds in which the truth is known: right and wrong predictions with realistic correlations between cells.

A prediction is right where a sum of normal effects is above a threshold: of the example, of its two sentences in
their languages, of the trained encoder (its seed), of the configuration on that example (a configuration can be
better at some examples and worse at others), and of that encoder on that example. Examples of a group share a part of
each of these effects.

Letters: C configurations, S seeds, P cells, N examples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

LANGUAGES = 4  # enough for cells that share examples in every way; 7 only take longer
CELLS = tuple((a, b) for a in range(LANGUAGES) for b in range(LANGUAGES) if a != b)


@dataclass(frozen=True)
class World:
    """Standard deviations of the effects; the rest of a prediction has variance 1.

    Attributes:
        seed: of a trained encoder. 0.1 moves the mean accuracy by about 1.7 points.
        shared: share of the seed's variance that two configurations of equal seed have in common.
        taste: of a configuration on an example, common to all its seeds.
        whim: of one trained encoder on an example.
        sizes: of the example groups, repeated as often as it takes; `icc` is what a group has in common of the variance
            of its examples' effects.
    """

    seeds: int = 5
    examples: int = 500
    accuracy: float = 0.75
    seed: float = 0.1
    shared: float = 0.0
    example: float = 1.0
    language: float = 0.5
    taste: float = 0.0
    whim: float = 0.3
    sizes: tuple[int, ...] = (1,)
    icc: float = 0.0

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """(N,): the number of each example's group."""
        sizes = np.resize(self.sizes, self.examples)
        return np.repeat(np.arange(self.examples), sizes)[: self.examples]

    @property
    def variance(self) -> float:
        """Of a prediction over everything that is drawn, per cell."""
        sides = 2 * self.language**2
        return 1 + self.seed**2 + self.example**2 + sides + self.taste**2 + self.whim**2

    def right(self, rng: np.random.Generator, configurations: int) -> npt.NDArray[np.bool_]:
        """Right or wrong (C, S, P, N). All configurations are equal: same mean accuracy, other predictions."""
        c, s, n = configurations, self.seeds, self.examples
        threshold = norm.ppf(self.accuracy) * np.sqrt(self.variance)
        common = self.example * self._effects(rng, ())
        sides = self.language * self._effects(rng, (2, LANGUAGES))
        cell = np.stack([sides[0, a] + sides[1, b] for a, b in CELLS])
        encoder = np.sqrt(self.shared) * rng.standard_normal((1, s))
        encoder = self.seed * (encoder + np.sqrt(1 - self.shared) * rng.standard_normal((c, s)))
        own = self.taste * self._effects(rng, (c, 1))
        own = own + self.whim * self._effects(rng, (c, s)) + encoder[:, :, None]
        noise = rng.standard_normal((c, s, len(CELLS), n), np.float32)
        return noise + own[:, :, None] + common + cell + threshold > 0

    def _effects(self, rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """(*shape, N) with variance 1, of which `icc` is shared by the examples of a group."""
        groups = self.groups
        alone = rng.standard_normal((*shape, self.examples), np.float32)
        if not self.icc:
            return alone
        together = rng.standard_normal((*shape, int(groups[-1]) + 1), np.float32)[..., groups]
        return (np.sqrt(self.icc) * together + np.sqrt(1 - self.icc) * alone).astype(np.float32)


def by_group(values: npt.NDArray[np.floating], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(..., G) contributions of groups from those of examples (..., N): their mean is the mean over examples.

    Centred first, as `xrt.findings.statistics.contributions` is: a group is not right more often for being larger.
    """
    count, means = int(groups[-1]) + 1, values.mean(-1, keepdims=True)
    centred = (values - means).reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(groups, row, count) for row in centred])
    return sums.reshape(*values.shape[:-1], count) * count / values.shape[-1] + means

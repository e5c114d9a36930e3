"""Worlds in which the truth is known: correct and wrong answers with realistic correlations between cells.

An answer is right where a sum of normal effects is above a threshold: of the example, of its two sentences in
their languages, of the trained encoder (its seed), of the configuration on that example (a configuration can be
better at some examples and worse at others), and of that encoder on that example.

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
    """Standard deviations of the effects; the rest of an answer has variance 1.

    Attributes:
        seed: of a trained encoder. 0.1 moves the mean accuracy by about 1.7 points.
        shared: share of the seed's variance that two configurations of equal seed have in common.
        taste: of a configuration on an example, common to all its seeds.
        whim: of one trained encoder on an example.
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

    @property
    def variance(self) -> float:
        """Of an answer over everything that is drawn, per cell."""
        sides = 2 * self.language**2
        return 1 + self.seed**2 + self.example**2 + sides + self.taste**2 + self.whim**2

    def answers(self, rng: np.random.Generator, configurations: int) -> npt.NDArray[np.bool_]:
        """Right or wrong (C, S, P, N). All configurations are equal: same mean accuracy, other answers."""
        c, s, n = configurations, self.seeds, self.examples
        threshold = norm.ppf(self.accuracy) * np.sqrt(self.variance)
        common = self.example * rng.standard_normal(n, np.float32)
        sides = self.language * rng.standard_normal((2, LANGUAGES, n), np.float32)
        cell = np.stack([sides[0, a] + sides[1, b] for a, b in CELLS])
        encoder = np.sqrt(self.shared) * rng.standard_normal((1, s))
        encoder = self.seed * (encoder + np.sqrt(1 - self.shared) * rng.standard_normal((c, s)))
        own = self.taste * rng.standard_normal((c, 1, n), np.float32)
        own = own + self.whim * rng.standard_normal((c, s, n), np.float32) + encoder[:, :, None]
        noise = rng.standard_normal((c, s, len(CELLS), n), np.float32)
        return noise + own[:, :, None] + common + cell + threshold > 0

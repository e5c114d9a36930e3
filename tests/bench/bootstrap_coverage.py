"""Does the interval of a mean over cells hold the truth? `python -m tests.bench.bootstrap_coverage [REPEATS]`

One trained encoder, cells that share their examples. `bootstrap` draws example ids again (what xrt uses),
`binomial` takes every cell of every example for an independent draw. Nominal: 95 %.
"""

import sys
from dataclasses import replace

import numpy as np

from tests.bench.worlds import World
from xrt.robust.bootstrap import bootstrap_means

ONE = World(seeds=1, seed=0.0, whim=0.0)
WORLDS = {
    "300 examples": replace(ONE, examples=300),
    "300 examples, cells nearly alike": replace(ONE, examples=300, example=3.0),
    "300 examples, cells nearly independent": replace(ONE, examples=300, example=0.1, language=0.1),
    "300 examples, 93 % right": replace(ONE, examples=300, accuracy=0.93),
    "100 examples": replace(ONE, examples=100),
    "300 examples, 5 % of the cells unusable": replace(ONE, examples=300),
    "300 examples, each cell its own 25": replace(ONE, examples=300),  # as at a rung
}


def rates(
    world: World, repeats: int, rng: np.random.Generator, missing: float, own: int | None = None
) -> tuple[float, float]:
    """The share of intervals that hold the true mean: of the bootstrap, and of the binomial formula.

    Args:
        missing: share of the answers that are not asked.
        own: each cell asks so many examples, its own.
    """
    held = np.zeros(2)
    for _ in range(repeats):
        right = world.answers(rng, 1)[0, 0]  # (P, N)
        asked = rng.random(right.shape) >= missing
        if own:
            asked &= np.arange(right.shape[1]) // own == np.arange(len(right))[:, None]
        low, high = np.quantile(bootstrap_means(right, asked, rng, 600), [0.025, 0.975])
        mean = right[asked].mean()
        half = 1.96 * np.sqrt(mean * (1 - mean) / asked.sum())
        held += [low <= world.accuracy <= high, abs(mean - world.accuracy) <= half]
    return float(held[0] / repeats), float(held[1] / repeats)


def main(repeats: int = 800) -> None:
    print(
        f"{repeats} repeats: 95 % of these shares lie within {196 * np.sqrt(0.05 * 0.95 / repeats):.1f} points"
    )
    print(f"{'world':42} bootstrap binomial")
    for name, world in WORLDS.items():
        missing, own = 0.05 if "unusable" in name else 0.0, 25 if "own" in name else None
        boot, binomial = rates(world, repeats, np.random.default_rng(1), missing, own)
        print(f"{name:42} {100 * boot:8.1f}% {100 * binomial:7.1f}%", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

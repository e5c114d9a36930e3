"""How often is a difference found where there is none? `python -m tests.bench.type_one_error [REPEATS]`

All configurations are equal. Columns: `crossed` is what xrt uses; `t` takes the seeds as the whole sample; `boot`
draws seeds and examples again (two-level bootstrap); `examples` draws examples only. Nominal: 5 %. `coverage` is
that of the 95 % interval of `crossed` for a configuration's own mean accuracy; `family` is the share of studies
with any difference found among three configurations after Holm.
"""

import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tests.bench.worlds import World
from xrt.answers.statistics import Floats, crossed, over_seeds

BASE = World(examples=200)
WORLDS = {
    "same answers on average": BASE,
    "seeds alike (sd 0.2 points)": replace(BASE, seed=0.01),
    "seeds far apart (sd 3 points)": replace(BASE, seed=0.2),
    "equal seeds move together": replace(BASE, shared=0.5),
    "each its own examples": replace(BASE, taste=0.5),
    "the same, seeds alike": replace(BASE, taste=0.5, seed=0.02),
    "near the ceiling (95 %)": replace(BASE, accuracy=0.95, taste=0.3),
}


Weights = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # (D, S), (D, N)


def weights(world: World, rng: np.random.Generator, draws: int = 400) -> Weights:
    """How often each seed and each example is drawn again."""
    s, n = world.seeds, world.examples
    return rng.multinomial(s, np.full(s, 1 / s), draws), rng.multinomial(n, np.full(n, 1 / n), draws)


def two_level(values: Floats, weights: Weights) -> bool:
    """Whether the percentile interval over seeds and examples leaves out 0."""
    means = (weights[0] @ values * weights[1]).sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return not low <= 0 <= high


def rates(world: World, repeats: int, rng: np.random.Generator) -> dict[str, float]:
    """The share of repeats in which each method finds a difference, and of intervals that hold the truth."""
    found: dict[str, list[bool]] = {k: [] for k in ("crossed", "t", "boot", "examples", "family", "coverage")}
    drawn = weights(world, rng)  # the same in all repeats: to draw them is slow
    for _ in range(repeats):
        values = world.answers(rng, 4).mean(2)  # (C, S, N)
        differences = values[1:] - values[:1]
        tests = [crossed(d) for d in differences]
        first = differences[0]
        found["crossed"].append(tests[0].p < 0.05)
        found["t"].append(over_seeds(list(first.mean(1))).p < 0.05)
        found["boot"].append(two_level(first, drawn))
        flat = first.mean(0)
        found["examples"].append(abs(flat.mean()) > 1.96 * flat.std() / np.sqrt(len(flat)))
        found["family"].append(min(t.p for t in tests) * len(tests) < 0.05)  # Holm's first step
        own = crossed(values[0])
        found["coverage"].append(own.low <= world.accuracy <= own.high)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def main(repeats: int = 2000) -> None:
    print(
        f"{repeats} repeats of each: 95 % of these shares lie within {196 * np.sqrt(0.05 * 0.95 / repeats):.1f} points"
    )
    print(f"{'world':34} seeds  crossed       t    boot examples  family coverage")
    for name, base in WORLDS.items():
        for seeds in (3, 5):
            row = rates(replace(base, seeds=seeds), repeats, np.random.default_rng(seeds))
            print(f"{name:34} {seeds:5}" + "".join(f"{100 * v:7.1f}%" for v in row.values()), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""What a rung's sample gains by giving each pair its own examples: `python -m tests.bench.spread_sample [REPEATS]`

Two trials predict a dev split (cells that share examples, tests.bench.worlds); a rung evaluates a part of it. Printed
is the standard error of the sampled mean over cells, and of the difference between the trials, about their values on
the whole split: with one set of examples for all cells, and with their own for each (`xrt.data.sampling`). Both
evaluate the same number of inputs.
"""

import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tests.bench.worlds import CELLS, World
from xrt.data import sampling
from xrt.data.sampling import Cell

DEV, ROWS = 306, 52  # as `mini`: examples of its dev split, examples of a pair at a rung
WORLDS = {
    "as usual": World(seeds=1, examples=DEV),
    "cells nearly alike": World(seeds=1, examples=DEV, example=3.0),
    "cells nearly independent": World(seeds=1, examples=DEV, example=0.1, language=0.1),
    "each its own examples": World(seeds=1, examples=DEV, taste=0.5),
    "93 % right": World(seeds=1, examples=DEV, accuracy=0.93),
}
Right = npt.NDArray[np.bool_]  # (C, P, N)


def shared(right: Right, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Sampled means (C,), all cells on the same examples."""
    return right[:, :, rng.permutation(DEV)[:ROWS]].mean((1, 2))


def spread(right: Right, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Sampled means (C,), each cell on its own examples."""
    cells = [Cell(a, b, np.arange(DEV), ROWS) for a, b in CELLS]
    drawn = sampling.spread(cells, np.zeros(DEV, np.int64), rng)
    return np.mean([right[:, cell, rows].mean(1) for cell, rows in enumerate(drawn)], 0)


def errors(world: World, repeats: int, rng: np.random.Generator) -> list[float]:
    """Root mean square errors in points: of the mean and of the difference, shared, then spread."""
    found = []
    for _ in range(repeats):
        right = world.right(rng, 2)[:, 0]
        whole = right.mean((1, 2))
        off = [sample(right, rng) - whole for sample in (shared, spread)]
        found.append([off[0][0], off[0][0] - off[0][1], off[1][0], off[1][0] - off[1][1]])
    return [100 * float(x) for x in np.sqrt(np.square(found).mean(0))]


def main(repeats: int = 2000) -> None:
    print(f"{len(CELLS)} cells, {ROWS} of {DEV} examples each, {repeats} repeats; points")
    print(f"{'world':26} mean: shared  spread   difference: shared  spread")
    for name, world in WORLDS.items():
        row = errors(replace(world, seed=0.0), repeats, np.random.default_rng(1))
        print(f"{name:26} {row[0]:12.2f} {row[2]:7.2f} {row[1]:20.2f} {row[3]:7.2f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

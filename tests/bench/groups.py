"""Does the two-way model keep its level where examples share sentences?

`python -m tests.bench.groups [REPEATS] [FOLDER]`

All configurations are equal. The groups are those of PAWS-X: of its whole dev split by default, of the folder's test
split where one is given. `type I` is the share of differences that are found, `coverage` that of 95 % intervals of an
accuracy that hold the truth, both by groups (what xrt uses) and by examples as if they were independent (the first
edition's). `bootstrap` is the coverage for one trained encoder. Bounds: type I 3 to 7 %, coverage 93 to 97 %, with a
margin of two standard errors.
"""

import sys
from dataclasses import replace

import numpy as np

from tests.bench.worlds import World, by_group
from xrt.data import TASKS, Source, load
from xrt.findings.statistics import crossed
from xrt.robust.bootstrap import bootstrap_means

# Of the 1,201 groups of PAWS-X's 2,000 dev rows: 751 of one row, the others of 2 to 7.
SIZES = (1,) * 751 + (2,) * 250 + (3,) * 110 + (4,) * 60 + (5,) * 18 + (6,) * 9 + (7,) * 3
BASE = World(examples=300, taste=0.4, seed=0.05)
COLUMNS = ("type I", "coverage", "type I, old", "coverage, old", "bootstrap")


def rates(world: World, repeats: int, rng: np.random.Generator) -> dict[str, float]:
    """The share of repeats in which a difference is found, and in which the intervals hold the truth."""
    found: dict[str, list[bool]] = {name: [] for name in COLUMNS}
    groups, truth = world.groups, world.accuracy
    for _ in range(repeats):
        right = world.right(rng, 2)  # (C, S, P, N)
        values = right.mean(2)
        grouped = by_group(values, groups)
        for kind, own in (("", grouped), (", old", values)):
            found[f"type I{kind}"].append(crossed(own[1] - own[0]).p < 0.05)
            low, high = crossed(own[0]).interval()
            found[f"coverage{kind}"].append(low <= truth <= high)
        one = right[0, 0]
        sums = np.stack([np.bincount(groups, row) for row in one]).astype(np.int64)
        total = np.tile(np.bincount(groups), (len(one), 1))
        low, high = np.quantile(bootstrap_means(sums, total, rng, 300), [0.025, 0.975])
        found["bootstrap"].append(low <= truth <= high)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def sizes_of(folder: str) -> tuple[int, ...]:
    """The sizes of the example groups of a folder's test split."""
    aligned = load(TASKS["pawsx"], Source("folder", folder), "test")
    return tuple(int(n) for n in np.bincount(aligned.groups))


def main(repeats: int = 1000, folder: str | None = None) -> int:
    sizes = sizes_of(folder) if folder else SIZES
    rng = np.random.default_rng(0)
    shuffled = tuple(int(n) for n in rng.permutation(sizes))
    print(f"{repeats} repeats; {len(sizes)} groups of {sum(sizes)} examples, up to {max(sizes)}")
    print(f"{'':16}" + "".join(f"{name:>15}" for name in COLUMNS))
    missed, margin = False, 2 * np.sqrt(0.05 * 0.95 / repeats)
    for icc in (0.0, 0.5, 0.8):
        for seeds in (3, 5, 10):
            row = rates(
                replace(BASE, sizes=shuffled, icc=icc, seeds=seeds), repeats, np.random.default_rng(seeds)
            )
            print(
                f"icc {icc}, {seeds:2} seeds" + "".join(f"{value:15.1%}" for value in row.values()),
                flush=True,
            )
            missed |= not 0.03 - margin <= row["type I"] <= 0.07 + margin
            missed |= not 0.93 - margin <= row["coverage"] <= 0.97 + margin
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, *sys.argv[2:3]))

"""How often is a true gain found, and with how many seeds? `python -m tests.bench.power [STUDIES]`

Adversarial training gains 1, 2 or 3 points. Adaptive seeds (3 to 10) are compared with fixed numbers at the same mean
cost of the confirmation, between whose shares is interpolated. Bound: adaptive seeds find at least as many, within two
standard errors.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np

from tests.bench.simulated import GAINS, World, run_study

FIXED = (3, 5, 7, 10)


def measured(
    pool: ProcessPoolExecutor, world: World, studies: int, bounds: tuple[int, int]
) -> tuple[float, float, float]:
    """The share found, the mean trainings of the confirmation, the mean seeds of the arm."""
    found = list(
        pool.map(run_study, repeat(world, studies), range(studies), repeat(bounds, studies), chunksize=10)
    )
    shares = [[o.found, o.cost, o.seeds] for o in found]
    share, cost, seeds = np.mean(np.array(shares, float), axis=0)
    return float(share), float(cost), float(seeds)


def main(studies: int = 100) -> int:
    missed = False
    print(f"{'world':16} {'seeds':>8}  found  trainings  seeds of the arm")
    with ProcessPoolExecutor(2) as pool:
        for name, world in GAINS.items():
            adaptive = measured(pool, world, studies, (3, 10))
            fixed = {n: measured(pool, world, studies, (n, n)) for n in FIXED}
            for label, (share, cost, seeds) in [
                ("3 to 10", adaptive),
                *((str(n), f) for n, f in fixed.items()),
            ]:
                print(f"{name:16} {label:>8} {share:6.1%} {cost:10.1f} {seeds:17.1f}", flush=True)
            costs, shares = zip(*((cost, share) for share, cost, _ in fixed.values()), strict=True)
            equal = float(np.interp(adaptive[1], costs, shares))
            print(f"{name:16} at equal cost, fixed seeds: {equal:.1%}")
            missed |= adaptive[0] < equal - 2 * np.sqrt(0.25 / studies)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))

"""Is a rung's sample large enough to order trials? `python -m tests.bench.rung_order [FOLDER]`

FOLDER: any folder under which finished trials of one task left `predictions-dev.arrow`; without it, the recorded grid
of `mini` (tests.bench.mini_grid). Of all pairs of trials whose mixed means on the whole dev split differ by about a
point, how often does the mean over a sample order them rightly? Samples: `spread`, each pair of languages its own
examples (`Aligned.spread`, what xrt does), and `shared`, the same for all; many draws of each, by examples a pair.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xrt.robust.evaluation import Predictions

ROWS = (5, 10, 17, 34, 51, 68, 136)
DRAWS, MOST_PAIRS = 40, 2000
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def opened(folder: Path) -> tuple[Bools, Bools]:
    """Right or wrong (trials, mixed pairs, examples) and which were asked (mixed pairs, examples)."""
    found = [Predictions.open(file) for file in sorted(folder.rglob("predictions-dev.arrow"))]
    mixed = [i for i, (a, b) in enumerate(found[0].pairs) if a != b]
    right = np.stack([(one.predicted == one.labels)[mixed] for one in found])
    return right, (found[0].labels >= 0)[mixed]


def recorded() -> tuple[Bools, Bools]:
    """The same from the recorded grid."""
    from tests.bench import mini_grid

    grid = mini_grid.load()
    mixed = [i for i, (a, b) in enumerate(grid.pairs) if a != b]
    right = grid.right[:, :, mixed].reshape(-1, len(mixed), grid.right.shape[-1])
    return right[right.any((1, 2))], np.ones(right.shape[1:], bool)


def means(right: Bools, asked: Bools) -> Floats:
    """Per trial: the mean over pairs of their accuracies on what was asked."""
    return ((right & asked).sum(2) / asked.sum(1)).mean(1)


def spread(asked: Bools, rows: int, rng: np.random.Generator) -> Bools:
    """As at a rung, without labels: pairs in any order, each the next usable examples of one circle."""
    circle, place, chosen = rng.permutation(asked.shape[1]), 0, np.zeros_like(asked)
    for pair in rng.permutation(len(asked)):
        turned = np.roll(circle, -place)
        steps = np.flatnonzero(asked[pair, turned])[:rows]
        chosen[pair, turned[steps]] = True
        place += int(steps[-1]) + 1
    return chosen


def shared(asked: Bools, rows: int, rng: np.random.Generator) -> Bools:
    """The same examples for all pairs."""
    chosen = np.zeros_like(asked)
    chosen[:, rng.permutation(np.flatnonzero(asked.all(0)))[:rows]] = True
    return chosen


def main(folder: str | None = None) -> None:
    right, asked = opened(Path(folder)) if folder else recorded()
    rng = np.random.default_rng(0)
    whole = means(right, asked)
    gaps = whole[:, None] - whole
    better, worse = np.nonzero((gaps > 0.0075) & (gaps < 0.0125))
    if not len(better):
        raise SystemExit(f"{len(right)} trials, and no two of them differ by about a point.")
    some = rng.permutation(len(better))[:MOST_PAIRS]
    better, worse = better[some], worse[some]
    print(
        f"{len(right)} trials, {len(better)} pairs of them that differ by 0.75 to 1.25 points; {DRAWS} samples each"
    )
    print(
        "examples a pair  questions   ordered rightly: spread  shared   error of the difference: spread  shared"
    )
    for rows in [rows for rows in ROWS if rows < asked.sum(1).min()]:
        told = []
        for draw in (spread, shared):
            off, hits = [], []
            for _ in range(DRAWS):
                found = means(right, draw(asked, rows, rng))
                difference = found[better] - found[worse]
                hits.append(np.mean(difference > 0) + np.mean(difference == 0) / 2)
                off.append(np.mean((difference - (whole[better] - whole[worse])) ** 2))
            told.append((np.mean(hits), 100 * np.sqrt(np.mean(off))))
        (one, error), (other, other_error) = told
        print(
            f"{rows:15} {rows * len(asked):10} {one:24.1%} {other:7.1%} {error:33.2f} {other_error:7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

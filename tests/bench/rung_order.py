"""Is a rung's sample large enough to order trials? `python -m tests.bench.rung_order [FOLDER]`

FOLDER: any folder under which finished trials of one task left `predictions-dev.arrow`; without it, the recorded grid
of `mini` (tests.bench.mini_grid). Of all pairs of trials whose mixed means on the whole dev split differ by about a
point, how often does the mean over a sample order them rightly? Samples: `spread`, each pair of languages its own
examples (`xrt.data.sampling`, as at a rung), and `shared`, the same for all; many draws of each, by examples a pair.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.bench import mini_grid
from xrt.data import sampling
from xrt.robust.predictions import Predictions
from xrt.search.scoring import evaluation_data
from xrt.spec import load_study

ROWS = (5, 10, 20, 34, 50, 68, 136)
DRAWS, MOST_PAIRS = 40, 2000
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """Predictions of trials T for examples N in mixed pairs P: `right` (T, P, N), `asked` (P, N); `labels` (N,)."""

    pairs: tuple[tuple[str, str], ...]
    right: Bools
    asked: Bools
    labels: npt.NDArray[np.int64]

    @classmethod
    def opened(cls, folder: Path) -> "Recorded":
        """Read the predictions of finished trials."""
        found = [Predictions.open(file) for file in sorted(folder.rglob("predictions-dev.arrow"))]
        mixed = [i for i, (a, b) in enumerate(found[0].pairs) if a != b]
        right = np.stack([(one.predicted == one.labels)[mixed] for one in found])
        labels = found[0].labels[mixed]
        pairs = tuple(found[0].pairs[i] for i in mixed)
        return cls(pairs, right, labels >= 0, labels.max(0).astype(np.int64))

    @classmethod
    def grid(cls) -> "Recorded":
        """Read the recorded grid."""
        grid, spec = mini_grid.load(), load_study("mini", [])
        mixed = [i for i, (a, b) in enumerate(grid.pairs) if a != b]
        right = grid.right[:, :, mixed].reshape(-1, len(mixed), grid.right.shape[-1])
        dev = evaluation_data(spec.task, spec.data.origin, "dev", spec.data.dev_rows)
        pairs = tuple(grid.pairs[i] for i in mixed)
        return cls(pairs, right[right.any((1, 2))], np.ones(right.shape[1:], bool), dev.labels[:, 0])

    def means(self, asked: Bools) -> Floats:
        """Each trial's mean over pairs of the accuracies on the evaluated examples."""
        found: Floats = ((self.right & asked).sum(2) / asked.sum(1)).mean(1)
        return found


def spread(data: Recorded, rows: int, rng: np.random.Generator) -> Bools:
    """Sample examples as at a rung."""
    number = {language: i for i, language in enumerate(sorted({a for a, _ in data.pairs}))}
    usable = [np.flatnonzero(asked) for asked in data.asked]
    cells = [
        sampling.Cell(number[a], number[b], there, rows)
        for (a, b), there in zip(data.pairs, usable, strict=True)
    ]
    chosen = np.zeros_like(data.asked)
    for pair, drawn in enumerate(sampling.spread(cells, data.labels, rng)):
        chosen[pair, drawn] = True
    return chosen


def shared(data: Recorded, rows: int, rng: np.random.Generator) -> Bools:
    """Sample the same examples for all pairs."""
    chosen = np.zeros_like(data.asked)
    chosen[:, rng.permutation(np.flatnonzero(data.asked.all(0)))[:rows]] = True
    return chosen


def main(folder: str | None = None) -> None:
    data = Recorded.opened(Path(folder)) if folder else Recorded.grid()
    rng = np.random.default_rng(0)
    whole = data.means(data.asked)
    gaps = whole[:, None] - whole
    better, worse = np.nonzero((gaps > 0.0075) & (gaps < 0.0125))
    if not len(better):
        raise SystemExit(f"{len(whole)} trials, and no two of them differ by about a point.")
    some = rng.permutation(len(better))[:MOST_PAIRS]
    better, worse = better[some], worse[some]
    print(
        f"{len(whole)} trials, {len(better)} pairs of them that differ by 0.75 to 1.25 points; {DRAWS} samples each"
    )
    print(
        "examples a pair  questions   ordered rightly: spread  shared   error of the difference: spread  shared"
    )
    rungs = () if folder else (mini_grid.rung_rows(),)
    for rows in sorted({rows for rows in (*ROWS, *rungs) if rows < data.asked.sum(1).min()}):
        told = []
        for draw in (spread, shared):
            off, hits = [], []
            for _ in range(DRAWS):
                found = data.means(draw(data, rows, rng))
                difference = found[better] - found[worse]
                hits.append(np.mean(difference > 0) + np.mean(difference == 0) / 2)
                off.append(np.mean((difference - (whole[better] - whole[worse])) ** 2))
            told.append((np.mean(hits), 100 * np.sqrt(np.mean(off))))
        (one, error), (other, other_error) = told
        print(
            f"{rows:15} {rows * len(data.pairs):10} {one:24.1%} {other:7.1%} {error:33.2f} {other_error:7.2f}"
            f"{'   the study mini' if rows in rungs else ''}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

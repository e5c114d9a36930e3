"""Draws the examples of a sample: from one set, or for many cells that share a set. Knows rows and strata, no text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cell:
    """Examples with sentence 1 in language `first` and sentence 2 in `second` (by number): `count` of `rows`."""

    first: int
    second: int
    rows: Ints
    count: int


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches in one pass over the data, the last one perhaps smaller."""
    return -(-examples // batch_size)


def stratified(pool: Ints, strata: Ints, count: int, rng: np.random.Generator) -> Ints:
    """`count` of the rows in `pool`, sorted; each stratum in proportion, by largest remainders."""
    values, sizes = np.unique(strata, return_counts=True)
    quota = _quota(sizes * count / len(pool), sizes, count)
    drawn = [rng.permutation(pool[strata == value])[:size] for value, size in zip(values, quota, strict=True)]
    return np.sort(np.concatenate(drawn))


def spread(cells: Sequence[Cell], strata: Ints, rng: np.random.Generator) -> list[Ints]:
    """Rows for each cell, sorted, such that a mean over cells uses as many different examples as possible.

    Cells are served in order. Each gets the rows that earlier cells use least; among these, those whose sentences in
    its two languages are used least; among these, random ones. A hard example, or a hard sentence, then occurs about as
    often as in the whole set, and adds little to the error of the mean.

    Args:
        cells: one with fewer rows than its count gives all.
        strata: (n,) of all rows. Every cell keeps the shares that its rows have; what rounding takes from a stratum
            the next cell gives back.
    """
    used = np.zeros(len(strata), np.int64)
    languages = 1 + max(max(cell.first, cell.second) for cell in cells) if cells else 0
    first, second = np.zeros((2, len(strata), languages), np.int64)
    values, of = np.unique(strata, return_inverse=True)
    owed, chosen = np.zeros(len(values)), []
    for cell in cells:
        sentences = first[:, cell.first] + second[:, cell.second]
        lot = rng.permutation(len(strata))
        queue = cell.rows[np.lexsort([array[cell.rows] for array in (lot, sentences, used)])]
        sizes, count = np.bincount(of[queue], minlength=len(values)), min(cell.count, len(queue))
        owed += count * sizes / max(1, len(queue))
        quota = _quota(owed, sizes, count)
        owed -= quota
        rows = np.concatenate([queue[of[queue] == value][:most] for value, most in enumerate(quota)])
        used[rows] += 1
        first[rows, cell.first] += 1
        second[rows, cell.second] += 1
        chosen.append(np.sort(rows))
    return chosen


def _quota(exact: npt.NDArray[np.float64], sizes: Ints, count: int) -> Ints:
    """`count` in whole numbers, as near to `exact` as can be, none over its size."""
    quota = np.clip(np.floor(exact), 0, sizes).astype(np.int64)
    while quota.sum() < count:
        quota[np.argmax(np.where(quota < sizes, exact - quota, -np.inf))] += 1
    return quota

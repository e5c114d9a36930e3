"""Samples of many cells: even, in proportion, and no more than there is."""

import numpy as np

from xrt.data.sampling import Cell, spread


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_every_cell_keeps_the_shares_of_its_strata_and_rounding_is_given_back() -> None:
    strata = np.repeat([0, 1, 2], [60, 30, 10])
    cells = [Cell(a, b, np.arange(100), 7) for a in range(4) for b in range(4)]
    drawn = spread(cells, strata, rng())
    assert [len(set(rows.tolist())) for rows in drawn] == [7] * 16
    told = np.array([np.bincount(strata[rows], minlength=3) for rows in drawn])
    assert (abs(told - [4.2, 2.1, 0.7]) < 2).all()
    assert (abs(told.sum(0) - 16 * np.array([4.2, 2.1, 0.7])) <= 1).all()


def test_a_cell_with_few_rows_gives_all_of_them_and_an_empty_one_none() -> None:
    few, none = np.array([3, 8]), np.array([], np.int64)
    drawn = spread(
        [Cell(0, 1, few, 5), Cell(1, 0, none, 5), Cell(1, 1, few, 0)], np.zeros(9, np.int64), rng()
    )
    assert [rows.tolist() for rows in drawn] == [[3, 8], [], []]


def test_no_example_and_no_sentence_is_asked_much_more_than_another() -> None:
    cells = [Cell(a, b, np.arange(90), 20) for a in range(5) for b in range(5) if a != b]
    drawn = spread(cells, np.arange(90) % 2, rng())
    asked = np.bincount(np.concatenate(drawn), minlength=90)
    assert set(asked.tolist()) <= {3, 4, 5, 6} and asked.sum() == 400
    first = np.zeros((90, 5), int)
    for cell, rows in zip(cells, drawn, strict=True):
        first[rows, cell.first] += 1
    assert first.max() <= 2

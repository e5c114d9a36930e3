"""Batches made ahead equal the others, also after errors and readers that stop early."""

import threading
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from xrt.data.ahead import AHEAD, ahead
from xrt.data.batches import Batch


def numbered(count: int, made: list[int]):
    """Numbered batches that record when they are made."""
    for number in range(count):
        made.append(number)
        ids = torch.full((1, 1), number)
        yield Batch(ids, torch.ones_like(ids), None, ids > 0, ids[0])


def test_the_batches_are_the_same_in_the_same_order():
    found = [int(batch.input_ids) for batch in ahead(numbered(20, []))]
    assert found == list(range(20))


def test_no_more_are_made_than_lie_ready():
    made: list[int] = []
    walk = ahead(numbered(20, made))
    for wanted in range(5):
        assert int(next(walk).input_ids) == wanted
    walk.close()
    assert 5 <= len(made) <= 5 + AHEAD and np.all([b - a == 1 for a, b in pairwise(made)])


def test_they_are_made_in_another_thread_that_ends_with_the_reader():
    names: list[str] = []

    def batches():
        for batch in numbered(20, []):
            names.append(threading.current_thread().name)
            yield batch

    before = threading.active_count()
    walk = ahead(batches())
    list(islice(walk, 3))
    assert threading.current_thread().name not in names and len(names) >= 3
    walk.close()
    assert threading.active_count() == before


def test_an_error_comes_where_its_batch_would():
    def batches():
        yield from numbered(3, [])
        raise ValueError("the fourth")

    found = []
    with pytest.raises(ValueError, match="the fourth"):
        for batch in ahead(batches()):
            found.append(int(batch.input_ids))
    assert found == [0, 1, 2]

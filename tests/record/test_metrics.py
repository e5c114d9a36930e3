"""Metrics of a report: a dict to read, a fifth of one to keep."""

import pickle
import tracemalloc

import numpy as np
import pytest

from xrt.record.metrics import Metrics

TOLD = {"dev/mean/mixed": np.float32(0.5), "train/loss": 1}


def test_it_reads_as_the_dict_that_it_was_made_of():
    metrics = Metrics(TOLD)
    assert metrics == {"dev/mean/mixed": 0.5, "train/loss": 1.0} and list(metrics) == list(TOLD)
    assert {type(value) for value in metrics.values()} == {float}
    assert "train/loss" in metrics and "train/los" not in metrics and metrics.get("train/los") is None
    assert Metrics({"train/loss": 1, "dev/mean/mixed": 0.5}) == metrics != Metrics({"train/loss": 1})
    assert pickle.loads(pickle.dumps(metrics)) == metrics and repr(metrics) == repr(dict(metrics))
    with pytest.raises(KeyError, match="train/los"):
        metrics["train/los"]


def test_thousands_of_reports_with_the_same_names_take_a_fifth_of_the_memory():
    def taken(make) -> int:
        tracemalloc.start()
        kept = [make({f"dev/pair/x{i}-y": i + k / 7 for i in range(60)}) for k in range(1000)]
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size if kept else 0

    # even where the names of the dicts are the same strings
    names = {f"dev/pair/x{i}-y": f"dev/pair/x{i}-y" for i in range(60)}
    assert taken(Metrics) < taken(lambda told: {names[name]: value for name, value in told.items()}) / 4.5

"""What is timed of a study: every encoder with every method, on a tiny task, with what a trial would do."""

import pytest
import torch

from xrt.robust.progress import peak_memory
from xrt.search.timing import timings
from xrt.spec import load_study

SMALL = ["data={source: embedded, train_rows: 64, dev_rows: 24}", "search.trials=4", "pruning=null"]
METHODS = (
    "space.method={adversarial: {radius: 0.05, steps: [1, 2, 3]}, synonyms: {copies: [1, 3]}, "
    "noise: {scale: 1.0, site: [{layer: 1}]}}"
)


def test_every_encoder_is_timed_with_every_method_and_plainly_for_the_ablations() -> None:
    watched: list[str] = []
    before = torch.get_rng_state()
    found = timings(load_study("mini", [*SMALL, METHODS]), watched.append)
    torch.set_rng_state(before)
    assert list(found) == ["mini-a", "mini-b"]
    for name, timing in found.items():
        assert list(timing.steps) == ["plain", "adversarial", "synonyms", "noise"]
        assert all(
            step.seconds > 0 and step.pace == step.seconds / step.cost for step in timing.steps.values()
        )
        assert timing.evaluation > 0 and timing.room == 0 and timing.layers > 1
        assert 2**20 < timing.peak <= peak_memory(torch.device("cpu"))
        assert [line for line in watched if name in line][1:-1] == [
            f"{name}: steps of {method}" for method in timing.steps
        ]


def test_the_cost_of_what_is_timed_is_that_of_the_middle_of_all_that_varies() -> None:
    more = ["space.encoder=mini-a", "training.batch_size=[8, 16, 32]", METHODS]
    steps = timings(load_study("mini", [*SMALL, *more]))["mini-a"].steps
    half = 16 / 32
    assert {name: step.cost for name, step in steps.items()} == pytest.approx(
        {"plain": half, "adversarial": half * (2 * 2 + 3) / 3, "synonyms": half, "noise": half}
    )

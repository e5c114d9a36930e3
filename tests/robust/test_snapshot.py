"""A snapshot is the state at its own step, whenever it is written."""

import itertools

import pytest
import torch
from safetensors.torch import save_model

from tests.robust.conftest import KINDS
from tests.robust.test_keeping import KEEPS, STEPS, begun, look, walk
from tests.robust.test_training import equal, method, stream
from xrt.robust import checkpoint
from xrt.robust.training import start, train


@pytest.mark.parametrize("keep", KEEPS)
def test_a_snapshot_is_of_its_own_step_though_training_went_on(load, tmp_path, keep):
    state, looks = begun(load), KEEPS[keep].looks(20)
    for reached in train(
        state, method("noise"), STEPS, stream(state.encoder), (20,), lambda step: step in (7, *looks)
    ):
        if reached.step in looks:
            look(state, KEEPS[keep])
        if reached.step == 7:
            write = checkpoint.snapshot(state, about={"trial": "0003"})
            checkpoint.save(state, tmp_path / "then", about={"trial": "0003"})
    write(tmp_path / "later")
    then, later = ({f.name: f.read_bytes() for f in (tmp_path / p).iterdir()} for p in ("then", "later"))
    assert then == later and len(then) == 4
    again = start(load("bert", dropout=0.1, seed=99), STEPS)
    checkpoint.restore(again, tmp_path / "later", {"trial": "0003"})
    assert again.step == 7
    walk(again, KEEPS[keep])
    assert equal(state.encoder.model.state_dict(), again.encoder.model.state_dict())
    assert equal(state.kept.weights, again.kept.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_of_the_weights_is_that_of_safetensors(load, tmp_path, kind):
    encoder = load(kind)
    checkpoint.save(start(encoder, STEPS), tmp_path)
    save_model(encoder.model, str(tmp_path / "wanted"))
    assert (tmp_path / checkpoint.WEIGHTS).read_bytes() == (tmp_path / "wanted").read_bytes()


def test_weights_that_are_tied_are_written_once_and_stay_tied(load, tmp_path):
    saved, loaded = (tied(load("bert", seed=seed)) for seed in (1, 99))
    checkpoint.save(start(saved, STEPS), tmp_path)
    assert (tmp_path / checkpoint.WEIGHTS).stat().st_size < sum(
        value.nbytes for value in saved.model.state_dict().values()
    )
    checkpoint.restore(start(loaded, STEPS), tmp_path)
    assert equal(saved.model.state_dict(), loaded.model.state_dict())
    assert len(list(loaded.model.parameters())) == len(list(saved.model.parameters()))


def tied(encoder):
    """Two of its layers share a matrix."""
    square = [
        m for m in encoder.model.modules() if isinstance(m, torch.nn.Linear) and m.weight.shape[0] == 64
    ]
    for one, other in itertools.pairwise(square):
        other.weight = one.weight
    assert len(square) > 1
    return encoder

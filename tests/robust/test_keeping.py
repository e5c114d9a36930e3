"""Which weights a training ends with; neither evaluating them nor a kill changes anything."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.robust.conftest import batch_for
from tests.robust.test_training import RECIPE, equal, method, stream, trained
from xrt.errors import RecordError
from xrt.robust import checkpoint
from xrt.robust.keeping import Keep, Kept
from xrt.robust.training import TrainingState, start, train

STEPS = replace(RECIPE, steps=20)
KEEPS = {"best": Keep.read("best:dev/acc/en:3"), "average": Keep.read("average:4:5")}


def look(state: TrainingState, keep: Keep) -> None:
    """As a trial does; the score is the negative loss on a batch."""
    if keep.how == "average":
        state.kept.add(state.encoder.model)
        return
    with state.encoder.as_used(), torch.no_grad():
        batch = batch_for(state.encoder)
        state.kept.take_if_better(
            state.encoder.model, -float(state.encoder.loss(batch, state.encoder.embed(batch)))
        )


def walk(state: TrainingState, keep: Keep, until: int = 20) -> list[dict[str, torch.Tensor]]:
    """Train to a step; the weights at each look."""
    looks, seen = keep.looks(20), []
    for reached in train(
        state, method("noise"), STEPS, stream(state.encoder), (20,), lambda step: step in (*looks, until)
    ):
        if reached.step in looks:
            look(state, keep)
            seen.append({k: v.clone() for k, v in state.encoder.model.state_dict().items()})
        if reached.step == until:
            return seen
    return seen


def begun(load, seed: int = 1) -> TrainingState:
    state = start(load("bert", dropout=0.1, seed=seed), STEPS)
    state.kept = Kept()
    return state


def test_the_average_is_the_mean_of_the_last_weights(load):
    state = begun(load)
    seen = walk(state, KEEPS["average"])
    assert len(seen) == state.kept.count == 4
    for name, kept in state.kept.weights.items():
        mean = torch.stack([weights[name].double() for weights in seen]).mean(0)
        torch.testing.assert_close(kept.double(), mean, atol=1e-7, rtol=1e-6)
    assert not equal(state.kept.weights, state.encoder.model.state_dict())


def test_numbers_without_a_point_are_the_last_ones(load):
    kept = Kept()
    for count in (3, 5):
        model = torch.nn.Module()
        model.register_buffer("steps", torch.tensor(count))
        kept.add(model)
    assert kept.weights["steps"] == 5


@pytest.mark.parametrize(
    ("scores", "place"), [((0.5, 0.7, 0.6), 1), ((0.5, 0.7, 0.7), 1), ((0.7, 0.5, 0.6), 0)]
)
def test_the_best_are_the_first_of_the_highest_score(scores, place):
    kept, model, seen = Kept(), torch.nn.Linear(2, 2), []
    for score in scores:
        with torch.no_grad():
            model.weight += 1.0
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        kept.take_if_better(model, score)
    assert kept.score == max(scores) and equal(seen[place], kept.weights)


@pytest.mark.parametrize("name", KEEPS)
def test_looking_changes_nothing_in_the_training(load, name):
    plain, _ = trained(load("bert", dropout=0.1), method("noise"), STEPS, (20,))
    state = begun(load)
    walk(state, KEEPS[name])
    assert equal(plain, state.encoder.model.state_dict())


@pytest.mark.parametrize("name", KEEPS)
@pytest.mark.parametrize("at", [1, 6, 13])
def test_a_killed_training_keeps_the_same_weights_to_the_bit(load, tmp_path, name, at):
    whole = begun(load)
    walk(whole, KEEPS[name])
    killed = begun(load)
    walk(killed, KEEPS[name], until=at)
    assert killed.step == at
    checkpoint.save(killed, tmp_path)
    again = start(load("bert", dropout=0.1, seed=99), STEPS)
    checkpoint.restore(again, tmp_path)
    assert (again.kept.score, again.kept.count) == (killed.kept.score, killed.kept.count)
    walk(again, KEEPS[name])
    assert equal(whole.kept.weights, again.kept.weights)
    assert (whole.kept.score, whole.kept.count) == (again.kept.score, again.kept.count)
    assert equal(whole.encoder.model.state_dict(), again.encoder.model.state_dict())


def test_what_is_kept_is_part_of_a_checkpoint_and_is_checked(load, tmp_path):
    state = begun(load)
    walk(state, KEEPS["best"], until=4)
    checkpoint.save(state, tmp_path)
    assert equal(load_file(tmp_path / checkpoint.KEPT), state.kept.weights)
    kept = tmp_path / checkpoint.KEPT
    kept.write_bytes(kept.read_bytes()[:-4] + bytes([1, 2, 3, 4]))
    with pytest.raises(RecordError, match="not a whole checkpoint"):
        checkpoint.restore(begun(load), tmp_path)


def test_the_last_weights_need_no_more_than_before(load, tmp_path):
    checkpoint.save(start(load("bert"), STEPS), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        checkpoint.WEIGHTS, checkpoint.OPTIMIZER, checkpoint.PROGRESS
    }  # fmt: skip

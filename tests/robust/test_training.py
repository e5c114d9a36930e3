from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.bench import kills
from tests.robust.conftest import LABELS, SENTENCES, batch_for, step_of
from xrt.data.batches import FixedPairs, TrainingStream
from xrt.data.tokens import tokenize
from xrt.errors import RecordError, TrainingError
from xrt.robust import checkpoint
from xrt.robust.methods import METHODS
from xrt.robust.objective import Perturbed, attack
from xrt.robust.perturb import Adversarial
from xrt.robust.training import Recipe, start, train

RECIPE = Recipe(learning_rate=1e-3, steps=10, seed=5)
ADVERSARIAL, NOISE = {"radius": 0.3, "steps": 2}, {"scale": 0.3}
# every method and every objective; the first word is the method
PARAMETERS = {
    "plain": {},
    "adversarial": ADVERSARIAL,
    "adversarial from a random point": {**ADVERSARIAL, "start": "ball"},
    "adversarial, a ball for the sequence": {**ADVERSARIAL, "ball": "sequence"},
    "adversarial and clean": {**ADVERSARIAL, "clean": 0.5},
    "adversarial kl": {**ADVERSARIAL, "objective": "kl", "weight": 2.0},
    "noise": NOISE,
    "noise and clean": {**NOISE, "clean": 0.5},
    "noise kl": {**NOISE, "objective": "kl", "weight": 2.0},
    "synonyms": {"copies": 1},
    "free": ADVERSARIAL,
}


def method(name: str, **changes):
    return METHODS[name.replace(",", "").split()[0]].build({**PARAMETERS[name], **changes}, 1.0)


def stream(encoder, seed: int = 5, batch_size: int = 4) -> TrainingStream:
    first, second = (tokenize(encoder.tokenizer, side * 3) for side in zip(*SENTENCES, strict=True))
    pairs = FixedPairs(first, second, np.array(LABELS * 3))
    return TrainingStream(pairs, encoder.template, batch_size, 64, seed)


def trained(encoder, how, recipe: Recipe = RECIPE, stops=(10,)):
    """The weights after training, and the reports."""
    state = start(encoder, recipe)
    reports = list(train(state, how, recipe, stream(encoder), stops))
    return {k: v.clone() for k, v in encoder.model.state_dict().items()}, reports


def equal(one, other) -> bool:
    return all(torch.equal(one[k], other[k]) for k in one)


def test_every_method_is_tried_here():
    assert {name.replace(",", "").split()[0] for name in PARAMETERS} == set(METHODS)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("layer", [0, 1])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(load, name, layer):
    runs = [trained(load("bert", layer, dropout=0.1), method(name))[0] for _ in range(2)]
    other, _ = trained(load("bert", layer, dropout=0.1), method(name), replace(RECIPE, seed=6))
    assert equal(*runs) and not equal(runs[0], other)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", ["adversarial", "noise"])
def test_zero_radius_equals_plain_to_the_bit(load, name, layer):
    zero = {"radius": 0.0} if name == "adversarial" else {"scale": 0.0}
    plain, _ = trained(load("bert", layer, dropout=0.1), method("plain"))
    none, _ = trained(load("bert", layer, dropout=0.1), method(name, **zero))
    some, _ = trained(load("bert", layer, dropout=0.1), method(name))
    assert equal(plain, none) and not equal(plain, some)


@pytest.mark.parametrize("layer", [0, 1])
def test_parameter_gradients_equal_those_of_one_backward_at_the_found_delta(load, layer):
    encoder = load("bert", layer)
    encoder.model.train()
    batch, how = batch_for(encoder), Perturbed(Adversarial(0.3, 3, "ball"))
    delta = attack(encoder, batch, encoder.embed(batch).detach(), how, torch.Generator().manual_seed(2))
    encoder.loss(batch, encoder.embed(batch) + delta).backward()
    expected = {n: p.grad.clone() for n, p in encoder.model.named_parameters() if p.grad is not None}
    encoder.model.zero_grad()
    how.backward(encoder, batch, 1.0, torch.Generator().manual_seed(2))
    found = {n: p.grad for n, p in encoder.model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys() and len(found) > 20
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("name", PARAMETERS)
def test_accumulated_gradients_equal_those_of_the_whole_batch(load, name):
    encoder = load("bert")
    # so that what differs is the algorithm, not the order of sums, which is another on every processor
    encoder.model.double()
    batch, how, gradients = batch_for(encoder, repeat=8), method(name), []
    for size in (32, 8):
        encoder.model.zero_grad()
        generator = torch.Generator().manual_seed(3)
        for row in range(0, 32, size):
            how.backward(encoder, batch.rows(row, row + size), size / 32, generator)
        gradients.append(
            torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None])
        )
    assert (gradients[0] - gradients[1]).abs().max() < 1e-6 < gradients[0].abs().max()


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("layer", [0, 1])
def test_resuming_gives_bit_identical_weights(load, name, layer, tmp_path):
    whole, _ = trained(load("bert", layer, dropout=0.1), method(name))
    state = start(load("bert", layer, dropout=0.1), RECIPE)
    progress = next(train(state, method(name), RECIPE, stream(state.encoder), (3, 10)))
    checkpoint.save(state, tmp_path)
    again = start(load("bert", layer, dropout=0.1, seed=99), RECIPE)
    checkpoint.restore(again, tmp_path)
    assert again.step == progress.step == 3
    list(train(again, method(name), RECIPE, stream(again.encoder), (3, 10)))
    assert equal(whole, again.encoder.model.state_dict())


@pytest.mark.parametrize("at", [20, 40])
def test_a_kill_between_stops_changes_neither_weights_nor_what_the_stop_says(load, at, tmp_path):
    recipe, stops = replace(RECIPE, steps=50), (10, 50)
    whole, reports = trained(load("bert", dropout=0.1), method("noise"), recipe, stops)
    state = start(load("bert", dropout=0.1), recipe)
    walk = train(
        state, method("noise"), recipe, stream(state.encoder), stops, pause=lambda step: step % 20 == 0
    )
    while next(walk).step < at:
        pass
    assert state.step == at
    checkpoint.save(state, tmp_path)
    again = start(load("bert", dropout=0.1, seed=99), recipe)
    checkpoint.restore(again, tmp_path)
    (last,) = train(again, method("noise"), recipe, stream(again.encoder), stops)
    assert equal(whole, again.encoder.model.state_dict())
    assert (last.step, last.loss, last.cost) == (50, reports[-1].loss, reports[-1].cost)


def test_pauses_change_neither_weights_nor_losses(load):
    recipe, stops = replace(RECIPE, steps=50), (10, 50)
    whole, reports = trained(load("bert", dropout=0.1), method("plain"), recipe, stops)
    state = start(load("bert", dropout=0.1), recipe)
    found = list(
        train(state, method("plain"), recipe, stream(state.encoder), stops, pause=lambda step: step % 20 == 0)
    )
    assert [p.step for p in found] == [10, 20, 40, 50]
    assert equal(whole, state.encoder.model.state_dict())
    assert [p.loss for p in found if p.step in stops] == [p.loss for p in reports]


@pytest.mark.parametrize(
    "harm", ["cut weights", "lost pages", "no optimizer", "other encoder", "empty progress", "list"]
)
def test_a_damaged_checkpoint_is_refused_with_its_name(load, tmp_path, harm):
    checkpoint.save(start(load("bert"), RECIPE), tmp_path)
    if harm == "cut weights":
        weights = tmp_path / checkpoint.WEIGHTS
        weights.write_bytes(weights.read_bytes()[:1000])
    if harm == "lost pages":  # as after a power loss: the right length, and zeros
        weights = tmp_path / checkpoint.WEIGHTS
        weights.write_bytes(weights.read_bytes()[:-4096] + bytes(4096))
    if harm == "list":
        (tmp_path / checkpoint.PROGRESS).write_text("[]")
    if harm == "no optimizer":
        (tmp_path / checkpoint.OPTIMIZER).unlink()
    if harm == "empty progress":
        (tmp_path / checkpoint.PROGRESS).write_text("")
    target = start(load("xlmr" if harm == "other encoder" else "bert"), RECIPE)
    with pytest.raises(RecordError, match="not a whole checkpoint"):
        checkpoint.restore(target, tmp_path)
    known_by_length = harm not in ("lost pages", "other encoder")
    assert step_of(tmp_path) == (None if known_by_length else 0)


def test_a_loss_that_is_not_a_number_ends_the_trial_with_its_step(load):
    encoder = load("bert")
    with torch.no_grad():
        encoder.model.classifier.bias[0] = float("nan")
    with pytest.raises(TrainingError, match="step 1: the loss"):
        trained(encoder, method("plain"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adversarial kl", *kills.KEPT])
def test_killed_trainings_end_with_the_weights_of_one_that_was_not(tmp_path, name):
    same, where = kills.compared(tmp_path, name, steps=120 if name in kills.KEPT else 60, kills=3)
    assert same and len(where) == 3


def test_training_learns_the_examples(load):
    encoder = load("bert")
    _, reports = trained(encoder, method("plain"), replace(RECIPE, steps=60), stops=(20, 60))
    assert reports[-1].loss < 0.5 * reports[0].loss
    assert (encoder.predict(batch_for(encoder)) == torch.tensor(LABELS)).all()


def test_frozen_word_embeddings_stay(load):
    encoder = load("bert")
    before = encoder.model.get_input_embeddings().weight.clone()
    weights, _ = trained(encoder, method("plain"), replace(RECIPE, freeze_word_embeddings=True))
    assert torch.equal(before, weights["bert.embeddings.word_embeddings.weight"])


@pytest.mark.parametrize(
    ("name", "changes", "layer", "cost"),
    [("plain", {}, 0, 1), ("noise", {}, 0, 1), ("adversarial", {"steps": 3}, 0, 3), ("free", {"steps": 3}, 0, 4),
     ("adversarial", {"steps": 1}, 0, 5 / 3), ("adversarial", {"steps": 3}, 6, 2),
     ("adversarial and clean", {"steps": 3}, 0, 4), ("adversarial and clean", {"steps": 3}, 6, 2.5),
     ("adversarial kl", {"steps": 1}, 0, 3), ("adversarial kl", {"steps": 3}, 0, 13 / 3),
     ("noise and clean", {}, 0, 2), ("noise kl", {}, 0, 2), ("noise kl", {}, 6, 1.5)],
)  # fmt: skip
def test_cost_counts_a_backward_as_two_forwards(name, changes, layer, cost):
    assert method(name, **changes).cost(layers=12, site=layer) == pytest.approx(cost)


@pytest.mark.slow
def test_pgd_loss_does_not_fall_with_more_steps_and_no_random_point_beats_it(load):
    encoder = load("bert")
    batch = batch_for(encoder)
    states = encoder.embed(batch).detach()

    def loss_at(steps: int) -> float:
        delta = attack(encoder, batch, states, Perturbed(Adversarial(0.5, steps)), torch.Generator())
        encoder.model.eval()
        return float(encoder.loss(batch, states + delta).detach())

    curve = [loss_at(k) for k in (0, 1, 3, 10)]
    assert all(later >= earlier - 1e-3 for earlier, later in pairwise(curve))
    encoder.model.eval()
    generator, many, best = torch.Generator().manual_seed(9), batch_for(encoder, repeat=250), 0.0
    with torch.no_grad():
        states = encoder.embed(many)
        for _ in range(40):  # 10,000 points of the ball around each example
            points = Adversarial(0.5, 0, "ball")(
                states, many.perturbable, lambda moved: moved.sum(), generator
            )
            losses = F.cross_entropy(encoder.logits(many, states + points), many.labels, reduction="none")
            best = max(best, float(losses.reshape(250, 4).mean(1).max()))
    assert best <= 1.05 * curve[-1]

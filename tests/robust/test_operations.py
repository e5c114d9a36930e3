"""The operations of a step on a device, counted; fewer of them change no number."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from tests.bench.step_operations import SHAPES, counted
from tests.robust.conftest import KINDS, batch_for
from tests.robust.test_training import PARAMETERS, method
from xrt.robust.encoder import Encoder


class Casting(Encoder):
    """An encoder of which each pass casts the weights again."""

    def casting_once(self):
        return nullcontext()


@pytest.mark.parametrize(
    ("kind", "name"), list(zip(SHAPES, ["plain", "adversarial", "free", "adversarial kl"], strict=True))
)
def test_a_step_casts_a_weight_once_and_walks_through_no_modules(load, kind, name):
    found = counted(load(kind, dropout=0.1), method(name))
    assert found.casts_of_a_weight == 1 and found.walked == 0 and found.operations > found.casts > 0
    modules = len(list(load(kind).model.modules()))
    # to and fro; an ascent of FreeLB is on the network with its dropout
    assert found.flags == 0 if name in ("plain", "free") else 0 < found.flags < 2 * 0.7 * modules


def test_a_planted_cast_and_a_planted_walk_are_seen(load):
    encoder = load("bert")
    assert counted(Casting(encoder.model, encoder.tokenizer), method("adversarial")).casts_of_a_weight == 3
    assert counted(encoder, Listing(method("plain"))).walked >= len(list(encoder.model.modules()))


class Listing:
    """A method that looks through the modules of the encoder."""

    def __init__(self, how) -> None:
        self.perturbation, self.objective, self._how = how.perturbation, how.objective, how

    def backward(self, encoder, *rest):
        assert list(encoder.model.modules())
        return self._how.backward(encoder, *rest)


@pytest.mark.parametrize("name", PARAMETERS)
def test_in_bfloat16_the_gradients_are_those_of_passes_that_cast_for_themselves(load, name):
    found = []
    for kind in (Encoder, Casting):
        opened = load("bert", dropout=0.1)
        encoder = kind(opened.model, opened.tokenizer, mixed=True)
        encoder.model.train()
        torch.manual_seed(2)
        with encoder.casting_once():
            for part in batch_for(encoder).parts(2):
                method(name).backward(encoder, part, 0.5, torch.Generator().manual_seed(4))
        found.append(torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None]))
    largest = found[0].abs().max()
    # Two passes under one backward meet in bfloat16 where they share a copy, and in float32 where they do not.
    tolerance = 2**-7 * largest if "clean" in name or "kl" in name else 0
    assert largest > 0 and (found[0] - found[1]).abs().max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_the_attack_sees_the_network_without_dropout_and_the_next_pass_with_it(load, kind):
    encoder = load(kind, dropout=0.5)
    batch = batch_for(encoder)
    with torch.no_grad():
        expected = encoder.scores(batch)
        encoder.model.train()
        with encoder.as_used():
            assert torch.equal(encoder.scores(batch), expected)
        torch.manual_seed(3)
        after = encoder.scores(batch)
        encoder.model.train()
        torch.manual_seed(3)
        assert torch.equal(encoder.scores(batch), after) and not torch.equal(after, expected)


def test_whatever_has_dropout_of_its_own_is_switched(load):
    """A module of an unknown class, as of a new family in transformers."""

    class Odd(nn.Module):
        def forward(self, states):
            return states * 2 if self.training else states

    model, tokenizer = load("bert").model, load("bert").tokenizer
    model.bert.pooler.activation = Odd()
    encoder = Encoder(model, tokenizer)
    encoder.model.train()
    with encoder.as_used():
        assert not model.bert.pooler.activation.training
    assert model.bert.pooler.activation.training

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.robust.conftest import KINDS, batch_for
from tests.robust.test_training import PARAMETERS, RECIPE, equal, method, stream, trained
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Adversarial, Clean, Noise
from xrt.robust.progress import measure
from xrt.robust.training import _step, progress, start, train


class Looks(TorchDispatchMode):
    """Counts what makes the host wait for a device: numbers and shapes that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in WAITING:
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


aten = torch.ops.aten
WAITING = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.is_nonzero, aten.equal)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, "adversarial") for kind in KINDS if kind != "mpnet"] + [("xlmr", name) for name in PARAMETERS],
)
def test_a_step_never_waits_for_the_device(load, kind, name):
    """All but MPNet, whose code in transformers reads from the device."""
    encoder = load(kind)
    state = start(encoder, RECIPE)
    with Looks() as looks:
        _step(state, method(name), RECIPE, batch_for(encoder), torch.Generator())
    assert looks.seen == []


def test_a_planted_look_is_seen():
    with Looks() as looks:
        bool(torch.ones(2).all())
    assert looks.seen


def test_the_attack_is_told_by_its_losses_and_the_norm_that_it_reached(load):
    encoder = load("bert", dropout=0.5)
    batch = batch_for(encoder)
    found = measure(encoder, Perturbed(Adversarial(0.3, 3)), [batch, batch], 3, seed=1)
    assert encoder.model.training
    encoder.model.eval()
    assert found.before == pytest.approx(float(encoder.loss(batch, encoder.embed(batch)).detach()), rel=1e-5)
    assert found.after > found.before and found.radius == 0.3
    assert 0.29 < found.norm <= 0.3 + 1e-6
    assert measure(encoder, Perturbed(Noise(0.3)), [batch], 4, seed=1).norm == pytest.approx(0.3, rel=0.1)
    assert measure(encoder, Perturbed(Clean()), [batch], 4, seed=1) is None


@pytest.mark.parametrize("name", PARAMETERS)
def test_stops_and_what_is_measured_there_do_not_touch_the_training(load, name):
    often, reports = trained(load("bert", 1, dropout=0.1), method(name), stops=(1, 2, 5, 10))
    once, _ = trained(load("bert", 1, dropout=0.1), method(name))
    assert equal(often, once)
    assert all((r.attack is None) == (name in ("plain", "synonyms")) for r in reports)
    assert all(r.peak_memory > 2**20 and r.micro_batch == 4 for r in reports)


def test_what_is_measured_at_a_stop_can_be_measured_again(load):
    encoder, how = load("bert", dropout=0.1), method("adversarial")
    state, batches = start(encoder, RECIPE), stream(load("bert"))
    told = next(train(state, how, RECIPE, batches, (5, 10)))
    assert progress(state, how, RECIPE, batches).attack == told.attack

from dataclasses import replace

import pytest
import torch

from tests.robust.conftest import KINDS, batch_for
from tests.robust.test_training import PARAMETERS, RECIPE, equal, method, stream, trained
from xrt.errors import EncoderError, TrainingError
from xrt.robust import checkpoint
from xrt.robust.encoder import load_encoder
from xrt.robust.training import start, train

SHORT = torch.OutOfMemoryError("CUDA out of memory.")
CUBLAS = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def limited(encoder, pairs: int, error: RuntimeError = SHORT):
    """An encoder on a device whose memory holds no more than so many pairs at once."""

    def check(_module, _args, kwargs):
        given = kwargs.get("input_ids") if kwargs.get("inputs_embeds") is None else kwargs["inputs_embeds"]
        if encoder.model.training and len(given) > pairs:
            raise error

    encoder.model.register_forward_pre_hook(check, with_kwargs=True)
    return encoder


@pytest.mark.parametrize("name", PARAMETERS)
def test_too_little_memory_halves_the_micro_batch_and_changes_nothing_else(load, name):
    found, reports = trained(limited(load("bert"), 2), method(name))
    whole, _ = trained(load("bert"), method(name), replace(RECIPE, micro_batch=2))
    assert reports[-1].micro_batch == 2
    assert equal(found, whole)


def test_memory_that_cublas_misses_is_missing_too_and_another_error_is_not(load):
    _, reports = trained(limited(load("bert"), 2, CUBLAS), method("plain"))
    assert reports[-1].micro_batch == 2
    with pytest.raises(RuntimeError, match="CUBLAS_STATUS_NOT_INITIALIZED"):
        trained(limited(load("bert"), 2, RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED")), method("plain"))


def test_too_little_memory_for_half_of_it_is_the_end_and_says_what_to_try(load):
    with pytest.raises(
        TrainingError, match=r"step 1: .* micro-batches of 2\. Try a smaller training\.micro_batch"
    ):
        trained(limited(load("bert"), 1), method("adversarial"))


def test_a_resumed_training_keeps_its_halved_micro_batch_and_does_not_halve_it_again(load, tmp_path):
    state = start(limited(load("bert"), 2), RECIPE)
    next(train(state, method("plain"), RECIPE, stream(state.encoder), (3, 10)))
    checkpoint.save(state, tmp_path)
    again = start(limited(load("bert"), 1), RECIPE)
    checkpoint.restore(again, tmp_path)
    assert again.micro_batch == 2
    with pytest.raises(TrainingError, match="micro-batches of 2"):
        list(train(again, method("plain"), RECIPE, stream(again.encoder), (10,)))


RECOMPUTING = [kind for kind in KINDS if kind not in ("albert", "mpnet")]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("kind", RECOMPUTING)
def test_recomputed_layers_give_the_same_gradients_with_dropout_and_at_every_site(
    encoder_folder, kind, layer
):
    found = []
    for recompute in (False, True):
        encoder = load_encoder(
            str(encoder_folder(kind)),
            ("no", "yes"),
            layer=layer,
            dropout=0.1,
            gradient_checkpointing=recompute,
        )
        encoder.model.train()
        torch.manual_seed(4)
        how, batch = method("adversarial"), batch_for(encoder)
        how.backward(encoder, batch, 1.0, torch.Generator().manual_seed(1))
        found.append([p.grad for p in encoder.model.parameters() if p.grad is not None])
    assert len(found[0]) == len(found[1]) > 10
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_recomputed_layers_keep_less_for_the_backward_pass_in_the_inner_loop_too(encoder_folder):
    kept = []
    for recompute in (False, True):
        encoder = load_encoder(str(encoder_folder("bert")), ("no", "yes"), gradient_checkpointing=recompute)
        batch, sizes = batch_for(encoder, repeat=4), []
        with (
            encoder.as_used(),
            torch.autograd.graph.saved_tensors_hooks(
                lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t
            ),
        ):
            encoder.loss(batch, encoder.embed(batch).detach().requires_grad_())
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_an_encoder_that_cannot_recompute_is_named(encoder_folder):
    with pytest.raises(EncoderError, match=r"training\.gradient_checkpointing: Albert"):
        load_encoder(str(encoder_folder("albert")), ("no", "yes"), gradient_checkpointing=True)

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from xrt.robust.memory import OVERHEAD, SLACK, Shape, shape_of, step_gib


def test_the_shape_of_an_encoder_is_known_without_its_weights():
    shape = shape_of("mini-a")
    assert shape == Shape(shape.parameters, 3000 * 64, 3, 64, 4)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_activations_are_those_that_autograd_keeps(attention):
    """Counted by autograd itself, in float32 on a CPU; the model counts bfloat16 and masks of one byte."""
    config = BertConfig(
        vocab_size=100, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=256
    )
    config._attn_implementation = attention
    model = BertForSequenceClassification(config)
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    pairs, tokens = 8, 64
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(torch.randint(100, (pairs, tokens)), labels=torch.zeros(pairs, dtype=torch.long)).loss
    assert loss.requires_grad
    shape = Shape(0, 0, 4, 64, 4)
    modelled = (step_gib(shape, pairs, tokens) * 2**30 - OVERHEAD) / SLACK
    assert 0.4 * sum(kept.values()) < modelled < 1.1 * sum(kept.values())


def test_frozen_embeddings_need_neither_gradients_nor_moments():
    shape = Shape(1_000_000, 900_000, 1, 8, 1)
    saved = step_gib(shape, 1, 1) - step_gib(shape, 1, 1, frozen_embeddings=True)
    assert saved * 2**30 == pytest.approx(SLACK * 12 * 900_000)

import torch
from transformers.models.deberta_v2 import modeling_deberta_v2

from tests.robust.conftest import batch_for
from xrt.robust.objective import Perturbed
from xrt.robust.perturb import Adversarial


def test_relative_positions_are_computed_once_for_each_width_and_are_those_of_the_family(load, monkeypatch):
    computed, own = [], modeling_deberta_v2.build_relative_position

    def noted(*args, **kwargs):
        computed.append(args[0].shape[-2])
        return own(*args, **kwargs)

    monkeypatch.setattr(modeling_deberta_v2, "build_relative_position", noted)
    encoder = load("deberta")
    layers = encoder.model.base_model.encoder
    with torch.inference_mode():
        batches = [batch_for(encoder, max_tokens=width) for width in (12, 20, 12, 20, 12)]
        found = [encoder.scores(batch) for batch in batches]
        assert computed == [12, 20]
        del layers.get_rel_pos  # as the family has it
        assert all(torch.equal(encoder.scores(batch), one) for batch, one in zip(batches, found, strict=True))
    assert computed == [12, 20, 12, 20, 12, 20, 12]


def test_positions_that_an_evaluation_computed_serve_a_training(load):
    encoder = load("deberta")
    batch = batch_for(encoder)
    encoder.predict(batch)
    encoder.model.train()
    Perturbed(Adversarial(0.1, 1)).backward(encoder, batch, 1.0, torch.Generator().manual_seed(1))
    assert encoder.model.get_input_embeddings().weight.grad.abs().sum() > 0

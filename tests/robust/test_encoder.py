import pytest
import torch

from tests.robust.conftest import KINDS, LAYERED, SENTENCES, batch_for
from xrt.errors import EncoderError
from xrt.robust.encoder import load_encoder
from xrt.robust.objective import Perturbed, attack
from xrt.robust.perturb import Adversarial

SITES = [(kind, layer) for kind in KINDS for layer in (0, 1, 2) if layer == 0 or kind in LAYERED]


@pytest.mark.parametrize(("kind", "layer"), SITES)
def test_logits_from_states_equal_those_from_token_ids_on_a_padded_batch(load, kind, layer):
    """Positions too: RoBERTa counts them from the token ids where it has them, and in order where it has not."""
    encoder = load(kind, layer)
    batch = batch_for(encoder)
    assert (batch.attention_mask == 0).any()
    types = {} if batch.token_type_ids is None else {"token_type_ids": batch.token_type_ids}
    kinds = types if getattr(encoder.model.config, "type_vocab_size", 0) > 1 else {}
    with torch.no_grad():
        ours = encoder.logits(batch, encoder.embed(batch))
        theirs = encoder.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **kinds).logits
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("kind", "layer"), SITES)
def test_logits_at_every_site_equal_those_of_transformers_alone(load, kind, layer):
    encoder = load(kind, layer)
    batch = batch_for(encoder)
    with torch.no_grad():
        ours = encoder.logits(batch, encoder.embed(batch))
        for i, (first, second) in enumerate(SENTENCES):
            alone = encoder.model(**encoder.tokenizer(first, second, return_tensors="pt")).logits[0]
            torch.testing.assert_close(ours[i], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_special_tokens_are_never_perturbable(load, kind):
    encoder = load(kind)
    batch = batch_for(encoder)
    special = torch.isin(batch.input_ids, torch.tensor(encoder.tokenizer.all_special_ids))
    assert not batch.perturbable[special].any()
    assert not batch.perturbable[batch.attention_mask == 0].any()
    assert batch.perturbable[~special & (batch.attention_mask == 1)].all()


@pytest.mark.parametrize(("kind", "layer"), [site for site in SITES if site[1] < 2])
def test_the_gradient_at_the_site_agrees_with_finite_differences(load, kind, layer):
    encoder = load(kind, layer)
    encoder.model.double()
    batch = batch_for(encoder)
    states = encoder.embed(batch).detach().double()
    delta = torch.zeros_like(states, requires_grad=True)
    (gradient,) = torch.autograd.grad(_loss(encoder, batch, states + delta), delta)
    torch.manual_seed(0)
    for _ in range(3):
        direction, h = torch.randn_like(states), 1e-5
        with torch.no_grad():
            up, down = (_loss(encoder, batch, states + s * h * direction) for s in (1, -1))
        assert float((gradient * direction).sum()) == pytest.approx(float((up - down) / (2 * h)), rel=2e-3)


def _loss(encoder, batch, states):
    """In double precision: `Encoder.loss` works in float32, too coarse for differences."""
    encoder.model.config.problem_type = "single_label_classification"
    keep, torch.Tensor.float = torch.Tensor.float, lambda tensor: tensor
    try:
        return encoder.loss(batch, states)
    finally:
        torch.Tensor.float = keep


@pytest.mark.parametrize("layer", [0, 1])
def test_the_attack_leaves_parameters_and_lower_layers_alone(load, layer):
    encoder = load("bert", layer)
    batch = batch_for(encoder)
    states = encoder.embed(batch)
    attack(encoder, batch, states.detach(), Perturbed(Adversarial(0.1, 3)), torch.Generator())
    assert all(p.grad is None for p in encoder.model.parameters())
    assert len(encoder.model.bert.encoder.layer) == 3


def test_site_norm_is_the_mean_norm_of_the_words_in_use(load):
    encoder = load("bert")
    table = encoder.model.get_input_embeddings().weight
    ids = torch.tensor([7, 9, 7, 7, 12])
    expected = (table[7].norm() + table[9].norm() + table[12].norm()) / 3
    assert encoder.site_norm(ids.numpy(), []) == pytest.approx(expected.item())


def test_site_norm_of_a_layer_leaves_out_padding_and_special_tokens(load):
    encoder = load("bert", layer=2)
    batch = batch_for(encoder)
    hidden = encoder.model.bert(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids,
        output_hidden_states=True,
    ).hidden_states[2]  # fmt: skip
    expected = hidden.norm(dim=-1)[batch.perturbable].mean()
    assert encoder.site_norm(batch.input_ids.numpy(), [batch]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_damaged_weights_that_leave_a_radius_without_a_unit_are_refused(load, layer, value):
    encoder = load("bert", layer=layer)
    batch = batch_for(encoder)
    with torch.no_grad():
        for parameter in encoder.model.parameters():
            parameter.fill_(value)
    with pytest.raises(EncoderError, match=f"mean norm of {value}, the unit of radius and noise"):
        encoder.site_norm(batch.input_ids.numpy(), [batch])


def test_the_head_is_drawn_from_the_seed(load):
    one, same, other = (load("xlmr", seed=s).model.state_dict() for s in (1, 1, 2))
    head = [name for name in one if name.startswith("classifier")]
    assert head and all(torch.equal(one[n], same[n]) for n in one)
    assert not any(torch.equal(one[n], other[n]) for n in head if n.endswith("weight"))


def test_dropout_is_set_everywhere_in_the_encoder(load):
    model = load("bert", dropout=0.3).model
    rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == {0.3}


def test_an_encoder_with_one_layer_for_all_has_no_site_inside(load):
    with pytest.raises(EncoderError, match=r"shares its layers, or has .* use the site word"):
        load("albert", 1)


@pytest.mark.parametrize("layer", [3, 7, -1])
def test_a_layer_outside_the_encoder_is_refused(load, layer):
    with pytest.raises(EncoderError, match=f"layer {layer} is not inside the encoder; 1 to 2"):
        load("bert", layer)


def test_an_encoder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EncoderError, match="nowhere") as error:
        load_encoder(str(tmp_path / "nowhere"), ("no", "yes"))
    assert len(error.value.problems) == 1 and "\n" not in error.value.problems[0]

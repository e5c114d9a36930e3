"""What is minimised: FreeLB against a loop written out from its paper, objectives against finite differences."""

import pytest
import torch
import torch.nn.functional as F

from tests.robust.conftest import batch_for
from tests.robust.test_training import PARAMETERS, method, trained
from xrt.robust.objective import Free, Objective, Perturbed, attack, divergence
from xrt.robust.perturb import SMALL, Adversarial, Noise

RADIUS = 0.3


def gradients(encoder) -> torch.Tensor:
    found = torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None])
    encoder.model.zero_grad()
    return found


def written_out(encoder, batch, steps: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """FreeLB (Zhu et al. 2020), one sequence after the other; the last δ, and the gradient at the first."""
    embedding, mask = encoder.model.get_input_embeddings(), batch.perturbable
    rows, width = len(batch), embedding.weight.shape[1]
    draw = torch.randn(*mask.shape, width + 2, generator=torch.Generator().manual_seed(seed))
    delta = torch.zeros(*mask.shape, width)
    limits = [RADIUS * int(mask[row].sum()) ** 0.5 for row in range(rows)]
    for row, limit in enumerate(
        limits
    ):  # a point of the ball in n·D dimensions, drawn on the sphere in n·D + 2
        inside = torch.cat([draw[row, mask[row], :width].flatten(), draw[row, 0, width:]])
        delta[row, mask[row]] = SMALL * limit * draw[row, mask[row], :width] / inside.norm()
    first = None
    for ascent in range(steps + 1):
        delta.requires_grad_()
        loss = F.cross_entropy(encoder.model(
            inputs_embeds=embedding(batch.input_ids) + delta, attention_mask=batch.attention_mask,
            token_type_ids=batch.token_type_ids).logits, batch.labels)  # fmt: skip
        (loss / (steps + 1)).backward()
        gradient, delta = delta.grad, delta.detach().clone()
        first = gradient if first is None else first
        if ascent == steps:
            break
        for row, limit in enumerate(limits):
            along = gradient[row, mask[row]]
            alpha = limit if steps == 1 else 2.5 * limit / steps
            moved = delta[row, mask[row]] + alpha * along / along.norm()
            delta[row, mask[row]] = moved * min(1.0, limit / float(moved.norm()))
    return delta, first


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_free_is_a_written_out_freelb(load, steps):
    encoder = load("bert")
    encoder.model.double()  # so that what differs is the algorithm, not the order of sums
    batch = batch_for(encoder)
    written_out(encoder, batch, steps, seed=4)
    expected = gradients(encoder)
    free = Free(Adversarial(RADIUS, steps, "small", "sequence"))
    free.backward(encoder, batch, 1.0, torch.Generator().manual_seed(4))
    found = gradients(encoder)
    assert (found - expected).abs().max() < 1e-6 < expected.abs().max()


def test_with_one_step_free_trains_on_a_delta_along_the_gradient(load):
    encoder = load("bert")
    batch = batch_for(encoder)
    last, gradient = written_out(encoder, batch, 1, seed=4)
    along = gradient * batch.perturbable.unsqueeze(-1)
    assert F.cosine_similarity(last.flatten(1), along.flatten(1)).min() > 0.3


def test_all_passes_of_a_free_step_see_one_dropout_mask(load):
    """Without a way to go, K + 1 passes are one pass K + 1 times over."""
    found = []
    for how in (Perturbed(Adversarial(0.0, 0)), Free(Adversarial(0.0, 3, "small", "sequence"))):
        encoder = load("bert", dropout=0.3)
        encoder.model.double().train()
        torch.manual_seed(2)
        how.backward(encoder, batch_for(encoder), 1.0, torch.Generator())
        found.append(gradients(encoder))
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("objective", [Objective(clean=0.5), Objective(weight=3.0), Objective(weight=2.0, kl=True),
                                       Objective(0.5, 2.0, kl=True)], ids=repr)  # fmt: skip
def test_the_gradient_of_an_objective_is_that_of_its_formula(load, objective):
    """Along a random direction of the parameters, at a fixed δ, by central differences in float64."""
    encoder = load("bert")
    encoder.model.double()
    batch = batch_for(encoder)
    delta = (
        0.3 * torch.randn(encoder.embed(batch).shape, dtype=torch.float64) * batch.perturbable.unsqueeze(-1)
    )

    def value() -> torch.Tensor:
        states = encoder.embed(batch).double()
        clean, moved = encoder.logits(batch, states).double(), encoder.logits(batch, states + delta).double()
        p, q = clean.softmax(-1), moved.softmax(-1)
        kl = (p * (p / q).log()).sum(-1).mean() + (q * (q / p).log()).sum(-1).mean()
        losses = F.cross_entropy(clean, batch.labels), F.cross_entropy(moved, batch.labels)
        clean_weight = objective.clean + (1 if objective.kl else 0)
        return clean_weight * losses[0] + objective.weight * (kl if objective.kl else losses[1])

    found = objective.of(encoder, batch, encoder.embed(batch), delta)
    torch.testing.assert_close(float(found.detach()), float(value().detach()), atol=1e-6, rtol=1e-6)
    found.backward()
    torch.manual_seed(1)
    trained_ones = [p for p in encoder.model.parameters() if p.grad is not None]
    direction = [torch.randn_like(p) for p in trained_ones]
    slope = sum(float((p.grad * d).sum()) for p, d in zip(trained_ones, direction, strict=True))
    ends = []
    with torch.no_grad():
        for step in (1e-4, -2e-4):
            for p, d in zip(trained_ones, direction, strict=True):
                p += step * d
            ends.append(float(value()))
    assert (ends[0] - ends[1]) / 2e-4 == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("ball", ["piece", "sequence"])
@pytest.mark.parametrize("kl", [False, True])
def test_the_attack_goes_up_what_its_objective_raises(load, ball, kl):
    """One step has the sign and the direction of central differences of what it raises."""
    encoder = load("bert")
    batch = batch_for(encoder)
    states = encoder.embed(batch).detach()
    start = Adversarial(0.05, 0, "small", ball)
    how = Perturbed(Adversarial(0.05, 1, "small", ball), Objective(kl=kl))
    before = start(states, batch.perturbable, lambda e: e.sum(), torch.Generator().manual_seed(3))
    delta = attack(encoder, batch, states, how, torch.Generator().manual_seed(3))
    encoder.model.eval()

    def raised(moved: torch.Tensor) -> float:
        with torch.no_grad():
            clean, logits = encoder.logits(batch, states), encoder.logits(batch, states + moved)
            return float(divergence(logits, clean) if kl else F.cross_entropy(logits, batch.labels))

    assert raised(delta) > raised(before)
    way = delta - before
    assert raised(before + 0.05 * way) > raised(before - 0.05 * way)


def test_the_divergence_is_symmetric_zero_at_equality_and_that_of_torch():
    torch.manual_seed(0)
    one, other = torch.randn(5, 3), torch.randn(5, 3)
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    both = (F.kl_div(p, q, log_target=True, reduction="batchmean") +
            F.kl_div(q, p, log_target=True, reduction="batchmean"))  # fmt: skip
    torch.testing.assert_close(divergence(one, other), both)
    torch.testing.assert_close(divergence(other, one), both)
    assert divergence(one, one) == 0


def test_without_dropout_and_without_a_ball_the_divergence_is_plain_fine_tuning(load):
    none = method("noise kl", scale=0.0)
    expected, _ = trained(load("bert"), method("plain"))
    found, _ = trained(load("bert"), none)
    for name, weights in expected.items():
        torch.testing.assert_close(found[name], weights, atol=1e-6, rtol=1e-5)


def test_without_a_ball_the_divergence_is_that_of_two_dropout_masks(load):
    """R-Drop (Liang et al. 2021) falls out."""
    encoder = load("bert", dropout=0.3)
    encoder.model.train()
    batch, how = batch_for(encoder), Perturbed(Noise(0.0), Objective(kl=True))
    for seed in range(5):
        torch.manual_seed(seed)
        loss = how.backward(encoder, batch, 1.0, torch.Generator())
        torch.manual_seed(seed)
        # the same first mask
        assert loss > float(encoder.loss(batch, encoder.embed(batch)).detach())
    assert gradients(encoder).abs().max() > 0


@pytest.mark.parametrize("name", [name for name in PARAMETERS if "clean" in name])
def test_weight_and_clean_are_those_of_the_formula(name):
    assert method(name).objective == Objective(clean=0.5)
    assert method("noise kl").objective == Objective(weight=2.0, kl=True)


def test_the_attack_on_a_divergence_starts_beside_zero_where_it_has_a_gradient():
    assert method("adversarial kl").perturbation.start == "small"
    assert method("adversarial").perturbation.start == "zero"
    assert method("adversarial kl", start="ball").perturbation.start == "ball"

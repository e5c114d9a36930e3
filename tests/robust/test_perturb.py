import pytest
import torch

from xrt.robust.perturb import Adversarial, Clean, Noise

STARTS, BALLS = ("zero", "small", "ball"), ("piece", "sequence")
PERTURBATIONS = [
    Clean(),
    *(Adversarial(0.5, 2, start, ball) for start in STARTS for ball in BALLS),
    Adversarial(0.5, 1),
    Adversarial(0.5, 5),
    Adversarial(0.0, 2),
    Noise(0.3),
    Noise(0.0),
]
B, T, D = 3, 5, 16


def setting(seed: int = 0):
    torch.manual_seed(seed)
    weights = torch.nn.Parameter(torch.randn(D))
    perturbable = torch.rand(B, T) > 0.4
    return torch.randn(B, T, D), perturbable, weights, lambda e: (e @ weights).tanh().sum()


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=repr)
def test_every_perturbation_keeps_the_contract(perturbation):
    embeddings, perturbable, weights, loss_of = setting()
    draws = [
        perturbation(embeddings, perturbable, loss_of, torch.Generator().manual_seed(s)) for s in (5, 5, 6)
    ]
    delta = draws[0]
    assert delta.shape == embeddings.shape and delta.dtype == torch.float32 and not delta.requires_grad
    assert delta[~perturbable].abs().max() == 0, "zero outside the mask"
    assert torch.equal(draws[0], draws[1]), "reproducible from a seed"
    assert weights.grad is None, "parameter gradients untouched"
    drawn = delta.abs().max() > 0 and getattr(perturbation, "start", "") != "zero"
    assert torch.equal(draws[0], draws[2]) != drawn, "another seed draws another perturbation"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("passes", [1, 2, 5])
def test_pgd_on_a_linear_loss_follows_the_closed_form(passes, start):
    """The gradient of w·δ is w everywhere: each pass moves by α·w/‖w‖ and is cut back to the ball."""
    embeddings, perturbable, weights, _ = setting()
    random = torch.Generator().manual_seed(1)
    point = Adversarial(0.5, 0, start)(embeddings, perturbable, lambda e: e.sum(), random).double()
    alpha = 0.5 if passes == 1 else 2.5 * 0.5 / passes
    for _ in range(passes):
        point = point + alpha * weights.detach().double() / weights.detach().double().norm()
        point = point * (0.5 / point.norm(dim=-1, keepdim=True)).clamp(max=1) * perturbable.unsqueeze(-1)
    pgd = Adversarial(0.5, passes, start)
    delta = pgd(embeddings, perturbable, lambda e: (e @ weights).sum(), torch.Generator().manual_seed(1))
    torch.testing.assert_close(delta, point.float())


@pytest.mark.parametrize("ball", BALLS)
def test_one_step_from_zero_is_the_maximum_of_a_linear_loss(ball):
    """Over a ball, w·δ is largest at radius·w/‖w‖."""
    embeddings, perturbable, weights, _ = setting()
    how = Adversarial(0.5, 1, ball=ball)
    delta = how(embeddings, perturbable, lambda e: (e @ weights).sum(), torch.Generator())
    reached = (delta @ weights.detach())[perturbable] / (0.5 * weights.detach().norm())
    torch.testing.assert_close(reached, torch.ones_like(reached))


def test_the_ball_of_a_sequence_lets_one_position_have_more_than_another():
    embeddings, perturbable, weights, _ = setting()
    slopes = torch.arange(1.0, T + 1).reshape(1, T, 1)
    how = Adversarial(0.5, 3, ball="sequence")
    delta = how(
        embeddings, perturbable, lambda e: (slopes * (e @ weights).unsqueeze(-1)).sum(), torch.Generator()
    )
    assert delta.flatten(1).norm(dim=-1) == pytest.approx(0.5 * perturbable.sum(1).sqrt())
    share = (delta.norm(dim=-1) / slopes[..., 0])[perturbable]
    assert delta.norm(dim=-1).max() > 0.5 and share.max() / share.min() > 1 - 1e-4


def test_a_small_start_is_near_the_centre_and_not_at_it():
    embeddings, perturbable, _, loss_of = setting()
    for ball in BALLS:
        delta = Adversarial(0.5, 0, "small", ball)(
            embeddings, perturbable, loss_of, torch.Generator().manual_seed(1)
        )
        norms = delta.norm(dim=-1)[perturbable]
        assert norms.min() > 0 and norms.mean() < 0.3 * 0.5


def test_pgd_goes_by_the_direction_of_a_gradient_however_small():
    """A confident model has gradients of 1e-12 and less."""
    embeddings, perturbable, _, loss_of = setting()
    deltas = [
        Adversarial(0.5, 3)(
            embeddings, perturbable, lambda e, s=s: s * loss_of(e), torch.Generator().manual_seed(1)
        )
        for s in (1.0, 1e-14)
    ]
    torch.testing.assert_close(*deltas, atol=1e-5, rtol=1e-4)


def test_noise_has_the_norm_of_its_scale():
    mask = torch.ones(50, 40, dtype=torch.bool)
    delta = Noise(0.3)(torch.zeros(50, 40, 256), mask, lambda e: e.sum(), torch.Generator())
    norms = delta.norm(dim=-1)
    assert norms.mean() == pytest.approx(0.3, rel=0.01)
    assert delta.mean() == pytest.approx(0.0, abs=1e-3)

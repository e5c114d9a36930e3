import pytest
import torch

from xrt.robust.region import Region

BALLS = ("piece", "sequence")
PERTURBABLE = torch.tensor([[True, True, False], [True, False, False]])


def region(radius: float = 0.5, ball: str = "piece") -> Region:
    return Region.around(torch.zeros(2, 3, 8), PERTURBABLE, radius, ball)


def norms(delta: torch.Tensor, ball: str) -> torch.Tensor:
    """Norms per ball: at the perturbable positions, or of the sequences."""
    return delta.norm(dim=-1)[PERTURBABLE] if ball == "piece" else delta.flatten(1).norm(dim=-1)


def test_projection_is_the_nearest_point_of_each_ball():
    torch.manual_seed(0)
    delta, ball = torch.randn(2, 3, 8), region()
    projected = ball.project(delta)
    for b, t in [(0, 0), (0, 1), (1, 0)]:
        expected = delta[b, t] * min(1, 0.5 / float(delta[b, t].norm()))
        torch.testing.assert_close(projected[b, t], expected)
    assert projected[~PERTURBABLE].abs().max() == 0


def test_projection_onto_the_ball_of_a_sequence_looks_at_its_perturbable_positions_alone():
    torch.manual_seed(0)
    delta = torch.randn(2, 3, 8)
    projected = region(ball="sequence").project(delta)
    for row, places in enumerate(([0, 1], [0])):
        inside = delta[row, places]
        limit = 0.5 * len(places) ** 0.5
        torch.testing.assert_close(projected[row, places], inside * min(1, limit / float(inside.norm())))
    assert projected[~PERTURBABLE].abs().max() == 0


@pytest.mark.parametrize("ball", BALLS)
def test_projection_leaves_points_inside_the_ball_alone(ball):
    inside = 0.01 * torch.ones(2, 3, 8) * region().mask
    assert torch.equal(region(ball=ball).project(inside), inside)


@pytest.mark.parametrize("ball", BALLS)
def test_zero_radius_projects_everything_onto_zero(ball):
    assert region(0.0, ball).project(torch.randn(2, 3, 8)).abs().max() == 0
    assert region(0.0, ball).ascend(torch.zeros(2, 3, 8), torch.zeros(2, 3, 8), 1.0).abs().max() == 0


@pytest.mark.parametrize("ball", BALLS)
def test_a_whole_step_from_zero_reaches_the_edge_along_the_gradient(ball):
    torch.manual_seed(0)
    gradient = torch.randn(2, 3, 8)
    delta = region(ball=ball).ascend(torch.zeros(2, 3, 8), gradient, 1.0)
    expected = gradient * region().mask
    cosine = torch.nn.functional.cosine_similarity(delta.flatten(1), expected.flatten(1))
    assert ball == "piece" or cosine.min() > 1 - 1e-6
    for reached, limit in zip(
        norms(delta, ball), (0.5, 0.5, 0.5) if ball == "piece" else (0.5 * 2**0.5, 0.5), strict=True
    ):
        assert reached == pytest.approx(limit)


def test_random_points_are_uniform_in_the_ball():
    ball = Region(2.0, torch.ones(200, 100, 1))
    points = ball.random(3, torch.Generator().manual_seed(0)).reshape(-1, 3)
    check_uniform(points, 2.0)


def test_random_points_are_uniform_in_the_ball_of_a_sequence():
    """Two perturbable positions of three: a ball in 6 dimensions whose radius is √2 times as large."""
    mask = torch.tensor([1.0, 0.0, 1.0]).reshape(1, 3, 1).expand(20_000, 3, 1)
    points = Region(2.0, mask, "sequence").random(3, torch.Generator().manual_seed(0))
    assert points[:, 1].abs().max() == 0
    check_uniform(points[:, [0, 2]].flatten(1), 2.0 * 2**0.5)


def check_uniform(points: torch.Tensor, radius: float) -> None:
    inside = points.norm(dim=-1)
    assert inside.max() <= radius + 1e-6
    for share in (0.25, 0.5, 0.9):  # P(norm <= r) = (r / radius)^D
        assert (inside <= radius * share ** (1 / points.shape[-1])).float().mean() == pytest.approx(
            share, abs=0.01
        )
    assert points.mean(0).abs().max() < 0.03

import pytest
import torch

from xrt.robust.region import Region


def region(radius: float = 0.5) -> Region:
    perturbable = torch.tensor([[True, True, False], [True, False, False]])
    return Region.around(torch.zeros(2, 3, 8), perturbable, radius)


def test_projection_is_the_nearest_point_of_each_ball():
    torch.manual_seed(0)
    delta, ball = torch.randn(2, 3, 8), region()
    projected = ball.project(delta)
    for b, t in [(0, 0), (0, 1), (1, 0)]:
        expected = delta[b, t] * min(1, 0.5 / float(delta[b, t].norm()))
        torch.testing.assert_close(projected[b, t], expected)
    assert projected[~ball.mask.squeeze(-1).bool()].abs().max() == 0


def test_projection_leaves_points_inside_the_ball_alone():
    inside = 0.01 * torch.ones(2, 3, 8) * region().mask
    assert torch.equal(region().project(inside), inside)


def test_zero_radius_projects_everything_onto_zero():
    assert region(0.0).project(torch.randn(2, 3, 8)).abs().max() == 0
    assert region(0.0).ascend(torch.zeros(2, 3, 8), torch.zeros(2, 3, 8), 0.0).abs().max() == 0


def test_random_points_are_uniform_in_the_ball():
    ball = Region(2.0, torch.ones(200, 100, 1))
    points = ball.random(3, torch.Generator().manual_seed(0)).reshape(-1, 3)
    inside = points.norm(dim=-1)
    assert inside.max() <= 2.0 + 1e-6
    for share in (0.25, 0.5, 0.9):  # P(norm <= r) = (r / radius)^D
        radius = 2.0 * share ** (1 / 3)
        assert (inside <= radius).float().mean() == pytest.approx(share, abs=0.01)
    assert points.mean(0).abs().max() < 0.03

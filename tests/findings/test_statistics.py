"""Means, intervals and tests: against formulas worked out elsewhere, and against worlds whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.bench.groups import BASE, SIZES, rates
from tests.bench.worlds import World
from xrt.findings.statistics import contributions, crossed, over_groups, over_seeds
from xrt.robust.bootstrap import bootstrap_means
from xrt.robust.predictions import Predictions
from xrt.spec.metric import MEANS, Metric

PAIRS = tuple((a, b) for a in ("en", "de", "zh") for b in ("en", "de", "zh"))
RNG = np.random.default_rng


def predictions(seed: int = 0, examples: int = 50, missing: float = 0.0, group: int = 1) -> Predictions:
    rng = RNG(seed)
    labels = np.where(rng.random((9, examples)) < missing, -1, rng.integers(0, 2, examples)).astype(np.int16)
    predicted = np.where(rng.random((9, examples)) < 0.7, labels, 1 - labels).astype(np.int16)
    ids = tuple(map(str, range(examples)))
    return Predictions(("en",), PAIRS, ids, np.arange(examples) // group, predicted, labels)


def cells(metric: str, found: Predictions) -> list[int]:
    return Metric.parse(f"dev/{metric}").cells(found.pairs, ("en",))


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("metric", [*(f"mean/{name}" for name in MEANS), "acc/de", "pair/de-zh"])
def test_contributions_average_to_the_mean_of_the_accuracies(metric: str, missing: float, group: int) -> None:
    found = predictions(missing=missing, group=group)
    chosen = cells(metric, found)
    values = contributions(found, chosen)
    assert values.mean() == pytest.approx(found.mean(chosen), abs=1e-12)
    assert missing or len(values) == math.ceil(50 / group)


def test_a_group_without_predictions_does_not_count_and_an_empty_cell_makes_a_mean_unknown() -> None:
    found = predictions()
    found.labels[:, 7] = -1
    assert len(contributions(found, cells("mean/mixed", found))) == 49
    found = predictions()
    found.labels[1] = -1
    assert len(contributions(found, cells("mean/mixed", found))) == 0
    assert math.isnan(found.mean(cells("mean/mixed", found)))
    assert all(map(math.isnan, over_groups(found, [])))


def test_with_seeds_alone_at_random_the_interval_is_students() -> None:
    by_seed = np.array([0.7, 0.74, 0.71, 0.78])
    values = np.repeat(by_seed[:, None], 100, axis=1)
    low, high = stats.t.interval(0.95, 3, by_seed.mean(), stats.sem(by_seed))
    for found in (crossed(values), over_seeds(list(by_seed))):
        assert found.interval() == (pytest.approx(low), pytest.approx(high))
        assert found.p == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue)
        assert found.sd == pytest.approx(by_seed.std(ddof=1))
        assert found.seed_error == pytest.approx(found.error)
        assert found.error_at(16) == pytest.approx(found.error / 2)


def test_with_examples_alone_at_random_the_error_is_that_of_a_mean_and_more_seeds_do_not_help() -> None:
    by_example = (RNG(1).random(400) < 0.8).astype(float)
    found = crossed(np.repeat(by_example[None], 5, axis=0))
    assert found.error == pytest.approx(stats.sem(by_example))
    assert found.error_at(50) == pytest.approx(found.error)


def test_the_error_of_a_crossed_mean_is_unbiased() -> None:
    rng, means, squares = RNG(2), [], []
    for _ in range(2000):
        values = rng.normal(0, 0.3, (4, 1)) + rng.normal(0, 1, (1, 60)) + rng.normal(0, 1, (4, 60))
        found = crossed(values)
        means.append(found.mean)
        squares.append(found.error**2)
    truth = 0.3**2 / 4 + 1 / 60 + 1 / 240
    assert np.mean(squares) == pytest.approx(truth, rel=0.05)
    assert np.var(means) == pytest.approx(truth, rel=0.1)


def test_seeds_that_agree_by_luck_are_not_certain() -> None:
    one = (np.arange(120) < 51).astype(float)
    found = crossed(np.stack([one, np.roll(one, 60)]))  # equal means, unlike predictions
    low, high = found.interval()
    assert found.sd == 0.0
    assert low < found.mean - 0.05 < found.mean + 0.05 < high


@pytest.mark.parametrize("values", [np.zeros((3, 20)), np.full((3, 20), 0.25)])
def test_where_nothing_varies_there_is_no_division_by_nothing(values: np.ndarray) -> None:
    found = crossed(values)
    assert (*found.interval(), found.error) == (found.mean, found.mean, 0.0)
    assert found.p == (1.0 if found.mean == 0 else 0.0)


def test_one_seed_gives_a_mean_and_no_interval() -> None:
    for found in (crossed(np.ones((1, 5))), over_seeds([1.0])):
        assert found.mean == 1.0 and not found.known and math.isnan(found.p)
    assert math.isnan(over_seeds([]).mean)


@pytest.mark.parametrize("level", [0.05, 0.01, 0.2])
def test_the_interval_leaves_out_0_exactly_where_p_is_below_the_level(level: float) -> None:
    for seed in range(200):
        found = crossed(RNG(seed).normal(0.1, 1, (3, 40)))
        low, high = found.interval(level)
        assert (low > 0 or high < 0) == (found.p < level)


def test_with_groups_no_difference_is_found_where_there_is_none_in_about_one_case_of_twenty() -> None:
    sizes = tuple(int(n) for n in RNG(0).permutation(SIZES))
    found = rates(replace(BASE, sizes=sizes, icc=0.8, seeds=5, taste=0.8), 400, RNG(3))
    assert found["type I"] <= 0.08 < found["type I, old"]
    assert found["coverage"] >= 0.92 > found["coverage, old"]
    assert 0.91 <= found["bootstrap"] <= 0.98


def test_a_t_test_over_seeds_alone_would_be_far_too_sure() -> None:
    world, rng = World(examples=80, seeds=5, taste=0.5, seed=0.02), RNG(4)
    values = [v[1] - v[0] for v in (world.right(rng, 2).mean(2) for _ in range(400))]
    both, alone = (
        [f.p < 0.05 for f in found]
        for found in zip(*((crossed(v), over_seeds(list(v.mean(1)))) for v in values), strict=True)
    )
    assert np.mean(both) <= 0.07 < 0.12 < np.mean(alone)


def test_a_real_difference_is_found() -> None:
    values = World(examples=400, seeds=5).right(RNG(5), 2).mean(2)
    better = crossed(values[1] + 0.08 - values[0])
    assert better.p < 0.05 and 0 < better.interval()[0] < 0.13


def test_the_bootstrap_knows_that_cells_share_their_examples() -> None:
    one = (RNG(7).random((1, 300)) < 0.7).astype(np.int64)
    alike, total = np.repeat(one, 42, axis=0), np.ones((42, 300), np.int64)
    error = bootstrap_means(alike, total, RNG(8), 2000).std()
    assert error == pytest.approx(np.sqrt(one.mean() * (1 - one.mean()) / 300), rel=0.06)


def test_the_bootstrap_repeats_itself_and_agrees_with_a_loop() -> None:
    found = predictions(missing=0.2, group=2)
    chosen = cells("mean/mixed", found)
    assert over_groups(found, chosen) == over_groups(found, chosen)
    assert found.error(chosen) == found.error(chosen)
    right, total = found.by_group(chosen)
    drawn = bootstrap_means(right, total, RNG(9), 5)
    for weights, mean in zip(RNG(9).multinomial(25, np.full(25, 1 / 25), 5), drawn, strict=True):
        cell_means = (weights * right).sum(1) / (weights * total).sum(1)
        assert mean == pytest.approx(cell_means.mean(), abs=1e-6)

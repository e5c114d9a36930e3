"""Means, intervals and tests: against formulas worked out elsewhere, and against worlds whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.bench.bootstrap_coverage import rates as coverage
from tests.bench.type_one_error import rates
from tests.bench.worlds import World
from xrt.answers.statistics import (
    bootstrap_means,
    chosen,
    contributions,
    crossed,
    holm,
    over_examples,
    over_seeds,
)
from xrt.robust.evaluation import MEANS, Predictions

PAIRS = tuple((a, b) for a in ("en", "de", "zh") for b in ("en", "de", "zh"))
RNG = np.random.default_rng


def predictions(seed: int = 0, examples: int = 50, missing: float = 0.0, right: float = 0.7) -> Predictions:
    rng = RNG(seed)
    labels = np.where(rng.random((9, examples)) < missing, -1, rng.integers(0, 2, examples)).astype(np.int8)
    answers = np.where(rng.random((9, examples)) < right, labels, 1 - labels).astype(np.int8)
    return Predictions("en", PAIRS, tuple(map(str, range(examples))), answers, labels)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("metric", [*(f"mean/{name}" for name in MEANS), "acc/de", "pair/de-zh"])
def test_contributions_average_to_the_accuracy_of_the_matrix(metric: str, missing: float) -> None:
    found = predictions(missing=missing)
    expected = found.matrix.metrics("dev")[f"dev/{metric}"]
    for name in (metric, f"dev/{metric}"):
        values = contributions(found, chosen(name, found.pairs, "en"))
        assert values.mean() == pytest.approx(expected, abs=1e-12)


def test_a_cell_without_examples_and_an_example_without_cells_do_not_count() -> None:
    found = predictions()
    found.labels[1], found.labels[:, 7] = -1, -1
    cells = chosen("mean/mixed", found.pairs, "en")
    assert len(contributions(found, cells)) == 49
    assert contributions(found, cells).mean() == pytest.approx(found.matrix.mean("mixed"))
    assert len(contributions(found, [1])) == 0
    assert math.isnan(over_examples(found, [1]).mean)


def test_with_seeds_alone_at_random_the_interval_is_students() -> None:
    by_seed = np.array([0.7, 0.74, 0.71, 0.78])
    values = np.repeat(by_seed[:, None], 100, axis=1)  # every example alike: nothing but the seeds varies
    low, high = stats.t.interval(0.95, 3, by_seed.mean(), stats.sem(by_seed))
    for found in (crossed(values), over_seeds(list(by_seed))):
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
        assert found.p == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue)
        assert found.sd == pytest.approx(by_seed.std(ddof=1))


def test_with_examples_alone_at_random_the_error_is_that_of_a_mean_of_examples() -> None:
    by_example = (RNG(1).random(400) < 0.8).astype(float)
    found = crossed(np.repeat(by_example[None], 5, axis=0))
    assert found.error == pytest.approx(stats.sem(by_example))


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
    found = crossed(np.stack([one, np.roll(one, 60)]))  # equal means, unlike answers
    assert found.sd == 0.0
    assert found.low < found.mean - 0.05 < found.mean + 0.05 < found.high


@pytest.mark.parametrize("values", [np.zeros((3, 20)), np.full((3, 20), 0.25)])
def test_where_nothing_varies_there_is_no_division_by_nothing(values: np.ndarray) -> None:
    found = crossed(values)
    assert (found.low, found.high, found.error) == (found.mean, found.mean, 0.0)
    assert found.p == (1.0 if found.mean == 0 else 0.0)


def test_one_seed_gives_a_mean_and_no_interval() -> None:
    for found in (crossed(np.ones((1, 5))), over_seeds([1.0])):
        assert found.mean == 1.0 and not found.known and math.isnan(found.p)
    assert math.isnan(over_seeds([]).mean)


def test_no_difference_is_found_where_there_is_none_in_about_one_case_of_twenty() -> None:
    found = rates(World(examples=80, seeds=3), 1000, RNG(3))
    assert 0.03 <= found["crossed"] <= 0.07
    assert found["examples"] > 0.15, "the world is too easy: any test would pass"


def test_a_t_test_over_seeds_alone_would_be_far_too_sure() -> None:
    world = World(examples=80, seeds=5, taste=0.5, seed=0.02)
    found = rates(world, 400, RNG(4))
    assert found["crossed"] <= 0.07 < 0.12 < found["t"]


def test_a_real_difference_is_found() -> None:
    values = World(examples=400, seeds=5).answers(RNG(5), 2).mean(2)
    better = crossed(values[1] + 0.08 - values[0])
    assert better.p < 0.05 and better.low < 0.08 + 0.05 and better.low > 0


def test_the_bootstrap_interval_holds_the_truth_and_a_binomial_one_does_not() -> None:
    boot, binomial = coverage(World(seeds=1, seed=0.0, whim=0.0, examples=200), 250, RNG(6), missing=0.02)
    assert 0.92 <= boot <= 0.98 and binomial < 0.8


def test_the_bootstrap_knows_that_cells_share_their_examples() -> None:
    one = RNG(7).random((1, 300)) < 0.7
    alike, asked = np.repeat(one, 42, axis=0), np.ones((42, 300), bool)
    error = bootstrap_means(alike, asked, RNG(8), 2000).std()
    assert error == pytest.approx(np.sqrt(one.mean() * (1 - one.mean()) / 300), rel=0.06)


def test_the_bootstrap_repeats_itself_and_agrees_with_a_loop() -> None:
    found = predictions(missing=0.2)
    cells = chosen("mean/mixed", found.pairs, "en")
    assert over_examples(found, cells) == over_examples(found, cells)
    assert over_examples(found, cells).mean == pytest.approx(found.matrix.mean("mixed"))
    right, asked = (found.predicted == found.labels)[cells], (found.labels >= 0)[cells]
    drawn = bootstrap_means(right, asked, RNG(9), 5)
    for weights, mean in zip(RNG(9).multinomial(50, np.full(50, 1 / 50), 5), drawn, strict=True):
        rows = np.repeat(np.arange(50), weights)
        cell_means = [r[rows][a[rows]].mean() for r, a in zip(right, asked, strict=True)]
        assert mean == pytest.approx(np.mean(cell_means), abs=1e-6)


def test_holm_corrects_step_by_step_and_passes_over_what_is_unknown() -> None:
    assert holm([0.01, math.nan, 0.04, 0.03])[::2] == pytest.approx([0.03, 0.06])
    assert math.isnan(holm([0.01, math.nan])[1]) and holm([]) == []

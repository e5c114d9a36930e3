"""Looks and claims under one error: against Holm alone, against simulations, and interval against verdict."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from xrt.findings.looks import chance, detectable, judge, looks, weights
from xrt.findings.statistics import Estimate, crossed, over_seeds


def test_looks_grow_by_half_and_end_at_the_most() -> None:
    assert looks(3, 10) == (3, 5, 8, 10)
    assert looks(5, 5) == (5,)
    assert looks(2, 3) == (2, 3)


@pytest.mark.parametrize("bounds", [(3, 10), (2, 50), (5, 5)])
def test_the_weights_of_all_looks_add_up_to_one_and_grow(bounds: tuple[int, int]) -> None:
    spent = weights(looks(*bounds))
    assert sum(spent) == pytest.approx(1)
    assert list(spent) == sorted(spent)


def test_with_one_look_it_is_holms_correction() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    judged = judge([[value] for value in p], (5,))
    assert [j.p for j in judged if j] == pytest.approx(multipletests(p, method="holm")[1])
    assert [j.reliable for j in judged if j] == list(multipletests(p, method="holm")[0])


def test_what_is_unknown_is_no_claim_and_does_not_count() -> None:
    judged = judge([[0.02], [], [0.03]], (3, 5))
    assert judged[1] is None
    assert judge([], (3,)) == []


histories = st.lists(st.lists(st.floats(1e-6, 1), min_size=1, max_size=4), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(histories)
def test_a_verdict_never_contradicts_its_interval(found: list[list[float]]) -> None:
    """The interval at `level` leaves out 0 exactly where the p value at the look of the verdict is below it."""
    for history, judged in zip(found, judge(found, (3, 5, 8, 10)), strict=True):
        assert judged is not None
        assert judged.reliable == (history[judged.look] <= judged.level * (1 + 1e-9))


def test_many_looks_do_not_raise_the_error() -> None:
    rng, at = np.random.default_rng(0), looks(3, 10)
    wrong = 0
    for _ in range(1500):
        values = rng.normal(0, 1, (10, 3))
        found = [[over_seeds(list(values[:n, claim])).p for n in at] for claim in range(3)]
        wrong += any(judged.reliable for judged in judge(found, at) if judged)
    assert wrong / 1500 <= 0.06


def test_uncorrected_looks_would() -> None:
    rng, at = np.random.default_rng(0), looks(3, 10)
    found = [any(over_seeds(list(v[:n])).p < 0.05 for n in at) for v in rng.normal(0, 1, (500, 10))]
    assert np.mean(found) > 0.08


def test_a_claim_stays_reliable_when_later_looks_are_less_clear() -> None:
    judged = judge([[0.0001, 0.9]], (3, 5, 8, 10))[0]
    assert judged and judged.reliable and judged.look == 0


def test_the_chance_is_high_for_a_clear_trend_and_low_for_none() -> None:
    rng = np.random.default_rng(1)
    clear, none = (crossed(rng.normal(mean, 1, (3, 100)) + rng.normal(0, 0.5, (3, 1))) for mean in (2.0, 0.0))
    assert chance(clear, 0.05, 10) > 0.8
    assert chance(Estimate(0.0, 0.1, 0.05, 0.05, 2.0, 3, 100), 0.01, 10) < 0.1
    assert chance(none, 0.05, 3) == 0.0, "there are no more seeds"


def test_the_detectable_difference_shrinks_with_seeds_and_is_found_that_often() -> None:
    spread = Estimate(0.0, 0.01, 0.005, 0.005, 9.0, 10, 1000)
    assert detectable(spread, 0.05, 40) < detectable(spread, 0.05, 10)
    true = detectable(spread, 0.05, 10)
    rng = np.random.default_rng(2)
    sd = 0.005 * math.sqrt(10)
    found = [over_seeds(list(rng.normal(true, sd, 10))).p < 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert math.isnan(detectable(Estimate(0.1), 0.05, 5))

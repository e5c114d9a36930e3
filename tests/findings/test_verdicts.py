"""The verdict on an arm: what "better" needs, and that it never contradicts its interval."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.findings.arms import ADVERSARIAL, CANDIDATES, MIXED, NOISE, PLAIN, TARGETS, Made, trained
from xrt.findings.looks import looks
from xrt.findings.verdicts import Claim, claims

AT = (5,)


def verdict(found: dict[str, Made]) -> Claim:
    return next(
        c
        for c in claims(CANDIDATES, found, [MIXED, TARGETS], AT)
        if (c.arm, c.metric) == (ADVERSARIAL, MIXED)
    )


def test_better_needs_the_ablation_and_the_best_plain() -> None:
    assert verdict(trained(a=0.76)).verdict == "better"
    assert verdict(trained(a=0.76, pa=0.76)).verdict == "no reliable difference", "its settings alone did it"
    assert verdict(trained(a=0.76, p=0.76)).verdict == "no reliable difference", "plain was tuned worse"
    assert verdict(trained(a=0.64)).verdict == "worse"


def test_the_deciding_difference_is_the_less_certain_one() -> None:
    claim = verdict(trained(a=0.76, p=0.75))
    assert claim.difference.mean == pytest.approx(0.01, abs=0.01)
    assert claim.p >= max(d.p for d in claim.shown)


def test_where_the_two_point_in_opposite_directions_nothing_is_claimed() -> None:
    claim = verdict(trained(a=0.7, pa=0.64, p=0.76))
    low, high = claim.interval
    assert claim.verdict == "no reliable difference" and low < 0 < high
    assert claim.difference.mean == pytest.approx(-0.06, abs=0.01) and claim.p == 1
    other = verdict(trained(a=0.7, pa=0.76, p=0.64))
    assert other.difference.mean == pytest.approx(-0.06, abs=0.01)


def test_a_configuration_of_which_a_seed_failed_is_not_better() -> None:
    found = trained(a=0.8)
    found["0001"] = replace(found["0001"], failed=(2, 4))
    claim = verdict(found)
    assert claim.verdict == "unstable" and claim.failed == (2, 4) and not claim.open
    found["0001"] = replace(found["0001"], accuracy=0.6)
    assert verdict(found).verdict == "worse"


def test_nothing_is_claimed_without_plain_or_before_the_first_look() -> None:
    without = replace(CANDIDATES, best={a: id for a, id in CANDIDATES.best.items() if a != PLAIN})
    assert {c.verdict for c in claims(without, trained(a=0.8), [MIXED], AT)} == {"unknown"}
    early = trained(count=4, a=0.8)
    assert {c.verdict for c in claims(CANDIDATES, early, [MIXED], AT)} == {"unknown"}
    assert all(math.isnan(c.p) and math.isnan(c.interval[0]) for c in claims(CANDIDATES, early, [MIXED], AT))


def test_every_robust_arm_is_claimed_by_every_primary_metric_and_plain_is_not() -> None:
    found = claims(CANDIDATES, trained(), [MIXED, TARGETS], AT)
    assert [(c.arm, c.metric) for c in found] == [
        (ADVERSARIAL, MIXED), (ADVERSARIAL, TARGETS), (NOISE, MIXED), (NOISE, TARGETS)
    ]  # fmt: skip


@pytest.mark.parametrize("at", [(5,), looks(3, 10)])
def test_interval_and_verdict_never_contradict_each_other(at: tuple[int, ...]) -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        accuracy = dict(zip(("p", "a", "n", "pa", "pn"), 0.7 + rng.normal(0, 0.012, 5), strict=True))
        found = {
            id: replace(m, name=f"{id}{rng.integers(10**6)}") for id, m in trained(at[-1], **accuracy).items()
        }
        for claim in claims(CANDIDATES, found, [MIXED, TARGETS], at):
            low, high = claim.interval
            excludes = "better" if low > 0 else "worse" if high < 0 else "no reliable difference"
            assert claim.verdict == excludes
            seen.add(claim.verdict)
    assert seen == {"better", "worse", "no reliable difference"}


def test_a_claim_is_open_while_more_seeds_could_decide_it() -> None:
    at = looks(3, 10)
    undecided = claims(CANDIDATES, trained(3, a=0.715), [MIXED], at)
    alike = {id: replace(made, luck=0.0) for id, made in trained(3).items()}
    hopeless = claims(CANDIDATES, alike, [MIXED], at)
    assert undecided[0].open
    assert not any(c.open for c in claims(CANDIDATES, trained(10, a=0.705), [MIXED], at)), (
        "there are no more looks"
    )
    assert not hopeless[0].open
    assert claims(CANDIDATES, trained(10, a=0.8), [MIXED], at)[0].verdict == "better"


def test_what_could_be_seen_is_said_and_shrinks_with_seeds() -> None:
    claim = claims(CANDIDATES, trained(3), [MIXED], looks(3, 10))[0]
    assert 0 < claim.detectable(20) < claim.detectable()

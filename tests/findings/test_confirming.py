"""How the confirmation proceeds: what is trained before the next look, also after a kill or with a raised bound."""

from dataclasses import replace
from pathlib import Path

from tests.findings import worked
from tests.findings.arms import ADVERSARIAL, CANDIDATES, MIXED, NOISE, TARGETS, Made, trained
from xrt.findings.confirming import plan, wanted
from xrt.findings.findings import findings
from xrt.findings.looks import looks
from xrt.findings.verdicts import claims

METRICS = [MIXED, TARGETS]
TRUTH = {"a": 0.706, "n": 0.7}


def carried_out(
    at: tuple[int, ...], found: dict[str, Made] | None = None, stop: int = 10**6
) -> dict[str, Made]:
    """Train what is needed until nothing is, or until so many trainings are done."""
    full, found = trained(100, **TRUTH), dict(found or {})
    while needed := plan(CANDIDATES, found, METRICS, at, 1):
        for id, seed in needed:
            if stop == 0:
                return found
            found[id] = replace(full[id], count=seed)
            stop -= 1
    return found


def test_it_begins_with_the_fewest_seeds_of_every_candidate_seed_by_seed() -> None:
    needed = plan(CANDIDATES, {}, METRICS, (3, 5), 8)
    assert {id for id, _ in needed} == set(CANDIDATES.params)
    assert [seed for _, seed in needed] == [8] * 5 + [9] * 5 + [10] * 5


def test_only_open_arms_and_what_they_are_compared_with_get_more() -> None:
    found = trained(3, **TRUTH)
    needed = plan(CANDIDATES, found, METRICS, looks(3, 10), 1)
    assert {id for id, _ in needed} == {"0001", "0001-plain", "0000"}
    assert {seed for _, seed in needed} == {4, 5}


def test_it_ends_when_all_is_decided_or_the_bound_is_reached() -> None:
    assert plan(CANDIDATES, trained(3, a=0.9, n=0.9, p=0.5), METRICS, (3, 5), 1) == []
    assert plan(CANDIDATES, trained(10, **TRUTH), METRICS, looks(3, 10), 1) == []
    assert max(m.count for m in carried_out(looks(3, 10)).values()) <= 10


def test_a_clear_difference_stops_early() -> None:
    full = {"a": 0.78, "n": 0.78}
    found = trained(5, **full)
    assert {c.verdict for c in claims(CANDIDATES, found, METRICS, looks(3, 10))} == {"better"}
    assert plan(CANDIDATES, found, METRICS, looks(3, 10), 1) == []


def test_a_seed_that_failed_is_not_trained_again() -> None:
    found = trained(3)
    found["0001"] = replace(found["0001"], failed=(2,))
    assert plan(CANDIDATES, found, METRICS, (3,), 1) == []


def test_a_killed_confirmation_ends_with_the_same_trainings_and_verdicts() -> None:
    at = looks(3, 10)
    whole = carried_out(at)
    for kill in (0, 1, 7, 15, 17, 20):
        resumed = carried_out(at, carried_out(at, stop=kill))
        assert {id: m.count for id, m in resumed.items()} == {id: m.count for id, m in whole.items()}
        assert [c.p for c in claims(CANDIDATES, resumed, METRICS, at)] == [
            c.p for c in claims(CANDIDATES, whole, METRICS, at)
        ]


def test_a_raised_bound_gives_the_table_of_a_run_with_that_bound_from_the_start() -> None:
    raised = carried_out(looks(3, 10), carried_out(looks(3, 5)))
    whole = carried_out(looks(3, 10))
    assert {id: m.count for id, m in raised.items()} == {id: m.count for id, m in whole.items()}


def test_a_run_wants_what_its_record_lacks(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    found = findings(run).candidates
    first = wanted(run)
    assert {w.configuration for w in first} == set(found.params) and {w.seed for w in first} == set(
        range(8, 13)
    )
    assert all(w.params == found.params[w.configuration] for w in first)
    worked.confirm(run)
    assert wanted(run) == []
    run.update_meta(seeds=(5, 8))
    more = wanted(run)
    assert {w.seed for w in more} == {13, 14, 15}
    assert {w.configuration for w in more} < set(found.params), "decided arms get no more"


def test_a_study_without_confirmation_wants_nothing(tmp_path: Path) -> None:
    run = worked.make(tmp_path, worked.SPEC.model_copy(update={"confirm": None}))
    worked.search(run)
    assert wanted(run) == []


def test_the_arms_of_the_tests_are_those_of_the_candidates() -> None:
    assert set(CANDIDATES.ablation) == {ADVERSARIAL, NOISE}

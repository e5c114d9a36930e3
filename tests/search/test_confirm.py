"""What is confirmed: the best, the best by English alone, the best robust one, and plain to compare with."""

import pytest

from xrt.record import Report, TrialRecord
from xrt.search.confirm import candidates
from xrt.spec import load_study


@pytest.fixture
def spec():
    return load_study("mini", ["confirm={top: 1, seeds: 2}"])


def trial(id: str, method: str, mixed: float, english: float = 0.5) -> TrialRecord:
    scores = {"final/mean/mixed": mixed, "final/acc/en": english}
    params = {"encoder": "mini-a", "learning_rate": 1e-3, "method": method}
    report = Report(1, 1.0, 150, 0.0, scores)
    return TrialRecord(id, params, {"method": method}, 7, state="finished", reports=(report,))


def test_where_plain_won_the_best_robust_configuration_is_confirmed_too(spec):
    trials = [
        trial("0", "plain", 0.9),
        trial("1", "plain", 0.8),
        trial("2", "noise", 0.6),
        trial("3", "free", 0.7),
    ]
    assert list(candidates(spec, trials)) == ["0", "3"]


def test_the_best_the_best_by_english_and_the_best_plain_one_are_confirmed(spec):
    trials = [trial("0", "noise", 0.9), trial("1", "synonyms", 0.8, english=0.9), trial("2", "plain", 0.7)]
    assert list(candidates(spec, trials)) == ["0", "1", "2"]


def test_without_a_finished_plain_trial_the_winner_without_its_method_is_the_baseline(spec):
    chosen = candidates(spec, [trial("0", "noise", 0.9)])
    assert list(chosen) == ["0", "plain"]
    assert chosen["plain"] == {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}


def test_nothing_finished_nothing_is_confirmed(spec):
    assert candidates(spec, []) == {}

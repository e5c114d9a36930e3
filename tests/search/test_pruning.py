"""ASHA as a function of the record: the same trials give the same decision, whatever came afterwards."""

import math
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.search.conftest import METRIC, trial
from xrt.record.values import Report, TrialRecord
from xrt.search.pruning import is_stopped
from xrt.search.standings import Standings
from xrt.spec import StudySpec


def behind(spec: StudySpec, one: TrialRecord, others: Iterable[TrialRecord]) -> bool:
    """Whether a trial stops, given the other trials; they may contain it."""
    return is_stopped(spec, one, Standings(spec, [t for t in others if t.id != one.id] + [one]))


def stopped(spec: StudySpec, *trials: TrialRecord) -> list[bool]:
    return [is_stopped(spec, one, Standings(spec, trials)) for one in trials]


def test_the_first_goes_on_and_then_one_in_three_rounded_up(spec: StudySpec) -> None:
    values = (0.9, 0.5, 0.4, 0.8, 0.7)
    several = [trial(n, "plain", (value, float(n))) for n, value in enumerate(values)]
    assert stopped(spec, *several) == [False, True, True, False, True]
    rising = [trial(n, "plain", (n / 10, float(n))) for n in range(5)]
    assert stopped(spec, *rising) == [False] * 5


def test_only_trials_of_the_same_arm_are_compared(spec: StudySpec) -> None:
    assert stopped(spec, trial(0, "noise", (0.9, 0.0)), trial(1, "plain", (0.1, 1.0))) == [False, False]
    assert stopped(spec, trial(0, "plain", (0.9, 0.0)), trial(1, "plain", (0.1, 1.0))) == [False, True]


def test_only_trials_at_the_same_rung_are_compared(spec: StudySpec) -> None:
    first = trial(0, "plain", (0.2, 0.0), (0.9, 1.0))
    assert not behind(spec, trial(1, "plain", (0.3, 2.0)), [first])
    assert behind(spec, trial(1, "plain", (0.3, 2.0), (0.4, 3.0)), [first])


def test_what_came_later_does_not_count_and_of_one_moment_the_lower_id_came_first(spec: StudySpec) -> None:
    early, late = trial(0, "plain", (0.1, 1.0)), trial(1, "plain", (0.9, 2.0))
    assert stopped(spec, early, late) == [False, False]
    assert stopped(spec, trial(0, "plain", (0.9, 1.0)), trial(1, "plain", (0.1, 1.0))) == [False, True]
    assert stopped(spec, trial(0, "plain", (0.1, 1.0)), trial(1, "plain", (0.9, 1.0))) == [False, False]


def test_equal_trials_go_on_and_a_score_that_is_not_a_number_does_not(spec: StudySpec) -> None:
    assert stopped(spec, *(trial(n, "plain", (0.5, float(n))) for n in range(4))) == [False] * 4
    assert stopped(spec, trial(0, "plain", (0.1, 0.0)), trial(1, "plain", (math.nan, 1.0))) == [False, True]


def test_a_longer_trial_is_compared_where_a_shorter_one_of_its_arm_ends(spec: StudySpec) -> None:
    short = trial(0, "plain", (0.1, 0.0), (0.1, 1.0), (0.9, 2.0))
    assert not behind(spec, short, [])
    longer = trial(
        1, "plain", (0.5, 3.0), (0.5, 4.0), (0.5, 5.0), rungs=(1 / 27, 1 / 9, 1 / 3, 1.0)
    )  # the short one's 30 steps are a third of its own
    assert behind(spec, longer, [short])
    assert not behind(spec, replace(longer, reports=longer.reports[:2]), [short])


def test_nothing_stops_a_trial_at_its_end_in_a_confirmation_or_without_pruning(spec: StudySpec) -> None:
    better = trial(0, "plain", (0.9, 0.0), (0.9, 1.0), (0.9, 2.0))
    worse = trial(1, "plain", (0.1, 3.0))
    assert behind(spec, worse, [better])
    assert not behind(spec, replace(worse, phase="confirm"), [better])
    assert not behind(spec.model_copy(update={"pruning": None}), worse, [better])
    ended = replace(worse, reports=(Report(2, 1.0, 30, 9.0, {METRIC: 0.1}),))
    assert not behind(spec, ended, [better])


@pytest.mark.parametrize("seed", range(5))
def test_a_record_that_is_cut_anywhere_gives_the_answers_of_then(spec: StudySpec, seed: int) -> None:
    draw, trials, decisions = random.Random(seed), {}, []
    going, begun, kept = [trial(n, "plain") for n in range(4)], 4, Standings(spec)
    for moment in range(60):
        if not going:
            break
        place = draw.randrange(len(going))
        one = going.pop(place)
        rung = len(one.reports)
        report = Report(rung, (1 / 9, 1 / 3, 1.0)[rung], rung, float(moment), {METRIC: draw.random()})
        trials[one.id] = one = one.reported(report)
        stop = behind(spec, one, trials.values())
        kept.read(trials.values())
        assert is_stopped(spec, one, kept) == stop, "read one by one"
        decisions.append((one, stop))
        if rung < 2 and not stop:
            going.append(one)
        elif begun < 20:
            going.append(trial(begun, "plain"))
            begun += 1
    assert 3 < sum(stop for _, stop in decisions) < len(decisions)
    for one, stop in decisions:
        assert behind(spec, one, trials.values()) == stop, one

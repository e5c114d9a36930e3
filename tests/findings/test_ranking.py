"""Which trials rank, and in which order."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from tests.tracking.conftest import METRIC, START, fill, reported, searched
from xrt.findings.findings import findings
from xrt.findings.ranking import leaderboard, ranked
from xrt.record import Report, Results, Run
from xrt.spec.arms import Arm
from xrt.spec.metric import Metric

MIXED, ENGLISH = Metric.parse(METRIC), Metric.parse("dev/acc/en")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(Results.at(tmp_path), worked.SPEC)


def test_only_a_finished_trial_of_the_search_can_be_best(run: Run) -> None:
    fill(run)
    best = findings(run).best_trial
    assert best is not None
    # 0005 has 0.95 and still runs, 0007 has 0.99 and confirms
    assert (best.id, best.score(METRIC)) == ("0003", 0.8)


def test_there_is_no_best_without_a_number() -> None:
    nan = reported(searched(1), 0.1, 0.2, math.nan).closed("finished", START)
    silent = searched(2).closed("finished", START)
    assert ranked([nan, silent], MIXED) == [] == ranked([], MIXED)


def test_of_equals_the_better_by_the_second_metric_is_first_and_then_the_lower_id() -> None:
    trials = [reported(searched(n), 0.1, 0.2, 0.5).closed("finished", START) for n in (2, 10, 1)]
    assert [t.id for t in ranked(trials, MIXED)] == ["0001", "0002", "0010"]
    last = trials[1].reports[-1]
    better = replace(trials[1], reports=(Report(2, 1.0, 90, START, {**last.metrics, "dev/acc/en": 0.9}),))
    assert ranked([trials[0], better, trials[2]], MIXED, tie=ENGLISH)[0] == better


def test_an_arm_has_a_ranking_of_its_own() -> None:
    trials = [
        reported(searched(n, method), 0.1, 0.2, score).closed("finished", START)
        for n, method, score in ((1, "plain", 0.3), (2, "noise", 0.9), (3, "plain", 0.5))
    ]
    assert [t.id for t in ranked(trials, MIXED, arm=Arm("plain"))] == ["0003", "0001"]
    assert ranked(trials, MIXED, arm=Arm("plain", "another")) == []


def test_a_leaderboard_begins_with_what_finished_and_ends_with_what_failed(run: Run) -> None:
    fill(run)
    order = [(t.id, t.state) for t in leaderboard(run.trials(), METRIC)]
    assert order == [
        *[("0007", "finished"), ("0003", "finished"), ("0001", "finished")],
        *[("0005", "running"), ("0002", "pruned"), ("0006", "pending"), ("0004", "failed")],
    ]


def test_of_the_pruned_the_one_that_came_further_stands_first() -> None:
    near = reported(searched(1), 0.9).closed("pruned", START)
    far = reported(searched(2), 0.3, 0.4).closed("pruned", START)
    assert [t.id for t in leaderboard([near, far], METRIC)] == ["0002", "0001"]

"""Who is best, and who may not be."""

import math

import pytest
from xrt.answers.table import best, leaderboard, markdown, row, rows, settings

from tests.tracking.conftest import METRIC, START, fill, reported, searched
from xrt.answers.table import best, leaderboard, markdown, row, rows, settings
from xrt.record import Run


def test_only_a_finished_trial_of_the_search_can_be_best(run: Run) -> None:
    fill(run)
    found = best(rows(run), METRIC)
    assert found is not None
    # 0005 has 0.95 and still runs, 0007 has 0.99 and confirms
    assert (found.id, found.value(METRIC)) == ("0003", 0.8)


def test_there_is_no_best_without_a_number() -> None:
    nan = reported(searched(1), 0.1, 0.2, math.nan).closed("finished", START)
    silent = searched(2).closed("finished", START)
    assert best([row(nan), row(silent)], METRIC) is None
    assert best([], METRIC) is None


def test_of_equals_the_first_is_best() -> None:
    trials = [reported(searched(n), 0.1, 0.2, 0.5).closed("finished", START) for n in (2, 10, 1)]
    found = best([row(t) for t in trials], METRIC)
    assert found is not None
    assert found.id == "0001"


def test_a_leaderboard_begins_with_what_finished_and_ends_with_what_failed(run: Run) -> None:
    fill(run)
    order = [(r.id, r.state) for r in leaderboard(rows(run), METRIC)]
    assert order == [
        *[("0007", "finished"), ("0003", "finished"), ("0001", "finished")],
        *[("0005", "running"), ("0002", "pruned"), ("0006", "pending"), ("0004", "failed")],
    ]


def test_of_the_pruned_the_one_that_came_further_stands_first() -> None:
    near = reported(searched(1), 0.9).closed("pruned", START)
    far = reported(searched(2), 0.3, 0.4).closed("pruned", START)
    assert [r.id for r in leaderboard([row(near), row(far)], METRIC)] == ["0002", "0001"]


def test_a_row_tells_how_far_and_how_long(run: Run) -> None:
    fill(run)
    by_id = {r.id: r for r in rows(run)}
    assert (by_id["0002"].rung, by_id["0002"].share) == (0, pytest.approx(1 / 9))
    assert (by_id["0006"].rung, by_id["0006"].share, by_id["0006"].seconds) == (None, 0.0, None)
    assert by_id["0001"].seconds == 70.0
    assert by_id["0003"].method == "adversarial"


def test_a_markdown_table_has_the_parameters_that_differ(run: Run) -> None:
    fill(run)
    board = leaderboard(rows(run), METRIC)
    assert settings(board) == ["method", "adversarial.radius", "noise.scale"]
    lines = markdown(board, METRIC, top=2, link={"0003": "#/3"}.get).splitlines()
    assert lines[0] == "| trial | method | adversarial.radius | dev/mean/mixed | state |"
    assert lines[2:] == [
        "| 0007 | noise |  | 0.9900 | finished |",
        "| [0003](#/3) | adversarial | 0.1 | 0.8000 | finished |",
    ]


def test_no_parameter_breaks_the_table() -> None:
    trials = [row(searched(n, odd="a|b\nc" * n)) for n in (1, 2)]
    assert all(line.count(" | ") == 3 for line in markdown(trials, METRIC).splitlines())

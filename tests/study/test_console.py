"""What the screen says of the time that is left, and at the end of a run."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.findings import worked
from xrt.data import TASKS
from xrt.findings.findings import findings
from xrt.record import Report, Run, TrialRecord
from xrt.report.figures import Matrix
from xrt.spec import load_study
from xrt.study.console import Screen
from xrt.study.tables import last_words, matrix_table, runs_table


def screen(*overrides: str) -> Screen:
    """A screen that has been on for 100 seconds, of a study with rungs at 1/9, 1/3 and 1."""
    shown = Screen(load_study("mini", overrides), Console(file=io.StringIO()))
    shown.began = time.time() - 100
    return shown


def hear(shown: Screen, id: str, state: str, share: float, phase: str = "search") -> None:
    trial = TrialRecord(id, {"method": "plain"}, {"rungs": [1 / 9, 1 / 3, 1]}, 7, phase=phase, state=state)  # type: ignore[arg-type]
    if share:
        trial = trial.reported(Report(0, share, 10, 0.0, {"dev/mean/mixed": 0.5}))
    shown.trials[id] = trial


def test_before_the_first_rung_nothing_is_promised() -> None:
    shown = screen()
    hear(shown, "0000", "running", 0)
    assert shown.seconds_left() is None


def test_time_is_counted_in_trainings_and_the_confirmation_is_part_of_it() -> None:
    shown = screen("search.trials=6", "confirm={seeds: 2}")
    for id, state, share in [("0", "finished", 1), ("1", "pruned", 1 / 9), ("2", "pruned", 1 / 9)]:
        hear(shown, id, state, share)
    usual = (1 + 2 / 9) / 3
    trainings = 3 * usual + 8 * 2  # three trials of the search; then four arms and ablations with two seeds
    assert shown.seconds_left() == pytest.approx(100 * trainings / (1 + 2 / 9), rel=0.01)
    shown.confirming = 6  # up to the next look
    assert shown.seconds_left() == pytest.approx(100 * (3 * usual + 6) / (1 + 2 / 9), rel=0.01)
    hear(shown, "0-s8", "finished", 1, "confirm")
    assert shown.seconds_left() == pytest.approx(100 * (3 * usual + 5) / (2 + 2 / 9), rel=0.01)


def test_what_an_earlier_process_did_does_not_make_this_one_look_faster(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    shown = screen("confirm=null", "search.trials=20")
    shown.run_started(run)
    assert shown.seconds_left() is None
    hear(shown, "0015", "finished", 1)
    fresh = screen("confirm=null", "search.trials=20")
    hear(fresh, "0015", "finished", 1)
    assert (
        0 < (shown.seconds_left() or 0) < (fresh.seconds_left() or 0)
    )  # fewer trials are left, at the same pace


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=110)
    console.print(renderable, crop=False)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_ends_with_its_matrix_its_cost_its_answer_and_the_way_on(tmp_path: Path) -> None:
    run = worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    said = printed(last_words(findings(run), " --results x"))
    assert "Accuracy, %: adversarial (radius 0.11, steps 1) (test, mean over 5 seeds)" in said
    mean = sum(t.metrics["test/pair/de-zh"] for t in run.trials() if t.id.startswith("0004-s")) / 5
    [german] = [line.split() for line in said.splitlines() if line.startswith("de  ")]
    assert german[7] == f"{100 * mean:.1f}"
    assert "Pruning saved" in said and "Adversarial (radius 0.11, steps 1) with mini-a is better" in said
    assert f"Recorded in {run.paths.root}\n" in said, "a path is not broken"
    assert said.endswith("ui --results x\n")


def test_the_matrix_of_fifteen_languages_fits_a_terminal() -> None:
    languages = TASKS["xnli"].languages
    console = Console(file=io.StringIO(), width=80)
    console.print(matrix_table(Matrix("xnli", languages, np.full((15, 15), 0.756), signed=False)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[1].split() == ["en", *["76"] * 15] and len(lines) == 16


def test_a_list_of_runs_has_their_answers(tmp_path: Path) -> None:
    empty, run = worked.make(tmp_path), worked.make(tmp_path)
    worked.search(run)
    worked.confirm(run)
    said = printed(runs_table([findings(empty), findings(Run(run.paths))])).splitlines()
    assert said[1].split() == [empty.name, "running", "0", "–"]
    assert "adversarial (radius 0.11, steps 1): " in said[2] and said[-1].split() == ["points", "(better)"]

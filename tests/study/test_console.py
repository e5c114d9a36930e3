"""The screen's estimate of the time left, and its lines at the end of a run."""

import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.findings import worked
from xrt.data import TASKS
from xrt.findings.findings import findings
from xrt.record import Report, Run, TrialRecord
from xrt.record.values import Pace
from xrt.report.figures import Matrix
from xrt.search.pruning import trained_share
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


def test_before_half_a_training_nothing_is_promised() -> None:
    """Ray's start and two first rungs would make hours of a study of minutes."""
    shown = screen()
    hear(shown, "0000", "running", 0)
    assert shown.seconds_left() is None
    for id in ("0000", "0001"):
        hear(shown, id, "running", 1 / 9)
    assert shown.seconds_left() is None
    hear(shown, "0002", "running", 1 / 3)
    assert shown.seconds_left() is not None


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


def test_before_that_the_trials_that_run_say_how_fast_they_are() -> None:
    shown = screen("search.trials=6", "confirm=null")
    for id in ("0000", "0001"):
        hear(shown, id, "running", 0)
        # A hundredth of a training a second, each.
        shown.trial_moved(shown.trials[id], Pace(2, 200, 0.9, 64.0, 2.0))
    # Six trials of the usual length, of which two have done a hundredth; at two hundredths a second.
    trainings = 6 * trained_share(shown.spec) - 2 * 0.01
    assert shown.seconds_left() == pytest.approx(trainings / 0.02)
    hear(shown, "0000", "finished", 1)
    shown.trial_ended(shown.trials["0000"])
    new = TrialRecord("0002", {"method": "plain"}, {"rungs": [1]}, 7, state="running")
    shown.trial_started(new)
    assert list(shown.paces) == ["0000", "0001"], "the new one has no pace yet"
    shown.trial_moved(new, Pace(2, 200, 0.9, 64.0, 2.0))
    assert list(shown.paces) == ["0001", "0002"]


def test_the_pace_of_the_trials_that_run_counts_until_the_start_no_longer_matters() -> None:
    shown = screen("search.trials=6", "confirm=null")
    hear(shown, "0000", "finished", 1)
    hear(shown, "0001", "running", 0)
    shown.trial_moved(shown.trials["0001"], Pace(2, 200, 0.9, 64.0, 2.0))
    left = 5 * trained_share(shown.spec) - 0.01
    assert shown.seconds_left() == pytest.approx(left / 0.01)
    hear(shown, "0001", "finished", 1)
    assert shown.seconds_left() == pytest.approx(4 * trained_share(shown.spec) / 0.02, rel=0.01)


def test_lines_in_a_file_have_the_time_and_what_is_left() -> None:
    shown = screen("search.trials=4", "confirm=null")
    trial = TrialRecord("0000", {"method": "plain", "encoder": "mini-a"}, {"rungs": [1]}, 7, state="finished")
    shown.trial_ended(trial.reported(Report(0, 1.0, 10, 0.0, {"dev/mean/mixed": 0.5})))
    lines = shown.console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert re.match(r"\d\d:\d\d 0000  plain .*finished  mixed 50.0$", lines[0])
    assert lines[1] == "search: 1 of 4 trials done (1 finished); 2 min; about 5 min left"


@pytest.mark.parametrize("width", [80, 120])
def test_the_trials_that_run_are_shown_with_step_loss_and_speed(width: int) -> None:
    shown = screen()
    shown.spec = load_study("pawsx", [])
    shown.console = Console(file=io.StringIO(), width=width)
    params = {
        "encoder": "xlm-roberta-base",
        "method": "adversarial",
        "learning_rate": 2e-5,
        "radius": 0.1,
        "steps": 3,
    }
    for id in ("0000", "0001"):
        trial = TrialRecord(id, params, {"rungs": [1 / 9, 1 / 3, 1]}, 7, state="running")
        shown.trials[id] = trial
        shown.trial_moved(trial, Pace(120, 4632, 0.9123, 31.7, 1.0))
    shown.console.print(shown.render())
    lines = shown.console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in lines)
    assert sum("120 of 4,632" in line and "32" in line for line in lines) == 2
    assert sum("0.912" in line for line in lines) == 2


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

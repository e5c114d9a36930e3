"""Two runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest
from xrt.answers.compare import compare

from tests.findings import worked
from xrt.findings.compare import compare
from xrt.record import Run


def finished(folder: Path, ids: tuple[int, ...] = (4, 0), seeds: int = 3) -> Run:
    run = worked.make(folder)
    worked.search(run)
    worked.confirm(run, ids, seeds)
    return run


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    run = finished(tmp_path)
    found = compare(run, run)
    assert found.asked == () and found.gain is not None and (found.gain.mean, found.gain.p) == (0.0, 1.0)
    assert found.sentence.startswith("No reliable difference: 0.0 points")
    assert all(left == right for _, left, right in found.scores) and len(found.scores) == 9


def test_what_was_asked_differently_is_listed(tmp_path: Path) -> None:
    left, right = worked.make(tmp_path / "a"), worked.make(tmp_path / "b")
    right.paths.spec.write_text(right.spec_yaml.replace("0.003]", "0.01]"))
    right.update_meta(versions={**right.meta.versions, "torch": "9"}, data=(replace(worked.DATA[0], rows=7),))
    found = {name: (a, b) for name, a, b in compare(left, right).asked}
    assert found["space.learning_rate.log"] == ("[0.0003, 0.003]", "[0.0003, 0.01]")
    assert found["version of torch"][1] == "9"
    assert found["data: mini/train"] == ("2000 rows, aaaaaaaaaaaa", "7 rows, aaaaaaaaaaaa")
    assert found["data: mini/test"][1] == "-"


def test_a_better_winner_is_found_better(tmp_path: Path) -> None:
    left, right = finished(tmp_path / "a", (0,), 5), finished(tmp_path / "b", (4, 0), 5)
    for trial in left.trials():
        if trial.phase == "search" and trial.method != "plain":
            left.save(replace(trial, state="failed"))
    found = compare(left, right)
    assert found.gain is not None and found.gain.mean > 0.1
    assert found.sentence.startswith("A reliable difference: +")
    assert compare(right, left).gain.mean == pytest.approx(-found.gain.mean)  # type: ignore[union-attr]


def test_other_examples_or_tasks_or_no_confirmation_are_not_compared(tmp_path: Path) -> None:
    left, right = finished(tmp_path / "a"), finished(tmp_path / "b")
    for trial in right.trials():
        if trial.phase == "confirm":
            worked.checkpointed(right, trial, test=worked.answers(trial.params, trial.seed, examples=100))
    assert compare(left, right).gain is None
    assert "same examples" in compare(left, worked.make(tmp_path / "c")).sentence
    right.update_meta(task="pawsx")
    assert "different tasks" in compare(left, right).sentence

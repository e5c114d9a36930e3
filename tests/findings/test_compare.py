"""Two runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.compare import Comparison, changed, compare, reason_to_keep
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.spec import StudySpec
from xrt.spec.metric import MEANS


def finished(folder: Path, ids: tuple[str, ...] = ("0004", "0000"), seeds: int = 3) -> Run:
    run = worked.make(folder)
    worked.search(run)
    worked.confirm(run, ids, seeds)
    return run


def compared(left: Run, right: Run) -> Comparison:
    return compare(findings(left), findings(right))


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    run = finished(tmp_path)
    found = compared(run, run)
    assert found.changed == () and found.gain is not None and (found.gain.mean, found.gain.p) == (0.0, 1.0)
    assert found.sentence.startswith("No reliable difference: 0.0 points")
    assert all(left == right for _, left, right in found.scores)
    # The mean over one source is that language's own row.
    assert len(found.scores) == len(MEANS) - 1 + 7


def test_what_differs_between_the_studies_is_listed(tmp_path: Path) -> None:
    plain = worked.SPEC.to_plain()
    other = StudySpec.model_validate(plain | {"search": plain["search"] | {"trials": 60}})
    left, right = worked.make(tmp_path / "a"), worked.make(tmp_path / "b", other)
    right.update_meta(versions={**right.meta.versions, "torch": "9"}, data=(replace(worked.DATA[0], rows=7),))
    found = {name: (a, b) for name, a, b in changed(findings(left), findings(right))}
    assert found["search.trials"] == ("15", "60")
    assert found["version of torch"][1] == "9"
    assert found["data: mini/train"] == ("2000 rows, aaaaaaaaaaaa", "7 rows, aaaaaaaaaaaa")
    assert found["data: mini/test"][1] == "-"


def test_a_better_winner_is_found_better(tmp_path: Path) -> None:
    left, right = finished(tmp_path / "a", ("0000",), 5), finished(tmp_path / "b", ("0004", "0000"), 5)
    for trial in left.trials():
        if trial.phase == "search" and trial.method != "plain":
            left.save(replace(trial, state="failed"))
    found = compared(left, right)
    assert found.gain is not None and found.gain.mean > 0.1
    assert found.sentence.startswith("A reliable difference: +")
    assert compared(right, left).gain.mean == pytest.approx(-found.gain.mean)  # type: ignore[union-attr]


def test_other_examples_or_tasks_or_no_confirmation_are_not_compared(tmp_path: Path) -> None:
    left, right = finished(tmp_path / "a"), finished(tmp_path / "b")
    for trial in right.trials():
        if trial.phase == "confirm":
            other = worked.predict(trial.params, trial.seed, examples=100)
            last = replace(trial.reports[-1], metrics={**trial.metrics, **worked.metrics_of(other, "test")})
            right.save(replace(worked.checkpointed(right, trial, test=other), reports=(last,)))
    assert compared(left, right).gain is None
    assert "same examples" in compared(left, worked.make(tmp_path / "c")).sentence
    right.update_meta(task="pawsx")
    assert "different tasks" in compared(left, right).sentence


def test_a_winner_takes_the_place_of_another_unless_it_is_reliably_worse(tmp_path: Path) -> None:
    best = findings(finished(tmp_path / "a", ("0004", "0000"), 5))
    assert reason_to_keep(best, best) is None
    poor = finished(tmp_path / "b", ("0000",), 5)
    for trial in poor.trials():
        if trial.method != "plain":
            poor.paths.trial(trial.id).unlink()
    worse = findings(poor)
    assert "is worse by" in (reason_to_keep(worse, best) or "") and reason_to_keep(best, worse) is None


def test_a_winner_that_no_seeds_confirmed_does_not_take_the_place_of_one_that_they_did(
    tmp_path: Path,
) -> None:
    best, other = findings(finished(tmp_path / "a")), worked.make(tmp_path / "b")
    worked.search(other)
    assert "cannot be compared" in (reason_to_keep(findings(other), best) or "")
    assert reason_to_keep(findings(other), findings(other)) is None

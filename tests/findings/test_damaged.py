"""Damaged files of predictions: one line each, recorded numbers in their place, and everything else is shown."""

import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.errors import RecordError
from xrt.findings.configurations import predictions_of
from xrt.findings.findings import findings
from xrt.record import Results, Run
from xrt.record.witnesses import lost
from xrt.robust.predictions import Predictions
from xrt.study.__main__ import main

SAMPLES = worked.SAMPLES[:2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a search of two trials, and two seeds of its confirmation."""
    run = worked.make(tmp_path_factory.mktemp("made") / "results")
    worked.search(run, SAMPLES)
    worked.confirm(run, seeds=2)
    return run


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.paths.results.root, tmp_path / "results")
    return Run(Results.at(tmp_path / "results").find(made.name))


def file_of(run: Run, id: str, split: str = "dev") -> Path:
    return run.paths.root / str(run.trial(id).checkpoint) / f"predictions-{split}.arrow"


def test_every_bit_counts(tmp_path: Path) -> None:
    path = tmp_path / "predictions-dev.arrow"
    worked.predict(SAMPLES[0], 3).save(path, trial="0000")
    raw, draw = path.read_bytes(), random.Random(7)
    for bit in [draw.randrange(8 * len(raw)) for _ in range(400)]:
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        path.write_bytes(turned)
        with pytest.raises(RecordError, match=r"predictions-dev\.arrow: is damaged: its checksum"):
            Predictions.open(path)
    path.write_bytes(raw)
    assert Predictions.open(path).about == {"trial": "0000"}


def turned(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


def answered(path: Path) -> None:
    """Every prediction is right: whole, and yet not what the trial predicted."""
    found = Predictions.open(path)
    replace(found, predicted=found.labels).save(path, **found.about)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "turned": (turned, "is damaged: its checksum"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is damaged: its checksum"),
    "answered": (answered, "is 1.0000 by these predictions and 0."),
    "pipe": (piped, "cannot be read"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_cannot_be_believed_is_one_line_and_the_record_stands_in(how: str, run: Run) -> None:
    spoil, expected = SPOILED[how]
    for id, split in (("0000", "dev"), ("0000-s8", "test")):
        before = findings(run)
        means = [
            before.confirmation.best(arm).accuracy(before.metrics[0]).mean for arm in before.spec.arms[:1]
        ]
        path = file_of(run, id, split)
        raw = path.read_bytes()
        spoil(path)
        found = findings(run)
        assert found.answer.sentence
        (line,) = found.damaged
        assert line.startswith(f"{path}: ") and expected in line
        now = [found.confirmation.best(arm).accuracy(found.metrics[0]).mean for arm in found.spec.arms[:1]]
        assert now == pytest.approx(means, abs=5e-3)
        path.unlink()
        path.write_bytes(raw)


def test_predictions_belong_to_the_trial_split_and_step_that_is_written_in_them(run: Run) -> None:
    trial, other = run.trial("0000"), run.trial("0001")
    path = file_of(run, "0000")
    own = {**trial.about, "split": "dev", "step": trial.last.step}
    found = Predictions.open(path)
    found.save(path, **own)
    assert predictions_of(run.paths.root, trial, "dev") is not None
    for key, value in {**other.about, "split": "test", "step": 3}.items():
        found.save(path, **{**own, key: value})
        with pytest.raises(RecordError, match=f"is of {key} {value}, not of"):
            predictions_of(run.paths.root, trial, "dev")


READING = [["list"], ["status", "mini"], ["best", "mini"], ["report", "mini"]]
HANDING = [["sync", "mini"], ["export", "mini", "out"]]


def ran(
    run: Run, command: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    monkeypatch.setattr(sys, "argv", ["xrt", *command, "--results", str(run.paths.results.root)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), *capfd.readouterr()


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("how", ["turned", "answered"])
def test_a_command_shows_the_rest_and_names_the_file(
    how: str, command: list[str], run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    SPOILED[how][0](file_of(run, "0001-s9", "test"))
    code, printed, told = ran(run, command, capfd, monkeypatch)
    assert not code and printed
    assert told.count("\n") == 1 and str(file_of(run, "0001-s9", "test")) in told
    if command[0] == "report":
        assert "predictions-test.arrow" in run.paths.report_markdown.read_text()


@pytest.mark.parametrize("command", [*READING, *HANDING, ["resume", "mini"], ["confirm", "mini"]])
def test_half_a_file_of_a_trial_is_one_line_and_only_readers_go_on_without_it(
    command: list[str], run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run.paths.trial("0001")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, printed, told = ran(run, command, capfd, monkeypatch)
    assert (
        told.count("\n") == 1
        and f"{path}: is truncated" in told
        and "remove it: `resume` then trains" in told
    )
    if command in READING:
        assert not code and (run.name in printed or "0000" in printed)
        assert command[0] != "report" or "0001.json" in run.paths.report_markdown.read_text()
    else:
        assert code == 2 and not printed, "a file that its owner can restore is not trained over"


@pytest.mark.parametrize("command", [*READING, *HANDING])
def test_a_trial_whose_record_is_gone_is_one_line_wherever_a_run_is_read(
    command: list[str],
    run: Run,
    empty_store: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run.paths.trial("0001").unlink()
    shutil.copy(empty_store, run.paths.results.mlflow_db)
    _, _, told = ran(run, command, capfd, monkeypatch)
    lines = [line for line in told.splitlines() if "0001.json" in line]
    assert lines == [
        f"{run.paths.trial('0001')}: is missing, although {lost(run)['0001']}; `resume` trains it again."
    ]


def test_a_finished_run_whose_trials_are_gone_does_not_look_as_if_it_had_none(run: Run) -> None:
    for trial in run.trials():
        run.paths.trial(trial.id).unlink()
    shutil.rmtree(run.paths.tune)
    assert lost(run) == {"0000": "the run is finished"}
    run.update_meta(status="running")
    assert not lost(run), "none has begun yet"

"""A run that is interrupted loses nothing: ended trials stay, the others resume, nothing is duplicated."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file

from tests.faults.small import CLOCK
from tests.study.conftest import Toy, make_toy
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run, TrialRecord
from xrt.robust.predictions import Predictions

pytestmark = [pytest.mark.kills, pytest.mark.usefixtures("ray_kept")]
SET = ["--set", "confirm=null", "--set", "search.concurrent=1"]


def begin(toy, *more):
    """Start the toy study in a process group of its own, as a terminal would."""
    command = [sys.executable, "-m", "xrt.study", "run", "toy.yaml", *SET, *more]
    return subprocess.Popen(
        command, cwd=toy.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip


def wait_for_reports(toy, count: int, process) -> Run:
    """The run, as soon as its record holds so many reports."""
    while process.poll() is None:
        if Results.at(toy.folder / "results").runs():
            run = Run.open(Results.at(toy.folder / "results"), "toy")
            if sum(len(t.reports) for t in run.trials()) >= count:
                return run
        time.sleep(0.2)
    raise AssertionError(f"no {count} reports: {process.communicate()[0]}")


def test_an_interrupted_run_goes_on_where_it_was_and_nobody_else_resumes_it_before(tmp_path, empty_store):
    toy = make_toy(tmp_path, empty_store)
    many = 12  # on a busy machine a run of few trials ends before anybody looks
    process = begin(toy, "--set", f"search.trials={many}")
    run = wait_for_reports(toy, 4, process)
    os.kill(process.pid, signal.SIGSTOP)  # it holds the run, and cannot come to its end meanwhile
    try:
        assert f"process {process.pid}" in toy.here("resume", run.name, code=2)
        shown = toy.here("status", "toy")  # from another terminal
        assert f"Running: process {process.pid}" in shown and "0000" in shown
        before = {t.id: t.reports for t in run.trials()}
    finally:
        os.kill(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGINT)
        printed = process.communicate()[0]
    assert process.returncode == 130 and f"resume {run.name}" in printed and "Traceback" not in printed
    assert run.meta.status == "stopped"
    toy.here("resume", run.name)
    run = Run(run.paths)
    assert run.meta.status == "finished"
    assert [t.id for t in run.trials()] == [f"{i:04d}" for i in range(many)]
    assert {t.state for t in run.trials()} <= {"finished", "pruned"}
    for trial in run.trials():
        kept = before.get(trial.id, ())
        assert trial.reports[: len(kept)] == kept, "what was reported stays"
        steps = [r.step for r in trial.reports]
        assert steps == [3, 6, 12][: len(steps)]
    client = MlflowClient(run.paths.results.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "toy"]
    tags = [r.data.tags.get("xrt.trial", "") for r in client.search_runs([experiment.experiment_id])]
    assert sorted(tags) == ["", *(t.id for t in run.trials())], "no duplicates"


def test_what_failed_because_the_encoder_was_away_is_trained_again_once_it_is_back(tmp_path):
    toy = make_toy(tmp_path)
    process = begin(toy, "--set", "search.trials=3", "--tracking", "later")
    run = wait_for_reports(toy, 1, process)
    (toy.folder / "encoder").rename(toy.folder / "away")
    printed = process.communicate()[0]
    failed = [t.id for t in Run(run.paths).trials() if t.outside]
    assert "0002" in failed and {t.state for t in Run(run.paths).trials() if t.id in failed} == {"failed"}
    assert f"Once that is fixed: python -m xrt.study resume {run.name}" in printed
    assert "encoder" in toy.here("resume", run.name, code=2)
    assert [t.id for t in Run(run.paths).trials() if t.outside] == failed, "nothing was touched"
    (toy.folder / "away").rename(toy.folder / "encoder")
    assert "0002: failed (encoder: encoder: " in toy.here("resume", run.name)
    assert {t.state for t in Run(run.paths).trials()} <= {"finished", "pruned"}


def timeless(trial: TrialRecord) -> dict[str, float]:
    return {name: value for name, value in trial.metrics.items() if name not in CLOCK}


@pytest.mark.parametrize(
    ("id", "who"),
    [
        ("0001", "later trials exist"),
        ("0003", "tune/search-"),
        ("0003", "Optuna's journal has it"),
        ("0003", "MLflow has it"),
    ],
)
def test_a_trial_whose_record_was_lost_and_whom_one_other_knows_is_trained_again(
    tmp_path, searched, empty_store, id, who
):
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    before = run.trial(id)
    if "MLflow" in who:
        shutil.copy(empty_store, run.paths.results.mlflow_db)
        toy.here("sync", run.name)
    if "Optuna" not in who:
        run.paths.optuna.unlink()
    (folder,) = run.paths.tune.glob(f"*/{id}")
    if "tune" not in who:
        shutil.rmtree(folder)
    run.paths.trial(id).unlink()
    if "MLflow" not in who and "Optuna" not in who:
        assert f"{id}.json: is missing" in toy.here("best", run.name)
    printed = toy.here("resume", run.name)
    assert f"although {who}" in printed and f"trial {id} is trained again" in printed
    again = Run(run.paths)
    assert [t.id for t in again.trials()] == ["0000", "0001", "0002", "0003"]
    now = again.trial(id)
    assert (now.params, now.state, timeless(now)) == (before.params, before.state, timeless(before))
    assert "is finished; nothing is left to resume" in toy.here("resume", run.name)


@pytest.mark.parametrize("file", ["predictions-dev.arrow", "weights.safetensors"])
def test_a_finished_trial_whose_files_are_gone_is_trained_again_to_the_same_end(tmp_path, searched, file):
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    trial = findings(run).best_trial
    path = run.paths.root / trial.checkpoint / file
    before = digest_of_tensors(path)
    path.unlink()
    assert f"{trial.id}: some of its files are missing; it is trained again." in toy.here("resume", run.name)
    again = Run(run.paths).trial(trial.id)
    assert (again.state, again.reports) == ("finished", trial.reports)
    assert digest_of_tensors(run.paths.root / again.checkpoint / file) == before
    assert "is finished; nothing is left to resume" in toy.here("resume", run.name)


def digest_of_tensors(path) -> bytes:
    if path.suffix == ".arrow":
        return Predictions.open(path).predicted.tobytes()
    return b"".join(tensor.numpy().tobytes() for _, tensor in sorted(load_file(path).items()))


def bytes_of(run: Run) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (run.paths.meta, *run.paths.trials.glob("*.json"))}


def test_a_finished_run_that_is_resumed_is_not_touched(tmp_path, searched):
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    before = bytes_of(run)
    assert "is finished; nothing is left to resume" in toy.here("resume", run.name)
    assert bytes_of(run) == before


def turned_round(toy: Toy) -> None:
    file = toy.folder / "data" / "dev-de.tsv"
    rows = [row.rpartition("\t") for row in file.read_text().splitlines()]
    file.write_text("".join(f"{row}\t{1 - int(label)}\n" for row, _, label in rows))


def one_word(toy: Toy) -> None:
    file = toy.folder / "data" / "train-en.tsv"
    file.write_text(file.read_text().replace("Anna", "Hanna", 1))


def moved(toy: Toy) -> None:
    (toy.folder / "data").rename(toy.folder / "elsewhere-data")


def elsewhere(toy: Toy) -> None:
    """Into a folder in which the study's relative paths lead nowhere."""
    (toy.folder / "elsewhere").mkdir()
    (toy.folder / "results").rename(toy.folder / "elsewhere" / "results")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (turned_round, "labels differ"),
        (one_word, "train is not what the run began with"),
        (moved, "no such file or folder"),
        (elsewhere, "no such file or folder"),
    ],
)
def test_resume_looks_before_it_trains_and_touches_nothing_when_the_data_are_others(
    tmp_path, searched, change, said
):
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    run.paths.trial("0003").unlink()
    change(toy)
    if change is elsewhere:
        toy = Toy(toy.folder / "elsewhere")
        run = Run.open(Results.at(toy.folder / "results"), "toy")
    before = bytes_of(run)
    printed = toy.here("resume", run.name, code=2)
    assert said in printed and "Traceback" not in printed, printed
    assert bytes_of(run) == before

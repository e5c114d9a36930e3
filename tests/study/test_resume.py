"""A run that is interrupted loses nothing: what ended stays, the rest goes on, nothing is doubled."""

import os
import signal
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from tests.study.conftest import make_toy
from xrt.record.paths import Results
from xrt.record.run import Run

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
    process = begin(toy, "--set", "search.trials=6")
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
    assert [t.id for t in run.trials()] == [f"{i:04d}" for i in range(6)]
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
    assert f"Once that is mended: python -m xrt.study resume {run.name}" in printed
    assert "encoder" in toy.here("resume", run.name, code=2)
    assert [t.id for t in Run(run.paths).trials() if t.outside] == failed, "nothing was touched"
    (toy.folder / "away").rename(toy.folder / "encoder")
    assert "0002: failed (encoder: encoder: " in toy.here("resume", run.name)
    assert {t.state for t in Run(run.paths).trials()} <= {"finished", "pruned"}


def test_a_finished_trial_whose_record_was_lost_is_said_and_trained_again(tmp_path, searched):
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    before = run.trial("0001")
    run.paths.trial("0001").unlink()
    assert "0001.json: is gone" in toy.here("best", run.name)
    assert "trial 0001 is trained again" in toy.here("resume", run.name)
    again = Run(run.paths)
    assert [t.id for t in again.trials()] == ["0000", "0001", "0002", "0003"]
    now = again.trial("0001")
    assert (now.params, now.state) == (before.params, before.state)
    assert "is finished; nothing is left to resume" in toy.here("resume", run.name)

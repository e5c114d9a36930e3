"""MLflow may be slow or unreachable: the study does not notice, and MLflow gets everything in the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking.conftest import (
    METRIC,
    START,
    dump,
    fill,
    in_a_new_process,
    reported,
    searched,
    wait_until,
)
from xrt.record import Listener, Run
from xrt.tracking.tracker import Tracker, sync

# As xrt starts it: without the ten processes for jobs that nobody gives it.
JOBLESS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
NOWHERE = "http://127.0.0.1:9"


class Server:
    """A real `mlflow server`, on one port and one database, which can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.store = f"sqlite:///{folder}/mlflow.db"  # to look into it without asking it
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", self.store]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *words],
                stdout=log, stderr=log, start_new_session=True, env={**os.environ, **JOBLESS},
            )  # fmt: skip
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)  # the server has a process for each worker
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def server(tmp_path: Path, empty_store: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    server = Server(folder)
    server.start()
    yield server
    server.kill()


def test_a_tracker_is_a_listener(run: Run) -> None:
    listener: Listener = Tracker(run)
    assert listener


def test_events_reach_the_store_while_the_run_runs(run: Run) -> None:
    warnings: list[str] = []
    tracker = Tracker(run, warn=warnings.append, interval=0.05)
    tracker.run_started(run)
    trial = searched(1)
    run.save(trial)
    tracker.trial_started(trial)
    wait_until(lambda: "<0001>" in dump(run))
    trial = reported(trial, 0.5)
    run.save(trial)
    tracker.trial_reported(trial)
    wait_until(lambda: METRIC in dump(run)["<0001>"]["metrics"])
    trial = trial.closed("pruned", START + 99)
    run.save(trial)
    tracker.trial_ended(trial)
    wait_until(lambda: dump(run)["<0001>"]["info"][1] == "KILLED")
    run.update_meta(status="finished", ended=START + 100)
    tracker.run_ended(run)
    assert dump(run)["<parent>"]["info"][1] == "FINISHED"
    assert (warnings, tracker.remedy) == ([], None)
    assert not sync(run)


def test_a_store_that_is_away_for_good_costs_one_warning_and_the_limit(run: Run) -> None:
    warnings: list[str] = []
    tracker = Tracker(run, NOWHERE, warn=warnings.append, interval=0.01, longest=0.02, limit=0.5)
    tracker.run_started(run)
    for trial in fill(run):
        tracker.trial_ended(trial)
        time.sleep(0.05)
    wait_until(lambda: bool(warnings))
    tracker.run_ended(run)
    assert tracker.remedy == f"{run.command('sync')} --tracking {NOWHERE}"
    outage, end = warnings
    assert outage.startswith(f"MLflow at {NOWHERE}: MlflowException: ")
    assert "The study continues" in outage
    assert tracker.remedy in end
    assert sync(run).created == 7  # elsewhere


def test_a_damaged_record_stops_the_projection_and_not_the_study(run: Run) -> None:
    warnings: list[str] = []
    tracker = Tracker(run, warn=warnings.append, interval=0.01)
    fill(run)
    good = run.paths.trial("0002").read_text()
    run.paths.trial("0002").write_text("{")
    tracker.run_started(run)
    wait_until(lambda: bool(warnings))
    assert "0002.json: is truncated" in warnings[0]
    run.paths.trial("0002").write_text(good)
    wait_until(lambda: len(dump(run)) == 7)
    tracker.run_ended(run)
    assert (len(warnings), tracker.remedy) == (1, None)


def test_a_run_that_ends_before_it_was_told_to_start_is_sent(run: Run) -> None:
    fill(run)
    tracker = Tracker(run)
    tracker.run_ended(run)
    assert tracker.remedy is None
    assert len(dump(run)) == 7


@pytest.mark.slow
@pytest.mark.kills
def test_a_server_that_dies_and_comes_back_has_everything_once(run: Run, server: Server) -> None:
    warnings: list[str] = []
    tracker = Tracker(run, server.uri, warn=warnings.append, interval=0.05, longest=0.5)
    tracker.run_started(run)
    trials = fill(run)
    half = reported(searched(8), 0.3)
    run.save(half)
    tracker.trial_reported(half)
    wait_until(lambda: "<0008>" in dump(run, server.store))
    server.kill()  # at whatever it was doing
    for number in range(9, 12):
        trial = reported(searched(number, "plain"), 0.1, 0.2, 0.3).closed("finished", START + 1000 + number)
        run.save(trial)
        tracker.trial_ended(trial)
        time.sleep(0.05)
    run.save(reported(half, 0.3, 0.35).closed("pruned", START + 900))
    wait_until(lambda: bool(warnings))
    server.start()
    run.save(trials[4].closed("stopped", START + 1100))
    run.update_meta(status="stopped", ended=START + 1200)
    tracker.run_ended(run)
    assert tracker.remedy is None
    assert len(warnings) == 1
    assert not sync(run, server.uri)
    undisturbed = sync(run)
    assert undisturbed.created == 11
    assert dump(run, server.store) == dump(run)


def test_the_tracker_does_not_keep_a_process_alive(run: Run) -> None:
    code = f"t = Tracker(run, '{NOWHERE}', warn=print, interval=0.01); t.run_started(run); print('on')"
    assert in_a_new_process(run, code).startswith("on\n")

"""Each fault, injected into the small study once; `python -m tests.faults.table` does it often.

What is asserted: the final table (every trial, every metric), predictions, weights, report, MLflow; nothing twice.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.faults import inject
from tests.faults.oracle import Outcome, Seen, compare
from tests.faults.small import (
    Study,
    descendants,
    duplicates,
    mlflow_runs,
    named,
    table,
    trial_processes,
    wait_for,
)
from tests.findings.worked import SPEC
from tests.robust.conftest import step_of
from xrt.record.files import read_json, write_json
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.robust import checkpoint
from xrt.robust.encoder import load_encoder
from xrt.robust.training import Recipe, start
from xrt.tracking.tracker import sync

ENDS = ("finished", "pruned")
# Trainings of seconds; those of the table of faults take three times as long.
SHORT = ("data.train_rows=200", "data.dev_rows=30", "data.test_rows=30")
pytestmark = [pytest.mark.slow, pytest.mark.kills]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, empty_store) -> Seen:
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    results.mkdir()
    shutil.copy(empty_store, results)
    with Study(results, SHORT).held() as study:
        study.finish(study.start())
        seen = Seen.of(study)
    assert len(seen.table) >= 7 and {row[1] for row in seen.table.values()} == set(ENDS)
    return seen


def strike(study: Study, process, pids, how: int = signal.SIGKILL) -> None:
    """Strike in mid-training, at a process that is there: one that has ended meanwhile was not struck."""
    while process.poll() is None:
        wait_for(lambda: inject.under_way(study, process) and bool(pids()), process)
        time.sleep(0.7)
        for pid in pids()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, how)
                return
    raise AssertionError("the run came to its end before it was struck")


# The moment when ASHA has decided and the record has it, but Tune has not acted on it: then Tune forgets it.
STRUCK = """
import os, signal, sys
from tests.faults.small import descendants, named
from xrt.study.__main__ import app
from xrt.study.console import Screen
told, chosen = Screen.trial_reported, sys.argv.pop(1).split(",")
def struck(self, trial):
    told(self, trial)
    if trial.id not in chosen:
        return
    for pid in named(descendants(os.getpid()), "ray::ImplicitFunc"):
        os.kill(pid, signal.SIGKILL)
        print(f"struck {trial.id}", flush=True)
Screen.trial_reported = struck
app()
"""


@dataclass(frozen=True)
class Struck:
    """What became of a run two of whose trials died when they had just reported, on a disk that was full for a while.

    Attributes:
        chosen: the trials: one that ASHA promotes, and one that it prunes.
        disk: whether it had a disk that could be filled; only root can have one.
    """

    chosen: set[str]
    disk: bool
    printed: str
    outcome: Outcome


@pytest.fixture(scope="module")
def struck(undisturbed, tmp_path_factory, empty_store) -> Struck:
    chosen = {min(id for id, row in undisturbed.table.items() if row[1] == how) for how in ENDS}
    place = tmp_path_factory.mktemp("struck") / "results"
    with ExitStack() as stack:
        try:
            stack.enter_context(inject.small_disk(place))
            disk = True
        except PermissionError:
            disk = False
            place.mkdir()
        shutil.copy(empty_store, place)
        study = stack.enter_context(Study(place, SHORT).held())
        process = study.start(program=("-c", STRUCK, ",".join(chosen)))
        if disk:
            # A trial that is not struck has just reported: its process writes checkpoints, of it or of the next.
            assert wait_for(lambda: inject.reports(study, but=chosen) > 0, process)
            inject.full_for(study, process, 4.0)
        printed = study.finish(process)
        return Struck(chosen, disk, printed, compare("struck", 2, undisturbed, study))


def test_a_trial_whose_process_dies_when_it_has_just_reported_goes_on_only_if_asha_lets_it(struck):
    assert len(struck.chosen) == 2 and all(f"struck {id}" in struck.printed for id in struck.chosen)
    assert struck.outcome.whole, struck.outcome


def test_a_disk_that_was_full_for_a_while_leaves_the_same_table(struck):
    if not struck.disk:
        pytest.skip("a file system of a fixed size is mounted by root only")
    assert struck.outcome.whole, struck.outcome


def test_killed_trials_driver_and_ray_and_an_mlflow_that_was_away_leave_the_same_table(
    undisturbed, empty_store, tmp_path
):
    (tmp_path / "results.mlflow").mkdir()
    shutil.copy(empty_store, tmp_path / "results.mlflow" / "store.db")
    with Study(tmp_path / "results", SHORT).held() as study, inject.mlflow_server(study) as server:
        process = study.start()
        strike(study, process, lambda: trial_processes(process))  # tried again by Tune, from its checkpoint
        wait_for(lambda: inject.reports(study) >= 3, process)
        server.kill()
        wait_for(lambda: inject.under_way(study, process), process)
        left = trial_processes(process)
        strike(study, process, lambda: [process.pid])
        process.wait()
        server.begin()
        process = study.resume()
        strike(study, process, lambda: named(descendants(process.pid), "raylet"))
        process.wait()
        study.finish(study.resume())
        inject.gone(left)
        outcome = compare("everything", 3, undisturbed, study)
    assert outcome.whole, outcome


@contextmanager
def disk_of(place: Path, size: str) -> Iterator[Path]:
    """A file system of a fixed size, where one can be had."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(inject.small_disk(place, size))
        except PermissionError as error:
            pytest.skip(f"a file system of a fixed size is mounted by root only: {error}")
        yield disk


def test_a_checkpoint_that_does_not_fit_is_told_as_a_full_disk_and_is_not_there(tmp_path):
    state = start(load_encoder("mini-a", ("a", "b")), Recipe(1e-3, 1, 0))
    with disk_of(tmp_path / "disk", "300k") as disk:
        with pytest.raises(OSError) as caught:
            checkpoint.save(state, disk)
        assert caught.value.errno == errno.ENOSPC
        assert step_of(disk) is None


@contextmanager
def full(disk: Path, action: Callable[[], object]) -> Iterator[None]:
    """A disk on which an action waits for space, and gets it after the block."""
    inject.fill(disk / "filler")
    waiting = threading.Thread(target=action)
    waiting.start()
    time.sleep(2.5)
    assert waiting.is_alive()
    yield
    (disk / "filler").unlink()
    waiting.join()


def test_what_is_written_to_a_full_disk_waits_for_space_and_is_then_whole(tmp_path):
    old, new = {"old": "x" * 20_000}, {"new": "y" * 20_000}
    with disk_of(tmp_path / "disk", "1m") as disk:
        write_json(disk / "file", old)
        with full(disk, partial(write_json, disk / "file", new)):
            assert read_json(disk / "file") == old
        assert read_json(disk / "file") == new
        assert os.listdir(disk) == ["file"]


def test_a_run_on_a_full_disk_is_held_as_soon_as_there_is_space(tmp_path):
    holders = []

    def hold() -> None:
        with run.hold():
            holders.append(run.holder())

    with disk_of(tmp_path / "disk", "1m") as disk:
        run = Run.create(Results(disk), SPEC)
        with full(disk, hold):
            assert not holders
        assert [who["pid"] for who in holders] == [os.getpid()]


# A store as a run makes it when it begins.
MAKE = (
    "import sys; from xrt.record import Results; from xrt.tracking.tracker import check; "
    "check(Results.at(sys.argv[1]))"
)


def test_two_runs_that_begin_at_once_where_a_third_was_killed_share_mlflows_store_alone_and_end_alike(
    tmp_path,
):
    results = tmp_path / "results"
    killed = subprocess.Popen([sys.executable, "-c", MAKE, str(results)], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (results / ".mlflow.db.tmp").exists(), killed)
    killed.kill()
    killed.communicate()
    assert not (results / "mlflow.db").exists(), "none is half made"
    with Study(results, (*SHORT, "confirm=null", "search.trials=2")).held() as study:
        both = [study.start(), study.start()]
        for process in both:
            study.finish(process)
        one, other = (Run(paths) for paths in Results(study.results).runs())
    assert table(one) == table(other) and len(table(one)) == 2
    assert duplicates(one) == duplicates(other) == 0
    inodes = [{path.stat().st_ino for path in run.paths.root.rglob("*")} for run in (one, other)]
    assert not inodes[0] & inodes[1]
    assert len(mlflow_runs(MlflowClient(one.paths.results.tracking_uri), one.study)) == 2 * (1 + 2)


def test_trials_that_die_each_time_or_diverge_fail_the_study_goes_on_and_sync_sends_it_all(tmp_path):
    more = (*SHORT, "confirm=null", "search.trials=4", "space.learning_rate=[1.0e-3, 1.0e+9]")
    with Study(tmp_path / "results", more, tracking="later").held() as study:
        assert inject.one_trial_without_luck(study, 1, 1) == 2
        first, *others = study.run.trials()
        assert (first.state, first.reason) == ("failed", "its process died")
        diverged = [trial for trial in others if trial.state == "failed"]
        assert len(others) == 3 and 0 < len(diverged) < 3
        assert all(trial.params["learning_rate"] == 1e9 for trial in diverged)
        assert all("learning_rate 1e+09" in trial.reason for trial in diverged)
        sound = {t.state for t in others if t.params["learning_rate"] == 1e-3}
        assert sound and sound <= {"finished", "pruned"}
        assert not study.run.paths.results.mlflow_db.exists()
        study.tracking = None
        study.finish(study.start("sync", study.run.name))
        assert duplicates(study.run) == 0
        assert str(sync(study.run)) == "MLflow is up to date."

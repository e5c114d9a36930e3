"""Each fault, injected into the small study once or twice; `python -m tests.faults.table` does it often.

What is asserted is the final table: every trial, every metric, nothing twice.
"""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults import inject
from tests.faults.small import (
    OVER,
    Study,
    compare,
    descendants,
    duplicates,
    named,
    table,
    trial_processes,
    wait_for,
)
from xrt.robust import checkpoint
from xrt.robust.encoder import load_encoder
from xrt.robust.training import Recipe, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, tuple]:
    with Study(tmp_path_factory.mktemp("undisturbed") / "results").held() as study:
        study.finish(study.start())
        found = table(study.run)
    assert len(found) >= 7 and {row[1] for row in found.values()} == {"finished", "pruned"}
    return found


def strike(study: Study, process, pids, how: int = signal.SIGKILL) -> None:
    """Strike in mid-training."""
    wait_for(lambda: inject.under_way(study, process) and bool(pids()), process)
    time.sleep(0.7)
    for pid in pids()[:1]:
        os.kill(pid, how)


def test_killed_trials_driver_and_ray_and_an_mlflow_that_was_away_leave_the_same_table(undisturbed, tmp_path):
    with Study(tmp_path / "results").held() as study, inject.mlflow_server(study) as server:
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
        process.wait(120)
        process = study.resume()
        strike(study, process, lambda: [process.pid], signal.SIGTERM)
        assert "resume" in study.finish(process, code=130)
        study.finish(study.resume())
        inject.gone(left)
        outcome = compare("everything", 4, undisturbed, study)
    assert outcome.whole, outcome


def test_a_disk_that_was_full_for_a_while_leaves_the_same_table(undisturbed, tmp_path):
    try:
        with inject.small_disk(tmp_path / "results") as disk, Study(disk).held() as study:
            assert inject.disk_filled(study, 1, 1, seconds=4.0) == 1
            outcome = compare("disk", 1, undisturbed, study)
    except PermissionError as error:
        pytest.skip(f"a file system of a fixed size is mounted by root only: {error}")
    assert outcome.whole, outcome


def test_a_checkpoint_that_does_not_fit_is_told_as_a_full_disk_and_is_not_there(tmp_path):
    state = start(load_encoder("mini-a", ("a", "b")), Recipe(1e-3, 1, 0))
    try:
        with inject.small_disk(tmp_path / "disk", "300k") as disk:
            with pytest.raises(OSError) as caught:
                checkpoint.save(state, disk)
            assert caught.value.errno == errno.ENOSPC
            assert checkpoint.step_of(disk) is None
    except PermissionError as error:
        pytest.skip(f"a file system of a fixed size is mounted by root only: {error}")


MAKE = "import sys; from xrt.answers.tracking import check, Results; check(Results.at(sys.argv[1]))"


def test_two_runs_that_begin_at_once_share_one_store_and_a_kill_leaves_none_half_made(tmp_path):
    def make() -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path)], stderr=subprocess.PIPE, text=True
        )

    killed = make()
    wait_for(lambda: (tmp_path / ".mlflow.db.tmp").exists(), killed)
    killed.kill()
    killed.communicate()
    assert not (tmp_path / "mlflow.db").exists()
    both = [make(), make()]
    assert [process.communicate(timeout=120)[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]


def test_a_trial_that_dies_each_time_fails_and_the_study_goes_on(tmp_path):
    with Study(tmp_path / "results", ("confirm=null", "search.trials=3")).held() as study:
        inject.one_trial_without_luck(study, 1, 1)
        first, *others = study.run.trials()
        assert (first.state, first.reason) == ("failed", "its process died")
        assert len(others) == 2 and all(t.state in OVER and t.state != "failed" for t in others)
        assert duplicates(study.run) == 0

"""A run whose results are in a bucket: killed on one machine, it resumes on another that knows only the address."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.study.conftest import make_toy
from xrt.record.paths import Results
from xrt.record.run import Run

SET = ["--set", "confirm=null", "--set", "search.concurrent=1", "--set", "search.trials=4"]


@pytest.mark.slow
def test_a_head_that_is_lost_is_succeeded_by_another(tmp_path, bucket, ray_kept, monkeypatch):
    toy = make_toy(tmp_path)
    address = bucket.address.replace("/xrt?", "/two-heads?")  # of its own: other tests use the bucket too
    assert address != bucket.address
    monkeypatch.setenv("XRT_RESULTS", address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    command = [sys.executable, "-m", "xrt.study", "run", "toy.yaml", *SET]
    process = subprocess.Popen(
        command, cwd=toy.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "laptop"))
    before = wait_for_reports(address, 3, process)
    os.kill(process.pid, signal.SIGSTOP)  # it cannot come to its end meanwhile
    assert f"{process.pid}" in toy.here("status", "toy")
    process.kill()
    process.communicate()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    forget_holder(address)  # what 90 seconds of silence do
    toy.here("resume", "toy")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "laptop"))
    run = Run.open(Results.at(address), "toy")
    assert run.meta.status == "finished" and run.holder() is None
    assert [t.id for t in run.trials()] == [f"{i:04d}" for i in range(4)]
    for trial in run.trials():
        assert trial.state in ("finished", "pruned")
        assert [r.step for r in trial.reports] == [3, 6, 12][: len(trial.reports)]
        known = before.get(trial.id, ())
        assert trial.reports[: len(known)] == known, "what was reported before stays"
    assert (run.paths.root / "report.html").exists()
    toy.here("export", "toy", "winner")
    kept = [path for place in (toy.folder, tmp_path) for path in place.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"test-secret" in path.read_bytes()], "credentials are in no file"


def wait_for_reports(address, count, process):
    """The reports by trial, as another machine sees them, as soon as there are so many."""
    while process.poll() is None:
        results = Results.at(address)
        if results.runs():
            trials = Run.open(results, "toy").trials()
            if sum(len(t.reports) for t in trials) >= count:
                return {t.id: t.reports for t in trials}
        time.sleep(1.0)  # each look is many requests, and the bucket is served by this process
    raise AssertionError(f"no {count} reports: {process.communicate()[0]}")


def forget_holder(address):
    """Simulates 90 seconds of silence."""
    [paths] = Results.at(address).runs()
    remote = paths.results.place
    remote.fs.delete_file(remote.name(paths.holder))

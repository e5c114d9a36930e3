"""The faults: each disturbs a small study and lets it come to its end, by `resume` where it was stopped.

Each returns how often it struck. Random points are drawn from a seeded generator; where they fall in a run still
depends on the machine, which is the purpose.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.faults.small import (
    OVER,
    Study,
    descendants,
    named,
    trial_processes,
    wait_for,
)
from xrt.record.run import TrialRecord
from xrt.search import checkpoints
from xrt.search.book import RETRIES

WRITES = 40  # of a driver, within which it dies: it makes about four a second
FEWER = """
import sys
from xrt.search import book
from xrt.study.__main__ import main
book.RETRIES = int(sys.argv.pop(1))
main()
"""
# MLflow's server begins ten processes for jobs that nobody gives it.
JOBLESS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
PAGE = 4096  # bytes that a file system keeps or loses together


def none(study: Study, count: int, seed: int) -> int:
    """No fault: the undisturbed run."""
    study.finish(study.start())
    return 0


def trials_killed(study: Study, count: int, seed: int) -> int:
    """SIGKILL to the process of a trial, as a machine without memory does, at random points of its training.

    Less often in a row than a trial is tried again without having got further: what it had reached when it was
    struck is not always in the record yet.
    """
    draw, process, done, in_a_row, reached = random.Random(seed), study.start(), 0, 0, None
    while done < count and wait_for(lambda: bool(trial_processes(process)), process):
        wait_for(lambda: training(study), process)
        time.sleep(draw.uniform(0.0, 1.5))
        now, in_a_row = _progress(study), in_a_row + 1
        if now != reached:
            reached, in_a_row = now, 1
        if in_a_row >= RETRIES:
            continue
        for pid in trial_processes(process)[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                done += 1
            wait_for(lambda pid=pid: pid not in trial_processes(process), process)
    study.finish(process)
    return done


def two_trials_killed(study: Study, count: int, seed: int) -> int:
    """SIGKILL to the processes of two trials in one moment, in mid-training; then they go on side by side."""
    draw, process, done = random.Random(seed), study.start(), 0
    while done < count and wait_for(lambda: sum(t.state == "running" for t in _trials(study)) == 2, process):
        time.sleep(draw.uniform(0.0, 1.0))
        both = trial_processes(process)
        for pid in both:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        done += len(both) == 2
        wait_for(lambda both=both: not set(both) & set(trial_processes(process)), process)
        before = reports(study)
        wait_for(lambda before=before: reports(study) > before, process)
    study.finish(process)
    return done


def driver_killed_at_a_write(study: Study, count: int, seed: int) -> int:
    """The driver kills itself at its N-th write, N drawn: the same seed, the same places. Then `resume`."""
    draw, done = random.Random(seed), 0
    process = study.start(dies_at=draw.randint(1, WRITES))
    while done < count and process.wait() == -signal.SIGKILL:
        done += 1
        process = study.resume(dies_at=draw.randint(1, WRITES) if done < count else 0)
    study.finish(process)
    return done


def driver_killed(study: Study, count: int, seed: int) -> int:
    """SIGKILL to the driver at random points, also while it starts; then `resume`."""
    return _driver_stopped(study, count, seed, signal.SIGKILL)


def driver_terminated(study: Study, count: int, seed: int) -> int:
    """SIGTERM to the driver, as batch systems and spot machines send it; then `resume`."""
    return _driver_stopped(study, count, seed, signal.SIGTERM)


def _driver_stopped(study: Study, count: int, seed: int, how: int) -> int:
    draw, process, done, left = random.Random(seed), study.start(), 0, []
    while done < count:
        if draw.random() < 0.8:  # most in mid-training, some while it starts
            wait_for(partial(under_way, study, process), process)
            time.sleep(draw.uniform(0.0, 3.0))
        else:
            time.sleep(draw.uniform(0.0, 10.0))
        if process.poll() is not None:
            break
        left += trial_processes(process)
        os.kill(process.pid, how)
        process.wait()
        done += 1
        process = study.resume()  # at once: workers of the one before may still be dying
    study.finish(process)
    gone(left)
    return done


def ray_killed(study: Study, count: int, seed: int) -> int:
    """SIGKILL to Ray itself, its store of state or its node in turn, in mid-training; then `resume`."""
    draw, process, done = random.Random(seed), study.start(), 0
    while done < count and wait_for(partial(under_way, study, process), process):
        time.sleep(draw.uniform(0.0, 1.5))
        (pid,) = named(descendants(process.pid), ("raylet", "gcs_server")[done % 2])
        os.kill(pid, signal.SIGKILL)
        done += 1
        process.wait()
        if process.returncode == 0:
            return done
        process = study.resume()
    study.finish(process)
    return done


def power_lost(study: Study, count: int, seed: int) -> int:
    """SIGKILL to every process at once, and what nobody had waited for the disk to have is lost; and, for disks lose
    what they had too, one file of the run, whichever. Then `resume`.
    """
    draw, process, done = random.Random(seed), study.start(), 0
    while done < count and wait_for(partial(under_way, study, process), process):
        before = _records(study)
        time.sleep(draw.uniform(0.0, 1.5))
        for pid in [process.pid, *descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        _forget_unsynced(study, draw)
        _forget_newest(study, before)
        _lose_a_file(study, draw)
        done += 1
        process = study.resume()
    study.finish(process)
    return done


def _forget_unsynced(study: Study, draw: random.Random) -> None:
    """Cut Optuna's journal anywhere; lose a page of the newest checkpoint of a trial that had more to say."""
    run = study.run
    os.truncate(run.paths.optuna, draw.randrange(run.paths.optuna.stat().st_size + 1))
    for trial in run.trials():
        over = trial.state in OVER or (trial.last and trial.last.share >= 1)
        newest = [] if over else checkpoints.whole(run.paths, trial.id)[:1]
        for file in (draw.choice(sorted(folder.iterdir())) for folder in newest):
            with file.open("r+b") as torn:
                torn.seek(draw.randrange(file.stat().st_size) // PAGE * PAGE)
                torn.write(bytes(min(PAGE, file.stat().st_size - torn.tell())))


def _records(study: Study) -> dict[Path, bytes]:
    """The run's own record and that of its newest trial, by their files."""
    paths = study.run.paths
    return {path: path.read_bytes() for path in (paths.meta, paths.trial(study.run.trials()[-1].id))}


def _forget_newest(study: Study, before: dict[Path, bytes]) -> None:
    """A file that took the place of another may be the other again: of the trial that no other has followed."""
    newest = study.run.paths.trial(study.run.trials()[-1].id)
    for path, content in before.items():
        if newest in before:
            path.write_bytes(content)


def _lose_a_file(study: Study, draw: random.Random) -> None:
    """Any but those of the record, which are waited for: a study cannot end alike without the moment of its reports."""
    paths = study.run.paths
    files = [path for path in sorted(paths.root.rglob("*")) if path.is_file()]
    draw.choice([p for p in files if p.parent != paths.trials and p not in (paths.meta, paths.spec)]).unlink()


def one_trial_without_luck(study: Study, count: int, seed: int) -> int:
    """SIGKILL to the first trial each time that it starts: it fails, with the reason, and the study goes on.

    A trial is tried again `count` times in place of the book's `RETRIES`, for each costs the start of a process.
    """
    process, killed = study.start(program=("-c", FEWER, str(count))), set()
    while len(killed) <= count:
        wait_for(lambda: bool(set(trial_processes(process)) - killed), process)
        for pid in set(trial_processes(process)) - killed:
            killed.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    study.finish(process)
    return len(killed)


def mlflow_away(study: Study, count: int, seed: int, seconds: float = 60.0) -> int:
    """The MLflow server is killed in mid-study and comes back after `seconds`."""
    with mlflow_server(study) as server:
        process = study.start()
        wait_for(lambda: reports(study) >= 2, process)
        server.kill()
        time.sleep(seconds)
        server.begin()
        study.finish(process)
        if "sync" in study.results.with_suffix(".0.log").read_text():  # the study was over sooner
            study.finish(study.start("sync", study.run.name))
        study.tracking = f"sqlite:///{server.folder}/store.db"  # to be read when the server is no more
        return 1


def disk_filled(study: Study, count: int, seed: int, seconds: float = 10.0) -> int:
    """The results are on a file system of a fixed size, which others fill to the last byte, and free again."""
    process, done = study.start(), 0
    while done < count and wait_for(lambda done=done: reports(study) > 2 * done, process):
        full_for(study, process, seconds)
        done += 1
    study.finish(process)
    return done


def full_for(study: Study, process: subprocess.Popen, seconds: float) -> None:
    """Fill the disk of the results, then free it again; the study must survive that."""
    filler = study.results / "filler"
    fill(filler)
    time.sleep(seconds)
    assert process.poll() is None, "it ended because the disk was full"
    filler.unlink()


def fill(filler: Path) -> None:
    """Fill the free space to the last byte."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x")


@contextmanager
def small_disk(place: Path, size: str = "256m") -> Iterator[Path]:
    """A file system of a fixed size.

    Raises:
        PermissionError: only root may mount.
    """
    place.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "xrt", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        shutil.rmtree(place)
        raise PermissionError(done.stderr.decode().strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def mlflow_server(study: Study) -> Iterator["Server"]:
    """An MLflow server on a free port, where the study is tracked."""
    server = Server(study.results.with_suffix(".mlflow"))
    study.tracking = server.address
    server.begin()
    try:
        yield server
    finally:
        server.kill()


class Server:
    """An MLflow server that can be killed and restarted with its store."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        words = ["server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self.folder}/store.db"]
        words += ["--default-artifact-root", str(self.folder / "artifacts")]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *words],
                stdout=log, stderr=log, start_new_session=True, env={**os.environ, **JOBLESS},
            )  # fmt: skip
        wait_for(self._answers, self.process)

    def _answers(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def gone(pids: list[int]) -> None:
    """Wait until none of the trials that a killed driver left behind is there (Ray's idle agents take minutes)."""
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
        time.sleep(0.1)


def training(study: Study) -> bool:
    """Whether a trial runs."""
    run = study.run
    return run is not None and any(t.state == "running" for t in run.trials())


def under_way(study: Study, process: subprocess.Popen) -> bool:
    """Whether this process trains: after a kill the record alone would say so until somebody writes it again."""
    return training(study) and bool(trial_processes(process))


def reports(study: Study, but: Collection[str] = ()) -> int:
    """The number of reports in the record, without those of some trials."""
    return sum(len(t.reports) for t in _trials(study) if t.id not in but)


def _trials(study: Study) -> list[TrialRecord]:
    return study.run.trials() if study.run else []


def _progress(study: Study) -> object:
    """A value that changes whenever a trial makes progress."""
    run = study.run
    return [(t.id, len(t.reports), t.checkpoint, t.state in OVER) for t in run.trials()] if run else None

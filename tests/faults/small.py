"""The small study (`small.yaml`), run in a process of its own, and its final table.

One trial at a time, so that ASHA hears the trials in one order whatever happens in between: an undisturbed run and a
disturbed one must then end with the same table, to the last digit.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from xrt.record.paths import Results
from xrt.record.run import Run, TrialRecord

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).with_suffix(".yaml")
# what no two runs have in common
CLOCK = ("train/examples_per_second", "train/tokens_per_second", "train/peak_gib")
OVER = ("finished", "pruned", "failed")
# A driver that dies when it writes for the N-th time: just before a file takes the place of another, or is flushed.
DYING = """
import os, signal, sys
left = int(sys.argv.pop(1))
def dying(call):
    def counted(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return counted
os.replace, os.fsync = dying(os.replace), dying(os.fsync)
from xrt.study.__main__ import main
main()
"""


@dataclass
class Study:
    """The small study in a results folder."""

    results: Path
    more: tuple[str, ...] = ()  # further overrides
    tracking: str | None = None
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(
        self, *command: str, dies_at: int = 0, program: tuple[str, ...] = ("-m", "xrt.study")
    ) -> subprocess.Popen:
        """`run`, or another command, in a process group of its own, as a terminal would.

        Args:
            dies_at: The write at which the driver kills itself: the same number, the same place; 0 for never.
            program: What Python runs.
        """
        if not command:
            overrides = [word for one in self.more for word in ("--set", one)]
            command = ("run", str(SMALL), *overrides)
        program = ("-c", DYING, str(dies_at)) if dies_at else program
        words = [sys.executable, *program, *command, "--results", str(self.results)]
        words += ["--tracking", self.tracking] if self.tracking else []
        log = self.results.with_suffix(f".{len(self.processes)}.log")
        with log.open("w") as out:
            process = subprocess.Popen(
                words, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        self.processes.append(process)
        return process

    def resume(self, dies_at: int = 0) -> subprocess.Popen:
        """Resume the newest run; start one if there is none."""
        return self.start(*(["resume", self.run.name] if self.run else []), dies_at=dies_at)

    def finish(self, process: subprocess.Popen, code: int = 0) -> str:
        """Wait for the end of a process; returns what it printed."""
        process.wait()
        printed = self.results.with_suffix(f".{self.processes.index(process)}.log").read_text()
        assert process.returncode == code, printed
        return printed

    @property
    def run(self) -> Run | None:
        """The newest run; None before there is one."""
        found = Results(self.results).runs()
        return Run(found[-1]) if found else None

    @contextmanager
    def held(self) -> Iterator["Study"]:
        """Whatever happens, no process stays behind."""
        try:
            yield self
        finally:
            for process in self.processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def wait_for(condition, process: subprocess.Popen) -> bool:
    """Whether `condition()` came true before the process ended; however long that takes on a busy machine."""
    while not condition():
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def descendants(pid: int) -> list[int]:
    """The processes below a process, as long as their parents live."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        try:
            parent = int(Path(f"/proc/{int(entry)}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        parents.setdefault(parent, []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        queue += (below := parents.get(queue.pop(), []))
        found += below
    return found


def named(pids: list[int], name: str) -> list[int]:
    """The processes whose command line begins with `name`, or runs the program of that name."""
    found = []
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if line.startswith(name) or line.split("\0")[0].endswith(f"/{name}"):
            found.append(pid)
    return found


def trial_processes(driver: subprocess.Popen) -> list[int]:
    """The Ray workers that train."""
    return named(descendants(driver.pid), "ray::ImplicitFunc")


def table(run: Run) -> dict[str, tuple]:
    """What must not depend on faults: each trial's sample, end, and reports."""
    return {trial.id: _row(trial) for trial in run.trials()}


def _row(trial: TrialRecord) -> tuple:
    said = {
        (r.rung, name): (r.step, value)
        for r in trial.reports
        for name, value in r.metrics.items()
        if name not in CLOCK
    }
    return trial.phase, trial.state, trial.params, trial.seed, said


def duplicates(run: Run, tracking: str | None = None) -> int:
    """Duplicates in the record, in Optuna and in MLflow; and what MLflow lacks of the record."""
    trials = run.trials()
    search = [t for t in trials if t.phase == "search"]
    storage = JournalStorage(JournalFileBackend(str(run.paths.optuna)))
    asked = (state for state in TrialState if state != TrialState.WAITING)
    known = optuna.load_study(study_name=run.study, storage=storage).get_trials(states=tuple(asked))
    twice = sum(len(t.reports) - len({r.rung for r in t.reports}) for t in trials)
    twice += abs(len(known) - len(search)) + sum(not t.state.is_finished() for t in known)
    client = MlflowClient(tracking or run.paths.results.tracking_uri)
    runs = [r for r in mlflow_runs(client, run.study) if r.data.tags["xrt.uid"] == run.meta.uid]
    names = Counter(r.data.tags.get("xrt.trial", "") for r in runs)
    twice += sum((names - Counter(["", *(t.id for t in trials)])).values())
    twice += sum((Counter(["", *(t.id for t in trials)]) - names).values())
    ids = {r.data.tags.get("xrt.trial", ""): r.info.run_id for r in runs}
    for trial in trials:
        points = Counter(name for report in trial.reports for name in report.metrics)
        metric = run.meta.metric  # one of sixty stands for all: each history is a request
        twice += abs(len(client.get_metric_history(ids[trial.id], metric)) - points[metric])
    return twice


def mlflow_runs(client: MlflowClient, study: str) -> list[MlflowRun]:
    """All that MLflow has of a study: of each of its runs one, and one for each trial."""
    (experiment,) = [e for e in client.search_experiments() if e.name == study]
    return list(client.search_runs([experiment.experiment_id]))

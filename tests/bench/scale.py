"""What a big study costs its driver: many trials that only sleep, on 16 logical slots.

    python -m tests.bench.scale [TRIALS]

Everything but the training is real: Ray Tune, ASHA, Optuna, the record, MLflow on SQLite. Each trial has 4 rungs of 60
metrics and a small checkpoint; hardly any is pruned, for each is better than those before it. Printed: the driver's
time a report (its main thread's processor time, its wall time when it does not wait for news, and the part of that
which is ours), the share of time in which slots sleep from the first report on, how far MLflow is behind, and the
driver's memory, by quarters of the study. Ends with 1 where the driver's main thread takes more than 15 ms a report,
or its memory grows by more than 0.15 MB a trial while trials run. When they have ended, Tune reads the results of all
into tables, once; what that takes is printed, too.

The first trials wait until all processes have started. A rung sleeps for SLEEP seconds, so that 1,000 trials take some
minutes; 16 slots then report SLOTS / SLEEP times a second, a hundred times as often as in a study whose rungs take
minutes.
"""

import logging
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import ray

from tests.bench.sleeper import RUNGS, SLEEP, SLOTS, STARTED, sleeping
from xrt.record.paths import Results
from xrt.record.run import Listener, Run, TrialRecord
from xrt.search import cluster, tuning
from xrt.search.book import Book
from xrt.spec import load_study
from xrt.tracking.tracker import Tracker

MOST_MS, MOST_MIB = 15.0, 0.15  # processor time of the main thread a report; memory a trial


class Watch(Listener):
    """Counts reports and looks at the driver every few seconds; a listener."""

    def __init__(self, run: Run, trials: int) -> None:
        self.run, self.trials = run, trials
        self.reports = self.ended = 0
        self.own: Counter[str] = Counter()  # seconds in our callbacks, by their names
        self.idle: Counter[str] = Counter()  # seconds in which the driver waits for news
        self.first = self.last = 0.0  # times of reports
        self.spent = [time.thread_time()]  # the main thread's processor time at each of them
        self.behind: list[int] = []
        self.memory: list[tuple[int, float]] = []
        self._over = threading.Event()

    def trial_reported(self, trial: TrialRecord) -> None:
        self.reports += 1
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self.spent.append(time.thread_time())

    def trial_ended(self, trial: TrialRecord) -> None:
        self.ended += 1

    def look(self) -> None:
        while not self._over.wait(2.0):
            self.memory.append((self.ended, resident()))
            if self.ended and self.run.paths.results.mlflow_db.exists():
                self.behind.append(self.ended - projected(self.run))

    @contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def timed(owner: Any, names: list[str], seconds: Counter[str]) -> None:
    """Adds the wall time that functions of `owner` take to `seconds`."""

    def around(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name] += time.perf_counter() - began

        return inner

    for name in names:
        setattr(owner, name, around(name, getattr(owner, name)))


def resident() -> float:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def projected(run: Run) -> int:
    """Trials that MLflow shows as ended."""
    with closing(sqlite3.connect(f"file:{run.paths.results.mlflow_db}?mode=ro", uri=True)) as store:
        query = "select count(*) from runs where status in ('FINISHED', 'KILLED', 'FAILED')"
        return int(store.execute(query).fetchone()[0])


def main(trials: int) -> int:
    settings = [f"search.trials={trials}", f"pruning.rungs={RUNGS}", "pruning.reduction=3", "confirm=null"]
    spec = load_study("mini", settings)
    tuning.trainable = sleeping
    os.environ.update(cluster.ENVIRONMENT)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as started:
        os.environ[STARTED] = started
        ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, object_store_memory=2 * 10**8)
        run = Run.create(Results(Path(folder)), spec)
        watch, tracker = Watch(run, trials), Tracker(run, warn=print)
        methods = ["next", "started", "reported"]
        timed(Book, methods, watch.own)
        timed(ray, ["wait"], watch.idle)
        tracker.run_started(run)
        began, cpu, all_cpu = time.perf_counter(), time.thread_time(), time.process_time()
        with watch.looking():
            tuning.search(run, spec, [watch, tracker])
            wall = time.perf_counter() - began
            spent = (time.thread_time() - cpu, time.process_time() - all_cpu, wall - watch.idle["wait"])
            tracker.run_ended(run)
        return report(watch, wall, spent, time.perf_counter() - began - wall)


def report(watch: Watch, wall: float, spent: tuple[float, float, float], caught_up: float) -> int:
    count = watch.reports
    print(f"{watch.ended} trials, {count} reports, {wall:.0f} s")
    main_thread, all_threads, working = (1000 * seconds / count for seconds in spent)
    print(
        f"driver, ms a report: main thread {main_thread:.1f}, all threads {all_threads:.1f} (processor)",
        end="; ",
    )
    ends = [watch.spent[count * k // 4] for k in range(5)]
    print("main thread by quarters", ", ".join(f"{4000 * (b - a) / count:.1f}" for a, b in pairwise(ends)))
    print(f"main thread, ms a report: {working:.1f} (wall, when it does not wait for news)", end="; ")
    parts = ", ".join(f"{name} {1000 * seconds / count:.1f}" for name, seconds in watch.own.most_common())
    print(f"of it ours {1000 * watch.own.total() / count:.1f}: {parts}")
    print(f"slots busy: {count * SLEEP / (watch.last - watch.first + SLEEP) / SLOTS:.1%}")
    quarters = [[m for n, m in watch.memory if k <= 4 * n / watch.trials < k + 1] for k in range(4)]
    print("driver's memory, MiB:", ", ".join(f"{max(q):.0f}" if q else "-" for q in quarters))
    print(f"trials that MLflow is behind: at most {max(watch.behind)}; after the end {caught_up:.1f} s")
    running = [(n, m) for n, m in watch.memory if watch.trials // 4 <= n < watch.trials]
    (first, least), (last, most) = running[0] if running else watch.memory[0], (running or watch.memory)[-1]
    grown = (most - least) / max(1, last - first)
    print(f"memory, MiB a trial after the first quarter: {grown:.3f}", end="; ")
    print(f"Tune's tables at the end: {watch.memory[-1][1] - most:.0f} MiB")
    return int(main_thread > MOST_MS or grown > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

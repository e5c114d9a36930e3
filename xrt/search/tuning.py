"""The study on Ray: Tune starts the trials that the book proposes, and stops the trials that the book prunes.

What Ray runs is a few lines around a trial. The record of the run is the truth; nothing depends on Tune's own
experiment state, which is not even written. It uses documented parts of Tune only: a searcher, a scheduler, callbacks.
"""

import json
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from pyarrow.fs import LocalFileSystem
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from xrt.errors import XrtError, is_outside
from xrt.findings.confirming import Wanted
from xrt.record.environment import redact
from xrt.record.files import patiently
from xrt.record.place import Place
from xrt.record.run import Listener, Run
from xrt.record.values import OVER, Pace
from xrt.robust.memory import out_of_memory
from xrt.search import checkpoints
from xrt.search.behind import Behind
from xrt.search.book import Book, Rung, Task
from xrt.search.cluster import connect
from xrt.search.confirm import proposing
from xrt.search.home import enter, home_of
from xrt.search.journal import Dashboard
from xrt.search.lost import Died, RayLost, Watch
from xrt.search.packing import trial_resources
from xrt.search.private import unlogged_keys
from xrt.search.sampler import propose
from xrt.search.trial import RungReport, begin, device_name, use_gpu, use_threads
from xrt.search.waiting import Waiting
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig

DEATHS = (
    100  # of a trial's process until Tune gives up; the book decides how many without progress are too many
)
DISK_PATIENCE = 600.0  # seconds that a trial waits for disk space for a checkpoint before it fails
# Tune flattens and copies every key into every result, so what a trial needs and what it says is one JSON text each.
TASK, MESSAGE = "task", "message"


def search(run: Run, spec: StudySpec, listeners: Sequence[Listener]) -> None:
    """Run the trials of the search that have not ended in the record."""
    dashboard = Dashboard(run)
    ended = sum(t.phase == "search" and t.state in OVER for t in run.trials())
    book = Book(run, [*listeners, dashboard], "search", partial(propose, spec, earlier=run.meta.after))
    run_on_ray(book, spec.search.trials - ended)


def confirm(run: Run, spec: StudySpec, wanted: Sequence[Wanted], listeners: Sequence[Listener]) -> None:
    """Run the trainings that the next look of the confirmation needs."""
    run_on_ray(Book(run, listeners, "confirm", proposing(wanted)), len(wanted))


def run_on_ray(book: Book, waiting: int) -> None:
    """Run all that the book proposes.

    Args:
        waiting: bound on the trials that will run: fewer trials get larger shares of the GPUs.

    Raises:
        RayLost: Ray has died.
        XrtError: no machine can run a trial, or no Ray can be started or joined.
    """
    run, spec, experiment = book.run, book.spec, f"{book.phase}-{int(time.time())}"
    place, file_system = run.stored("tune")
    workers = connect()
    resources = {name: trial_resources(spec, workers, name, waiting) for name in spec.space.encoders}
    slots = max(workers.slots(each) for each in resources.values())

    def of(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return _placed(tuple(resources[config["encoder"]].items()))

    tuner = tune.Tuner(
        tune.with_resources(trainable, of),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            # If it is known how many trials fit, Tune requests all at once, because an autoscaler acts on requests.
            # Otherwise it starts one process after the other, and proposes one trial too early.
            max_concurrent_trials=spec.search.concurrent or slots,
            search_alg=_Proposing(book, experiment),
            scheduler=_Pruning(book),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["id"]),
        ),
        run_config=tune.RunConfig(
            name=experiment,
            storage_path=place,
            storage_filesystem=file_system,
            callbacks=[_Deaths(book), Watch(), Waiting(book)],
            failure_config=tune.FailureConfig(max_failures=DEATHS),
            verbose=0,
        ),
    )
    try:
        with unlogged_keys():
            tuner.fit()
    except Died:
        raise RayLost(
            f"Ray has died under the study. Nothing is lost; resume with: {run.command('resume')}"
        ) from None
    # A trial whose process died before it began waits again, maybe after the searcher ended Tune's search.
    if book.left:
        run_on_ray(book, book.left)


@cache
def _placed(resources: tuple[tuple[str, float], ...]) -> tune.PlacementGroupFactory:
    """One object for all trials with these resources: Tune never frees them."""
    return tune.PlacementGroupFactory([dict(resources)])


def as_config(book: Book, task: Task, experiment: str) -> dict[str, Any]:
    """A task as Tune's configuration of a trial."""
    paths = book.run.paths
    values = {
        "trial": task.config.to_dict(),
        "known": task.known,
        "about": task.about,
        "home": home_of(book.run, task.config),
        "seconds": book.spec.checkpoints.seconds,
        "folder": str(paths.tune.resolve() / experiment / task.id),
    }
    return {
        "id": task.id,
        "encoder": task.config.encoder,
        "resume": [book.run.stored(checkpoints.place(paths, folder)) for folder in task.resume],
        TASK: json.dumps(values),
    }


def as_result(at: Any) -> dict[str, Any]:
    """What a trial says to the driver, as a result of Tune's."""
    return {MESSAGE: json.dumps(at)}


def trainable(config: dict[str, Any]) -> None:
    """Run one trial on a Ray worker, and pass its reports to Tune."""
    had = tune.get_context().get_trial_resources().required_resources or {}
    use_threads(int(had.get("CPU", 1)))
    use_gpu(had.get("GPU", 0.0))
    task = json.loads(config[TASK])
    trial, loaded, folder = TrialConfig.from_dict(task["trial"]), tune.get_checkpoint(), Path(task["folder"])
    # Before anything that may kill the process: the answer to this report ends a trial that dies each time.
    tune.report(as_result({"node": socket.gethostname(), "device": device_name()}))
    try:
        enter(task["home"])
        # Tune knows a checkpoint only after its report has arrived; reports of an earlier start may be lost.
        known = len(trial.rungs) + 1 if loaded else task["known"]
        with _at_hand([loaded] if loaded else [], config["resume"]) as resume, Behind() as behind:
            for at in begin(trial, resume, known, task["seconds"], about=task["about"]):
                # Progress can wait for the next time.
                if isinstance(at, Pace) and behind.busy:
                    continue
                behind.wait()  # Tune takes one report at a time
                if isinstance(at, RungReport):
                    _report(_as_plain(at), at.save, folder)
                elif isinstance(at, Pace):
                    tune.report(as_result({"pace": asdict(at)}))
                else:
                    behind.begin(partial(_report, _as_plain(at), at.take(), folder))
    except Exception as error:  # reported as a failure; only a process that dies is tried again
        # Redacted here, because the driver does not know this machine's secrets.
        reason = redact(_reason(error, had.get("GPU", 0.0)))
        tune.report(as_result({"failed": reason, "outside": is_outside(error)}))


def _as_plain(at: Any) -> dict[str, Any]:
    if not isinstance(at, RungReport):
        return {"step": at.step}
    metrics = {name: float(value) for name, value in at.metrics.items()}
    return {"rung": at.rung, "share": at.share, "step": at.step, "metrics": metrics}


def _reason(error: Exception, gpu: float) -> str:
    """Why a trial failed, in one line; the traceback of an error that is not ours goes to the worker's log."""
    if isinstance(error, XrtError):
        return str(error)
    print(redact(traceback.format_exc()), file=sys.stderr)
    if out_of_memory(error):
        return f"Out of GPU memory with {gpu:.4g} of a GPU: increase resources.gpu or lower training.micro_batch."
    return f"{type(error).__name__}: {error}"


@contextmanager
def _at_hand(newest: list[tune.Checkpoint], places: Sequence[tuple[str, Any]]) -> Iterator[list[Path]]:
    """Checkpoints as folders of this machine, best first; from a bucket only the best is downloaded."""
    found = newest + [tune.Checkpoint(path, file_system) for path, file_system in places]
    remote = [c for c in found if not isinstance(c.filesystem, LocalFileSystem)]
    with ExitStack() as stack:
        yield [Path(stack.enter_context(c.as_directory())) for c in (found[:1] if remote else found)]


def _report(what: dict[str, Any], save: Callable[[Path], None] | None, folder: Path) -> None:
    """Pass a trial's message to Tune, with its checkpoint if it has one; on a full disk, retry until there is space.

    Returns after the driver has decided that the trial continues. A rung's checkpoint follows the report of the rung,
    so only trials that continue write it.

    Raises:
        OSError: the disk was full for `DISK_PATIENCE` seconds.
    """

    if save is None:
        tune.report(as_result(what))
        return

    def once() -> None:
        before = set(folder.glob("checkpoint_*"))
        try:
            with tempfile.TemporaryDirectory() as written:
                save(Path(written))
                tune.report(as_result(what), checkpoint=tune.Checkpoint.from_directory(written))
        except OSError:
            # Half a copy would take space from the next.
            Place().remove(*(set(folder.glob("checkpoint_*")) - before))
            raise

    patiently(once, DISK_PATIENCE)


class _Proposing(Searcher):
    """Tune's searcher: the book decides what to run. It has no state of its own."""

    def __init__(self, book: Book, experiment: str) -> None:
        super().__init__()
        self._book, self._experiment = book, experiment

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def suggest(self, trial_id: str) -> Any:
        task = self._book.next()
        return as_config(self._book, task, self._experiment) if task else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Pruning(FIFOScheduler):
    """Tune's scheduler: passes a trial's message to the book, which decides whether the trial continues."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book, self._turns = book, dict[str, int]()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Put a trial at the end of the queue: a new one, or one whose process died.

        If a process dies after its last report, before Tune acts on it, Tune adds the trial again. Its checkpoints
        are gone by then, and Tune would start a process for each of `DEATHS` attempts to restore one.
        """
        self._turns[trial.trial_id] = max(self._turns.values(), default=0) + 1
        if self._book.has_ended(str(trial.config["id"])):
            tune_controller.stop_trial(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first in the queue. FIFO would look for it among all trials of the run, in every step of Tune."""
        waiting = [trial for trial in tune_controller.get_live_trials() if trial.status == Trial.PENDING]
        return min(waiting, key=lambda trial: self._turns[trial.trial_id], default=None)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        continues = handle(self._book, str(trial.config["id"]), json.loads(result[MESSAGE]))
        return TrialScheduler.CONTINUE if continues else TrialScheduler.STOP


def handle(book: Book, id: str, what: dict[str, Any]) -> bool:
    """Pass a trial's message to the book; returns whether the trial continues."""
    if "failed" in what:
        book.failed(id, what["failed"], what["outside"])
        return False
    if "pace" in what:
        return book.moved(id, Pace(**what["pace"]))
    if "node" in what:
        return book.started(id, what["node"], what["device"])
    return book.reported(id, Rung(**what)) if "rung" in what else book.saved(id, what["step"])


class _Deaths(tune.Callback):
    """Tells the book of processes that died."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._book.died(str(trial.config["id"]))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = str(trial.get_error() or "its process died").strip().splitlines()[-1]
        self._book.given_up(str(trial.config["id"]), reason)

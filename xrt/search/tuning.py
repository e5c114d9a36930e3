"""The study on Ray: Tune starts the trials that the book proposes, and stops those that the book says do not go on.

What Ray runs is a few lines around a trial. The record of the run is the truth; nothing depends on Tune's own
experiment state, which is not even written. Of Tune only what is documented: a searcher, a scheduler, a callback.
"""

import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import ray
from pyarrow.fs import LocalFileSystem
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from torch import OutOfMemoryError

from xrt.errors import XrtError
from xrt.findings.confirming import Wanted
from xrt.record.environment import redact
from xrt.record.files import patiently
from xrt.record.run import Listener, Run
from xrt.search import checkpoints
from xrt.search.book import Book, Rung, Task
from xrt.search.confirm import proposing
from xrt.search.home import enter, home_of
from xrt.search.journal import Dashboard
from xrt.search.packing import WORKERS, Workers, described, present, trial_resources
from xrt.search.sampler import propose
from xrt.search.token import keep_token
from xrt.search.trial import RungReport, begin, use_gpu, use_threads
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig

DEATHS = 100  # of a trial's process, that Tune outlives; how many without progress are enough is for the book to say
WATCHED = 5.0  # seconds between looks at Ray itself
DISK_PATIENCE = 600.0  # seconds that a trial waits for space for a checkpoint, then it fails
# Tune flattens and copies every key into every result, so what a trial needs and what it says is one JSON text each.
GIVEN, SAID = "given", "said"

ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a study mean the folder it was started in
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables: ours is shown instead
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: it ends a run that can be resumed
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports its reason instead of the metric
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the record has it all, and these would end the study on a full disk
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the same of snapshots that nobody reads
    "RAY_enable_metrics_collection": "0",  # a page of counters, which would answer anybody without a token
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def connect() -> Workers:
    """Join the cluster that RAY_ADDRESS or this machine names, or start one here; says what its machines have.

    One that is started here asks for a token (Ray's default), unless RAY_AUTH_MODE says otherwise.

    Raises:
        XrtError: there is a cluster that cannot be joined, or none can be started.
    """
    if not ray.is_initialized():
        os.environ.update(ENVIRONMENT)
        keep_token()
        # it would print a page for each process that died and is replaced
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        on_term = signal.getsignal(signal.SIGTERM)
        workers = {"env_vars": ENVIRONMENT}
        try:
            ray.init(
                log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False, runtime_env=workers
            )
        except Exception as error:  # of a dozen kinds; a cluster that is gone, a token that is not its own
            raise XrtError(
                f"Ray: {str(error).strip().splitlines()[0]} RAY_ADDRESS=HOST:PORT names a cluster, "
                "RAY_ADDRESS=local starts one here."
            ) from error
        if callable(on_term):  # Ray has taken SIGTERM for itself: it would end the run without a word
            signal.signal(signal.SIGTERM, on_term)
    if told := os.environ.get(WORKERS):
        return described(told)
    return present([node["Resources"] for node in ray.nodes() if node["Alive"]])


def search(run: Run, spec: StudySpec, listeners: Sequence[Listener]) -> None:
    """Run the trials of the search that the record does not hold as ended."""
    dashboard = Dashboard(run)
    run_on_ray(Book(run, [*listeners, dashboard], "search", partial(propose, spec)))


def confirm(run: Run, spec: StudySpec, wanted: Sequence[Wanted], listeners: Sequence[Listener]) -> None:
    """Run the trainings that the next look of the confirmation needs."""
    run_on_ray(Book(run, listeners, "confirm", proposing(wanted)))


def run_on_ray(book: Book) -> None:
    """Run all that the book proposes.

    Raises:
        RayLost: Ray has died.
        XrtError: no machine has what a trial needs, or no Ray can be started or joined.
    """
    run, spec, experiment = book.run, book.spec, f"{book.phase}-{int(time.time())}"
    place, file_system = run.stored("tune")
    workers = connect()
    resources = {name: trial_resources(spec, workers, name) for name in spec.space.encoders}
    slots = max(workers.slots(each) for each in resources.values())

    def of(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return _placed(tuple(resources[config["encoder"]].items()))

    tuner = tune.Tuner(
        tune.with_resources(trainable, of),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            # Where it is known how many will fit, Tune asks for all of them at once: an autoscaler acts on what waits.
            # Elsewhere it starts one process after the other, and proposes one trial before its time.
            max_concurrent_trials=spec.search.concurrent or slots,
            search_alg=_Asking(book, experiment),
            scheduler=_Deciding(book),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["id"]),
        ),
        run_config=tune.RunConfig(
            name=experiment,
            storage_path=place,
            storage_filesystem=file_system,
            callbacks=[_Losses(book), _Watch()],
            failure_config=tune.FailureConfig(max_failures=DEATHS),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except _Died:
        raise RayLost(
            f"Ray has died under the study. Nothing is lost; go on with: python -m xrt.study resume {run.name}"
        ) from None


@cache
def _placed(resources: tuple[tuple[str, float], ...]) -> tune.PlacementGroupFactory:
    """One for all trials that ask for the same: Tune keeps it for as long as it lives."""
    return tune.PlacementGroupFactory([dict(resources)])


def given(book: Book, task: Task, experiment: str) -> dict[str, Any]:
    """A task as Tune's configuration of a trial."""
    paths = book.run.paths
    told = {
        "trial": task.config.to_dict(),
        "known": task.known,
        "home": home_of(book.run, task.config),
        "seconds": book.spec.checkpoints.seconds,
        "folder": str(paths.tune.resolve() / experiment / task.id),
    }
    return {
        "id": task.id,
        "encoder": task.config.encoder,
        "resume": [book.run.stored(checkpoints.place(paths, folder)) for folder in task.resume],
        GIVEN: json.dumps(told),
    }


def said(at: Any) -> dict[str, Any]:
    """What a trial says to the driver, as a result of Tune's."""
    return {SAID: json.dumps(at)}


def trainable(config: dict[str, Any]) -> None:
    """What a Ray worker runs: one trial, its reports handed to Tune."""
    had = tune.get_context().get_trial_resources().required_resources or {}
    use_threads(int(had.get("CPU", 1)))
    use_gpu(had.get("GPU") or 1.0)
    told = json.loads(config[GIVEN])
    trial, loaded, folder = TrialConfig.from_dict(told["trial"]), tune.get_checkpoint(), Path(told["folder"])
    # Before anything that may kill the process: a trial that dies each time is ended by this report.
    tune.report(said({"node": socket.gethostname()}))
    try:
        enter(told["home"])
        # Reports of this start have arrived before Tune knows of their checkpoints; those of an earlier one may not.
        known = len(trial.rungs) if loaded else told["known"]
        with _at_hand([loaded] if loaded else [], config["resume"]) as resume:
            for at in begin(trial, resume, known, told["seconds"]):
                _tell(_as_plain(at), at.save, folder)
    except Exception as error:  # said once, by name; only a process that dies is tried again
        # The secrets of this machine are not known to the driver, so they are removed here.
        tune.report(said({"failed": redact(_reason(error, had.get("GPU", 0.0)))}))


def _as_plain(at: Any) -> dict[str, Any]:
    if not isinstance(at, RungReport):
        return {"step": at.step}
    metrics = {name: float(value) for name, value in at.metrics.items()}
    return {"rung": at.rung, "share": at.share, "step": at.step, "metrics": metrics}


def _reason(error: Exception, gpu: float) -> str:
    """Why a trial failed, in a line; of an error that is not ours the traceback goes to the worker's log."""
    if isinstance(error, XrtError):
        return str(error)
    print(redact(traceback.format_exc()), file=sys.stderr)
    if isinstance(error, OutOfMemoryError):
        return f"Out of GPU memory with {gpu:.4g} of a GPU: increase resources.gpu or lower training.micro_batch."
    return f"{type(error).__name__}: {error}"


@contextmanager
def _at_hand(newest: list[tune.Checkpoint], places: Sequence[tuple[str, Any]]) -> Iterator[list[Path]]:
    """Checkpoints as folders of this machine, best first; of those in a bucket only the best is brought here."""
    found = newest + [tune.Checkpoint(path, file_system) for path, file_system in places]
    remote = [c for c in found if not isinstance(c.filesystem, LocalFileSystem)]
    with ExitStack() as stack:
        yield [Path(stack.enter_context(c.as_directory())) for c in (found[:1] if remote else found)]


def _tell(what: dict[str, Any], save: Callable[[Path], None], folder: Path) -> None:
    """Hand what a trial says and its checkpoint to Tune; on a full disk again, until there is space.

    Raises:
        OSError: there was none for `DISK_PATIENCE` seconds.
    """

    def once() -> None:
        before = set(folder.glob("checkpoint_*"))
        try:
            with tempfile.TemporaryDirectory() as written:
                save(Path(written))
                tune.report(said(what), checkpoint=tune.Checkpoint.from_directory(written))
        except OSError:
            checkpoints.remove(
                set(folder.glob("checkpoint_*")) - before
            )  # half a copy takes space from the next
            raise

    patiently(once, DISK_PATIENCE)


class RayLost(XrtError):
    """Ray has died under a study; the message says how to go on."""

    exit_code = 1


class _Died(BaseException):
    """Ray has. No `Exception`: on one Tune tidies up first, and waits for a Ray that is no more."""


class _Watch(tune.Callback):
    """Ends the study when Ray has died: without its node Tune would wait for ever, and without its store of state Ray
    would end this process after a minute, neither with a word on how to go on. It cannot speak where Tune itself
    waits for that store.
    """

    def __init__(self) -> None:
        context = ray.get_runtime_context()
        host, _, port = context.gcs_address.rpartition(":")
        self._node, self._store, self._next = context.get_node_id(), (host, int(port)), 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + WATCHED
        if not (self._has_state() and self._has_node()):
            raise _Died

    def _has_state(self) -> bool:
        """Whether somebody listens where the store of state was; a network that is slow is not its death."""
        try:
            socket.create_connection(self._store, timeout=WATCHED).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        return True

    def _has_node(self) -> bool:
        return any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node)


class _Asking(Searcher):
    """Tune's searcher: the book says what to run. It has no state of its own."""

    def __init__(self, book: Book, experiment: str) -> None:
        super().__init__()
        self._book, self._experiment = book, experiment

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def suggest(self, trial_id: str) -> Any:
        task = self._book.next()
        return given(self._book, task, self._experiment) if task else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Deciding(FIFOScheduler):
    """Tune's scheduler: hands what a trial says to the book, which says whether the trial goes on."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        goes_on = hear(self._book, str(trial.config["id"]), json.loads(result[SAID]))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP


def hear(book: Book, id: str, what: dict[str, Any]) -> bool:
    """Whether the trial goes on that says this."""
    if "failed" in what:
        book.failed(id, what["failed"])
        return False
    if "node" in what:
        return book.started(id, what["node"])
    return book.reported(id, Rung(**what)) if "rung" in what else book.saved(id, what["step"])


class _Losses(tune.Callback):
    """Tells the book of processes that died."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._book.died(str(trial.config["id"]))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = str(trial.get_error() or "its process died").strip().splitlines()[-1]
        self._book.failed(str(trial.config["id"]), reason)

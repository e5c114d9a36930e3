"""The study on Ray: Tune starts the trials that the book proposes, and stops those that the book says do not go on.

What Ray runs is a few lines around a trial. The record of the run is the truth; nothing depends on Tune's own
experiment state, which is not even written. Of Tune only what is documented: a searcher, a scheduler, a callback.
"""

import json
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
from xrt.robust.memory import out_of_memory
from xrt.search import checkpoints
from xrt.search.behind import Behind
from xrt.search.book import OVER, Book, Rung, Task
from xrt.search.cluster import connect
from xrt.search.confirm import proposing
from xrt.search.home import enter, home_of
from xrt.search.journal import Dashboard
from xrt.search.lost import Died, RayLost, Watch
from xrt.search.packing import trial_resources
from xrt.search.private import unlogged_keys
from xrt.search.sampler import propose
from xrt.search.trial import RungReport, begin, use_gpu, use_threads
from xrt.search.waiting import Waiting
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig

DEATHS = 100  # of a trial's process, that Tune outlives; how many without progress are enough is for the book to say
DISK_PATIENCE = 600.0  # seconds that a trial waits for space for a checkpoint, then it fails
# Tune flattens and copies every key into every result, so what a trial needs and what it says is one JSON text each.
GIVEN, SAID = "given", "said"


def search(run: Run, spec: StudySpec, listeners: Sequence[Listener]) -> None:
    """Run the trials of the search that the record does not hold as ended."""
    dashboard = Dashboard(run)
    ended = sum(t.phase == "search" and t.state in OVER for t in run.trials())
    book = Book(run, [*listeners, dashboard], "search", partial(propose, spec))
    run_on_ray(book, spec.search.trials - ended)


def confirm(run: Run, spec: StudySpec, wanted: Sequence[Wanted], listeners: Sequence[Listener]) -> None:
    """Run the trainings that the next look of the confirmation needs."""
    run_on_ray(Book(run, listeners, "confirm", proposing(wanted)), len(wanted))


def run_on_ray(book: Book, waiting: int) -> None:
    """Run all that the book proposes.

    Args:
        waiting: How many trials that is, at most: fewer of them spread further over the GPUs.

    Raises:
        RayLost: Ray has died.
        XrtError: no machine has what a trial needs, or no Ray can be started or joined.
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
            callbacks=[_Losses(book), Watch(), Waiting(book)],
            failure_config=tune.FailureConfig(max_failures=DEATHS),
            verbose=0,
        ),
    )
    try:
        with unlogged_keys():
            tuner.fit()
    except Died:
        raise RayLost(
            f"Ray has died under the study. Nothing is lost; go on with: {run.command('resume')}"
        ) from None
    # A trial whose process died before it began waits again, maybe after Tune was told that no more trials come.
    if book.left:
        run_on_ray(book, book.left)


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
        "about": task.about,
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
    use_gpu(had.get("GPU", 0.0))
    told = json.loads(config[GIVEN])
    trial, loaded, folder = TrialConfig.from_dict(told["trial"]), tune.get_checkpoint(), Path(told["folder"])
    # Before anything that may kill the process: a trial that dies each time is ended by this report.
    tune.report(said({"node": socket.gethostname()}))
    try:
        enter(told["home"])
        # Reports of this start have arrived before Tune knows of their checkpoints; those of an earlier one may not.
        known = len(trial.rungs) + 1 if loaded else told["known"]
        with _at_hand([loaded] if loaded else [], config["resume"]) as resume, Behind() as behind:
            for at in begin(trial, resume, known, told["seconds"], about=told["about"]):
                behind.wait()  # Tune hears one thing at a time
                if isinstance(at, RungReport):
                    _tell(_as_plain(at), at.save, folder)
                else:
                    behind.begin(partial(_tell, _as_plain(at), at.take(), folder))
    except Exception as error:  # said once, by name; only a process that dies is tried again
        # The secrets of this machine are not known to the driver, so they are removed here.
        reason = redact(_reason(error, had.get("GPU", 0.0)))
        tune.report(said({"failed": reason, "outside": is_outside(error)}))


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
    if out_of_memory(error):
        return f"Out of GPU memory with {gpu:.4g} of a GPU: increase resources.gpu or lower training.micro_batch."
    return f"{type(error).__name__}: {error}"


@contextmanager
def _at_hand(newest: list[tune.Checkpoint], places: Sequence[tuple[str, Any]]) -> Iterator[list[Path]]:
    """Checkpoints as folders of this machine, best first; of those in a bucket only the best is brought here."""
    found = newest + [tune.Checkpoint(path, file_system) for path, file_system in places]
    remote = [c for c in found if not isinstance(c.filesystem, LocalFileSystem)]
    with ExitStack() as stack:
        yield [Path(stack.enter_context(c.as_directory())) for c in (found[:1] if remote else found)]


def _tell(what: dict[str, Any], save: Callable[[Path], None] | None, folder: Path) -> None:
    """Hand what a trial says to Tune, with its checkpoint if it has one; on a full disk again, until there is space.

    Returns once the driver has decided that the trial goes on: so the checkpoint of a rung, which is told after the
    report of the rung, is written by trials that go on alone.

    Raises:
        OSError: there was none for `DISK_PATIENCE` seconds.
    """

    if save is None:
        tune.report(said(what))
        return

    def once() -> None:
        before = set(folder.glob("checkpoint_*"))
        try:
            with tempfile.TemporaryDirectory() as written:
                save(Path(written))
                tune.report(said(what), checkpoint=tune.Checkpoint.from_directory(written))
        except OSError:
            # Half a copy takes space from the next.
            Place().remove(*(set(folder.glob("checkpoint_*")) - before))
            raise

    patiently(once, DISK_PATIENCE)


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

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A process that dies between its last word and Tune's acting on it makes Tune add the trial again. Its
        checkpoints are gone by then, and Tune would start a process for each of `DEATHS` attempts to restore one.
        """
        if self._book.is_over(str(trial.config["id"])):
            tune_controller.stop_trial(trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        goes_on = hear(self._book, str(trial.config["id"]), json.loads(result[SAID]))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP


def hear(book: Book, id: str, what: dict[str, Any]) -> bool:
    """Whether the trial goes on that says this."""
    if "failed" in what:
        book.failed(id, what["failed"], what["outside"])
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
        self._book.given_up(str(trial.config["id"]), reason)

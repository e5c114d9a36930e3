"""The study on Ray: a Tuner that asks a proposer for trials, ASHA that prunes them, and a narrator that tells.

What Ray runs is a few lines around `run_trial`. The record of the run is the truth: a resumed study replays its
reports into a new scheduler and starts unfinished trials from their newest whole checkpoints, so that nothing depends
on Ray's own experiment state, which is not even written.
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
from functools import cache
from pathlib import Path
from typing import Any

import ray
from pyarrow.fs import LocalFileSystem
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from torch import OutOfMemoryError

from xrt.errors import XrtError
from xrt.record.environment import redact
from xrt.record.files import patiently
from xrt.record.run import Listener, Run
from xrt.record.values import Phase
from xrt.search import checkpoints
from xrt.search.home import enter
from xrt.search.narrator import GIVEN, Narrator, as_told
from xrt.search.packing import WORKERS, Workers, described, present, trial_resources
from xrt.search.pruning import Asha
from xrt.search.sampler import Proposer
from xrt.search.token import keep_token
from xrt.search.trial import Between, RungReport, run_trial, use_gpu, use_threads
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig

RETRIES = (
    3  # of a trial whose process or machine died before it got further; one that says what is wrong has none
)
WATCHED = 5.0  # seconds between looks at Ray itself
DISK_PATIENCE = 600.0  # seconds that a trial waits for space for a checkpoint, then it fails

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


def run_trials(
    run: Run, spec: StudySpec, proposer: Proposer, listeners: Sequence[Listener], *, phase: Phase
) -> None:
    """Run all that `proposer` proposes, recording every event before anybody else hears of it.

    Args:
        phase: as written into the records; only in the search may ASHA stop trials early.
    """
    scheduler, stopped = _scheduler(spec, run, phase)
    checkpoints.sweep(run.paths, run.trials())
    narrator = Narrator(run, spec, proposer, listeners, phase, stopped)
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
            search_alg=_Asking(narrator),
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["id"]),
        ),
        run_config=tune.RunConfig(
            name=narrator.experiment,
            storage_path=place,
            storage_filesystem=file_system,
            callbacks=[narrator, _Watch()],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
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


def trainable(config: dict[str, Any]) -> None:
    """What a Ray worker runs: one trial, its reports handed to Tune."""
    context = tune.get_context()
    given = context.get_trial_resources().required_resources or {}
    use_threads(int(given.get("CPU", 1)))
    use_gpu(given.get("GPU") or 1.0)
    told = json.loads(config[GIVEN])
    trial, loaded, folder = TrialConfig.from_dict(told["trial"]), tune.get_checkpoint(), Path(told["folder"])
    node = socket.gethostname()

    def report(rung: RungReport) -> None:
        said = {
            "rung": rung.rung,
            "share": rung.share,
            "step": rung.step,
            "budget": budget(trial, rung.rung),
            **as_told(rung.metrics, trial.metric),
        }
        _tell({**said, "node": node}, rung.save, folder)

    def keep(step: int, save: Callable[[Path], None]) -> None:
        _tell({"saved": step, "node": node}, save, folder)

    try:
        enter(told["home"])
        # what Tune has of a trial that it starts again it has been told; what an earlier start left, perhaps not
        known = len(trial.rungs) if loaded else told["known"]
        with _at_hand([loaded] if loaded else [], config["resume"]) as resume:
            run_trial(trial, report, resume, known, Between(told["seconds"], keep))
    except Exception as error:  # said once, by name; only a process that dies is tried again
        reason = str(error) if isinstance(error, XrtError) else f"{type(error).__name__}: {error}"
        if isinstance(error, OutOfMemoryError):
            reason = (
                f"{given.get('GPU')} of a GPU is too little memory; resources.gpu, or training.micro_batch"
            )
        if not isinstance(error, XrtError):
            print(redact(traceback.format_exc()), file=sys.stderr)
        # here, too: the secrets of this machine are not known to the driver's
        tune.report({"failed": redact(reason), "budget": 0})


@contextmanager
def _at_hand(newest: list[tune.Checkpoint], places: Sequence[tuple[str, Any]]) -> Iterator[list[Path]]:
    """Checkpoints as folders of this machine, best first; of those in a bucket only the best is brought here."""
    found = newest + [tune.Checkpoint(path, file_system) for path, file_system in places]
    remote = [c for c in found if not isinstance(c.filesystem, LocalFileSystem)]
    with ExitStack() as stack:
        yield [Path(stack.enter_context(c.as_directory())) for c in (found[:1] if remote else found)]


def _tell(metrics: dict[str, Any], save: Callable[[Path], None], folder: Path) -> None:
    """Hand metrics and a checkpoint to Tune; on a full disk again, until there is space.

    Raises:
        OSError: there was none for `DISK_PATIENCE` seconds.
    """

    def once() -> None:
        before = set(folder.glob("checkpoint_*"))
        try:
            with tempfile.TemporaryDirectory() as written:
                save(Path(written))
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(written))
        except OSError:
            checkpoints.remove(
                set(folder.glob("checkpoint_*")) - before
            )  # half a copy takes space from the next
            raise

    patiently(once, DISK_PATIENCE)


def budget(trial: TrialConfig, rung: int) -> int:
    """The share of training at a rung as a whole number, in units of the first rung's: what ASHA counts in."""
    return round(trial.rungs[rung] / trial.rungs[0])


def _scheduler(spec: StudySpec, run: Run, phase: Phase) -> tuple[TrialScheduler, set[str]]:
    """What decides who goes on, and the ids of those that it had not let go on when the run was interrupted."""
    if phase == "confirm" or len(spec.rungs) < 2 or spec.pruning is None:
        return FIFOScheduler(), set()
    asha = Asha(spec)
    return asha, asha.replay(run.trials())


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
    """Tune's searcher: asks the narrator. It has no state of its own; outcomes reach the proposer as events."""

    def __init__(self, narrator: Narrator) -> None:
        super().__init__(metric=narrator.spec.search.metric, mode="max")
        self._narrator = narrator

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def suggest(self, trial_id: str) -> Any:
        return self._narrator.next_config() or Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        pass

"""The study on Ray: a Tuner that asks a proposer for trials, ASHA that prunes them, and a narrator that tells.

What Ray runs is a few lines around `run_trial`. The record of the run is the truth: a resumed study replays its
reports into a new scheduler and starts unfinished trials from their recorded checkpoints, so that nothing depends
on Ray's own experiment state.
"""

import logging
import os
import socket
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from xrt.errors import XrtError
from xrt.record.run import Listener, Run
from xrt.record.values import Phase
from xrt.search.narrator import Narrator
from xrt.search.sampler import Proposer
from xrt.search.trial import RungReport, run_trial, use_threads
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig

RETRIES = 3  # of a trial whose process or machine died; a trial that says what is wrong is not tried again


ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a study mean the folder it was started in
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables: ours is shown instead
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: it ends a run that can be resumed
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports its reason instead of the metric
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def connect() -> Mapping[str, float]:
    """Join the cluster that RAY_ADDRESS or this machine names, or start one here; returns its resources."""
    if not ray.is_initialized():
        os.environ.update(ENVIRONMENT)
        workers = {"env_vars": ENVIRONMENT}
        ray.init(
            log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False, runtime_env=workers
        )
    return ray.cluster_resources()


def run_trials(
    run: Run, spec: StudySpec, proposer: Proposer, listeners: Sequence[Listener], *, phase: Phase
) -> None:
    """Run all that `proposer` proposes, recording every event before anybody else hears of it.

    Args:
        phase: as written into the records; only in the search may ASHA stop trials early.
    """
    narrator = Narrator(run, spec, proposer, listeners, phase)
    resources = _resources(spec, connect())
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            max_concurrent_trials=spec.search.concurrent or 0,
            search_alg=_Asking(narrator),
            scheduler=_scheduler(spec, run, phase),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["id"]),
        ),
        run_config=tune.RunConfig(
            name=f"{phase}-{int(time.time())}",
            storage_path=str(run.paths.tune.resolve()),
            callbacks=[narrator],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            verbose=0,
        ),
    )
    tuner.fit()


def trainable(config: dict[str, Any]) -> None:
    """What a Ray worker runs: one trial, its reports handed to Tune."""
    context = tune.get_context()
    use_threads(int((context.get_trial_resources().required_resources or {}).get("CPU", 1)))
    trial, loaded = TrialConfig.from_dict(config["trial"]), tune.get_checkpoint()

    def report(rung: RungReport) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rung.save(Path(folder))
            about = {
                "rung": rung.rung,
                "share": rung.share,
                "step": rung.step,
                "budget": budget(trial, rung.rung),
            }
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({**rung.metrics, **about, "node": socket.gethostname()}, checkpoint=checkpoint)

    try:
        if loaded is not None:
            with loaded.as_directory() as folder:
                run_trial(trial, report, Path(folder))
        else:
            run_trial(trial, report, Path(config["resume"]) if config.get("resume") else None)
    except Exception as error:  # said once, by name; only a process that dies is tried again
        reason = str(error) if isinstance(error, XrtError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, XrtError):
            traceback.print_exc()
        tune.report({"failed": reason, "budget": 0})


def budget(trial: TrialConfig, rung: int) -> int:
    """The share of training at a rung as a whole number, in units of the first rung's: what ASHA counts in."""
    return round(trial.rungs[rung] / trial.rungs[0])


def _resources(spec: StudySpec, cluster: Mapping[str, float]) -> dict[str, float]:
    gpu = spec.resources.gpu
    wanted = (1.0 if cluster.get("GPU", 0) else 0.0) if gpu == "auto" else float(gpu)
    return {"cpu": min(spec.resources.cpu, int(cluster.get("CPU", 1))), "gpu": wanted}


def _scheduler(spec: StudySpec, run: Run, phase: Phase) -> TrialScheduler:
    """ASHA (Li et al. 2020) on the share of training done, told again what the record already knows."""
    if phase == "confirm" or len(spec.rungs) < 2 or spec.pruning is None:
        return FIFOScheduler()
    asha = AsyncHyperBandScheduler(
        metric=spec.search.metric,
        mode="max",
        time_attr="budget",
        max_t=round(spec.rungs[-1] / spec.rungs[0]),
        grace_period=1,
        reduction_factor=spec.pruning.reduction,
    )
    nobody: Any = None
    for trial in run.trials():
        if trial.phase == "search" and trial.reports:
            known: Any = SimpleNamespace(trial_id=trial.id)  # all that ASHA looks at
            asha.on_trial_add(nobody, known)
            for report in trial.reports:
                share = round(report.share / spec.rungs[0])
                asha.on_trial_result(nobody, known, {"budget": share, **report.metrics})
    return asha


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

"""Runs as a search would leave them, made by hand; and what an MLflow store says, comparable."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.findings import worked
from xrt.record import Data, Report, Results, Run, TrialRecord

METRIC = "dev/mean/mixed"
START = 1_700_000_000.0
DATA = (
    Data("mini", "train", "1" * 40, 2000, "training"),
    Data("mini", "dev", "2" * 12, 500, "evaluation"),
    Data("mini", "test", "3" * 12, 500, "test", origin="/data/mini"),
)


@pytest.fixture
def run(tmp_path: Path, empty_store: Path) -> Run:
    run = Run.create(Results.at(tmp_path / "results"), worked.SPEC, DATA)
    shutil.copy(empty_store, run.paths.results.mlflow_db)
    run.update_meta(started=START)
    return run


def report(rung: int, score: float, start: float = START, **more: float) -> Report:
    """As at a rung of a trial: 1/9, 1/3, 1 of 90 steps."""
    share = (1 / 9, 1 / 3, 1.0)[rung]
    metrics = {METRIC: score, "dev/acc/en": score + 0.1, "train/loss": 1 - score, **more}
    return Report(rung, share, round(90 * share), start + 60.123 * share, metrics)


def searched(number: int, method: str = "noise", **sampled: Any) -> TrialRecord:
    """A trial that has begun, a minute after the one before."""
    config = {"method": method, "encoder": "mini-a", "learning_rate": 1e-3, "epochs": 4, "dropout": None}
    params = {"encoder": "mini-a", "learning_rate": 1e-3, "method": method, **sampled}
    id = f"{number:04d}"
    return TrialRecord(id, params, config, seed=7, configuration=id).begun(START + 60 * number, "node-1")


def reported(trial: TrialRecord, *scores: float) -> TrialRecord:
    for rung, score in enumerate(scores):
        trial = trial.reported(report(rung, score, trial.started or START))
    return trial


def fill(run: Run) -> list[TrialRecord]:
    """One trial of every fate: two finished, one pruned, failed, running, pending, and one that confirms."""
    trials = [
        reported(searched(1, "plain"), 0.5, 0.6, 0.7).closed("finished", START + 130),
        reported(searched(2, **{"noise.scale": 0.3}), 0.4).closed("pruned", START + 140),
        reported(searched(3, "adversarial", **{"adversarial.radius": 0.1}), 0.5, 0.7, 0.8),
        searched(4).closed("failed", START + 260, "TrainingError: loss is NaN at step 7\n  in step"),
        reported(searched(5, **{"noise.scale": 0.6}), 0.9, 0.95),
        replace(searched(6), state="pending", started=None),
        replace(reported(searched(7), 0.1, 0.2, 0.99), phase="confirm", configuration="0003").closed(
            "finished", START + 500
        ),
    ]
    trials[2] = trials[2].closed("finished", START + 250)
    for trial in trials:
        run.save(trial)
    return trials


def dump(run: Run, uri: str | None = None) -> dict[str, Any]:
    """Everything that a store says of a run: MLflow's own ids are replaced by what they stand for."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or run.paths.results.tracking_uri)
    experiment = client.get_experiment_by_name(run.study)
    found = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
    names = {r.info.run_id: f"<{r.data.tags.get('xrt.trial', 'parent')}>" for r in found}
    assert len(set(names.values())) == len(names), "a run stands there twice"

    def anonymous(text: str) -> str:
        for id, name in names.items():
            text = text.replace(id, name)
        return text

    return {
        names[r.info.run_id]: {
            "info": (
                r.info.run_name,
                r.info.status,
                r.info.start_time,
                r.info.end_time,
                r.info.lifecycle_stage,
            ),
            "params": r.data.params,
            "tags": {key: anonymous(value) for key, value in r.data.tags.items()},
            "metrics": {
                key: [
                    (m.step, m.timestamp, repr(m.value))
                    for m in client.get_metric_history(r.info.run_id, key)
                ]
                for key in sorted(r.data.metrics)
            },
            "data": sorted(
                (d.dataset.name, d.dataset.digest, d.dataset.profile, *((t.key, t.value) for t in d.tags))
                for d in r.inputs.dataset_inputs
            ),
        }
        for r in found
    }


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)


def in_a_new_process(run: Run, code: str) -> str:
    """The output of the code in a process that knows `run`, and where MLflow has opened no store."""
    head = (
        "import sys; from xrt.record import Results, Run\n"
        "from xrt.tracking.tracker import *\n"
        "run = Run.open(Results.at(sys.argv[1]), sys.argv[2])\n"
    )
    words = [sys.executable, "-c", head + code, str(run.paths.results.root), run.name]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout

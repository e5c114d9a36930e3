"""What MLflow keeps of a run beside numbers: its report with the figures, and its winner as a registered model.

Sent after a run has ended, or by `sync`, never by trials. Each thing is sent once: the report when it differs from
the one that is there, the winner when its trial has no version yet. A version is a copy of the encoder's weights.
"""

import hashlib
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from xrt.errors import RecordError
from xrt.findings.findings import Findings, findings
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.tracking.card import card, example
from xrt.tracking.export import trained
from xrt.tracking.store import Store, Stored

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"  # the alias of the winner of a study's newest run
LONGEST = 5000  # characters of a version's description
MODEL = "winner"  # its folder among the artifacts of the parent run


def deliver(run: Run, uri: str | None = None) -> int:
    """Send the report, and the winner of a finished run, where they are not there yet; returns how many things.

    Raises:
        RecordError: MLflow has not seen the run, or its winner has no weights.
        Exception: whatever a store, its driver or the network raise.
    """
    found = findings(run)
    store = Store(run.paths.results, run.study, uri)
    parent = _parent(run, store)
    sent = _send_report(run, store, parent)
    if found.meta.status == "finished" and found.champion:
        with _tracking(uri or run.paths.results.tracking_uri), _quiet():
            sent += _send_winner(run, found, found.champion, parent.id)
    return sent


def _parent(run: Run, store: Store) -> Stored:
    parent = store.runs(run.meta.uid).get("")
    if parent is None:
        raise RecordError(f"{run.name}: MLflow does not know the run; first: {run.command('sync')}")
    return parent


def _send_report(run: Run, store: Store, parent: Stored) -> int:
    paths = run.paths
    if not paths.report.exists():
        return 0
    figures = sorted(paths.figures.glob("*.svg"))
    # The page holds the figures too.
    digest = hashlib.sha256(paths.report.read_bytes()).hexdigest()[:16]
    beside = [p for p in (paths.report_markdown, paths.table_csv, paths.table_latex) if p.exists()]
    files = [
        *((path, None) for path in (paths.report, *beside)),
        *((path, paths.figures.name) for path in figures),
    ]
    return store.add_files(parent, files, digest)


def _send_winner(run: Run, found: Findings, trial: TrialRecord, parent: str) -> int:
    """Registers the trial's encoder unless it is; the newest run of a study has the alias."""
    import mlflow

    client = mlflow.MlflowClient()
    versions = list(client.search_model_versions(f"name = '{run.study}'"))
    own = [
        v for v in versions if (v.tags.get("xrt.uid"), v.tags.get("xrt.trial")) == (found.meta.uid, trial.id)
    ]
    version = str(own[0].version) if own else _register(client, run, found, trial, parent)
    newest = all(float(v.tags.get("xrt.started", 0)) <= found.meta.started for v in versions)
    if newest and str(client.get_registered_model(run.study).aliases.get(CHAMPION)) != version:
        client.set_registered_model_alias(run.study, CHAMPION, version)
        return 1
    return int(not own)


def _register(client: "MlflowClient", run: Run, found: Findings, trial: TrialRecord, parent: str) -> str:
    """The number of a new version: signature, input example and model card included."""
    import mlflow
    import mlflow.transformers
    import pandas as pd
    from huggingface_hub import ModelCard
    from mlflow.models import infer_signature
    from transformers import pipeline

    encoder, config = trained(run, trial)
    text = card(found, trial, config)
    # Under the encoder's own name MLflow would ask the hub for its card and licence.
    encoder.model.name_or_path = f"trial {trial.id} of {run.name}"
    classify = pipeline("text-classification", model=encoder.model, tokenizer=encoder.tokenizer, device="cpu")
    asked = [example(config.task)]
    output = pd.DataFrame(classify(asked, truncation=True))
    packages = [name for name in ("torch", "transformers") if name in found.meta.versions]
    with TemporaryDirectory() as folder:
        mlflow.transformers.save_model(
            classify,
            Path(folder) / MODEL,
            signature=infer_signature(pd.DataFrame(asked), output),
            input_example=pd.DataFrame(asked),
            model_config={"truncation": True},
            model_card=ModelCard(text),
            pip_requirements=[f"{name}=={found.meta.versions[name]}" for name in packages],
        )
        # Into the parent run by its id: to make it MLflow's active run would change its times.
        client.log_artifacts(parent, folder)
    tags = {"xrt.run": run.name, "xrt.uid": found.meta.uid, "xrt.trial": trial.id}
    tags["xrt.started"] = str(found.meta.started)
    # The tags go in one request with the version: by them it is found again, so a kill in between doubles nothing.
    version = str(mlflow.register_model(f"runs:/{parent}/{MODEL}", run.study, tags=tags).version)
    client.update_model_version(run.study, version, text[:LONGEST])
    return version


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what MLflow has to say about a model that is saved."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _tracking(uri: str) -> Iterator[None]:
    """MLflow's global address for a while: its flavors look nowhere else."""
    import mlflow

    before, variable = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        if variable is None:  # MLflow writes its address into the environment too
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = variable

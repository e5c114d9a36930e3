"""MLflow's files of a run: its report with the figures, and its winner as a registered model.

Sent after a run has ended, or by `sync`, never by trials. The report is sent if it differs from the one in MLflow,
the winner if its trial has no version yet. A version is a copy of the encoder's weights.
"""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from xrt.errors import RecordError
from xrt.findings.compare import reason_to_keep
from xrt.findings.findings import Findings, findings
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.tracking.card import card, example
from xrt.tracking.export import trained
from xrt.tracking.store import Store, Stored

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = (
    "champion"  # the alias of a study's best winner; a newer winner gets it unless it is reliably worse
)
NEWEST = "newest"  # the alias of the winner of its newest run
LONGEST = 5000  # characters of a version's description
MODEL = "winner"  # its folder among the artifacts of the parent run


def deliver(run: Run, uri: str | None = None, say: Callable[[str], None] | None = None) -> int:
    """Send the report, and the winner of a finished run, unless MLflow has them; returns the number of changes.

    Args:
        say: called with the reason if an earlier winner stays the champion.

    Raises:
        RecordError: MLflow does not have the run, or its winner has no weights.
        Exception: whatever a store, its driver or the network raise.
    """
    found = findings(run)
    store = Store(run.paths.results, run.study, uri)
    parent = _parent(run, store)
    sent = _send_report(run, store, parent)
    if found.meta.status == "finished" and found.champion:
        with _tracking(uri or run.paths.results.tracking_uri), _quiet():
            sent += _send_winner(run, found, found.champion, parent.id, say or (lambda line: None))
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
    # The digest covers the figures, which the page contains.
    digest = hashlib.sha256(paths.report.read_bytes()).hexdigest()[:16]
    beside = [p for p in (paths.report_markdown, paths.table_csv, paths.table_latex) if p.exists()]
    files = [
        *((path, None) for path in (paths.report, *beside)),
        *((path, paths.figures.name) for path in figures),
    ]
    return store.add_files(parent, files, digest)


def _send_winner(
    run: Run, found: Findings, trial: TrialRecord, parent: str, say: Callable[[str], None]
) -> int:
    """Register the trial's encoder unless it is registered already, and set its aliases."""
    import mlflow

    client = mlflow.MlflowClient()
    versions = list(client.search_model_versions(f"name = '{run.study}'"))
    own = [
        v for v in versions if (v.tags.get("xrt.uid"), v.tags.get("xrt.trial")) == (found.meta.uid, trial.id)
    ]
    version = str(own[0].version) if own else _register(client, run, found, trial, parent)
    if any(float(v.tags.get("xrt.started", 0)) > found.meta.started for v in versions):
        return int(not own)
    aliases = {name: str(at) for name, at in client.get_registered_model(run.study).aliases.items()}
    held = next((v for v in versions if str(v.version) == aliases.get(CHAMPION)), None)
    reason = held and held.tags.get("xrt.uid") != found.meta.uid and _stays(run, found, held.tags)
    if held and reason:
        say(
            f"models:/{run.study}@{CHAMPION} stays with {held.tags.get('xrt.run')}: {reason}. "
            f"The winner of {run.name} is models:/{run.study}@{NEWEST}."
        )
    wanted = [alias for alias in (NEWEST, *(() if reason else (CHAMPION,))) if aliases.get(alias) != version]
    for alias in wanted:
        client.set_registered_model_alias(run.study, alias, version)
    return int(bool(wanted or not own))


def _stays(run: Run, found: Findings, tags: Mapping[str, str]) -> str | None:
    """Why the run that has the alias keeps it; None if the new winner gets it."""
    try:
        held = findings(Run.open(run.paths.results, tags.get("xrt.run", "")), partly=True)
    except RecordError:
        return "its record is not in this results folder, so the two cannot be compared"
    return reason_to_keep(found, held)


def _register(client: "MlflowClient", run: Run, found: Findings, trial: TrialRecord, parent: str) -> str:
    """Register a version with signature, input example and model card; returns its number."""
    import mlflow
    import mlflow.transformers
    import pandas as pd
    from huggingface_hub import ModelCard
    from mlflow.models import infer_signature
    from transformers import pipeline

    encoder, config = trained(run, trial)
    text = card(found, trial, config)
    # With the encoder's own name, MLflow would request its card and licence from the hub.
    encoder.model.name_or_path = f"trial {trial.id} of {run.name}"
    classify = pipeline("text-classification", model=encoder.model, tokenizer=encoder.tokenizer, device="cpu")
    inputs = [example(config.task)]
    output = pd.DataFrame(classify(inputs, truncation=True))
    packages = [name for name in ("torch", "transformers") if name in found.meta.versions]
    with TemporaryDirectory() as folder:
        mlflow.transformers.save_model(
            classify,
            Path(folder) / MODEL,
            signature=infer_signature(pd.DataFrame(inputs), output),
            input_example=pd.DataFrame(inputs),
            model_config={"truncation": True},
            model_card=ModelCard(text),
            pip_requirements=[f"{name}=={found.meta.versions[name]}" for name in packages],
        )
        # By the parent run's id, because making it MLflow's active run would change its times.
        client.log_artifacts(parent, folder)
    tags = {"xrt.run": run.name, "xrt.uid": found.meta.uid, "xrt.trial": trial.id}
    tags["xrt.started"] = str(found.meta.started)
    # Version and tags in one request: it is found by its tags, so a kill in between leaves no second version.
    version = str(mlflow.register_model(f"runs:/{parent}/{MODEL}", run.study, tags=tags).version)
    client.update_model_version(run.study, version, text[:LONGEST])
    return version


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences MLflow while a model is saved."""
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
    """Set MLflow's global address within the block, because its flavors read no other."""
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

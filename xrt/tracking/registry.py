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
from typing import TYPE_CHECKING

from xrt.answers.export import EXAMPLE, card, champion, trained
from xrt.answers.report import report_paths, write_report
from xrt.answers.store import Store, Stored
from xrt.errors import RecordError
from xrt.record.run import Run
from xrt.record.values import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"  # the alias of the winner of a study's newest run
LONGEST = 5000  # characters of a version's description


def deliver(run: Run, uri: str | None = None) -> int:
    """Send the report, and the winner of a finished run, where they are not there yet; returns how many things.

    Raises:
        RecordError: MLflow has not seen the run, or its winner has no weights.
        Exception: whatever a store, its driver or the network raise.
    """
    store = Store(run.paths.results, run.study, uri)
    parent = _parent(run, store)
    sent = _send_report(run, store, parent)
    if run.meta.status == "finished" and any(t.state == "finished" for t in run.trials()):
        with _tracking(uri or run.paths.results.tracking_uri), _quiet():
            sent += _send_winner(run, champion(run), store.experiment, parent.id)
    return sent


def address(run: Run) -> str:
    """Of the winner of its study's newest run, as MLflow's tools want it."""
    return f"models:/{run.study}@{CHAMPION}"


def _parent(run: Run, store: Store) -> Stored:
    parent = store.runs(run.meta.uid).get("")
    if parent is None:
        raise RecordError(
            f"{run.name}: MLflow does not know the run; first: python -m xrt.study sync {run.name}"
        )
    return parent


def _send_report(run: Run, store: Store, parent: Stored) -> int:
    paths = report_paths(run)
    if not paths.html.exists():
        write_report(run)
    figures = sorted(paths.figures.glob("*.svg"))
    digest = hashlib.sha256(paths.html.read_bytes()).hexdigest()[:16]  # the page holds the figures too
    files = [(paths.html, None), (paths.markdown, None), *((path, paths.figures.name) for path in figures)]
    return store.add_files(parent, files, digest)


def _send_winner(run: Run, trial: TrialRecord, experiment: str, parent: str) -> int:
    """Registers the trial's encoder unless it is; the newest run of a study has the alias."""
    import mlflow

    client = mlflow.MlflowClient()
    versions = list(client.search_model_versions(f"name = '{run.study}'"))
    own = [
        v for v in versions if (v.tags.get("xrt.uid"), v.tags.get("xrt.trial")) == (run.meta.uid, trial.id)
    ]
    version = str(own[0].version) if own else _register(client, run, trial, (experiment, parent))
    newest = all(float(v.tags.get("xrt.started", 0)) <= run.meta.started for v in versions)
    if newest and str(client.get_registered_model(run.study).aliases.get(CHAMPION)) != version:
        client.set_registered_model_alias(run.study, CHAMPION, version)
        return 1
    return int(not own)


def _register(client: "MlflowClient", run: Run, trial: TrialRecord, place: tuple[str, str]) -> str:
    """The number of a new version: signature, input example and model card included."""
    import mlflow.transformers
    import pandas as pd
    from huggingface_hub import ModelCard
    from mlflow.models import Model, infer_signature
    from transformers import pipeline

    encoder, config = trained(run, trial)
    experiment, parent = place
    told = card(run, trial, config)
    # MLflow asks the hub for a card and a licence of that name, and this can be none: it need not ask
    encoder.model.name_or_path = f"trial {trial.id} of {run.name}"
    classify = pipeline("text-classification", model=encoder.model, tokenizer=encoder.tokenizer, device="cpu")
    answers = pd.DataFrame(classify([EXAMPLE], truncation=True))
    tags = {"xrt.run": run.name, "xrt.uid": run.meta.uid, "xrt.trial": trial.id}
    tags["xrt.started"] = str(run.meta.started)
    logged = client.create_logged_model(
        experiment, name="winner", source_run_id=parent, model_type="classifier", tags=tags
    )
    # Model.log and not transformers.log_model, which would make the parent run active and so change its times
    found = Model.log(
        None,
        mlflow.transformers,
        run_id=parent,
        model_id=logged.model_id,
        transformers_model=classify,
        signature=infer_signature(pd.DataFrame([EXAMPLE]), answers),
        input_example=pd.DataFrame([EXAMPLE]),
        model_config={"truncation": True},
        model_card=ModelCard(told),
        pip_requirements=[
            f"{name}=={run.meta.versions[name]}"
            for name in ("torch", "transformers")
            if name in run.meta.versions
        ],
    )
    # with its tags in one request: by them it is found again, so a kill in between doubles no version
    version = str(mlflow.register_model(found.model_uri, run.study, tags=tags).version)
    client.update_model_version(run.study, version, told[:LONGEST])
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

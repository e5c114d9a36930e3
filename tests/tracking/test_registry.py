"""The report and the winner in MLflow: each once, and neither disturbs a run."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.findings import worked
from tests.robust.conftest import build
from tests.tracking.trained import PAIRS, TASK, trained_trial
from xrt.data import Source, load
from xrt.errors import RecordError
from xrt.record import Run
from xrt.report.page import write_report
from xrt.robust.checkpoint import WEIGHTS
from xrt.tracking.registry import CHAMPION, _tracking, deliver
from xrt.tracking.tracker import sync


@pytest.fixture
def run(tmp_path: Path, empty_store: Path) -> Run:
    run = worked.make(tmp_path / "results")
    shutil.copy(empty_store, run.paths.results.mlflow_db)
    return run


def finish(run: Run) -> None:
    run.update_meta(status="finished", ended=worked.START + 7000)
    sync(run)


def artifacts(run: Run) -> dict[str, Path]:
    """The files of the parent run, by name."""
    return {path.name: path for path in run.paths.results.mlartifacts.rglob("*") if path.is_file()}


def test_the_report_and_its_figures_are_artifacts_of_the_parent_and_sent_once(run: Run) -> None:
    worked.search(run)
    for trial in run.trials():
        if trial.state == "finished":
            run.paths.trial(trial.id).unlink()  # no winner to register: another test has one
    finish(run)
    page = write_report(run)
    assert deliver(run) > 2
    sent = artifacts(run)
    assert sent["report.html"].read_bytes() == page.read_bytes()
    assert {"report.md", "rungs.svg"} <= set(sent) and sent["rungs.svg"].parent.name == "figures"
    assert (deliver(run), str(sync(run))) == (0, "MLflow is up to date.")
    trial = run.trials()[-1]
    run.save(trial.closed("failed", worked.START + 7000, "another reason"))
    write_report(run)
    assert deliver(run) > 2, "a report that has changed is sent again"
    assert "another reason" in artifacts(run)["report.html"].read_text("utf-8")


def test_a_run_that_mlflow_has_not_seen_is_refused_with_the_remedy(run: Run) -> None:
    with pytest.raises(RecordError, match=f"sync {run.name}"):
        deliver(run)


@pytest.mark.slow
def test_the_winner_is_registered_once_and_answers_what_the_trial_answered(run: Run, tmp_path: Path) -> None:
    import mlflow
    import pandas as pd

    _, recorded = trained_trial(run, build("bert", tmp_path / "bert"))
    sync(run)
    client = mlflow.MlflowClient(run.paths.results.tracking_uri)
    deliver(run)
    assert not client.search_model_versions("name = 'mini'"), "a run that goes on has no winner yet"
    finish(run)
    write_report(run)
    before = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    assert (deliver(run) > 0, deliver(run)) == (True, 0)
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
    assert not sync(run), "the parent run was changed"
    [version] = client.search_model_versions("name = 'mini'")
    assert version.tags["xrt.trial"] == "0000" and version.run_id
    assert "Accuracy on the test split" in version.description
    with _tracking(run.paths.results.tracking_uri):
        model = mlflow.pyfunc.load_model(f"models:/{run.study}@{CHAMPION}")
    assert model.metadata.signature.inputs.input_names() == ["text", "text_pair"]
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    pairs = {"text": sample.sentences("en").first, "text_pair": sample.sentences("de").second}
    answers = [TASK.labels.index(label) for label in model.predict(pd.DataFrame(pairs))["label"]]
    assert answers == list(recorded.predicted[PAIRS.index(("en", "de"))])
    older = worked.make(run.paths.results.root)
    older.update_meta(started=worked.START - 9000)
    trained_trial(older, tmp_path / "bert")
    finish(older)
    deliver(older)
    assert len(client.search_model_versions("name = 'mini'")) == 2
    newest = client.get_model_version_by_alias("mini", "champion")
    assert newest.tags["xrt.run"] == run.name, "a run that is older does not take the alias"
    assert client.get_model_version_by_alias("mini", "newest").tags["xrt.run"] == run.name
    for name, share, takes in (("worse", 0.5, False), ("equal", 1.0, True)):
        newer = worked.make(run.paths.results.root)
        newer.update_meta(started=worked.START + 9000 + 100 * takes)
        trial, _ = trained_trial(newer, tmp_path / "bert")
        last = trial.reports[-1]
        newer.save(
            replace(trial, reports=(replace(last, metrics={n: share * v for n, v in last.metrics.items()}),))
        )
        finish(newer)
        said: list[str] = []
        deliver(newer, say=said.append)
        by = {alias: client.get_model_version_by_alias("mini", alias) for alias in ("champion", "newest")}
        assert by["newest"].tags["xrt.run"] == newer.name, name
        assert (by["champion"].tags["xrt.run"] == newer.name) == takes, name
        assert bool(said) != takes and all(f"stays with {run.name}" in line for line in said)


def test_weights_in_which_a_bit_was_turned_are_not_registered(run: Run, tmp_path: Path) -> None:
    import mlflow

    trial, _ = trained_trial(run, build("bert", tmp_path / "bert"))
    finish(run)
    weights = run.paths.root / str(trial.checkpoint) / WEIGHTS
    raw = bytearray(weights.read_bytes())
    raw[-3] ^= 64
    weights.write_bytes(raw)
    with pytest.raises(
        RecordError, match=r"trial 0000 is not exported: .*weights\.safetensors is not what was"
    ):
        deliver(run)
    assert not mlflow.MlflowClient(run.paths.results.tracking_uri).search_registered_models()

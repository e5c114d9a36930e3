"""A run in other tools: optuna-dashboard, `mlflow models predict`, a transformers pipeline."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.study.conftest import free_port, served
from xrt.data import Source, load
from xrt.findings.findings import findings
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.robust.predictions import Predictions
from xrt.spec import TrialConfig
from xrt.tracking.export import export

ASK = """
import json, sys
from transformers import pipeline
classify = pipeline("text-classification", sys.argv[1])
print(json.dumps([answer["label"] for answer in classify(json.load(sys.stdin), truncation=True)]))
"""


@pytest.fixture(scope="module")
def run(finished) -> Run:
    return Run.open(Results.at(finished.folder / "results"), "toy")


def champion(run: Run) -> TrialRecord:
    found = findings(run).champion
    assert found is not None
    return found


@pytest.fixture(scope="module")
def asked(finished, run) -> tuple[Predictions, list[dict[str, str]]]:
    return inputs(run, finished.folder / "data")


def inputs(run: Run, data: Path) -> tuple[Predictions, list[dict[str, str]]]:
    """The winner's predictions for the test split, and the same inputs: all pairs, one after the other."""
    trial = champion(run)
    answered = Predictions.open(run.paths.root / str(trial.checkpoint) / "predictions-test.arrow")
    task = TrialConfig.from_dict(trial.config).task
    test = load(task, Source("folder", str(data)), "test")
    assert test.ids == answered.ids and (answered.labels >= 0).all()
    names = ("text", "text_pair")[: task.sentences]
    return answered, [
        dict(zip(names, sides, strict=False))
        for a, b in answered.pairs
        for sides in zip(test.sentences(a).first, test.sentences(b).second, strict=True)
    ]


def assert_the_matrix(labels: list[str], answered: Predictions, run: Run) -> None:
    """The labels are the recorded answers, and give every cell that was reported of the winner."""
    given = np.array([int(label) for label in labels]).reshape(answered.predicted.shape)
    assert len(set(labels)) > 1, "a constant answer proves nothing"
    assert (given == answered.predicted).all()
    reported = champion(run).metrics
    for (a, b), right in zip(answered.pairs, given == answered.labels, strict=True):
        name = f"test/acc/{a}" if a == b else f"test/pair/{a}-{b}"
        assert right.mean() == pytest.approx(reported[name])


@pytest.mark.slow
def test_a_pipeline_in_a_new_process_reproduces_the_matrix(run, asked, tmp_path: Path, monkeypatch) -> None:
    answered, questions = asked
    monkeypatch.chdir(run.paths.results.root.parent)  # the study names its encoder relative to it
    assert_the_matrix(piped(run, questions, tmp_path), answered, run)


def piped(run: Run, questions: list[dict[str, str]], place: Path) -> list[str]:
    """The predictions of the exported winner's pipeline in a new process."""
    folder = export(run, None, place / "winner")
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)],
        input=json.dumps(questions), capture_output=True, text=True, check=True, cwd=place,
    )  # fmt: skip
    labels: list[str] = json.loads(done.stdout.splitlines()[-1])
    return labels


@pytest.mark.slow
def test_mlflow_models_predict_reproduces_the_matrix_from_the_results_folder(
    run, asked, tmp_path: Path
) -> None:
    answered, questions = asked
    columns = ["text", "text_pair"]
    data = {"columns": columns, "data": [[question[name] for name in columns] for question in questions]}
    (tmp_path / "in.json").write_text(json.dumps({"dataframe_split": data}))
    (winner,) = run.paths.results.root.glob("mlartifacts/*/*/artifacts/winner")
    words = ["models", "predict", "-m", str(winner), "-i", "in.json", "-o", "out.json", "-t", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", *words, "--env-manager", "local"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert_the_matrix([answer["label"] for answer in found], answered, run)


def test_optuna_dashboard_shows_pruned_trials_as_pruned(run) -> None:
    port = str(free_port())
    command = [sys.executable, "-c", "from optuna_dashboard._cli import main; main()"]
    command += [str(run.paths.optuna), "--host", "127.0.0.1", "--port", port]
    with served(command, run.paths.root, f"http://127.0.0.1:{port}") as place:
        with urllib.request.urlopen(f"{place}/api/studies", timeout=30) as answer:
            [study] = json.load(answer)["study_summaries"]
        with urllib.request.urlopen(f"{place}/api/studies/{study['study_id']}", timeout=30) as answer:
            states = [trial["state"] for trial in json.load(answer)["trials"]]
    told = {"finished": "Complete", "pruned": "Pruned"}
    assert states == [told[t.state] for t in run.trials() if t.phase == "search"]

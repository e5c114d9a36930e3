"""An exported folder answers what the trial answered, whatever the architecture; it is whole or absent."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from tests.answers import worked
from tests.robust.conftest import build
from xrt.answers.export import _tracking, champion, export
from xrt.data import TASKS, Source, load
from xrt.errors import RecordError
from xrt.record import Report, Run, TrialRecord
from xrt.robust import checkpoint
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.evaluation import Predictions, predict
from xrt.robust.training import Recipe, start
from xrt.spec.trial import TrialConfig

TASK = TASKS["mini"]
PAIRS = (("en", "en"), ("en", "de"), ("de", "fr"))
MAX_TOKENS = 24  # so short that most pairs are cut

ASK = """
import sys, json
from transformers import pipeline
classify = pipeline("text-classification", sys.argv[1])
pairs = json.loads(sys.stdin.read())
print(json.dumps([answer["label"] for answer in classify(pairs, truncation=True)]))
"""


def config_for(encoder: Path) -> TrialConfig:
    return TrialConfig(
        study="mini", task=TASK, source=Source("embedded"), train_rows=None, dev_rows=None, neighbours=None,
        encoder=str(encoder), learning_rate=1e-3, method="adversarial", params=(("radius", 0.1), ("steps", 1)),
        site="word", epochs=1.0, batch_size=8, max_tokens=MAX_TOKENS, warmup=0.1, weight_decay=0.0, clip=1.0,
        freeze_word_embeddings=False, dropout=None, micro_batch=None, seed=5, rungs=(1.0,), rung_rows=None, test=True,
    )  # fmt: skip


def trained_trial(run: Run, encoder: Path) -> tuple[TrialRecord, Predictions]:
    """A trial whose checkpoint and predictions are real, but for the training."""
    config = config_for(encoder)
    opened = load_encoder(config.encoder, TASK.labels, seed=77)  # another head than an export would draw
    balance(opened)
    place = Path("tune") / "0000" / "checkpoint_000000"
    recipe = Recipe(1e-3, 1, 0, 0.1, 0.0, 1.0, False, None)
    checkpoint.save(start(opened, recipe), run.paths.root / place, optimizer=False)
    found = predict(opened, load(TASK, Source("embedded"), "test").sample(12, 0), PAIRS, MAX_TOKENS)
    found.save(run.paths.root / place / "predictions-test.arrow")
    params = {"encoder": str(encoder), "method": "adversarial", "adversarial.radius": 0.1}
    trial = TrialRecord("0000", params, config.to_dict(), seed=5, checkpoint=str(place)).begun(worked.START)
    metrics = found.matrix.metrics("final") | found.matrix.metrics("test")
    trial = trial.reported(Report(0, 1.0, 10, worked.START + 5, metrics)).closed("finished", worked.START + 6)
    run.save(trial)
    return trial, found


@torch.no_grad()
def balance(encoder: Encoder) -> None:
    """Move the head's bias so that a fresh encoder answers half of the pairs with each label."""
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    first = [text for a, _ in PAIRS for text in sample.sentences(a).first]
    second = [text for _, b in PAIRS for text in sample.sentences(b).second]
    words = {"truncation": True, "max_length": MAX_TOKENS, "padding": True, "return_tensors": "pt"}
    kinds = {"return_token_type_ids": getattr(encoder.model.config, "type_vocab_size", 0) > 1}
    logits = encoder.model.eval()(**encoder.tokenizer(first, second, **words, **kinds)).logits
    head = [m for m in encoder.model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 2][-1]
    head.bias[0] -= (logits[:, 0] - logits[:, 1]).median() + 1e-4  # no pair stands right on the fence


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return worked.make(tmp_path / "results")


@pytest.mark.parametrize("kind", ["bert", "bert-with-xlmr-tokenizer", "xlmr", "distilbert", "modernbert"])
def test_the_exported_pipeline_answers_what_the_trial_answered(kind: str, run: Run, tmp_path: Path) -> None:
    from transformers import pipeline

    _, recorded = trained_trial(run, build(kind, tmp_path / kind))
    classify = pipeline("text-classification", str(export(run, None, tmp_path / "out")))
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    assert sample.ids == recorded.ids
    assert set(np.unique(recorded.predicted)) >= {0, 1}, "a constant answer proves nothing"
    for cell, (a, b) in enumerate(PAIRS):
        pairs = [
            {"text": one, "text_pair": two}
            for one, two in zip(sample.sentences(a).first, sample.sentences(b).second, strict=True)
        ]
        answers = [TASK.labels.index(answer["label"]) for answer in classify(pairs, truncation=True)]
        asked = recorded.labels[cell] >= 0
        assert asked.any()
        assert [x for x, known in zip(answers, asked, strict=True) if known] == list(
            recorded.predicted[cell][asked]
        )


@pytest.mark.slow
def test_a_new_process_needs_nothing_of_xrt(run: Run, tmp_path: Path) -> None:
    import json

    _, recorded = trained_trial(run, build("bert", tmp_path / "bert"))
    folder = export(run, "0000", tmp_path / "out")
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    pairs = [
        {"text": one, "text_pair": two}
        for one, two in zip(sample.sentences("en").first, sample.sentences("de").second, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)],
        input=json.dumps(pairs), capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    answers = [TASK.labels.index(label) for label in json.loads(done.stdout.splitlines()[-1])]
    assert answers == list(recorded.predicted[PAIRS.index(("en", "de"))])


def test_the_card_is_read_by_the_hub_and_says_what_it_is(run: Run, tmp_path: Path) -> None:
    trial, recorded = trained_trial(run, build("bert", tmp_path / "bert"))
    card = ModelCard.load(export(run, None, tmp_path / "out") / "README.md")
    assert card.data.language == list(TASK.languages)
    assert card.data.pipeline_tag == "text-classification"
    assert "test split" in card.text and trial.id in card.text
    assert f"{100 * recorded.matrix.mean('mixed'):.1f} %" in card.text
    assert run.meta.command in card.text


def test_a_folder_that_is_taken_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    trained_trial(run, build("bert", tmp_path / "bert"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(RecordError, match="not empty"):
        export(run, None, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_export_that_fails_leaves_nothing_behind(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xrt.answers.export as module

    trained_trial(run, build("bert", tmp_path / "bert"))

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "card", full)
    with pytest.raises(RecordError, match="No space left"):
        export(run, None, tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_trial_without_weights_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    trial, _ = trained_trial(run, build("bert", tmp_path / "bert"))
    (run.paths.root / str(trial.checkpoint) / checkpoint.WEIGHTS).unlink()
    with pytest.raises(RecordError, match=r"trial 0000 .* has no weights"):
        export(run, None, tmp_path / "out")
    run.save(replace(trial, state="failed"))
    with pytest.raises(RecordError, match="no trial has finished"):
        champion(run)


def test_the_champion_is_the_best_seed_on_dev_of_what_the_search_chose(run: Run) -> None:
    worked.search(run)
    assert champion(run).id == "0004"
    worked.confirm(run, (4, 0), seeds=3)
    seeds = [t for t in run.trials() if t.id.startswith("0004-s")]
    best = max(seeds, key=lambda t: t.metrics["final/mean/mixed"])
    assert champion(run).id == best.id


@pytest.mark.slow
def test_the_registered_model_is_served_from_mlflow_and_registered_once(run: Run, tmp_path: Path) -> None:
    import mlflow
    import pandas as pd

    from xrt.answers.export import log_model
    from xrt.answers.tracking import sync

    _, recorded = trained_trial(run, build("bert", tmp_path / "bert"))
    with pytest.raises(RecordError, match="sync"):
        log_model(run)
    sync(run)
    before, parent = (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")), parent_of(run)
    address = log_model(run)
    assert log_model(run) == address == "models:/mini@champion"
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
    assert not sync(run), "the parent run was changed"
    client = mlflow.MlflowClient(run.paths.results.tracking_uri)
    assert len(client.search_model_versions("name = 'mini'")) == 1
    assert client.get_model_version_by_alias("mini", "champion").run_id == parent
    with _tracking(run.paths.results.tracking_uri):
        model = mlflow.pyfunc.load_model(address)
    sample = load(TASK, Source("embedded"), "test").sample(12, 0)
    pairs = {"text": sample.sentences("en").first, "text_pair": sample.sentences("de").second}
    answers = [TASK.labels.index(label) for label in model.predict(pd.DataFrame(pairs))["label"]]
    assert answers == list(recorded.predicted[PAIRS.index(("en", "de"))])


def parent_of(run: Run) -> str:
    from xrt.answers.store import Store

    return Store(run.paths.results, run.study, None).runs(run.meta.uid)[""].id

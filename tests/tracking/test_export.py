"""An exported folder predicts what the trial predicted, whatever the architecture; it is whole or absent."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from tests.findings import worked
from tests.robust.conftest import build
from tests.tracking.trained import PAIRS, TASK, trained_trial
from xrt.data import Source, load
from xrt.data.integrity import sealed
from xrt.errors import RecordError
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.robust import checkpoint
from xrt.tracking.export import export, push_to_hub

ASK = """
import sys, json
from transformers import pipeline
classify = pipeline("text-classification", sys.argv[1])
pairs = json.loads(sys.stdin.read())
print(json.dumps([answer["label"] for answer in classify(pairs, truncation=True)]))
"""


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
    assert f"{100 * recorded.mean([1, 2]):.1f} %" in card.text and "mixed pairs" in card.text
    assert run.meta.command in card.text
    assert f"What the run says: {findings(run).answer.sentence}"[:60] in card.text.replace("\\", "")
    assert f"Made with xrt {run.meta.versions['xrt']}." in card.text


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
    import xrt.tracking.export as module

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
        export(run, None, tmp_path / "out")


def test_the_champion_is_the_best_seed_on_dev_of_what_the_search_chose(run: Run) -> None:
    worked.search(run)
    assert findings(run).champion == run.trial("0004")
    worked.confirm(run, seeds=3)
    seeds = [t for t in run.trials() if t.configuration == "0004" and t.phase == "confirm"]
    assert findings(run).champion == max(seeds, key=lambda t: t.score(worked.METRIC))


@pytest.mark.parametrize(
    ("name", "reason"), [("me/winner", "Connection refused"), ("a/b/c", "namespace/repo_name")]
)
def test_a_hub_that_does_not_take_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(RecordError, match=f"--push-to-hub {name}: .*{reason}.*hf upload") as caught:
        push_to_hub(tmp_path, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [checkpoint.WEIGHTS, checkpoint.PROGRESS])
def test_weights_that_are_not_what_was_written_are_not_exported(file: str, run: Run, tmp_path: Path) -> None:
    trial, _ = trained_trial(run, build("bert", tmp_path / "encoder"))
    place = run.paths.root / str(trial.checkpoint) / file
    raw = bytearray(place.read_bytes())
    raw[len(raw) // 2] ^= 1
    place.write_bytes(raw)
    with pytest.raises(RecordError, match=r"trial 0000 is not exported: .*; name another") as refused:
        export(run, None, tmp_path / "out")
    assert len(refused.value.problems) == 1 and not (tmp_path / "out").exists()


def test_weights_of_another_trial_are_not_exported(run: Run, tmp_path: Path) -> None:
    trial, _ = trained_trial(run, build("bert", tmp_path / "encoder"))
    place = run.paths.root / str(trial.checkpoint) / checkpoint.PROGRESS
    said = json.loads(place.read_text())
    for key, other in (("run", "another"), ("trial", "0001"), ("step", 5)):
        about = {**run.about(trial), "step": 10, key: other}
        rest = {name: value for name, value in said.items() if name != "checksum"}
        place.write_text(json.dumps(sealed({**rest, "about": about})))
        with pytest.raises(RecordError, match=f"it is of {key} {other}, not of"):
            export(run, None, tmp_path / "out")

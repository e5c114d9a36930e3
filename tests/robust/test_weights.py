"""Weights belong to their encoder or are refused; the head never comes with them."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from tests.bench import families
from tests.robust.conftest import batch_for
from xrt.errors import EncoderError
from xrt.robust.encoder import load_encoder

FILE, LABELS = "model.safetensors", ("no", "yes")


def changed(source: Path, folder: Path, change) -> str:
    """A copy of an encoder whose weights `change` made."""
    shutil.copytree(source, folder)
    save_file(change(load_file(source / FILE)), folder / FILE, metadata={"format": "pt"})
    return str(folder)


def head_of(name: str, seed: int, labels=LABELS) -> dict[str, torch.Tensor]:
    model = load_encoder(name, labels, seed=seed).model
    inside = {f"{model.base_model_prefix}.{key}" for key in model.base_model.state_dict()}
    return {key: value for key, value in model.state_dict().items() if key not in inside}


def fine_tuned(source: Path, folder: Path, labels: int = 2) -> str:
    """Weights of a trained classifier, with head and labels."""
    shutil.copytree(source, folder)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=labels)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith(f"{model.base_model_prefix}."):
                parameter.fill_(7.0)
    model.save_pretrained(folder)
    return str(folder)


DAMAGES = {
    "wrapped": (lambda w: {f"module.{k}": v for k, v in w.items()}, "missing", "module."),
    "half wrapped": (
        lambda w: {(f"module.{k}" if "layer.0" in k else k): v for k, v in w.items()}, "missing", "layer.0"
    ),
    "another prefix": (lambda w: {f"teacher.{k}": v for k, v in w.items()}, "missing", "teacher."),
    "a layer missing": (lambda w: {k: v for k, v in w.items() if "layer.2." not in k}, "missing", "layer.2"),
    "a layer too many": (
        lambda w: w | {k.replace("layer.2", "layer.3"): v.clone() for k, v in w.items() if "layer.2" in k},
        "without a place",
        "encoder.layer.3",
    ),
    "a second encoder": (
        lambda w: w | {f"teacher.{k}": v.clone() for k, v in w.items()}, "without a place", "teacher.encoder"
    ),
    "an adapter": (
        lambda w: w | {"encoder.layer.0.lora_A.weight": torch.zeros(2)}, "without a place", "lora_A"
    ),
    "one bias missing": (
        lambda w: {k: v for k, v in w.items() if k != "embeddings.LayerNorm.bias"}, "1 missing", "LayerNorm.bias"
    ),
    "another width": (
        lambda w: {k: (v[:, :16].clone() if "word_emb" in k else v) for k, v in w.items()}, "another shape", "word_emb"
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("verbosity", ["error", "warning"])
def test_weights_that_do_not_belong_are_listed(encoder_folder, tmp_path, monkeypatch, damage, verbosity):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", verbosity)
    change, *told = DAMAGES[damage]
    name = changed(encoder_folder("bert"), tmp_path / "encoder", change)
    with pytest.raises(EncoderError, match="its weights do not belong to it") as error:
        load_encoder(name, LABELS)
    (line,) = error.value.problems
    assert line.startswith(f"encoder: {name}: ") and all(word in line for word in told)


@pytest.mark.parametrize(
    "left",
    ["cls.predictions.bias", "lm_head.dense.weight", "vocab_projector.weight", "qa_outputs.weight", "classifier.bias"],
)  # fmt: skip
def test_what_another_head_left_over_is_ignored(encoder_folder, tmp_path, left):
    source = encoder_folder("bert")
    name = changed(source, tmp_path / "encoder", lambda w: w | {left: torch.zeros(3)})
    found, sound = (load_encoder(str(one), LABELS, seed=1).model.state_dict() for one in (name, source))
    assert all(torch.equal(found[key], sound[key]) for key in sound)


def test_constants_that_earlier_versions_saved_are_ignored(tmp_path):
    source = families.build("gpt2", tmp_path / "sound")
    old = {"h.0.attn.masked_bias": torch.tensor(-1e4), "h.0.attn.bias": torch.ones(1, 1, 8, 8)}
    name = changed(source, tmp_path / "encoder", lambda w: w | old)
    assert load_encoder(name, LABELS).layers == 2


def test_a_pooler_may_be_missing_for_pretraining_often_has_none(encoder_folder, tmp_path):
    def without(weights):
        return {key: value for key, value in weights.items() if "pooler" not in key}

    name = changed(encoder_folder("bert"), tmp_path / "encoder", without)
    one, other = (load_encoder(name, LABELS, seed=s).model.bert.pooler.dense.weight for s in (1, 2))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["bert", "xlmr", "deberta", "distilbert", "modernbert"])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_trained_head_is_never_kept(encoder_folder, tmp_path, kind, classes):
    name = fine_tuned(encoder_folder(kind), tmp_path / "encoder", classes)
    one, same, other = (head_of(name, seed) for seed in (1, 1, 2))
    assert one and all(torch.equal(one[key], same[key]) for key in one)
    drawn = [key for key, value in one.items() if key.endswith("weight") and value.ndim > 1]
    assert drawn and not any(torch.equal(one[key], other[key]) for key in drawn)
    assert not any((value == 7.0).any() for value in one.values())


def test_the_encoder_below_a_trained_head_is_kept(encoder_folder, tmp_path):
    source = encoder_folder("xlmr")
    found = load_encoder(fine_tuned(source, tmp_path / "encoder"), ("b", "a"), seed=1).model
    sound = load_encoder(str(source), LABELS, seed=1).model
    assert all(torch.equal(found.roberta.state_dict()[k], v) for k, v in sound.roberta.state_dict().items())
    assert found.config.id2label == {0: "b", 1: "a"}


def test_what_pretraining_left_between_encoder_and_head_is_kept(encoder_folder, tmp_path):
    """ModernBERT's `head`, without a classification layer: part of what was pretrained."""
    folder = Path(fine_tuned(encoder_folder("modernbert"), tmp_path / "trained"))
    name = changed(
        folder, tmp_path / "encoder", lambda w: {k: v for k, v in w.items() if "classifier" not in k}
    )
    head = head_of(name, 1)
    assert (head["head.dense.weight"] == 7.0).all() and not (head["classifier.weight"] == 7.0).any()


def test_the_shipped_encoders_have_all_their_weights():
    for name in ("mini-a", "mini-b"):
        encoder = load_encoder(name, ("0", "1"))
        assert torch.isfinite(encoder.scores(batch_for(encoder))).all()

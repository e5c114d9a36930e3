"""The shipped encoders: small, complete, loadable without warnings, and fit for their purpose."""

import io
import json
import logging

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from xrt.mini import ENCODERS, LANGUAGES, generate

NAMES = list(ENCODERS)
EXPECTED_NEW = {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_weighs_at_most_two_megabytes(name: str) -> None:
    files = list(ENCODERS[name].iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in files}
    assert sum(file.stat().st_size for file in files) <= 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_only_the_classifier_is_new_when_it_is_loaded(name: str) -> None:
    _, info = AutoModelForSequenceClassification.from_pretrained(ENCODERS[name], output_loading_info=True)
    assert set(info["missing_keys"]) == EXPECTED_NEW
    assert not info["unexpected_keys"] and not info["mismatched_keys"]


@pytest.mark.parametrize("name", NAMES)
def test_loading_the_tokenizer_warns_of_nothing(name: str) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    transformers_logging.get_logger().addHandler(handler)
    try:
        AutoTokenizer.from_pretrained(ENCODERS[name])
    finally:
        transformers_logging.get_logger().removeHandler(handler)
    assert not heard.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_it_pools_by_the_mean_and_every_layer_sees_the_whole_pair(name: str) -> None:
    config = json.loads((ENCODERS[name] / "config.json").read_text())
    assert config["classifier_pooling"] == "mean"
    assert set(config["layer_types"]) == {"full_attention"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_tokenizer_knows_every_piece_and_keeps_pairs_short(name: str, language: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODERS[name])
    pairs = [example.sentences[language] for split in ("dev", "test") for example in generate(split)]
    rows = tokenizer([one for one, _ in pairs], [two for _, two in pairs])["input_ids"]
    assert not any(tokenizer.unk_token_id in row for row in rows)
    assert max(map(len, rows)) <= 64


@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_change_the_logits_and_gradients_reach_the_embeddings(name: str) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(ENCODERS[name]).eval()
    tokenizer = AutoTokenizer.from_pretrained(ENCODERS[name])
    one = tokenizer("The doctor praised Anna.", "Anna praised the doctor.", return_tensors="pt")
    long = tokenizer(
        "The doctor praised Anna.",
        "Anna praised the doctor.",
        return_tensors="pt",
        padding="max_length",
        max_length=48,
    )
    embeddings = model.get_input_embeddings()(one["input_ids"]).detach().requires_grad_(True)
    logits = model(inputs_embeds=embeddings, attention_mask=one["attention_mask"]).logits
    torch.testing.assert_close(model(**long).logits, logits, atol=1e-4, rtol=1e-4)
    logits.sum().backward()
    assert embeddings.grad is not None and embeddings.grad.abs().sum() > 0


def test_the_two_encoders_differ() -> None:
    weights = [AutoModelForSequenceClassification.from_pretrained(ENCODERS[name]).model for name in NAMES]
    first, second = (next(model.parameters()) for model in weights)
    assert first.shape != second.shape or not torch.equal(first, second)

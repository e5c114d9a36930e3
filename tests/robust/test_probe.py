import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.robust.test_evaluation import TASK, aligned
from xrt.data import Sentences, align
from xrt.robust.probe import as_plain, misalignment


def split(**sentences: list[str]):
    """Aligned first sentences; second sentences and labels do not matter here."""
    columns = []
    for language, first in sentences.items():
        ids = tuple(map(str, range(len(first))))
        columns.append(
            Sentences(language, ids, tuple(first), ("Anna",) * len(ids), (0,) * len(ids), has_ids=True)
        )
    return align(TASK, columns)


def test_a_language_that_is_the_source_itself_is_at_no_distance(load):
    english = ["Anna saw the small house", "Peter met the judge", "the storm"]
    found = misalignment(load("bert"), split(en=english, de=english, fr=english[1:] + english[:1]), 32)
    for site in ("words", "states"):
        assert found[site].distance["de"] == pytest.approx(0, abs=1e-5)
        assert found[site].distance["fr"] == pytest.approx(found[site].unrelated, rel=1e-4)


@pytest.mark.parametrize("kind", ["bert", "xlmr", "distilbert", "deberta", "modernbert"])
def test_distances_are_those_of_one_sentence_at_a_time(load, kind):
    encoder, english, german = (
        load(kind),
        ["Anna saw the judge", "the doctor"],
        ["house storm", "Peter gave Maria"],
    )
    found = misalignment(encoder, split(en=english, de=german), 32)

    def both(text: str) -> tuple[torch.Tensor, torch.Tensor]:
        ids = encoder.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            states = encoder.model.base_model(input_ids=ids).last_hidden_state[0, 1:-1]
            return encoder.model.get_input_embeddings()(ids)[0, 1:-1], states

    said = {text: both(text) for text in english + german}
    norms = torch.cat([said[text][1] for text in english]).norm(dim=-1)
    gaps = [
        float((said[a][1].mean(0) - said[b][1].mean(0)).norm()) for a, b in zip(english, german, strict=True)
    ]
    assert found["states"].distance["de"] == pytest.approx(np.mean(gaps) / float(norms.mean()), rel=1e-4)
    gaps = [
        float((said[a][0].mean(0) - said[b][0].mean(0)).norm()) for a, b in zip(english, german, strict=True)
    ]
    assert found["words"].distance["de"] * found["words"].norm == pytest.approx(np.mean(gaps), rel=1e-4)


def test_the_unit_is_the_mean_norm_so_that_scaling_the_embeddings_changes_nothing(load):
    encoder = load("bert")
    before = misalignment(encoder, aligned(), 32)["words"]
    with torch.no_grad():
        encoder.model.get_input_embeddings().weight.mul_(3)
    after = misalignment(encoder, aligned(), 32)["words"]
    assert after.distance == pytest.approx(before.distance, rel=1e-4)
    assert after.norm == pytest.approx(3 * before.norm, rel=1e-4)


def test_sentences_that_are_missing_are_left_out_and_the_record_is_json(load):
    whole = misalignment(load("bert"), split(en=["Anna", "Peter", "judge"], de=["house", "storm", "red"]), 32)
    holes = misalignment(load("bert"), split(en=["Anna", "Peter", "judge"], de=["house", "storm", ""]), 32)
    assert all(math.isfinite(found.distance["de"]) for found in holes.values())
    assert holes["words"].distance["de"] != whole["words"].distance["de"]
    assert json.loads(json.dumps(as_plain(holes)))["words"]["distance"] == holes["words"].distance


def test_a_language_with_other_examples_has_no_distance_and_the_record_is_still_json(load):
    english = split(en=["Anna saw the house", "the storm"]).columns
    german = split(de=["Peter met the judge", "the doctor"]).columns
    apart = align(replace(TASK, sentences=1), [*english, *german], how="own")
    assert apart.apart == ("en", "de")
    found = misalignment(load("bert"), apart, 32)
    assert found["words"].distance == {} and found["words"].unrelated > 0
    json.dumps(as_plain(found), allow_nan=False)

"""Where translations lie along an attack: by the formula, one example at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.robust.test_evaluation import LANGUAGES, TASK, aligned
from xrt.data import align
from xrt.robust.directions import directions
from xrt.robust.methods import METHODS

NORM = 2.0


def attacking(radius: float, **more):
    return METHODS["adversarial"].build({"radius": radius, "steps": 1, **more}, NORM)


@pytest.mark.parametrize("kind", ["bert", "xlmr", "modernbert"])
def test_they_are_those_of_one_example_at_a_time(load, kind):
    encoder, split = load(kind), aligned()
    found = directions(encoder, split, attacking(0.1), NORM, 64)
    assert found.keys() == {"de", "fr"}
    words = encoder.model.get_input_embeddings().weight

    def pieces(language: str, row: int) -> torch.Tensor:
        sides = split.sentences(language)
        texts = sides.first[row], sides.second[row]
        ids = [encoder.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        return torch.tensor([*ids[0], *ids[1]])

    def gradient(row: int) -> torch.Tensor:
        """At the pieces of the English example; one step from zero goes along it, normalised piece by piece."""
        sides = split.sentences("en")
        told = encoder.tokenizer(
            sides.first[row], sides.second[row], return_tensors="pt", return_special_tokens_mask=True
        )
        inside = told.pop("special_tokens_mask")[0] == 0
        states = words[told.pop("input_ids")].detach().requires_grad_()
        logits = encoder.model(inputs_embeds=states, **told).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([row % 2]))
        (g,) = torch.autograd.grad(loss, states)
        return torch.nn.functional.normalize(g[0, inside], dim=-1, eps=1e-30)

    for language, left_out in (("de", 3), ("fr", None)):
        rows = [row for row in range(12) if row != left_out]
        moved = [(words[pieces(language, r)].mean(0) - words[pieces("en", r)].mean(0)).detach() for r in rows]
        along = [torch.nn.functional.normalize(gradient(r).mean(0), dim=0) for r in rows]
        far = float(np.mean([float(m.norm()) for m in moved])) / NORM
        straight = float(np.mean([float(m @ d) for m, d in zip(moved, along, strict=True)])) / NORM
        assert found[language]["distance"] == pytest.approx(far, rel=1e-4)
        assert found[language]["along"] == pytest.approx(straight, rel=1e-2, abs=1e-4)


def test_inside_is_what_is_nearer_than_the_radius(load):
    encoder = load("bert")
    near, far = (directions(encoder, aligned(), attacking(radius), NORM, 64) for radius in (1e-6, 1e6))
    assert {one["inside"] for one in near.values()} == {0.0}
    assert {one["inside"] for one in far.values()} == {1.0}
    one = near["fr"]["distance"]
    some = directions(encoder, aligned(), attacking(one), NORM, 64)["fr"]["inside"]
    assert 0 < some < 1, "some are nearer than the mean of them"


@pytest.mark.parametrize("method", [{"ball": "sequence", "steps": 3}, {"objective": "kl"}, {"start": "ball"}])
def test_a_language_that_is_the_source_itself_lies_at_it_whatever_the_attack(load, method):
    english = aligned().sentences("en")
    split = align(TASK, [replace(english, language=language) for language in LANGUAGES])
    found = directions(load("bert"), split, attacking(0.1, **method), NORM, 64)
    for one in found.values():
        assert one == {"distance": 0.0, "along": 0.0, "inside": 1.0}


def test_along_is_at_most_the_distance_also_behind_a_layer_and_nothing_is_left_in_training_mode(load):
    encoder = load("xlmr", layer=2, dropout=0.1)
    found = directions(encoder, aligned(), METHODS["free"].build({"radius": 0.1, "steps": 2}, NORM), NORM, 64)
    assert all(0 < abs(one["along"]) < one["distance"] for one in found.values())
    assert not any(module.training for module in encoder.model.modules())
    assert all(p.grad is None for p in encoder.model.parameters())


def test_without_the_source_nothing_lies_anywhere(load):
    others = [aligned().sentences(a) for a in ("de", "fr")]
    split = align(replace(TASK, languages=("de", "fr")), others)
    assert directions(load("bert"), split, attacking(0.1), NORM, 64) == {}

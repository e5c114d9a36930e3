"""Numbers and configurations formatted for readers; warnings about trials that learned nothing."""

import math

import pytest

from xrt.findings.answer import constant, weak_attack
from xrt.findings.statistics import Estimate
from xrt.findings.words import (
    accuracy_interval,
    count,
    describe,
    difference_interval,
    percent,
    points,
    probability,
    spread,
)
from xrt.record.values import Report, TrialRecord


def trial(metrics: dict[str, float]) -> TrialRecord:
    return TrialRecord("0003", {}, {}, seed=1).reported(Report(0, 1.0, 10, 0.0, metrics))


@pytest.mark.parametrize(
    ("metrics", "warned"),
    [
        ({"train/attack_gain": -0.01}, True),
        ({"train/attack_gain": 0.0}, True),
        ({"train/attack_gain": 0.1}, False),
        ({}, False),
    ],
)
def test_an_attack_that_does_not_raise_the_loss_is_warned_of(metrics: dict[str, float], warned: bool) -> None:
    line = weak_attack(trial(metrics))
    assert (line is not None) == warned
    assert line is None or line.startswith("0003: the attack does not raise the loss")


@pytest.mark.parametrize(("share", "warned"), [(1.0, True), (0.999, False), (math.nan, False)])
def test_a_trial_that_always_predicts_the_same_label_is_warned_of(share: float, warned: bool) -> None:
    line = constant(trial({"dev/commonest/prediction": share, "dev/commonest/label": 0.55}))
    assert line == (
        "0003: predicts the same label for every dev example; the most common label has 55.0 %."
        if warned
        else None
    )
    assert constant(trial({})) is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (percent(0.7654), "76.5 %"),
        (percent(math.nan), "–"),
        (points(0.0123), "+1.2"),
        (points(-0.0123), "−1.2"),
        (points(-0.0001), "0.0"),
        (points(math.nan), "–"),
        (probability(0.0004), "< 0.001"),
        (probability(0.0125), "0.013"),
        (probability(math.nan), "–"),
        (difference_interval((math.nan, math.nan)), "–"),
        (difference_interval((-0.01, 0.02)), "−1.0 to +2.0"),
        (spread(Estimate(0.5, 0.012)), "50.0 ± 1.2"),
        (spread(Estimate(0.5)), "50.0"),
        (spread(Estimate(math.nan)), "–"),
        (accuracy_interval(Estimate(0.5)), "–"),
        (accuracy_interval(Estimate(0.99, 0.1, 0.1, 0.1, 9, 10)), "76.4 to 100.0"),
        (count(1, "seed"), "1 seed"),
        (count(2000, "seed"), "2,000 seeds"),
        (describe({"method": "noise", "noise.scale": 0.30001, "noise.site": "word"}), "noise (scale 0.3)"),
        (
            describe({"method": "noise", "noise.scale": 1.0, "noise.site": "layer:3"}),
            "noise (scale 1, site layer:3)",
        ),
        (describe({"method": "plain"}), "plain"),
    ],
)
def test_numbers_and_configurations_in_words(said: str, text: str) -> None:
    assert said == text


def test_a_configuration_is_named_with_the_training_settings_that_were_searched() -> None:
    shared = {"encoder": "mini-a", "learning_rate": 1e-3}
    own = {
        "adversarial.radius": 0.1,
        "adversarial.site": "word",
        "dropout": None,
        "freeze_word_embeddings": True,
    }
    told = describe({**shared, "method": "adversarial", **own})
    assert told == "adversarial (radius 0.1, dropout null, freeze_word_embeddings true)"
    assert describe({**shared, "method": "plain", "epochs": 3.0}) == "plain (epochs 3)"
    assert describe({**shared, "method": "plain"}) == "plain"

import pytest
from xrt.answers.wording import weak_attack

from xrt.record.values import Report, TrialRecord


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
    trial = TrialRecord("0003", {}, {}, seed=1).reported(Report(0, 1.0, 10, 0.0, metrics))
    told = weak_attack(trial)
    assert (told is not None) == warned
    assert told is None or told.startswith("0003: its attack does not raise the loss")

"""What a study compares, and which arm a trial belongs to."""

import pytest

from xrt.spec import Arm, StudySpec

SPACE = {"encoder": ["a", "b"], "learning_rate": 1e-3, "method": {"noise": {"scale": 1.0}, "plain": {}}}


def spec(compare: list[str]) -> StudySpec:
    return StudySpec.model_validate({"study": "s", "task": "pawsx", "space": SPACE, "compare": compare})


def test_an_arm_is_a_method_or_an_encoder_with_a_method_plain_ones_first() -> None:
    assert spec(["method"]).arms == (Arm("plain"), Arm("noise"))
    both = spec(["method", "encoder"])
    assert [arm.name for arm in both.arms] == ["plain, a", "plain, b", "noise, a", "noise, b"]
    assert both.compare == ("encoder", "method"), "the order of the file does not matter"


@pytest.mark.parametrize("compare", [["method"], ["encoder", "method"]])
def test_every_trial_belongs_to_exactly_one_arm(compare: list[str]) -> None:
    study = spec(compare)
    for encoder in ("a", "b"):
        for method in ("plain", "noise"):
            params = {"encoder": encoder, "method": method}
            assert [arm for arm in study.arms if arm.holds(params)] == [study.arm_of(params)]


def test_a_robust_arm_is_compared_with_plain_at_its_own_encoder() -> None:
    assert Arm("noise", "a").plain == Arm("plain", "a") and Arm("noise").plain == Arm("plain")

"""What a study would cost: exact where it is arithmetic."""

import pytest

from xrt.search.plan import evaluation, kept, kept_share, make_plan
from xrt.spec import load_study

ADVERSARIAL = "space.method={adversarial: {radius: 0.05, steps: 3}, plain: {}}"
SMALL = ["search.trials=7", "pruning={reduction: 3, rungs: 2}", "confirm.seeds=[2, 4]"]


def test_each_arm_has_its_trials_rungs_and_cost() -> None:
    plan = make_plan(load_study("mini", [ADVERSARIAL, *SMALL]))
    assert [(arm.arm.method, arm.trials) for arm in plan.arms] == [("plain", 4), ("adversarial", 3)]
    plain, adversarial = plan.arms
    assert plain.cost == plan.steps == plain.rungs[-1] and plain.rungs[0] == round(plan.steps / 3)
    assert adversarial.cost > plain.cost and plan.trials == 7
    assert plan.search == plain.search + adversarial.search < plan.trials * adversarial.cost


def test_the_confirmation_is_counted_from_the_fewest_to_the_most_seeds_with_its_evaluation() -> None:
    spec = load_study("mini", [ADVERSARIAL, *SMALL])
    plan, whole = make_plan(spec), sum(evaluation(spec))
    plain, adversarial = (arm.cost for arm in plan.arms)
    assert plan.configurations == (3, 6), "two arms and an ablation; three rules that may choose otherwise"
    assert plan.confirmed == (6, 24)
    low = 2 * (2 * plain + adversarial + 3 * whole)
    assert plan.confirmation == pytest.approx((low, 4 * (low / 2 + 3 * (adversarial + whole))))
    trained = [plan.search + part for part in plan.confirmation]
    assert plan.seconds == pytest.approx([plan.seconds_per_step * steps for steps in trained])


def test_without_pruning_every_trial_is_trained_to_its_end() -> None:
    spec = load_study("mini", ["space.method={plain: {}}", "search.trials=5", "pruning=null", "confirm=null"])
    plan, (dev, _) = make_plan(spec), evaluation(spec)
    assert kept_share(spec) == 1.0
    assert plan.search == pytest.approx(5 * (plan.steps + dev))
    assert plan.confirmation == (0, 0) and plan.confirmed == (0, 0)


def test_of_few_trials_more_are_kept_for_the_first_always_goes_on() -> None:
    spec = load_study("mini", ["pruning={reduction: 3, rungs: 2}"])
    going_on = (1 + 1 / 2 + 1 / 3 + 2 / 4) / 4
    assert kept(spec, (1 / 3, 1.0), 4) == pytest.approx(1 / 3 + (2 / 3) * going_on)
    assert kept(spec, (1 / 3, 1.0), 3000) == pytest.approx(1 / 3 + (2 / 3) / 3, rel=0.01)


def test_of_one_configuration_an_arm_plain_is_the_ablation_of_all_and_no_rule_chooses_another() -> None:
    only = "space={encoder: mini-a, learning_rate: 1e-3, method: {plain: {}, synonyms: {copies: 2}}}"
    fixed = [only, "search.trials=2", "pruning=null", "confirm.seeds=3"]
    spec = load_study("mini", fixed)
    plan, whole = make_plan(spec), sum(evaluation(spec))
    assert plan.configurations == (2, 2) and plan.confirmed == (6, 6)
    assert plan.confirmation == pytest.approx([3 * (3 * plan.steps + 2 * whole)] * 2)
    varied = make_plan(load_study("mini", [*fixed, "training.dropout=[0.1, 0.2]"]))
    assert varied.configurations == (3, 3), "the ablation has the dropout of what it belongs to"

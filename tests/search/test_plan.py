"""What a study would cost: exact where it is arithmetic."""

import pytest

from xrt.search.plan import kept_share, make_plan
from xrt.spec import load_study

ADVERSARIAL = "space.method={adversarial: {radius: 0.05, steps: 3}, plain: {}}"
SMALL = ["search.trials=12", "pruning={reduction: 3, rungs: 2}", "confirm={top: 1, seeds: 2}"]


def test_a_search_costs_more_the_more_it_goes_over_to_the_costliest_method():
    plan = make_plan(load_study("mini", [ADVERSARIAL, *SMALL]))
    plain, adversarial = (plan.cost_by_method[name] for name in ("plain", "adversarial"))
    assert plain == plan.steps and plan.costliest == "adversarial"
    kept = 1 / 3 + (2 / 3) / 3  # all to the first rung, a third of them beyond it
    usual = (plain + adversarial) / 2
    assert plan.search == pytest.approx((12 * kept * usual, 12 * kept * adversarial))
    assert plan.confirmation == pytest.approx((4 * usual, 4 * adversarial))
    assert plan.exhaustive == pytest.approx(12 * usual)
    trained = [plan.search[end] + plan.confirmation[end] for end in (0, 1)]
    assert plan.seconds == pytest.approx([plan.seconds_per_step * steps for steps in trained])


def test_without_pruning_or_a_choice_of_methods_nothing_is_uncertain():
    spec = load_study("mini", ["space.method={plain: {}}", "search.trials=5", "pruning=null", "confirm=null"])
    plan = make_plan(spec)
    assert kept_share(spec) == 1.0
    assert plan.search == (5 * plan.steps, 5 * plan.steps) == (plan.exhaustive, plan.exhaustive)
    assert plan.confirmation == (0, 0)

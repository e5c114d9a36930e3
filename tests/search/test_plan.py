"""What a study would cost: exact where it is arithmetic."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import copyfile

import pytest
from rich.console import Console

from tests.search.timed import EVALUATION, PLAIN_STEP, timed
from tests.study.conftest import write_split
from xrt.search.plan import Plan, make_plan
from xrt.search.prices import Cost, evaluation
from xrt.search.pruning import trained_share, trained_share_of_arm
from xrt.search.timing import Step
from xrt.spec import load_study
from xrt.study.planned import plan_table

ADVERSARIAL = "space.method={adversarial: {radius: 0.05, steps: 3}, plain: {}}"
SMALL = ["search.trials=7", "pruning={reduction: 3, rungs: 2}", "confirm.seeds=[2, 4]"]


LARGEST = 3 * 32  # inputs whose evaluation costs as much as a step of the largest batch of mini


def planned(*overrides: str) -> Plan:
    spec = load_study("mini", overrides)
    return make_plan(spec, timed(spec))


def test_each_arm_has_its_trials_rungs_and_cost() -> None:
    plan = planned(ADVERSARIAL, *SMALL)
    assert [(arm.arm.method, arm.trials) for arm in plan.arms] == [("plain", 4), ("adversarial", 3)]
    plain, adversarial = plan.arms
    assert plain.cost.steps == plan.steps == plain.rungs[-1] and plain.rungs[0] == round(plan.steps / 3)
    assert adversarial.cost.steps == pytest.approx(3 * plain.cost.steps) and plan.trials == 7
    assert plan.search == plain.search + adversarial.search
    assert plan.search.steps < plan.trials * adversarial.cost.steps


def test_the_confirmation_is_counted_from_the_fewest_to_the_most_seeds_with_its_evaluation() -> None:
    whole = sum(evaluation(load_study("mini", SMALL))) / LARGEST
    plan = planned(ADVERSARIAL, *SMALL)
    plain, adversarial = (arm.cost.steps for arm in plan.arms)
    assert plan.configurations == (3, 6), "two arms and an ablation; three rules that may choose otherwise"
    assert plan.confirmed == (6, 24)
    low = 2 * (2 * plain + adversarial + 3 * whole)
    costs = [cost.steps for cost in plan.confirmation]
    assert costs == pytest.approx([low, 4 * (low / 2 + 3 * (adversarial + whole))])
    assert plan.seconds == pytest.approx([(plan.search + part).seconds for part in plan.confirmation])


def test_votes_evaluate_test_so_many_times_more() -> None:
    alone, voting = (
        evaluation(load_study("mini", [*SMALL, *more])) for more in ([], ["evaluation={votes: 4}"])
    )
    assert voting == (alone[0], 5 * alone[1])


def test_seconds_are_those_of_each_method_and_encoder() -> None:
    fixed = [
        "search.trials=4",
        "pruning=null",
        "confirm={seeds: 2}",
        "compare=[encoder, method]",
        ADVERSARIAL,
    ]
    spec = load_study("mini", fixed)
    # with 1 step of the attack, where the arm has 3
    plan = make_plan(spec, timed(spec, adversarial=Step(0.6, 5 / 3)))
    (one, two), (attacked, _) = plan.arms[:2], plan.arms[2:]
    assert (one.arm.encoder, two.arm.encoder) == ("mini-a", "mini-b")
    assert one.cost.seconds == pytest.approx(plan.steps * PLAIN_STEP)
    assert two.cost.seconds == pytest.approx(2 * one.cost.seconds) and two.cost.steps == one.cost.steps
    assert attacked.cost.seconds == pytest.approx(plan.steps * 0.6 * 3 / (5 / 3))
    assert attacked.ablation == one.cost and one.ablation == Cost()
    dev, test = evaluation(spec)
    assert one.search.seconds == pytest.approx(one.cost.seconds + dev * EVALUATION)
    assert two.evaluation.seconds == pytest.approx((dev + test) * 2 * EVALUATION)
    once = sum(arm.cost.seconds + arm.ablation.seconds + arm.evaluation.seconds for arm in plan.arms)
    again = attacked.evaluation.seconds + plan.arms[3].evaluation.seconds
    assert plan.confirming[0].seconds == pytest.approx(once + again)


def test_the_rungs_before_the_end_are_evaluated_for_a_tenth_of_plain_training() -> None:
    alone = ["space.method={plain: {}}", "space.encoder=mini-a", "search.trials=1", "confirm=null"]
    plan = planned(*alone, "pruning={reduction: 3, rungs: 2}")
    (arm,), (dev, _) = plan.arms, evaluation(load_study("mini", alone))
    assert arm.search.steps == pytest.approx(1.1 * plan.steps + dev / LARGEST)
    rungs = 0.1 * plan.steps * LARGEST * EVALUATION
    assert arm.search.seconds == pytest.approx(plan.steps * PLAIN_STEP + rungs + dev * EVALUATION)


def test_the_table_says_what_was_measured_and_how_long_each_arm_takes() -> None:
    spec = load_study("mini", [ADVERSARIAL, *SMALL, "training.epochs=4", "resources={cpu: 1, gpu: auto}"])
    measured = timed(spec)
    measured["mini-b"] = replace(measured["mini-b"], peak=3 * 2**29, room=4.0)
    printed = StringIO()
    Console(width=200, file=printed).print(plan_table(spec, make_plan(spec, measured)))
    lines = [" ".join(line.split()) for line in printed.getvalue().splitlines()]
    assert "a step here with 1 CPU, at the middle of each method's ranges" in lines
    assert (
        "mini-a plain 250 ms, adversarial 250 ms; evaluates 8 inputs a second; peak memory 1.0 GiB" in lines
    )
    assert (
        "mini-b plain 500 ms, adversarial 500 ms; evaluates 4 inputs a second; "
        "peak memory 1.5 GiB of the 4.0 that packing gives a trial" in lines
    )
    (plain,) = (line for line in lines if line.startswith("plain "))
    assert plain.startswith("plain 4 trials, rungs at 7, 20 steps; a whole training costs 20 plain steps, ")
    assert plain.endswith(" s") and 5 < int(plain.split()[-2]) < 10, "20 steps of either encoder"


def test_forty_languages_are_1600_cells_and_the_plan_says_what_they_cost(tmp_path: Path) -> None:
    languages = [f"l{i}" for i in range(40)]
    write_split(tmp_path, "train", ["en"], 32)
    for split, count in (("dev", 6), ("test", 5)):
        write_split(tmp_path, split, ["en"], count)
        for language in languages:
            copyfile(tmp_path / f"{split}-en.tsv", tmp_path / f"{split}-{language}.tsv")
    copyfile(tmp_path / "train-en.tsv", tmp_path / "train-l0.tsv")
    (tmp_path / "s.yaml").write_text(
        f"task: {{name: forty, languages: {languages}, labels: [0, 1], source: l0}}\n"
        f"data: {{source: folder, path: {tmp_path}}}\n"
        "space: {encoder: mini-a, learning_rate: 1.0e-3, method: {plain: {}}}\n"
        "training: {epochs: 2, batch_size: 8}\nsearch: {trials: 2}\npruning: null\n"
    )
    spec = load_study(str(tmp_path / "s.yaml"))
    assert evaluation(spec) == (1600 * 6 + 2 * 6, 1600 * 5)
    printed = StringIO()
    Console(width=120, file=printed).print(plan_table(spec, make_plan(spec, timed(spec))))
    assert "forty: 40 languages, 1,600 pairs" in printed.getvalue()


def test_the_proxies_cost_once_for_each_source(tmp_path: Path) -> None:
    for split, count in (("train", 16), ("dev", 10), ("test", 4)):
        write_split(tmp_path, split, ["en", "de", "fr"], count)
    (tmp_path / "s.yaml").write_text(
        'task: {name: three, languages: [en, de, fr], labels: ["0", "1"], source: [en, de]}\n'
        f"data: {{source: folder, path: {tmp_path}}}\n"
        "space: {encoder: mini-a, learning_rate: 1.0e-3, method: {plain: {}}}\n"
        "training: {batch_size: 1}\npruning: null\n"
    )
    spec = load_study(str(tmp_path / "s.yaml"))
    assert evaluation(spec) == (9 * 10 + 2 * 2 * 10, 9 * 4)


def test_without_pruning_every_trial_is_trained_to_its_end() -> None:
    spec = load_study("mini", ["space.method={plain: {}}", "search.trials=5", "pruning=null", "confirm=null"])
    plan, (dev, _) = make_plan(spec, timed(spec)), evaluation(spec)
    assert trained_share(spec) == 1.0
    assert plan.search.steps == pytest.approx(5 * (plan.steps + dev / LARGEST))
    assert plan.confirmation == (Cost(), Cost()) and plan.confirmed == (0, 0)


def test_of_few_trials_more_are_kept_for_the_first_always_goes_on() -> None:
    spec = load_study("mini", ["pruning={reduction: 3, rungs: 2}"])
    going_on = (1 + 1 / 2 + 1 / 3 + 2 / 4) / 4
    assert trained_share_of_arm(spec, (1 / 3, 1.0), 4) == pytest.approx(1 / 3 + (2 / 3) * going_on)
    assert trained_share_of_arm(spec, (1 / 3, 1.0), 3000) == pytest.approx(1 / 3 + (2 / 3) / 3, rel=0.01)


def test_of_one_configuration_an_arm_plain_is_the_ablation_of_all_and_no_rule_chooses_another() -> None:
    only = "space={encoder: mini-a, learning_rate: 1e-3, method: {plain: {}, synonyms: {copies: 2}}}"
    fixed = [only, "search.trials=2", "pruning=null", "confirm.seeds=3"]
    plan, whole = planned(*fixed), sum(evaluation(load_study("mini", fixed))) / LARGEST
    assert plan.configurations == (2, 2) and plan.confirmed == (6, 6)
    costs = [cost.steps for cost in plan.confirmation]
    assert costs == pytest.approx([3 * (3 * plan.steps + 2 * whole)] * 2)
    varied = planned(*fixed, "training.dropout=[0.1, 0.2]")
    assert varied.configurations == (3, 3), "the ablation has the dropout of what it belongs to"

"""What a study would cost: exact where it is arithmetic."""

from io import StringIO
from pathlib import Path
from shutil import copyfile

import pytest
from rich.console import Console

from tests.study.conftest import write_split
from xrt.search.plan import evaluation, kept, kept_share, make_plan
from xrt.spec import load_study
from xrt.study.planned import plan_table

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
    assert evaluation(spec) == ((1600 * 6 + 2 * 6) / 24, 1600 * 5 / 24)
    printed = StringIO()
    Console(width=120, file=printed).print(plan_table(spec, make_plan(spec)))
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
    assert evaluation(spec) == ((9 * 10 + 2 * 2 * 10) / 3, 9 * 4 / 3)


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

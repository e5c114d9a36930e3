"""`--set a.b=value`: what it replaces, and what it says when it cannot."""

from pathlib import Path
from typing import Any

import pytest

from tests.spec.conftest import MINIMAL, Problems
from xrt.spec import Choice, Range, known_fields, load_study

TOP = "study, task, data, compare, space, training, search, pruning, confirm, evaluation, resources, checkpoints"


def load(*overrides: str, text: str = MINIMAL) -> Any:
    Path("s.yaml").write_text(text)
    return load_study("s.yaml", overrides)


def test_a_field_is_replaced_whether_or_not_the_file_gives_it() -> None:
    spec = load("search.trials=8", "training.epochs=0.5", "space.encoder=[build/e5, x]")
    assert (spec.search.trials, spec.training.epochs) == (8, Choice((0.5,)))
    assert spec.space.encoder == Choice(("build/e5", "x"))


def test_a_parameter_of_a_method_is_replaced_alone() -> None:
    text = MINIMAL.replace("method: plain", "method: {adversarial: {radius: {log: [0.1, 1]}, steps: 2}}")
    opened = load("space.method.adversarial.radius=0.1", text=text).space.method["adversarial"]
    assert (opened["radius"], opened["steps"]) == (Choice((0.1,)), Choice((2,)))


def test_one_range_replaces_another() -> None:
    text = MINIMAL.replace("1e-5", "{uniform: [1, 2]}")
    assert load("space.learning_rate.log=[1e-5, 1e-3]", text=text).space.learning_rate == Range(
        "log", 1e-5, 1e-3
    )


def test_null_skips_a_section_and_a_field_brings_it_back() -> None:
    assert load("confirm=null").confirm is None
    assert load("pruning.rungs=2", text=MINIMAL + "pruning: null\n").pruning.rungs == 2


def test_a_mapping_replaces_a_whole_section() -> None:
    spec = load("data={source: folder, path: ../x y}", text=MINIMAL + "data: {train_rows: 9000}\n")
    assert (spec.data.path, spec.data.train_rows) == ("../x y", None)


def test_the_last_of_two_overrides_counts() -> None:
    assert load("search.trials=8", "search.trials=9").search.trials == 9


def test_a_value_may_hold_an_equals_sign() -> None:
    assert load("data={source: folder}", "data.path=a=b").data.path == "a=b"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("search.trials=0", "--set: search.trials: 0 is not allowed; a whole number of at least 1."),
        ("search.trials", '--set "search.trials": has no value; write FIELD=VALUE, like search.trials=8.'),
        ("search.trails=8", "--set: search.trails: unknown field; allowed of search are trials, metric, seed, "
         'concurrent, after. Did you mean "search.trials"?'),
        ("trials=8", f'--set: trials: unknown field; allowed are {TOP}. Did you mean "search.trials"?'),
        ("serach.trials=8", f'--set: serach.trials: unknown field; allowed are {TOP}. Did you mean "search.trials"?'),
        ("search.trials.x=8", "--set: search.trials.x: unknown field; search.trials has no fields. "
         'Did you mean "search.trials"?'),
        ("space.method.noise.raduis=1", "--set: space.method.noise.raduis: unknown field; allowed of "
         "space.method.noise are scale, objective, weight, clean, site."),
        ("=8", f'--set: "=8": unknown field; allowed are {TOP}.'),
        ("space.encoder=[a", "--set: space.encoder: line 1: not YAML: while parsing a flow sequence, expected ',' "
         "or ']', but got '<stream end>'."),
        ("data={source: hub, source: folder}", '--set: data: line 1: "source" is given twice, first in line 1; '
         "keep one."),
        ("task.name=x", '--set: task.name: task is "pawsx" in the file, which has no fields; set it as a whole: '
         '--set "task={...}".'),
        ("task=xnly", '--set: task: "xnly" is not allowed; pawsx, xnli, mini, mini-topics, or your own, {name: ..., '
         'languages: ..., labels: ..., source: ..., sentences: ..., hub: ...}. Did you mean "xnli"?'),
        ("space.method.plain.radius=1", "--set: space.method.plain.radius: unknown field; space.method.plain has no "
         "fields."),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_is_named(problems: Problems, override: str, problem: str) -> None:
    (found,) = problems(MINIMAL, override)
    assert found.startswith(problem)


def test_a_problem_of_the_file_is_not_blamed_on_an_override(problems: Problems) -> None:
    found = problems(MINIMAL + "search: {trials: 0}\n", "search.seed=-1")
    assert [line.split(": ")[0] for line in found] == ["s.yaml", "--set"]


def test_every_known_field_can_be_overridden(problems: Problems) -> None:
    for field in known_fields():
        assert not any("unknown field" in line for line in problems(MINIMAL, f"{field}=null"))

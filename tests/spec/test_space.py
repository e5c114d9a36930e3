"""The search space: its values, its refusals, and that a sample never carries another method's parameter."""

from collections.abc import Sequence

import optuna
import pytest
import yaml
from optuna.samplers import RandomSampler

from tests.spec.conftest import MINIMAL, Problems
from xrt.robust.methods import METHODS
from xrt.spec import Choice, Range, Scalar, Space

SPACE = """
encoder: [a, b]
learning_rate: {log: [1.0e-4, 1.0e-2]}
method:
  plain: {}
  adversarial: {radius: {log: [0.01, 0.5]}, steps: [1, 2, 3], site: [word, {layer: 3}]}
  noise: {scale: {uniform: [0.0, 3.0]}}
  synonyms: {copies: {int: [1, 10]}}
  free: {radius: 0.1, steps: 2}
"""
RANGE = "a list of such, {log: [low, high]} or {uniform: [low, high]}"


class OptunaSuggest:
    """A real trial behind the protocol, which records its calls."""

    def __init__(self, trial: optuna.trial.BaseTrial) -> None:
        self.trial, self.asked = trial, list[str]()

    def categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        self.asked.append(name)
        chosen = self.trial.suggest_categorical(name, choices)
        assert isinstance(chosen, str | int | float)
        return chosen

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        self.asked.append(name)
        return self.trial.suggest_float(name, low, high, log=log)

    def integer(self, name: str, low: int, high: int) -> int:
        self.asked.append(name)
        return self.trial.suggest_int(name, low, high)


@pytest.fixture
def space() -> Space:
    return Space.model_validate(yaml.safe_load(SPACE))


def test_a_random_sampler_never_meets_a_parameter_of_another_method(space: Space) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    methods = set()
    for _ in range(100):
        suggest = OptunaSuggest(study.ask())
        sample = space.sample(suggest)
        methods.add(method := str(sample["method"]))
        opened = {name.partition(".")[0] for name in [*sample, *suggest.asked] if "." in name}
        assert opened <= {method}
        assert len(suggest.asked) == len(set(suggest.asked))
        assert set(suggest.asked) <= set(space.varying())
        assert set(sample) <= set(space.names())
    assert methods == {"plain", "adversarial", "noise", "synonyms", "free"}


def test_a_fixed_trial_gives_exactly_its_sample(space: Space) -> None:
    fixed = {"encoder": "b", "learning_rate": 0.001, "method": "adversarial", "adversarial.radius": 0.2}
    fixed |= {"adversarial.steps": 3, "adversarial.site": "layer:3", "noise.scale": 1.0}
    sample = space.sample(OptunaSuggest(optuna.trial.FixedTrial(fixed)))
    assert sample == {k: v for k, v in fixed.items() if k != "noise.scale"}


def test_constants_are_in_the_sample_but_are_not_asked_for(space: Space) -> None:
    suggest = OptunaSuggest(
        optuna.trial.FixedTrial({"encoder": "a", "learning_rate": 0.01, "method": "free"})
    )
    assert space.sample(suggest) == {
        "encoder": "a", "learning_rate": 0.01, "method": "free",
        "free.radius": 0.1, "free.steps": 2,
    }  # fmt: skip
    assert suggest.asked == ["encoder", "learning_rate", "method"]


def test_names_are_flat_in_the_order_of_the_file(space: Space) -> None:
    assert space.names() == (
        "encoder", "learning_rate", "method", "adversarial.radius", "adversarial.steps", "adversarial.site",
        "noise.scale", "synonyms.copies", "free.radius", "free.steps",
    )  # fmt: skip
    assert "free.radius" not in space.varying()


def test_values_take_their_final_types() -> None:
    space = Space.model_validate(
        {"encoder": ["x"], "learning_rate": 1, "method": {"adversarial": {"radius": {"uniform": [0, 1]}}}}
    )
    assert space.encoder == Choice(("x",))
    assert repr(space.learning_rate) == "Choice(options=(1.0,))"
    assert repr(space.method["adversarial"]["radius"]) == "Range(scale='uniform', low=0.0, high=1.0)"
    assert set(space.method["adversarial"]) == {"radius"}, "what is left out is resolved in the trial"


@pytest.mark.parametrize("written", ["plain", "[plain]", "{plain: {}}", "{plain: null}"])
def test_methods_without_parameters_may_be_written_short(problems: Problems, written: str) -> None:
    assert problems(MINIMAL.replace("method: plain", f"method: {written}")) == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_table_can_be_in_a_space(problems: Problems, method: str) -> None:
    needed = {name: 1 for name, p in METHODS[method].parameters.items() if p.default is None}
    assert problems(MINIMAL, f"space.method={{{method}: {needed}}}".replace("'", "")) == []


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ("encoder: []", "encoder: the list is empty; at least one value: the name or the folder of an encoder."),
        ("encoder: [a, b, a]", 'encoder[2]: "a" is in the list twice; keep one.'),
        ("encoder: [a, 3]", "encoder[1]: 3 is not allowed; the name or the folder of an encoder."),
        ("encoder: ' a'", 'encoder: " a" is not allowed; the name or the folder of an encoder or a list of such.'),
        ("encoder: {log: [1, 2]}", 'encoder: {"log": [1, 2]} is not allowed; the name or the folder of an encoder '
         "or a list of such."),
        ("learning_rate: 0", f"learning_rate: 0 is not allowed; a number above 0, {RANGE}."),
        ("learning_rate: true", f"learning_rate: true is not allowed; a number above 0, {RANGE}."),
        ("learning_rate: [1, 1.0]", "learning_rate[1]: 1.0 is in the list twice; keep one."),
        ("learning_rate: '1e-5'", f'learning_rate: "1e-5" is not allowed; a number above 0, {RANGE}. '
         "Remove the quotes."),
        ("learning_rate: {log: [0, 1]}", "learning_rate.log[0]: 0 is not allowed; a number above 0."),
        ("learning_rate: {log: [1e-3, 1e-5]}", "learning_rate.log: the range [0.001, 1e-05] is inverted; low comes "
         "first. Did you mean [1e-05, 0.001]?"),
        ("learning_rate: {log: [0.1, 0.1]}", "learning_rate.log: the range [0.1, 0.1] is empty; for one value write "
         "0.1."),
        ("learning_rate: {log: [1e-5]}", "learning_rate.log: [1e-05] is not allowed; two numbers, [low, high]."),
        ("learning_rate: {log: 1}", "learning_rate.log: 1 is not allowed; two numbers, [low, high]."),
        ("learning_rate: {lgo: [1, 2]}", 'learning_rate: {"lgo": [1, 2]} is not allowed; a number above 0, '
         f'{RANGE}. Did you mean "log"?'),
        ("learning_rate: {int: [1, 2]}", 'learning_rate: {"int": [1, 2]} is not allowed; a number above 0, '
         f"{RANGE}."),
        ("learning_rate: {}", f"learning_rate: {{}} is not allowed; a number above 0, {RANGE}."),
        ("learning_rate: {log: [1, 2], int: [1, 2]}", 'learning_rate: {"log": [1, 2], "int": [1, 2]} is not '
         f"allowed; a number above 0, {RANGE}."),
        ("method: {}", "method: no method is given; at least one of plain, adversarial, noise, synonyms, free."),
        ("method: 3", "method: 3 is not allowed; a mapping of methods (plain, adversarial, noise, synonyms, free) "
         "to their parameters."),
        ("method: advresarial", "method.advresarial: unknown method; allowed are plain, adversarial, noise, "
         'synonyms, free. Did you mean "adversarial"?'),
        ("method: {plain: {radius: 1}}", "method.plain.radius: unknown field; there are none here."),
        ("method: {noise: {radius: 1, scale: 1}}", "method.noise.radius: unknown field; allowed are scale, "
         "objective, weight, clean, site."),
        ("method: noise", f"method.noise.scale: missing; a number of at least 0, {RANGE}."),
        ("method: {noise: 0.3}", "method.noise: 0.3 is not allowed; a mapping of scale, objective, weight, "
         "clean, site."),
        ("method: {adversarial: {radius: -0.1}}", "method.adversarial.radius: -0.1 is not allowed; a number of at "
         f"least 0, {RANGE}."),
        ("method: {adversarial: {radius: {log: [0, 1]}}}", "method.adversarial.radius.log[0]: 0 is not allowed; "
         "a number above 0 (a log range cannot begin at 0)."),
        ("method: {adversarial: {radius: 1, steps: 0}}", "method.adversarial.steps: 0 is not allowed; a whole "
         "number of at least 1, a list of such or {int: [low, high]}."),
        ("method: {adversarial: {radius: 1, steps: [1, 1.5]}}", "method.adversarial.steps[1]: 1.5 is not allowed; "
         "a whole number of at least 1."),
        ("method: {adversarial: {radius: 1, steps: {int: [3, 1]}}}", "method.adversarial.steps.int: the range "
         "[3, 1] is inverted; low comes first. Did you mean [1, 3]?"),
        ("method: {adversarial: {radius: 1, start: bal}}", 'method.adversarial.start: "bal" is not allowed; zero or '
         'ball or a list of such. Did you mean "ball"?'),
        ("method: {noise: {scale: 1, objective: [loss, 3]}}", "method.noise.objective[1]: 3 is not allowed; loss or "
         "kl."),
        ("method: {synonyms: {draw: {int: [1, 2]}}}", 'method.synonyms.draw: {"int": [1, 2]} is not allowed; fresh or '
         "once or a list of such."),
        ("method: {adversarial: {radius: 1, site: {layer: 0}}}", 'method.adversarial.site: {"layer": 0} is not '
         "allowed; word or {layer: k} with k of at least 1 or a list of such."),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(problems: Problems, space: str, problem: str) -> None:
    field, _, value = space.partition(": ")
    lines = [f"  {field}: {value}" if f" {field}:" in line else line for line in MINIMAL.splitlines()]
    assert problems("\n".join(lines)) == [f"s.yaml: space.{problem}"]


def test_a_value_made_in_python_is_checked_too() -> None:
    with pytest.raises(ValueError, match="inverted"):
        Space.model_validate({"encoder": "x", "learning_rate": Range("log", 2.0, 1.0), "method": "plain"})

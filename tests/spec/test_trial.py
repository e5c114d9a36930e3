"""A trial's configuration: complete, frozen, and the same value after any journey."""

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.spec.conftest import MINIMAL
from xrt.data import Source, Task
from xrt.errors import SpecError
from xrt.robust.methods import METHODS
from xrt.spec import Scalar, StudySpec, TrialConfig, build, load_study
from xrt.spec.trial import Length, check_unchanged, meant_before

ADVERSARIAL: dict[str, Scalar] = {
    "encoder": "mini-a",
    "learning_rate": 0.001,
    "method": "adversarial",
    "adversarial.radius": 0.1,
    "adversarial.steps": 2,
    "adversarial.site": "layer:3",
}
DEFAULTS = {"start": "zero", "ball": "piece", "objective": "loss", "weight": 1.0, "clean": 0.0}
PLAIN: dict[str, Scalar] = {"encoder": "mini-a", "learning_rate": 0.001, "method": "plain"}


@pytest.fixture
def spec() -> StudySpec:
    return load_study("mini", ["pruning={reduction: 3, rungs: 3}"])


def test_a_trial_is_the_study_and_the_sample_with_nothing_left_open(spec: StudySpec) -> None:
    trial = build(spec, ADVERSARIAL, seed=11)
    assert (trial.study, trial.task.name, trial.source) == ("mini", "mini", Source("embedded"))
    assert (trial.method, trial.parameters) == ("adversarial", {"radius": 0.1, "steps": 2, **DEFAULTS})
    assert (trial.site, trial.layer, trial.seed) == ("layer:3", 3, 11)
    assert (trial.epochs, trial.dropout, trial.rungs) == (54.0, 0.1, (1 / 9, 1 / 3, 1.0))


def test_a_confirmation_has_no_rungs_and_meets_the_test_split(spec: StudySpec) -> None:
    search, confirm = build(spec, PLAIN, seed=0), build(spec, PLAIN, seed=0, confirm=True)
    assert (search.test, confirm.test, confirm.rungs) == (False, True, ())
    assert dataclasses.replace(confirm, test=False, rungs=search.rungs) == search


def test_plain_has_no_parameters_and_the_word_site(spec: StudySpec) -> None:
    trial = build(spec, PLAIN, seed=0)
    assert (trial.params, trial.site, trial.layer) == ((), "word", 0)


def test_the_sample_of_a_space_builds_a_trial(spec: StudySpec) -> None:
    class First:
        def categorical(self, name: str, choices: Any) -> Any:
            return "synonyms" if name == "method" else choices[0]

        def floating(self, name: str, low: float, high: float, log: bool) -> float:
            return low

        def integer(self, name: str, low: int, high: int) -> int:
            return low

    assert build(spec, spec.sample(First()), seed=0).parameters == {
        "copies": 1, "match": "exact", "draw": "fresh"
    }  # fmt: skip


def test_a_parameter_of_another_method_is_our_own_mistake(spec: StudySpec) -> None:
    with pytest.raises(AssertionError, match="another method"):
        build(spec, {**ADVERSARIAL, "noise.scale": 1.0}, seed=0)
    with pytest.raises(AssertionError, match="lacks"):
        build(spec, {k: v for k, v in ADVERSARIAL.items() if k != "adversarial.radius"}, seed=0)


@pytest.mark.parametrize("sample", [ADVERSARIAL, PLAIN], ids=["adversarial", "plain"])
def test_a_trial_survives_json_and_pickle(spec: StudySpec, sample: dict[str, Scalar]) -> None:
    trial = build(spec, sample, seed=3)
    for again in (
        TrialConfig.from_dict(json.loads(json.dumps(trial.to_dict()))),
        pickle.loads(pickle.dumps(trial)),
    ):
        assert again == trial
        assert hash(again) == hash(trial)
        assert again.digest == trial.digest
        assert repr(again) == repr(trial), "1 and 1.0 are equal, but not the same"


def test_a_users_own_task_travels_with_its_trial() -> None:
    own = (
        "task: {name: mine, languages: [no, de], labels: [a, b], source: no}\ndata: {source: folder, path: x}"
    )
    Path("s.yaml").write_text(MINIMAL.replace("task: pawsx", own))
    trial = build(load_study("s.yaml"), PLAIN, seed=0)
    assert TrialConfig.from_dict(trial.to_dict()).task == Task("mine", ("no", "de"), ("a", "b"), ("no",))


def test_a_trial_cannot_be_changed(spec: StudySpec) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        build(spec, PLAIN, seed=0).seed = 1  # type: ignore[misc]


def test_the_digest_tells_every_field_apart(spec: StudySpec) -> None:
    trial = build(spec, ADVERSARIAL, seed=3)
    others: dict[str, Any] = {
        "task": Task("mine", ("en", "de"), ("a", "b")), "source": Source("hub"), "params": (("radius", 0.2),),
        "rungs": (1.0,), "neighbours": "n", "shortest": Length(1.0, 1, 8), "votes": (2, 0.3),
    }  # fmt: skip
    digests = {trial.digest}
    for field in dataclasses.fields(trial):
        value = getattr(trial, field.name)
        other = others[field.name] if field.name in others else _another(value)
        digests.add(dataclasses.replace(trial, **{field.name: other}).digest)
    assert len(digests) == len(dataclasses.fields(trial)) + 1


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value}x" if isinstance(value, str) else (value or 1) * 2


def test_the_digest_is_the_same_in_another_process(spec: StudySpec) -> None:
    trial = build(spec, ADVERSARIAL, seed=3)
    code = "import json, sys, xrt.spec as s; print(s.TrialConfig.from_dict(json.load(sys.stdin)).digest)"
    root = str(Path(sys.modules["xrt"].__file__ or "").parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(trial.to_dict()), capture_output=True, text=True,
        check=True, cwd=root,
    )  # fmt: skip
    assert run.stdout.strip() == trial.digest
    assert len(trial.digest) == 12


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"learning_rate": "0.1"}, 'configuration of a trial: learning_rate: "0.1": '),
        ({"batch_size": 1.5}, "configuration of a trial: batch_size: 1.5: "),
        ({"task": "pawx"}, 'configuration of a trial: task: "pawx": '),
        ({"more": 1}, "configuration of a trial: more: 1: "),
        ({"seed": None}, "configuration of a trial: seed: null: "),
    ],
)
def test_a_damaged_configuration_is_refused(spec: StudySpec, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        TrialConfig.from_dict({**build(spec, PLAIN, seed=0).to_dict(), **change})
    assert [line.startswith(problem) for line in caught.value.problems] == [True]


def test_a_missing_field_of_a_configuration_is_named(spec: StudySpec) -> None:
    plain = build(spec, PLAIN, seed=0).to_dict()
    del plain["encoder"]
    with pytest.raises(SpecError, match="configuration of a trial: encoder: "):
        TrialConfig.from_dict(plain)


@pytest.mark.parametrize("method", ["adversarial", "free", "synonyms"])
def test_what_a_method_meant_in_the_first_edition_is_said_and_refused(method: str) -> None:
    old = {"method": method, "params": [["radius", 0.1]]}  # it knew no versions
    meant = METHODS[method].earlier[1]
    assert meant_before(old) == meant
    with pytest.raises(SpecError, match="meant something else when this was recorded") as refused:
        check_unchanged(old)
    assert len(refused.value.problems) == 1 and meant in refused.value.problems[0]
    assert meant_before({**old, "version": METHODS[method].version}) is None


def test_a_method_of_a_newer_xrt_is_not_taken_for_ours(spec: StudySpec) -> None:
    newer = {**build(spec, PLAIN, seed=0).to_dict(), "version": 9}
    with pytest.raises(SpecError, match="version 9, which this xrt does not know"):
        check_unchanged(newer)


@pytest.mark.parametrize("sample", [ADVERSARIAL, PLAIN], ids=["adversarial", "plain"])
def test_what_is_recorded_now_means_what_it_does(spec: StudySpec, sample: dict[str, Scalar]) -> None:
    check_unchanged(build(spec, sample, seed=0).to_dict())


def test_the_spec_floor_loads_neither_torch_nor_ray_nor_optuna_nor_mlflow() -> None:
    code = (
        "import sys, xrt.spec; print([m for m in ('torch', 'ray', 'optuna', 'mlflow') if m in sys.modules])"
    )
    root = str(Path(sys.modules["xrt"].__file__ or "").parent.parent)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.strip() == "[]"

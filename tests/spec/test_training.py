"""A field of `training` that holds a choice or a range is a parameter of every trial; a constant is none."""

from typing import Any

import pytest

from xrt.errors import SpecError
from xrt.robust.keeping import Keep
from xrt.spec import Choice, Range, StudySpec, build, load_study
from xrt.spec.overrides import known_fields
from xrt.spec.training import Training

PLAIN: dict[str, Any] = {"encoder": "mini-a", "learning_rate": 0.001, "method": "plain"}
VALUES = {
    "epochs": "[9, 54]",
    "batch_size": "{int: [8, 32]}",
    "max_tokens": "[32, 64]",
    "warmup": "{uniform: [0, 0.5]}",
    "weight_decay": "{log: [1.0e-4, 1.0e-1]}",
    "clip": "[1, 2]",
    "freeze_word_embeddings": "[true, false]",
    "dropout": "[null, 0.1, 0.2]",
    "micro_batch": "[null, 4]",
    "gradient_checkpointing": "[false, true]",
    "compile": "[false, true]",
    "deterministic": "[false, true]",
    "precision": "[float32, bfloat16]",
    "keep": "[last, {best: dev/acc/en, every: 500}, {average: 4, every: 20}]",
}


class Last:
    """Takes the last choice, or the upper end of a range."""

    def categorical(self, name: str, choices: Any) -> Any:
        return choices[-1]

    def floating(self, name: str, low: float, high: float, log: bool) -> float:
        return high

    def integer(self, name: str, low: int, high: int) -> int:
        return high


def mini(*overrides: str) -> StudySpec:
    return load_study("mini", ["pruning={reduction: 3, rungs: 3}", *overrides])


def test_every_field_is_tried_here() -> None:
    assert set(VALUES) == set(Training.model_fields)


@pytest.mark.parametrize("field", VALUES)
def test_a_field_with_several_values_is_a_parameter_and_decides_the_trial(field: str) -> None:
    spec = mini(f"training.{field}={VALUES[field]}")
    assert field in spec.varying() and dict(spec.values())[field] == getattr(spec.training, field)
    sample = spec.sample(Last())
    last = getattr(spec.training, field)
    last = last.high if isinstance(last, Range) else last.options[-1]
    assert sample[field] == last == getattr(build(spec, sample, 0), field)
    other = build(spec, sample | {field: "best:dev/acc/en:500" if field == "keep" else 0.75}, 0)
    assert other.digest != build(spec, sample, 0).digest
    assert StudySpec.model_validate(spec.to_plain()) == spec


def test_a_constant_is_no_parameter_even_as_a_list_of_one() -> None:
    spec = mini("training.dropout=[0.2]", "training.epochs=2")
    assert not {*Training.model_fields} & {*dict(spec.values()), *spec.sample(Last())}
    trial = build(spec, PLAIN, 0)
    assert (trial.dropout, trial.epochs) == (0.2, 2.0)


def test_a_range_can_be_set_by_its_own_name() -> None:
    assert mini("training.weight_decay.log=[1e-4, 1e-1]").training.weight_decay == Range("log", 1e-4, 0.1)
    assert "training.dropout.uniform" in known_fields() and "training.keep.log" not in known_fields()


# Rungs


def test_rungs_are_at_the_same_optimizer_steps_in_all_trials_of_an_arm() -> None:
    spec = mini("training.epochs=[10, 54]", "training.batch_size=[16, 24, 32]")
    stops = {}
    for epochs in (10.0, 54.0):
        for batch in (16, 24, 32):
            trial = build(spec, {**PLAIN, "epochs": epochs, "batch_size": batch}, 0)
            stops[epochs, batch] = trial.stops(150)
    shortest = stops[10.0, 32]
    assert shortest == [6, 17, 50], "1/9 and 1/3 of 10 x 5 steps, and all"
    for (epochs, batch), found in stops.items():
        own = round(epochs * -(-150 // batch))
        assert found == shortest if own == 50 else found == [*shortest, own]


def test_longer_by_copies_and_epochs_is_longer_by_their_product() -> None:
    spec = mini("training.epochs=[9, 18]", "space.method={plain: {}, synonyms: {copies: [2, 4]}}")
    sample = {**PLAIN, "method": "synonyms", "epochs": 18.0, "synonyms.copies": 4}
    assert build(spec, sample, 0).stops(160) == [10, 30, 90, 360]
    assert build(spec, {**PLAIN, "epochs": 18.0}, 0).stops(160) == [5, 15, 45, 90]


def test_a_training_that_is_no_longer_in_steps_has_no_rung_more() -> None:
    spec = mini("training.batch_size=[64, 128]", "training.epochs=9")
    found = [build(spec, {**PLAIN, "batch_size": size}, 0).stops(60) for size in (64, 128)]
    assert found == [[1, 3, 9], [1, 3, 9]], "60 examples are one batch"


def test_a_confirming_trial_stops_at_its_own_end_alone() -> None:
    spec = mini("training.epochs=[9, 18]")
    assert build(spec, {**PLAIN, "epochs": 18.0}, 0, confirm=True).stops(160) == [90]


def test_a_step_costs_what_its_batch_is_of_the_largest() -> None:
    spec = mini("training.batch_size=[8, 32]")
    assert [build(spec, {**PLAIN, "batch_size": size}, 0).plain_step for size in (8, 32)] == [0.25, 1.0]
    assert build(mini(), PLAIN, 0).plain_step == 1.0


def test_too_few_steps_for_the_rungs_are_refused_by_the_shortest_training() -> None:
    spec = mini("training.epochs=[2, 54]")
    with pytest.raises(SpecError, match="3 rungs do not fit into the 4 steps"):
        build(spec, {**PLAIN, "epochs": 54.0}, 0).stops(64)


# Which weights to keep


@pytest.mark.parametrize("text", ["last", "best:dev/acc/en:500", "average:4:20"])
def test_what_to_keep_is_the_same_after_its_text(text: str) -> None:
    assert str(Keep.read(text)) == text


@pytest.mark.parametrize(
    "given",
    ["", "best", "best::5", "best:dev/acc/en:0", "average:1:5", "average:x:5", "last:1:1", {"last": 1, "every": 2},
     {"best": "dev/acc/en", "every": True}, {"average": 2.5, "every": 1}, {"best": "x"}, None, 3],
)  # fmt: skip
def test_anything_else_is_none(given: Any) -> None:
    assert Keep.read(given) is None


def test_it_is_looked_at_every_so_many_steps_and_at_the_end() -> None:
    assert Keep("last").looks(100) == []
    assert Keep("best", metric="dev/acc/en", every=40).looks(100) == [40, 80, 100]
    assert Keep("best", metric="dev/acc/en", every=50).looks(100) == [50, 100]
    assert Keep("best", metric="dev/acc/en", every=500).looks(100) == [100]
    assert Keep("average", count=3, every=40).looks(100) == [20, 60, 100]
    with pytest.raises(SpecError, match="3 weights that are 50 steps apart do not fit into the 100 steps"):
        Keep("average", count=3, every=50).looks(100)


def test_the_configuration_says_what_is_kept() -> None:
    trial = build(mini("training.keep={average: 4, every: 20}"), PLAIN, 0)
    assert trial.keep == "average:4:20" and trial.kept == Keep("average", count=4, every=20)
    assert mini().training.keep == Choice(("last",))

"""Proposals: a function of the record, arms in turn, spread first, learned later, none twice."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.search.conftest import METRIC, toy
from xrt.errors import RecordError
from xrt.record.values import Report, TrialRecord
from xrt.search.sampler import FILLING, Proposal, frozen, propose
from xrt.search.standings import Standings
from xrt.spec import StudySpec, load_study


def ended(proposal: Proposal, value: float, state: str = "finished") -> TrialRecord:
    rungs = {"finished": (1 / 9, 1 / 3, 1.0), "pruned": (1 / 9,), "failed": (), "running": (1 / 9,)}[state]
    reports = tuple(Report(r, share, r, float(r), {METRIC: value}) for r, share in enumerate(rungs))
    return TrialRecord(
        proposal.id, proposal.params, {}, proposal.seed, proposal.configuration, state=state, reports=reports
    )


def searched(spec: StudySpec, count: int, value=lambda params: 0.5) -> list[TrialRecord]:
    """A search whose trials all finish."""
    trials: list[TrialRecord] = []
    for _ in range(count):
        proposal = propose(spec, trials)
        assert proposal is not None
        trials.append(ended(proposal, value(proposal.params)))
    return trials


def test_arms_take_turns_plain_first_and_no_more_trials_than_asked(spec: StudySpec) -> None:
    trials = searched(spec, 60)
    assert [t.method for t in trials[:6]] == ["plain", "adversarial", "noise"] * 2
    assert Counter(t.method for t in trials) == {"plain": 20, "adversarial": 20, "noise": 20}
    assert propose(spec, trials) is None
    assert [t.id for t in trials] == [t.configuration for t in trials] == [f"{n:04d}" for n in range(60)]


def test_an_arm_may_be_an_encoder_with_a_method(tmp_path: Path) -> None:
    trials = searched(toy(tmp_path, "compare=[encoder, method]", "search.trials=12"), 12)
    counts = Counter((t.method, t.params["encoder"]) for t in trials)
    assert len(counts) == 6 and set(counts.values()) == {2}


def test_a_sample_has_the_parameters_of_its_own_method_only(spec: StudySpec) -> None:
    for one in searched(spec, 20):
        opened = {name.split(".")[0] for name in one.params if "." in name}
        assert opened == {one.method} - {"plain"}


def test_an_arm_begins_with_points_that_fill_its_space(spec: StudySpec) -> None:
    trials = [t for t in searched(spec, 3 * FILLING) if t.method == "adversarial"]
    assert {t.params["encoder"] for t in trials[:2]} == {"mini-a", "mini-b"}
    thirds = {int(1.5 * math.log10(t.params["learning_rate"] / 1e-4)) for t in trials[:3]}
    assert thirds == {0, 1, 2}, "of the learning rate's range"
    assert {t.params["adversarial.steps"] for t in trials} == {1, 2}


def test_a_proposal_depends_on_the_record_alone(spec: StudySpec) -> None:
    trials = searched(spec, 31, lambda params: params["learning_rate"])
    kept = Standings(spec)
    for count in (0, 1, 7, 23, 30):
        kept.read(trials[:count])
        for standings in (None, kept):
            again = propose(spec, list(trials[:count]), standings=standings)
            assert again is not None and again.params == trials[count].params
    worst = [replace(trial, reports=(), state="failed") for trial in trials[:30]]
    other = propose(spec, worst)
    assert other is not None and other.params != trials[30].params


def test_tpe_follows_the_better_values_and_arms_share_what_they_have_in_common(spec: StudySpec) -> None:
    def value(params: dict) -> float:
        return (params["encoder"] == "mini-b") - abs(params["learning_rate"] - 1e-3)

    trials = searched(spec, 60, value)
    late = trials[3 * FILLING :]
    assert sum(t.params["encoder"] == "mini-b" for t in late) > 0.7 * len(late)
    near = [3e-4 < t.params["learning_rate"] < 3e-3 for t in trials]
    assert sum(near[3 * FILLING :]) / len(late) > sum(near[: 3 * FILLING]) / (3 * FILLING)


def test_an_arm_that_is_better_as_a_whole_does_not_decide_for_the_others(spec: StudySpec) -> None:
    """Adversarial trials are better by far, with a low radius; noise is best with mini-a all the same."""

    def value(params: dict) -> float:
        return 0.5 * (params["method"] == "adversarial") + 0.1 * (params["encoder"] == "mini-a")

    late = [t for t in searched(spec, 60, value)[3 * FILLING :] if t.method == "noise"]
    assert sum(t.params["encoder"] == "mini-a" for t in late) > 0.6 * len(late)


def test_where_an_arm_has_choices_alone_none_is_tried_twice_until_all_were(tmp_path: Path) -> None:
    file = tmp_path / "choices.yaml"
    file.write_text(
        "task: mini\ndata: {source: embedded}\n"
        "space:\n  encoder: [mini-a, mini-b]\n  learning_rate: [1.0e-4, 1.0e-3]\n"
        "  method: {plain: {}, adversarial: {radius: [0.05, 0.1, 0.3], steps: [1, 2]}}\n"
        "search: {trials: 48, seed: 3}\nresources: {cpu: 1, gpu: 0}\n"
    )
    spec = load_study(str(file))
    samples = Counter(
        (t.method, *sorted(t.params.items())) for t in searched(spec, 48, lambda p: p["learning_rate"])
    )
    assert [n for sample, n in samples.items() if sample[0] == "adversarial"] == [1] * 24
    assert len([n for sample, n in samples.items() if sample[0] == "plain"]) == 4


def test_a_record_with_a_hole_is_refused(spec: StudySpec) -> None:
    trials = searched(spec, 3)
    with pytest.raises(RecordError, match=r"trials/0001\.json: is missing"):
        propose(spec, [trials[0], trials[2]])


def test_confirming_trials_are_not_learned_from(spec: StudySpec) -> None:
    trials = searched(spec, 16)
    confirming = replace(trials[0], id="0000-s4", phase="confirm")
    assert propose(spec, trials) == propose(spec, [*trials, confirming])


@pytest.mark.parametrize(
    ("state", "of_optuna"),
    [("finished", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"), ("running", "RUNNING")],
)
def test_optuna_is_told_how_a_trial_ended(spec: StudySpec, state: str, of_optuna: str) -> None:
    record = ended(propose(spec, []), 0.4, state)
    values = {r.rung: r.metrics[METRIC] for r in record.reports}
    told = frozen(spec, record, values)
    assert told.state.name == of_optuna and told.intermediate_values == values
    assert told.value == (0.4 if state == "finished" else None)


SETTINGS = ("training.dropout=[null, 0.1, 0.2]", "training.epochs.log=[1, 9]", "training.batch_size=[16, 32]")


def test_training_settings_that_vary_are_spread_and_then_learned_like_the_space(tmp_path: Path) -> None:
    def value(params: dict) -> float:
        return params["dropout"] == 0.2

    spec = toy(tmp_path, *SETTINGS)
    trials = searched(spec, 60, value)
    assert all({"dropout", "epochs", "batch_size"} < set(trial.params) for trial in trials)
    first = [t for t in trials if t.method == "plain"][:FILLING]
    assert {t.params["dropout"] for t in first} == {None, 0.1, 0.2}
    assert {t.params["batch_size"] for t in first} == {16, 32}
    assert {int(math.log(t.params["epochs"], 9) * 3) for t in first} == {0, 1, 2}, "of the range's thirds"
    late = trials[3 * FILLING :]
    assert sum(t.params["dropout"] == 0.2 for t in late) > 0.5 * len(late)
    again = propose(spec, trials[:31])
    assert again is not None and again.params == trials[31].params


def test_optuna_is_told_of_training_settings_null_included(tmp_path: Path) -> None:
    spec = toy(tmp_path, *SETTINGS)
    trials = [ended(proposal, 0.4) for n in range(9) if (proposal := propose(spec, searched(spec, n)))]
    told = [frozen(spec, trial, {2: 0.4}).params for trial in trials]
    assert None in {params["dropout"] for params in told}
    assert all(params["epochs"] == trial.params["epochs"] for params, trial in zip(told, trials, strict=True))


def test_the_same_points_are_proposed_where_no_training_setting_varies(tmp_path: Path) -> None:
    spec, with_settings = toy(tmp_path), toy(tmp_path, *SETTINGS)
    ours, theirs = searched(spec, 6), searched(with_settings, 6)
    for one, other in zip(ours, theirs, strict=True):
        assert one.params["learning_rate"] == other.params["learning_rate"]
        assert not {"dropout", "epochs", "batch_size"} & set(one.params)

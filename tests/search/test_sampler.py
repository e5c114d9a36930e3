import optuna
import pytest

from xrt.errors import RecordError
from xrt.record.values import Report, TrialRecord
from xrt.search.sampler import OptunaProposer, first
from xrt.spec import load_study


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "toy.yaml"
    file.write_text(
        "task: mini\ndata: {source: embedded}\n"
        "space:\n  encoder: [mini-a, mini-b]\n  learning_rate: {log: [1.0e-4, 1.0e-2]}\n"
        "  method: {plain: {}, adversarial: {radius: {log: [0.05, 0.3]}, steps: [1, 2]}, noise: {scale: 0.3}}\n"
        "search: {trials: 40, seed: 3}\nresources: {cpu: 1, gpu: 0}\n"
    )
    return load_study(str(file))


def states(proposer):
    return [t.state.name for t in proposer._study.trials]


def test_every_method_is_tried_early_and_only_as_many_trials_as_asked(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    samples = []
    while proposal := proposer.propose():
        samples.append(proposal.sample)
        proposer.ended(proposal.id, "finished", 0.5)
    assert len(samples) == 40
    assert {s["method"] for s in samples[:3]} == {"plain", "adversarial", "noise"}


def test_the_first_samples_are_far_from_each_other(spec):
    samples = first(spec)
    assert samples == first(spec) and len(samples) == 10
    assert [s["method"] for s in samples[:3]] == ["plain", "adversarial", "noise"]
    both = {(s["method"], s["encoder"]) for s in samples}
    assert len(both) == 6
    assert {s["adversarial.steps"] for s in samples if s["method"] == "adversarial"} == {1, 2}


def test_a_conditional_space_never_yields_a_parameter_of_another_method(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    while proposal := proposer.propose():
        opened = {name.split(".")[0] for name in proposal.sample if "." in name}
        assert opened == ({proposal.sample["method"]} - {"plain"})
        proposer.ended(proposal.id, "finished", proposal.sample["learning_rate"])


def test_outcomes_are_told_truly(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    for outcome in ("finished", "pruned", "failed"):
        trial = proposer.propose()
        proposer.reported(trial.id, 0, 0.4)
        proposer.ended(trial.id, outcome, 0.4)
    told = proposer._study.trials[:3]
    assert [t.state.name for t in told] == ["COMPLETE", "PRUNED", "FAIL"]
    assert [t.intermediate_values for t in told] == [{0: 0.4}] * 3


def test_a_resumed_search_repeats_what_was_interrupted_and_goes_on(spec, tmp_path):
    before = OptunaProposer(spec, tmp_path / "log")
    done, lost = before.propose(), before.propose()
    before.ended(done.id, "finished", 0.5)
    second = OptunaProposer(spec, tmp_path / "log")
    again = second.propose()
    assert again == lost
    assert second.propose().id == "0002"
    second.ended(lost.id, "finished", 0.6)
    assert [t.value for t in second._study.trials[:2]] == [0.5, 0.6]


def test_tpe_follows_the_better_values(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    rates = []
    while proposal := proposer.propose():
        rates.append(proposal.sample["learning_rate"])
        proposer.ended(proposal.id, "finished", -abs(proposal.sample["learning_rate"] - 1e-3))
    early, late = rates[:12], rates[-12:]
    assert sum(5e-4 < r < 2e-3 for r in late) > sum(5e-4 < r < 2e-3 for r in early)


def test_the_same_seed_proposes_the_same_trials(spec, tmp_path):
    def five(name):
        proposer = OptunaProposer(spec, tmp_path / name)
        proposals = [proposer.propose() for _ in range(5)]
        for p in proposals:
            proposer.ended(p.id, "finished", 0.1)
        return proposals

    assert five("a") == five("b")


def test_optuna_can_be_opened_by_its_own_tools(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    proposer.propose()
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "log"))
    )
    assert optuna.get_all_study_names(storage) == ["toy"]


def recorded(proposal, state="running", values=()):
    reports = tuple(
        Report(rung, (rung + 1) / 3, 10 * rung, 1000.0 + rung, {"dev/mean/mixed": v})
        for rung, v in enumerate(values)
    )
    return TrialRecord(proposal.id, proposal.sample, {}, proposal.seed, state=state, reports=reports)


def end(proposer, count):
    """Propose and end that many, with values that depend on the sample alone; returns proposals and records."""
    proposals, records = [], []
    for _ in range(count):
        proposal = proposer.propose()
        value = -abs(proposal.sample["learning_rate"] - 1e-3)
        proposer.reported(proposal.id, 0, value)
        proposer.ended(proposal.id, "finished", value)
        proposals.append(proposal)
        records.append(recorded(proposal, "finished", [value]))
    return proposals, records


def test_a_search_that_is_resumed_at_every_trial_proposes_what_an_undisturbed_one_does(spec, tmp_path):
    whole, _ = end(OptunaProposer(spec, tmp_path / "whole"), 16)  # six of them by TPE
    cut = [end(OptunaProposer(spec, tmp_path / "cut"), 1)[0][0] for _ in range(16)]
    assert cut == whole


def test_what_the_journal_lacks_of_the_record_is_filled_in(spec, tmp_path):
    before = OptunaProposer(spec, tmp_path / "log")
    proposals = [before.propose() for _ in range(4)]
    states = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING"}
    records = [recorded(p, state, [0.1, 0.2]) for p, state in zip(proposals, states, strict=True)]
    second = OptunaProposer(spec, tmp_path / "log", records)
    told = second._study.trials[:4]
    assert [t.state.name for t in told] == list(states.values())
    assert [t.intermediate_values for t in told] == [{0: 0.1, 1: 0.2}] * 4
    assert told[0].value == 0.2
    assert second.propose() == proposals[3]


@pytest.mark.parametrize("lost", ["all", "half a line", "zeros", "two thirds"])
def test_a_journal_that_lost_its_end_is_rebuilt_and_the_search_goes_on_as_before(spec, tmp_path, lost):
    whole, _ = end(OptunaProposer(spec, tmp_path / "whole"), 14)
    file = tmp_path / "log"
    _, records = end(OptunaProposer(spec, file), 12)
    content = file.read_bytes()
    file.write_bytes(
        {
            "all": b"",
            "half a line": content[:-7],
            "zeros": content[:-300] + bytes(300),
            "two thirds": content[: len(content) * 2 // 3],
        }[lost]
    )
    for _ in range(2):  # twice: what was mended must be readable
        again = OptunaProposer(spec, file, records)
    proposals, _ = end(again, 2)
    assert proposals == whole[12:]
    assert {t.state.name for t in OptunaProposer(spec, file, records)._study.trials} == {"COMPLETE"}


def test_the_lock_of_a_killed_writer_is_not_waited_for(spec, tmp_path):
    OptunaProposer(spec, tmp_path / "log").propose()
    (tmp_path / "log.lock").symlink_to("nowhere")  # the run's folder was moved meanwhile
    assert OptunaProposer(spec, tmp_path / "log").propose().id == "0000"


def test_a_value_that_is_not_a_number_is_no_result(spec, tmp_path):
    proposer = OptunaProposer(spec, tmp_path / "log")
    proposer.ended(proposer.propose().id, "finished", float("nan"))
    assert states(proposer)[0] == "FAIL"


def test_a_record_with_a_hole_is_refused(spec, tmp_path):
    _, records = end(OptunaProposer(spec, tmp_path / "other"), 3)
    with pytest.raises(RecordError, match=r"trials/0001\.json: is missing"):
        OptunaProposer(spec, tmp_path / "log", [records[0], records[2]])


def test_where_there_are_only_choices_tpe_tries_none_twice(tmp_path):
    file = tmp_path / "choices.yaml"
    file.write_text(
        "task: mini\ndata: {source: embedded}\n"
        "space:\n  encoder: [mini-a, mini-b]\n  learning_rate: [1.0e-4, 1.0e-3]\n"
        "  method: {plain: {}, adversarial: {radius: [0.05, 0.1, 0.3], steps: [1, 2]}}\n"
        "search: {trials: 28, seed: 3}\nresources: {cpu: 1, gpu: 0}\n"
    )
    proposer = OptunaProposer(load_study(str(file)), tmp_path / "log")
    samples = []
    while proposal := proposer.propose():
        samples.append(tuple(sorted(proposal.sample.items())))
        proposer.ended(proposal.id, "finished", proposal.sample["learning_rate"])
    random = set(samples[:10])
    assert len(set(samples[10:]) - random) == min(18, 28 - len(random))

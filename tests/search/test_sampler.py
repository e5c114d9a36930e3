import optuna
import pytest

from xrt.search.sampler import OptunaProposer
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
    first = OptunaProposer(spec, tmp_path / "log")
    done, lost = first.propose(), first.propose()
    first.ended(done.id, "finished", 0.5)
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

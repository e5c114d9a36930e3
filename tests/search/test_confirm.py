"""Ids, order and largest number of confirmations; tests/findings checks which are confirmed."""

from xrt.findings.confirming import Wanted
from xrt.record.values import TrialRecord
from xrt.search.confirm import chosen_otherwise, most_configurations, proposing
from xrt.spec import load_study

PLAIN = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}


def test_wanted_trainings_are_proposed_in_their_order_and_none_twice() -> None:
    propose = proposing([Wanted("0003", PLAIN, 8), Wanted("0003-plain", PLAIN, 8), Wanted("0003", PLAIN, 9)])
    trials: list[TrialRecord] = []
    while proposal := propose(trials):
        trials.append(TrialRecord(proposal.id, proposal.params, {}, proposal.seed, proposal.configuration))
    assert [(t.id, t.configuration, t.seed) for t in trials] == [
        ("0003-s8", "0003", 8),
        ("0003-plain-s8", "0003-plain", 8),
        ("0003-s9", "0003", 9),
    ]
    assert [t.id for t in [propose(trials[1:])] if t] == ["0003-s8"]


def test_the_best_of_each_arm_an_ablation_of_each_robust_one_and_what_other_rules_choose() -> None:
    spec = load_study("mini", ["space.method={plain: {}, noise: {scale: 0.3}}", "confirm.seeds=3"])
    assert chosen_otherwise(spec) == 3, "source dev, and with noise and with synonyms"
    assert most_configurations(spec) == 2 + 1 + 3
    assert chosen_otherwise(load_study("mini", ["search.metric=dev/acc/en", "confirm.seeds=3"])) == 2
    assert most_configurations(load_study("mini", ["confirm=null"])) == 0

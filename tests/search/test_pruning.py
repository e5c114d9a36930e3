"""ASHA that is told the record again decides what it had decided."""

import random
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from xrt.record import Report, TrialRecord
from xrt.search.pruning import Asha
from xrt.spec import load_study

METRIC = "dev/mean/mixed"


@pytest.fixture
def spec():
    return load_study("mini", ["pruning={reduction: 3, rungs: 3}"])


def tune_trial(id: str, of_tune: str):
    return SimpleNamespace(trial_id=of_tune, config={"id": id})


def hear(asha: Asha, spec, id: str, rung: int, value: float, of_tune: str = "x") -> bool:
    """Whether the trial must stop."""
    result = {"budget": asha.budget(spec.rungs[rung]), METRIC: value}
    return asha.on_trial_result(None, tune_trial(id, of_tune + id), result) == TrialScheduler.STOP


def searched(spec, seed: int, count: int = 30):
    """A search as it happens: four trials at once, in an order by chance; its decisions, in order, and records."""
    draw, asha = random.Random(seed), Asha(spec)
    reports: dict[str, list[Report]] = {}
    decisions, going = [], []
    for moment in range(10_000):
        if len(going) < 4 and len(reports) < count:
            going.append(f"{len(reports):04d}")
            reports[going[-1]] = []
            asha.on_trial_add(None, tune_trial(going[-1], "x" + going[-1]))
        if not going:
            break
        id = draw.choice(going)
        rung, value = len(reports[id]), draw.random()
        reports[id].append(Report(rung, spec.rungs[rung], rung, float(moment), {METRIC: value}))
        stop = hear(asha, spec, id, rung, value)
        decisions.append((id, rung, value, stop))
        if stop:
            going.remove(id)
    return decisions, {id: TrialRecord(id, {}, {}, 7, reports=tuple(said)) for id, said in reports.items()}


@pytest.mark.parametrize("seed", range(5))
def test_a_search_that_is_cut_anywhere_goes_on_with_the_same_decisions(spec, seed):
    decisions, _ = searched(spec, seed)
    assert 5 < sum(stop for *_, stop in decisions) < len(decisions)
    for cut in range(0, len(decisions), 7):
        known: dict[str, list[Report]] = {}
        for moment, (id, rung, value, _) in enumerate(decisions[:cut]):
            said = Report(rung, spec.rungs[rung], rung, float(moment), {METRIC: value})
            known.setdefault(id, []).append(said)
        again = Asha(spec)
        stopped = again.replay(
            [TrialRecord(id, {}, {}, 7, reports=tuple(said)) for id, said in known.items()]
        )
        assert stopped == {id for id, rung, _, stop in decisions[:cut] if stop and rung < 2}
        for id in {id for id, *_ in decisions[cut:]}:
            again.on_trial_add(None, tune_trial(id, "y" + id))
        assert [hear(again, spec, id, r, v, "y") for id, r, v, _ in decisions[cut:]] == [
            d[3] for d in decisions[cut:]
        ]


def test_a_rung_that_is_reported_again_under_another_name_of_tune_counts_once(spec):
    _, records = searched(spec, 0)
    once, twice = Asha(spec), Asha(spec)
    for asha in (once, twice):
        asha.replay(list(records.values()))
    for id, record in records.items():
        twice.on_trial_add(None, tune_trial(id, "other"))
        assert not hear(twice, spec, id, 0, record.reports[0].metrics[METRIC], "other")
    assert [b._rungs for b in once._brackets] == [b._rungs for b in twice._brackets]


def test_the_trial_that_has_waited_longest_begins(spec):
    def trial(id: str, status: str):
        return SimpleNamespace(config={"id": id}, status=status)

    live = [trial("0007", "PENDING"), trial("0005", "RUNNING"), trial("0006", "PENDING")]
    tune = SimpleNamespace(get_live_trials=lambda: live)
    assert Asha(spec).choose_trial_to_run(tune) is live[2]
    live[:] = live[1:2]
    assert Asha(spec).choose_trial_to_run(tune) is None

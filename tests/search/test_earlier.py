"""`search.after`: the sampler begins with what an earlier run knows, and the new run keeps all that it needs of it."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.search.conftest import METRIC, toy
from tests.search.test_sampler import ended, searched
from xrt.errors import RecordError, SpecError
from xrt.record.paths import Results
from xrt.record.run import Run, TrialRecord
from xrt.record.values import Data
from xrt.search.earlier import earlier, summary
from xrt.search.sampler import FILLING, propose
from xrt.spec import StudySpec

DATA = (Data("mini", "train", "a", 9, "training", "here"), Data("mini", "dev", "b", 9, "evaluation", "here"))
OTHER = (DATA[0], replace(DATA[1], digest="c"))


def value(params: dict) -> float:
    return (params["encoder"] == "mini-b") - abs(math.log10(params["learning_rate"] / 1e-3))


@pytest.fixture
def before(tmp_path: Path, spec: StudySpec) -> Run:
    """A run whose 36 trials say that mini-b is better."""
    run = Run.create(Results.at(tmp_path / "results"), spec, DATA)
    for trial in searched(spec, 36, value):
        run.save(with_test(trial))
    return run


def with_test(trial: TrialRecord) -> TrialRecord:
    reports = (replace(r, metrics={**r.metrics, "test/mean/mixed": 0.123}) for r in trial.reports)
    return replace(trial, reports=tuple(reports))


def after(folder: Path, before: Run, *overrides: str) -> StudySpec:
    return toy(folder, f"search.after={before.name}", "search.seed=4", *overrides)


def test_the_new_run_learns_from_the_first_trial_on_and_needs_the_earlier_one_only_once(
    tmp_path: Path, before: Run
) -> None:
    spec = after(tmp_path, before)
    known = earlier(spec, DATA, before.paths.results)
    assert known is not None and known.same and (len(known.trials), known.there) == (36, 36)
    run = Run.create(before.paths.results, spec, DATA, {"after": known})
    shutil.rmtree(before.paths.root)
    assert run.meta.after == known
    assert earlier(run.spec, DATA, before.paths.results, run) == known, "for a run that repeats it"
    trials: list[TrialRecord] = []
    for _ in range(3 * FILLING):
        proposal = propose(spec, trials, earlier=run.meta.after)
        assert proposal is not None and proposal == propose(spec, list(trials), earlier=run.meta.after)
        trials.append(ended(proposal, value(proposal.params)))
    alone = searched(spec, 3 * FILLING, value)
    # On average: an arm of its own run spends its first trials on filling the space.
    reached = [sum(value(t.params) for t in some) / len(some) for some in (trials, alone)]
    assert reached[0] > reached[1]
    assert [t.id for t in trials[:2]] == ["0000", "0001"], "the earlier trials are not of this run"


def test_no_score_of_the_test_split_and_no_other_metric_is_taken(tmp_path: Path, before: Run) -> None:
    known = earlier(after(tmp_path, before), DATA, before.paths.results)
    assert known is not None
    assert {name for trial in known.trials for r in trial.reports for name in r.metrics} == {METRIC}
    run = Run.create(before.paths.results, before.spec, DATA, {"after": known})
    assert "0.123" not in json.dumps(json.loads(run.paths.meta.read_text()))


def test_trials_on_other_data_do_not_take_the_place_of_those_that_fill_the_space(
    tmp_path: Path, before: Run
) -> None:
    spec = after(tmp_path, before)
    known = earlier(spec, OTHER, before.paths.results)
    assert known is not None and not known.same and "other" in summary(known)
    # The first trial of an arm is asked from nobody but the sequence that fills the space.
    assert propose(spec, [], earlier=known) == propose(spec, [])
    same = earlier(spec, DATA, before.paths.results)
    assert propose(spec, [], earlier=same) != propose(spec, [])


def test_what_lies_outside_the_space_or_did_not_end_is_left_out_and_counted(
    tmp_path: Path, before: Run
) -> None:
    last = before.trials()[-1]
    before.save(replace(last, state="stopped"))
    spec = after(tmp_path, before, "space.encoder=mini-b", "space.method={plain: {}, noise: {scale: 0.3}}")
    known = earlier(spec, DATA, before.paths.results)
    wanted = [
        t.id
        for t in before.trials()[:-1]
        if t.params["encoder"] == "mini-b" and t.method in ("plain", "noise")
    ]
    assert known is not None and [t.id for t in known.trials] == wanted
    assert f"knows {len(wanted)} of 36 trials of {before.name}. The others did not" in summary(known)
    assert "did not come to their end" in summary(known)
    higher = after(tmp_path, before, "space.learning_rate={log: [1.0e-2, 1.0]}")
    with pytest.raises(SpecError, match=r"search\.after: .*none of its 36 trials"):
        earlier(higher, DATA, before.paths.results)


def test_a_trial_that_meant_something_else_or_lacks_the_metric_at_a_rung_is_left_out(
    tmp_path: Path, before: Run
) -> None:
    first, second, third, *others = before.trials()
    before.save(replace(first, config={"method": "adversarial", "version": 1}))
    # As a proxy, which is evaluated at rungs only where a study selects by it.
    before.save(replace(second, reports=(replace(second.reports[0], metrics={}), *second.reports[1:])))
    known = earlier(after(tmp_path, before), DATA, before.paths.results)
    assert known is not None and [t.id for t in known.trials] == [t.id for t in (third, *others)]


def test_a_run_that_is_not_there_is_said(tmp_path: Path, before: Run) -> None:
    with pytest.raises(RecordError, match="no run and no study of that name"):
        earlier(toy(tmp_path, "search.after=nothing"), DATA, before.paths.results)
    assert earlier(toy(tmp_path), DATA, before.paths.results) is None

"""What a resumed search makes of trials that a kill caught between two writes."""

import json
from types import SimpleNamespace

import pytest
from ray.train._internal.session import _TrainingResult
from ray.train._internal.storage import StorageContext
from ray.tune import Checkpoint
from ray.tune.experiment import Trial
from xrt.search.narrator import GIVEN, Narrator, _forget, as_told

from tests.search.test_checkpoints import tear, write
from xrt.record import Report, Results, Run, TrialRecord
from xrt.search import checkpoints
from xrt.search.sampler import Proposal
from xrt.spec import load_study

SAMPLE = {"encoder": "mini-a", "learning_rate": 1e-3, "method": "plain"}


class Once:
    """A proposer that proposes trial 0000 and hears how it went."""

    def __init__(self):
        self.left, self.told = [Proposal("0000", SAMPLE, 7)], []

    def propose(self):
        return self.left.pop() if self.left else None

    def reported(self, trial, rung, value):
        raise AssertionError("nothing is reported here")

    def ended(self, trial, outcome, value):
        self.told.append((trial, outcome, value))


@pytest.fixture
def run(tmp_path):
    return Run.create(Results.at(tmp_path / "results"), "mini", "task: mini\n", metric="dev/mean/mixed")


def resumed(run, rungs: int, stopped=()):
    """A narrator of a run whose trial 0000 was running, with that many rungs in the record."""
    names = ("dev/mean/mixed", "final/mean/mixed")
    metrics = [dict.fromkeys(names, 0.1 * (rung + 1)) for rung in range(rungs)]
    reports = tuple(
        Report(r, (1 / 9, 1 / 3, 1.0)[r], 10 * (r + 1), 1.0 + r, m) for r, m in enumerate(metrics)
    )
    run.save(TrialRecord("0000", SAMPLE, {}, 7, state="running", reports=reports))
    return Narrator(
        run, load_study("mini", ["pruning={reduction: 3, rungs: 3}"]), Once(), [], "search", stopped
    )


def test_a_trial_that_had_come_to_its_end_is_finished_and_keeps_its_last_checkpoint_alone(run):
    write(run, "0000", 20)
    last = write(run, "0000", 30)
    narrator = resumed(run, rungs=3)
    assert narrator.next_config() is None
    trial = run.trial("0000")
    assert trial.state == "finished" and (run.paths.root / trial.checkpoint).resolve() == last
    assert checkpoints.whole(run.paths, "0000") == [last]
    assert narrator.proposer.told == [("0000", "finished", pytest.approx(0.3))]


def test_the_last_word_of_a_trial_is_recorded_when_its_checkpoint_has_reached_the_disk(run, monkeypatch):
    narrator, flushed = resumed(run, rungs=2), []
    narrator.proposer.reported = lambda trial, rung, value: None
    last = write(run, "0000", 30)
    monkeypatch.setattr(
        checkpoints, "flush", lambda folder: flushed.append((folder, len(run.trial("0000").reports)))
    )
    said = {"rung": 2, "share": 1.0, "step": 30, **as_told({"dev/mean/mixed": 0.3}, "dev/mean/mixed")}
    narrator.on_trial_result(0, [], SimpleNamespace(config={"id": "0000"}), said)
    assert flushed == [(last, 2)] and len(run.trial("0000").reports) == 3


def test_a_trial_whose_last_checkpoint_was_lost_trains_its_end_again(run):
    older = write(run, "0000", 20)
    tear(write(run, "0000", 30), "cut")
    config = resumed(run, rungs=3).next_config()
    assert [place for place, _ in config["resume"]] == [str(older)]
    assert json.loads(config[GIVEN])["known"] == 3


def test_a_trial_that_asha_had_stopped_is_pruned_and_not_trained_on(run):
    write(run, "0000", 20)
    narrator = resumed(run, rungs=2, stopped={"0000"})
    assert narrator.next_config() is None
    assert (run.trial("0000").state, run.trial("0000").checkpoint) == ("pruned", None)
    assert checkpoints.whole(run.paths, "0000") == []
    assert narrator.proposer.told == [("0000", "pruned", pytest.approx(0.2))]


def test_a_trial_in_mid_training_goes_on_from_what_is_whole_newest_first(run):
    older, newer = write(run, "0000", 10, "search-1"), write(run, "0000", 17, "search-2")
    config = resumed(run, rungs=1).next_config()
    assert [place for place, _ in config["resume"]] == [str(newer), str(older)]
    assert json.loads(config[GIVEN])["known"] == 1


def test_tune_forgets_what_a_trial_was_given_and_said_when_it_is_over(tmp_path):
    storage = StorageContext(storage_path=str(tmp_path), experiment_dir_name="search")
    config = {"id": "0000", GIVEN: "{}"}
    trial = Trial("one", config=config, evaluated_params=config, stub=True, storage=storage)
    metrics = {f"dev/pair/x{i}-y": 0.5 for i in range(5)} | {"dev/mean/mixed": 0.3}
    result = {"rung": 0, "training_iteration": 1, **as_told(metrics, "dev/mean/mixed")}
    trial.update_last_result(result)
    known = trial.run_metadata
    assert set(known.metric_analysis) == {"rung", "training_iteration", "dev/mean/mixed"}
    known.checkpoint_manager.register_checkpoint(_TrainingResult(Checkpoint(str(tmp_path)), result))
    kept = vars(known.checkpoint_manager)
    assert kept["_checkpoint_results"] and kept["_latest_checkpoint_result"]
    _forget(trial)
    assert not any((known.metric_analysis, known.metric_n_steps, *(kept[n] for n in KEPT)))
    assert known.last_result == {"done": True} and trial.checkpoint is None
    held = [name for name, value in vars(trial).items() if GIVEN in str(value)]
    assert trial.config == {"id": "0000"} and not held


KEPT = ("_checkpoint_results", "_latest_checkpoint_result")

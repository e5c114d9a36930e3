"""From what Ray Tune does to the record of a run: every event is written before anybody else hears of it.

Tune's callback on one side; proposer, record and listeners on the other. What it knows is in the record.
"""

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from xrt.record.run import Listener, Report, Run, TrialRecord
from xrt.record.values import Phase
from xrt.search import checkpoints
from xrt.search.home import home_of
from xrt.search.sampler import Outcome, Proposal, Proposer, told
from xrt.spec.study import StudySpec
from xrt.spec.trial import build

# Whatever has a name Tune flattens, copies, and adds to every result, so it is given two texts in place of many names.
GIVEN = "given"  # what a trial needs to know
METRICS = "metrics"  # what it says


class Narrator(tune.Callback):
    """Turns what Tune does into records of trials, and tells proposer and listeners."""

    def __init__(
        self,
        run: Run,
        spec: StudySpec,
        proposer: Proposer,
        listeners: Sequence[Listener],
        phase: Phase,
        stopped: Collection[str] = (),
    ) -> None:
        self.run, self.spec, self.proposer, self.phase = run, spec, proposer, phase
        self.listeners, self.stopped = list(listeners), stopped
        self.experiment = f"{phase}-{int(time.time())}"
        self.trials = {trial.id: trial for trial in run.trials()}
        self._steps: dict[str, int] = {}
        kept = checkpoints.weights_kept(spec, list(self.trials.values()))
        self._heavy = [trial for id, trial in self.trials.items() if id in kept]

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks, but what this one knows is in the record."""
        return {}

    def next_config(self) -> dict[str, Any] | None:
        """The next proposal as Tune's configuration; its record exists before Tune knows of it."""
        while proposal := self.proposer.propose():
            known = self.trials.get(proposal.id)
            outcome = self._outcome(known) if known else None
            if known is None or outcome is None:
                return self._configured(proposal, known)
            self._end(known, outcome, known.reason)
        return None

    def _outcome(self, known: TrialRecord) -> Outcome | None:
        """How a trial had ended that was killed between its end and our word of it; None if it had not.

        One whose last checkpoint a power loss took must train its end again: its weights and answers are gone.
        """
        if known.last and known.last.share >= 1:
            newest = checkpoints.whole(self.run.paths, known.id)[:1]
            there = [checkpoints.step(self.run.paths, folder) for folder in newest]
            return "finished" if there == [known.last.step] else None
        return "pruned" if known.id in self.stopped else None

    def _configured(self, proposal: Proposal, known: TrialRecord | None) -> dict[str, Any]:
        config = build(self.spec, proposal.sample, proposal.seed, confirm=self.phase == "confirm")
        record = known or TrialRecord(
            id=proposal.id,
            params=proposal.sample,
            config=config.to_dict(),
            phase=self.phase,
            seed=proposal.seed,
        )
        self._save(record)
        given = {
            "trial": config.to_dict(),
            "known": len(record.reports),
            "home": home_of(self.run, config),
            "seconds": self.spec.checkpoints.seconds,
            "folder": str(self.run.paths.tune.resolve() / self.experiment / proposal.id),
        }
        found = checkpoints.whole(self.run.paths, proposal.id)
        return {
            "id": proposal.id,
            "encoder": config.encoder,
            "resume": [self.run.stored(self._place(folder)) for folder in found],
            GIVEN: json.dumps(given),
        }

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        record = self.trials[trial.config["id"]]
        self._save(record.begun(time.time()), "trial_started")

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        record = self.trials[trial.config["id"]]
        if "rung" not in result or any(r.rung == result["rung"] for r in record.reports):
            return
        metrics = json.loads(result[METRICS])
        now = Report(result["rung"], result["share"], result["step"], time.time(), metrics)
        record = replace(record.reported(now), node=result.get("node"))
        # its last word counts when what it leaves has reached the disk: nobody asks for it again
        if now.share >= 1:
            for folder in checkpoints.whole(self.run.paths, record.id)[:1]:
                checkpoints.flush(folder)
        self.proposer.reported(record.id, now.rung, metrics[self.spec.search.metric])
        self._save(record, "trial_reported")

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        record = self.trials[trial.config["id"]]
        failed = (trial.last_result or {}).get("failed")
        whole = record.last is not None and record.last.share >= 1
        self._end(record, "failed" if failed else "finished" if whole else "pruned", failed)
        _forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = str(trial.get_error() or "its process died").strip().splitlines()[-1]
        self._end(self.trials[trial.config["id"]], "failed", reason)
        _forget(trial)

    def on_checkpoint(
        self, iteration: int, trials: list[Trial], trial: Trial, checkpoint: Any, **info: Any
    ) -> None:
        record = self.trials[trial.config["id"]]
        place = os.path.relpath(checkpoint.path, self.run.stored("")[0])
        self.trials[record.id] = replace(
            record, checkpoint=place
        )  # written with what comes next; found without it
        checkpoints.keep_newest(self.run.paths, record.id, checkpoints.RUNNING)
        step = checkpoints.step(self.run.paths, self.run.paths.root / place) or 0
        if step > self._steps.get(record.id, -1):  # it got further than ever: it has earned its retries again
            self._steps[record.id] = step
            trial.run_metadata.num_failures = 0

    def _end(self, record: TrialRecord, outcome: Outcome, reason: str | None) -> None:
        """Record first, clean up then: a kill in between leaves what the next start removes."""
        left = checkpoints.whole(self.run.paths, record.id) if outcome == "finished" else []
        place = self._place(left[0]) if left else None
        record = replace(record, checkpoint=place).closed(outcome, time.time(), reason)
        self._save(record)
        self.proposer.ended(record.id, outcome, told(record, self.spec.search.metric))
        checkpoints.keep_newest(self.run.paths, record.id, len(left[:1]))
        if outcome == "finished":
            self._heavy = checkpoints.lighten(self.run.paths, self.spec, [*self._heavy, record])
            self.run.fetch_answers(record)  # the run's own report needs them
        self._tell("trial_ended", record)

    def _place(self, folder: Path) -> str:
        """A folder as the record names it: relative to that of the run, so that the run can be moved."""
        root = self.run.paths.root
        return os.path.relpath(folder, root if self.run.paths.results.remote else root.resolve())

    def _save(self, record: TrialRecord, event: str | None = None) -> None:
        self.trials[record.id] = record
        self.run.save(record)
        if event:
            self._tell(event, record)

    def _tell(self, event: str, record: TrialRecord) -> None:
        for listener in self.listeners:
            getattr(listener, event)(record)


def as_told(metrics: Mapping[str, float], metric: str) -> dict[str, Any]:
    """Metrics of a rung as Tune hears them: by name the one that it decides by, and all as a single value.

    Of every number that has a name Tune keeps running means: a millisecond and kilobytes a report.
    """
    return {
        metric: metrics[metric],
        METRICS: json.dumps({name: float(value) for name, value in metrics.items()}),
    }


def _forget(trial: Trial) -> None:
    """Of a trial that is over Tune keeps all that it was given and said, several times: nobody asks for it again."""
    given = {"id": trial.config["id"]}
    vars(trial).update(config=given, _Trial__unresolved_config=given, evaluated_params={}, experiment_tag="")
    known = trial.run_metadata
    known.last_result = {"done": True}  # with none it would ask the trial's process
    known.metric_analysis.clear()
    known.metric_n_steps.clear()
    if kept := known.checkpoint_manager:
        kept._checkpoint_results.clear()
        kept._latest_checkpoint_result = None

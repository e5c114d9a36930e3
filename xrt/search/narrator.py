"""From what Ray Tune does to the record of a run: every event is written before anybody else hears of it.

Tune's callback on one side; proposer, record and listeners on the other. What it knows is in the record.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from xrt.record.run import Listener, Report, Run, TrialRecord
from xrt.record.values import Phase
from xrt.search.sampler import Outcome, Proposer
from xrt.spec.study import StudySpec
from xrt.spec.trial import build


class Narrator(tune.Callback):
    """Turns what Tune does into records of trials, and tells proposer and listeners."""

    def __init__(
        self, run: Run, spec: StudySpec, proposer: Proposer, listeners: Sequence[Listener], phase: Phase
    ) -> None:
        self.run, self.spec, self.proposer, self.phase = run, spec, proposer, phase
        self.listeners = list(listeners)
        self.trials = {trial.id: trial for trial in run.trials()}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks, but what this one knows is in the record."""
        return {}

    def next_config(self) -> dict[str, Any] | None:
        """The next proposal as Tune's configuration; its record exists before Tune knows of it."""
        proposal = self.proposer.propose()
        if proposal is None:
            return None
        known = self.trials.get(proposal.id)
        if known and known.last and known.last.share >= 1:  # killed between its end and our word of it
            self._end(known, "finished", None)
            return self.next_config()
        config = build(self.spec, proposal.sample, proposal.seed, confirm=self.phase == "confirm")
        record = known or TrialRecord(
            id=proposal.id,
            params=proposal.sample,
            config=config.to_dict(),
            phase=self.phase,
            seed=proposal.seed,
        )
        self._save(record)
        resume = record.checkpoint and str(run_path(self.run, record.checkpoint))
        return {"id": proposal.id, "trial": config.to_dict(), "resume": resume}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        record = self.trials[trial.config["id"]]
        self._save(record.begun(time.time()), "trial_started")

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        record = self.trials[trial.config["id"]]
        if "failed" in result or any(r.rung == result["rung"] for r in record.reports):
            return
        metrics = {k: float(v) for k, v in result.items() if k.split("/")[0] in GROUPS}
        now = Report(result["rung"], result["share"], result["step"], time.time(), metrics)
        record = replace(record.reported(now), node=result.get("node"))
        self.proposer.reported(record.id, now.rung, metrics[self.spec.search.metric])
        self._save(record, "trial_reported")

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        record = self.trials[trial.config["id"]]
        failed = (trial.last_result or {}).get("failed")
        whole = record.last is not None and record.last.share >= 1
        self._end(record, "failed" if failed else "finished" if whole else "pruned", failed)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = str(trial.get_error() or "its process died").strip().splitlines()[-1]
        self._end(self.trials[trial.config["id"]], "failed", reason)

    def on_checkpoint(
        self, iteration: int, trials: list[Trial], trial: Trial, checkpoint: Any, **info: Any
    ) -> None:
        record = self.trials[trial.config["id"]]
        place = os.path.relpath(checkpoint.path, self.run.paths.root.resolve())
        self._save(replace(record, checkpoint=place))

    def _end(self, record: TrialRecord, outcome: Outcome, reason: str | None) -> None:
        if outcome == "pruned" and record.checkpoint:  # nobody goes on from it, and hundreds fill a disk
            shutil.rmtree(run_path(self.run, record.checkpoint), ignore_errors=True)
            record = replace(record, checkpoint=None)
        record = record.closed(outcome, time.time(), reason)
        self._save(record)
        self.proposer.ended(record.id, outcome, record.metrics.get(self.spec.search.metric))
        self._tell("trial_ended", record)

    def _save(self, record: TrialRecord, event: str | None = None) -> None:
        self.trials[record.id] = record
        self.run.save(record)
        if event:
            self._tell(event, record)

    def _tell(self, event: str, record: TrialRecord) -> None:
        for listener in self.listeners:
            getattr(listener, event)(record)


GROUPS = ("train", "dev", "final", "test")


def run_path(run: Run, place: str) -> Path:
    """A path of the record, which are kept relative to the run's folder so that the folder can be moved."""
    return run.paths.root.resolve() / place

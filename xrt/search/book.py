"""The book of a run: turns what trials do into records, says what to run next, and which trial goes on. Knows no Ray.

Every event is written before anybody else hears of it, so a kill at any moment leaves a record from which the next
start continues: trials that an earlier process left unfinished come first, and those that had come to their end
without our word of it are closed.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from xrt.record.listeners import tell
from xrt.record.run import Listener, Report, Run, TrialRecord
from xrt.record.values import Ending, Phase
from xrt.search import checkpoints
from xrt.search.pruning import is_stopped
from xrt.search.sampler import Proposal
from xrt.spec.trial import TrialConfig, build

RETRIES = 3  # of a trial whose process died before it got further than the time before
OVER = ("finished", "pruned", "failed")
Propose = Callable[[Sequence[TrialRecord]], Proposal | None]


class Task(NamedTuple):
    """A trial to run now: its id, what it is, how many of its rungs are known, its checkpoints, newest first, and what
    is written into all that it leaves.
    """

    id: str
    config: TrialConfig
    known: int
    resume: list[Path]
    about: dict[str, Any]


class Rung(NamedTuple):
    """What a trial reports: the same as a `RungReport`, without what writes its checkpoint."""

    rung: int
    share: float
    step: int
    metrics: Mapping[str, float]


class Book:
    """Keeps the record of one phase of a run: its search or a part of its confirmation.

    Args:
        propose: given the trials so far, by id, the next one; None where there is none.
    """

    def __init__(self, run: Run, listeners: Iterable[Listener], phase: Phase, propose: Propose) -> None:
        self.run, self.spec, self.phase = run, run.spec, phase
        self._listeners, self._propose = list(listeners), propose
        self.trials = {trial.id: trial for trial in run.trials()}
        self._left = [t.id for t in self.trials.values() if t.phase == phase and t.state not in OVER]
        self._latest = max((r.time for t in self.trials.values() for r in t.reports), default=0.0)
        self._steps: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._begun: set[str] = set()
        kept = checkpoints.weights_kept(self.spec, list(self.trials.values()))
        self._heavy = [self.trials[id] for id in self.trials if id in kept]
        checkpoints.sweep(run.paths, list(self.trials.values()))

    def next(self) -> Task | None:
        """The next trial to run; its record exists before anybody runs it."""
        while record := self._following():
            if how := self._came_to(record):
                self._end(record, how)
                continue
            config = build(self.spec, record.params, record.seed, confirm=self.phase == "confirm")
            self._save(replace(record, config=config.to_dict()))
            found = checkpoints.whole(self.run.paths, record.id)
            self._begun.discard(record.id)
            return Task(record.id, config, len(record.reports), found, self.run.about(record))
        return None

    def started(self, id: str, node: str) -> bool:
        """The process of a trial is there, for the first time or again; returns whether the trial goes on."""
        record = self.trials[id]
        self._begun.add(id)
        if self.is_over(id):
            return False
        if self._deaths[id] > RETRIES:
            self.failed(id, "its process died")
            return False
        self._save(record.begun(time.time(), node), "trial_started")
        return True

    def saved(self, id: str, step: int) -> bool:
        """A trial has left a checkpoint; returns whether it goes on."""
        if self.is_over(id):
            return False
        # Whoever gets further than ever has earned its retries again.
        if step > self._steps[id]:
            self._steps[id], self._deaths[id] = step, 0
        checkpoints.keep_newest(self.run.paths, id, checkpoints.RUNNING)
        return True

    def reported(self, id: str, rung: Rung) -> bool:
        """A trial is at a rung; returns whether it goes on. What it leaves at its last is on the disk.

        A trial that went back to its checkpoint reports a rung again: what it said first stays.
        """
        if not self.saved(id, rung.step):
            return False
        record = self.trials[id]
        if all(known.rung != rung.rung for known in record.reports):
            # The last report counts when what the trial leaves has reached the disk: nobody trains it again.
            if rung.share >= 1:
                for folder in checkpoints.whole(self.run.paths, id)[:1]:
                    checkpoints.flush(folder)
            report = Report(rung.rung, rung.share, rung.step, self._moment(), rung.metrics)
            record = record.reported(report)
            self._save(record, "trial_reported")
        if rung.share >= 1:
            self._end(record, "finished")
        elif is_stopped(self.spec, record, self.trials.values()):
            self._end(record, "pruned")
        return not self.is_over(id)

    def failed(self, id: str, reason: str, outside: bool = False) -> None:
        """A trial cannot go on; `outside`: for want of something outside it, so that a resumed run tries again."""
        if not self.is_over(id):
            self._end(self.trials[id], "failed", reason, outside)

    def is_over(self, id: str) -> bool:
        """Whether nobody has to run the trial any more."""
        return self.trials[id].state in OVER

    def died(self, id: str) -> None:
        """The process of a trial, or its machine, is gone; whoever runs it tries again."""
        self._deaths[id] += 1
        self._begun.discard(id)

    def given_up(self, id: str, reason: str) -> None:
        """A trial's process failed for good: the trial fails. If it had not begun there, it is run again."""
        begun = id in self._begun
        self.died(id)
        if begun or self._deaths[id] > RETRIES:
            self.failed(id, reason)
        elif not self.is_over(id):
            self._left.append(id)

    @property
    def left(self) -> int:
        """How many trials are known to wait."""
        return len(self._left)

    def waits(self, why: str | None) -> None:
        """No trial runs, for that reason; None: trials run again."""
        self.run.update_meta(waiting=why)
        tell(self._listeners, "run_waits", self.run)

    def _following(self) -> TrialRecord | None:
        if self._left:
            return self.trials[self._left.pop(0)]
        proposal = self._propose(self._before_a_hole())
        if proposal is None:
            return None
        # Whoever adds trials after a verdict was shown may have been led by it.
        added = self.run.meta.seen > 0
        return TrialRecord(
            id=proposal.id,
            params=proposal.params,
            config={},
            seed=proposal.seed,
            configuration=proposal.configuration,
            phase=self.phase,
            added=added,
        )

    def _before_a_hole(self) -> list[TrialRecord]:
        """All trials, by id; where the record of one of the search was lost, those before it: it is proposed again."""
        trials = sorted(self.trials.values(), key=lambda t: (len(t.id), t.id))
        searched = [trial for trial in trials if trial.phase == "search"]
        whole = [trial for place, trial in enumerate(searched) if trial.id == f"{place:04d}"]
        return whole if self.phase == "search" and len(whole) < len(searched) else trials

    def _came_to(self, record: TrialRecord) -> Ending | None:
        """How a trial had ended that was killed between its end and our word of it; None if it had not.

        One whose last checkpoint a power loss took must train its end again: its weights and predictions are gone.
        """
        if record.last and record.last.share >= 1:
            newest = checkpoints.whole(self.run.paths, record.id)[:1]
            steps = [checkpoints.step(self.run.paths, folder) for folder in newest]
            return "finished" if steps == [record.last.step] else None
        return "pruned" if is_stopped(self.spec, record, self.trials.values()) else None

    def _end(
        self, record: TrialRecord, how: Ending, reason: str | None = None, outside: bool = False
    ) -> None:
        """Record first, clean up then: a kill in between leaves what the next start removes."""
        left = checkpoints.whole(self.run.paths, record.id)[:1] if how == "finished" else []
        record = replace(record, checkpoint=checkpoints.place(self.run.paths, left[0]) if left else None)
        record = record.closed(how, time.time(), reason, outside)
        self._save(record)
        checkpoints.keep_newest(self.run.paths, record.id, 1 if left or outside else 0)
        if how == "finished":
            self._heavy = checkpoints.lighten(self.run.paths, self.spec, [*self._heavy, record])
            self.run.fetch_answers(record)  # the run's own report needs them
        tell(self._listeners, "trial_ended", record)

    def _moment(self) -> float:
        """Now, but after every other report: ASHA counts those that came before, whatever the clock does."""
        self._latest = max(time.time(), math.nextafter(self._latest, math.inf))
        return self._latest

    def _save(self, record: TrialRecord, event: str | None = None) -> None:
        self.trials[record.id] = record
        self.run.save(record)
        if event:
            tell(self._listeners, event, record)

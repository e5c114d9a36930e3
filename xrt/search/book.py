"""The book of a run: records the events of trials, and decides what runs next and which trial continues. Knows no Ray.

Every event is written before anything else reacts to it, so a kill at any moment leaves a record from which the next
start continues: unfinished trials of an earlier process come first, and trials that ended unrecorded are closed.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from xrt.record.listeners import tell
from xrt.record.run import Listener, Report, Run, TrialRecord
from xrt.record.values import OVER, Ending, Pace, Phase
from xrt.search import checkpoints
from xrt.search.pruning import is_stopped
from xrt.search.sampler import Proposal
from xrt.search.standings import Standings
from xrt.spec.trial import TrialConfig, build

RETRIES = 3  # of a trial whose process died without getting further than before
Propose = Callable[[Sequence[TrialRecord], Standings], Proposal | None]


class Task(NamedTuple):
    """A trial to run now: its id and configuration, the number of recorded rungs, its checkpoints (newest first), and
    the identity that is written into its files.
    """

    id: str
    config: TrialConfig
    known: int
    resume: list[Path]
    about: dict[str, Any]


class Rung(NamedTuple):
    """What a trial reports at a rung: a `RungReport` without `save`."""

    rung: int
    share: float
    step: int
    metrics: Mapping[str, float]


class Book:
    """Keeps the record of one phase of a run: its search or a part of its confirmation.

    Args:
        propose: maps the trials so far, by id, and their standings to the next one; None if no more are needed.
    """

    def __init__(self, run: Run, listeners: Iterable[Listener], phase: Phase, propose: Propose) -> None:
        self.run, self.spec, self.phase = run, run.spec, phase
        self._listeners, self._propose = list(listeners), propose
        self.trials = {trial.id: trial for trial in run.trials()}
        searched = [trial.id for trial in self.trials.values() if trial.phase == "search"]
        self._lost = any(id != f"{place:04d}" for place, id in enumerate(searched))
        self._standings = Standings(self.spec, self.trials.values())
        self._left = [t.id for t in self.trials.values() if t.phase == phase and t.state not in OVER]
        self._latest = max((r.time for t in self.trials.values() for r in t.reports), default=0.0)
        self._steps: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._begun: set[str] = set()
        kept = checkpoints.weights_kept(self.spec, list(self.trials.values()))
        self._heavy = [self.trials[id] for id in self.trials if id in kept]
        checkpoints.sweep(run.paths, list(self.trials.values()))

    def next(self) -> Task | None:
        """The next trial to run; its record is written before it runs."""
        while record := self._following():
            if how := self._unrecorded_end(record):
                self._end(record, how)
                continue
            config = build(self.spec, record.params, record.seed, confirm=self.phase == "confirm")
            self._save(replace(record, config=config.to_dict()))
            found = checkpoints.whole(self.run.paths, record.id)
            self._begun.discard(record.id)
            return Task(record.id, config, len(record.reports), found, self.run.about(record))
        return None

    def started(self, id: str, node: str, device: str | None = None) -> bool:
        """Record that a trial's process has started, for the first time or again; returns whether it continues.

        Args:
            node: the name of its machine.
            device: the name of its GPU, or "CPU".
        """
        record = self.trials[id]
        self._begun.add(id)
        if self.has_ended(id):
            return False
        if self._deaths[id] > RETRIES:
            self.failed(id, "its process died")
            return False
        self._save(record.begun(time.time(), node, device), "trial_started")
        return True

    def saved(self, id: str, step: int) -> bool:
        """Note a trial's new checkpoint; returns whether the trial continues."""
        if self.has_ended(id):
            return False
        # A trial that got further than before gets all its retries back.
        if step > self._steps[id]:
            self._steps[id], self._deaths[id] = step, 0
        self._keep_newest(id, checkpoints.RUNNING)
        return True

    def moved(self, id: str, pace: Pace) -> bool:
        """Pass on a trial's progress; returns whether the trial continues."""
        tell(self._listeners, "trial_moved", self.trials[id], pace)
        return not self.has_ended(id)

    def reported(self, id: str, rung: Rung) -> bool:
        """Record a trial's report; returns whether the trial continues. Its final files are on the disk by then.

        A trial that resumed from a checkpoint may report a rung again; its first report stays.
        """
        if not self.saved(id, rung.step):
            return False
        record = self.trials[id]
        if all(known.rung != rung.rung for known in record.reports):
            # Flush the files before the last report is recorded, because no trial with that report runs again.
            if rung.share >= 1:
                for folder in checkpoints.whole(self.run.paths, id)[:1]:
                    checkpoints.flush(folder)
            report = Report(rung.rung, rung.share, rung.step, self._report_time(), rung.metrics)
            record = record.at_work(time.time()).reported(report)
            self._save(record, "trial_reported")
        if rung.share >= 1:
            self._end(record, "finished")
        elif is_stopped(self.spec, record, self._standings):
            self._end(record, "pruned")
        return not self.has_ended(id)

    def failed(self, id: str, reason: str, outside: bool = False) -> None:
        """Record a failure; `outside`: for lack of a disk, folder, network or cache, so a resumed run tries again."""
        if not self.has_ended(id):
            self._end(self.trials[id], "failed", reason, outside)

    def has_ended(self, id: str) -> bool:
        """Whether the trial need not run any more."""
        return self.trials[id].state in OVER

    def died(self, id: str) -> None:
        """Note that a trial's process or machine died; Tune restarts it."""
        self._deaths[id] += 1
        self._begun.discard(id)

    def given_up(self, id: str, reason: str) -> None:
        """Tune gave up on a trial's process: the trial fails. If it had not begun in that process, it runs again."""
        begun = id in self._begun
        self.died(id)
        if begun or self._deaths[id] > RETRIES:
            self.failed(id, reason)
        elif not self.has_ended(id):
            self._left.append(id)

    @property
    def left(self) -> int:
        """The number of trials that wait to run again."""
        return len(self._left)

    def waits(self, why: str | None) -> None:
        """Record why no trial runs; None: trials run again."""
        self.run.update_meta(waiting=why)
        tell(self._listeners, "run_waits", self.run)

    def _following(self) -> TrialRecord | None:
        if self._left:
            return self.trials[self._left.pop(0)]
        before = self._before_lost()
        proposal = self._propose(before, Standings(self.spec, before) if self._lost else self._standings)
        if proposal is None:
            return None
        # Trials added after a verdict was shown may depend on it.
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

    def _before_lost(self) -> list[TrialRecord]:
        """All trials, by id; if the record of a search trial was lost, those before it, so it is proposed again."""
        if not self._lost:
            return list(self.trials.values())
        trials = sorted(self.trials.values(), key=lambda t: (len(t.id), t.id))
        searched = [trial for trial in trials if trial.phase == "search"]
        whole = [trial for place, trial in enumerate(searched) if trial.id == f"{place:04d}"]
        return whole if self.phase == "search" and len(whole) < len(searched) else trials

    def _unrecorded_end(self, record: TrialRecord) -> Ending | None:
        """How a trial ended if it was killed after its end but before the record of it; None if it had not ended.

        If a power loss took its last checkpoint, with weights and predictions, it must train its end again.
        """
        if record.last and record.last.share >= 1:
            newest = checkpoints.whole(self.run.paths, record.id)[:1]
            steps = [checkpoints.step(self.run.paths, folder) for folder in newest]
            return "finished" if steps == [record.last.step] else None
        return "pruned" if is_stopped(self.spec, record, self._standings) else None

    def _end(
        self, record: TrialRecord, how: Ending, reason: str | None = None, outside: bool = False
    ) -> None:
        """Record first, then clean up: after a kill in between, the next start removes the rest."""
        left = checkpoints.whole(self.run.paths, record.id)[:1] if how == "finished" else []
        record = replace(record, checkpoint=checkpoints.place(self.run.paths, left[0]) if left else None)
        record = record.closed(how, time.time(), reason, outside)
        self._save(record)
        self._keep_newest(record.id, 1 if left or outside else 0)
        if how == "finished":
            self._heavy = checkpoints.lighten(self.run.paths, self.spec, [*self._heavy, record])
            self.run.fetch_answers(record)  # the run's own report needs them
        tell(self._listeners, "trial_ended", record)

    def _keep_newest(self, id: str, count: int) -> None:
        """Remove a trial's older checkpoints, once its report is safe."""
        work = partial(checkpoints.keep_newest, self.run.paths, id, count)
        self.run.paths.results.place.later(f"clean up {id}", work)

    def _report_time(self) -> float:
        """Now, but later than all reports even if the clock goes back, because pruning counts the earlier ones."""
        self._latest = max(time.time(), math.nextafter(self._latest, math.inf))
        return self._latest

    def _save(self, record: TrialRecord, event: str | None = None) -> None:
        self.trials[record.id] = record
        self._standings.read([record])
        self.run.save(record)
        if event:
            tell(self._listeners, event, record)

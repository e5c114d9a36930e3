"""What a user sees while a study runs: a live table on a terminal with the time left, plain lines elsewhere.

A listener of the search; it knows records, not Ray. What cannot be shown is left out: no study ends for a terminal.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from xrt.findings.answer import constant, weak_attack
from xrt.record.run import Listener, Run, TrialRecord
from xrt.record.values import State
from xrt.spec.study import StudySpec
from xrt.study.tables import clock, parameters, trial_table

OVER: tuple[State, ...] = ("finished", "pruned", "failed")
ENOUGH = 3  # trials that have ended, before their mean share says more than the plan


class Screen(Listener):
    """Listener that keeps the latest record of each trial and draws them. A context manager."""

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self.spec, self.console = spec, console
        self.trials: dict[str, TrialRecord] = {}
        self.began = time.time()
        self.waiting: str | None = None
        self.confirming = 0  # trials of the confirmation up to its next look, once they are known
        self._before = 0.0  # what an earlier process did of a resumed run
        # The plan loads Optuna and torch, which only a run needs.
        from xrt.search.plan import kept_share

        self._expected = kept_share(spec)
        self._live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def run_started(self, run: Run) -> None:
        self.trials = {t.id: t for t in run.trials()}
        self._before = sum(_share(t) for t in self.trials.values())

    def trial_started(self, trial: TrialRecord) -> None:
        self._hear(trial, "started")

    def trial_reported(self, trial: TrialRecord) -> None:
        # Without pruning, as in a confirmation, the end of the training is the only rung.
        self._hear(trial, f"rung {len(trial.reports)} of {len(trial.config['rungs']) or 1}")
        for line in (weak_attack(trial), constant(trial)):
            if line:
                self.console.print(line, style="yellow", markup=False, highlight=False)

    def trial_ended(self, trial: TrialRecord) -> None:
        self._hear(trial, trial.state + (f": {trial.reason}" if trial.reason else ""))

    def run_waits(self, run: Run) -> None:
        self.waiting = run.meta.waiting
        if self.waiting and not self.console.is_terminal:
            self.console.print(self.waiting, highlight=False, markup=False, soft_wrap=True)

    def run_ended(self, run: Run) -> None:
        self._live.stop()

    def _hear(self, trial: TrialRecord, what: str) -> None:
        self.trials[trial.id] = trial
        if not self.console.is_terminal:
            metric = self.spec.search.metric
            shown = "" if math.isnan(score := trial.score(metric)) else f"  {metric} {score:.3f}"
            line = f"{trial.id}  {parameters(trial.params)}  {what}{shown}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def render(self) -> RenderableType:
        """The table as it stands, best first, under a line of counts."""
        trials = list(self.trials.values())
        search = [t for t in trials if t.phase == "search"]
        counts = Counter(t.state for t in search)
        ended = sum(t.state in OVER for t in search)
        states = ", ".join(f"{n} {state}" for state, n in counts.items())
        parts = [
            f"search: {ended} of {self.spec.search.trials} trials done" + (f" ({states})" if states else "")
        ]
        if not trials:
            parts = ["starting Ray"]
        if self.confirming:
            done = sum(t.phase == "confirm" and t.state in OVER for t in trials)
            parts.append(f"confirmation: {done} of {self.confirming} up to the next look")
        if self.waiting:
            parts.append(self.waiting)
        parts.append(clock(time.time() - self.began))
        left = self.seconds_left()
        parts += [f"about {clock(left)} left"] if left is not None else []
        return Group(trial_table(trials, self.spec), Text("; ".join(parts)))

    def seconds_left(self) -> float | None:
        """What is left of search and confirmation at the pace so far; None before there is one.

        Counted in whole trainings: a trial that is pruned at a rung counts as that share of one.
        """
        done = sum(_share(t) for t in self.trials.values()) - self._before
        if done <= 0:
            return None
        search = [t for t in self.trials.values() if t.phase == "search"]
        shares = [_share(t) for t in search if t.state in OVER]
        usual = sum(shares) / len(shares) if len(shares) >= ENOUGH else self._expected
        left = sum(max(0.0, usual - _share(t)) for t in search if t.state not in OVER)
        left += max(0, self.spec.search.trials - len(search)) * usual
        confirmed = sum(t.phase == "confirm" and t.state in OVER for t in self.trials.values())
        left += max(0, self._to_confirm() - confirmed)
        return left * (time.time() - self.began) / done

    def _to_confirm(self) -> int:
        if self.confirming or self.spec.confirm is None:
            return self.confirming
        # The best of every arm, and an ablation of every robust one.
        return 2 * len(self.spec.arms) * self.spec.confirm.seeds[0]


def _share(trial: TrialRecord) -> float:
    return trial.last.share if trial.last else 0.0


@contextmanager
def evaluation_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function that is told (split, done, total) and shows it with the time left; on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = bar.add_task("", visible=False)

        def watch(split: str, done: int, total: int) -> None:
            if bar.tasks[0].finished or bar.tasks[0].description != split:
                bar.reset(shown)  # the next evaluation: its pace is its own
            bar.update(shown, description=split, completed=done, total=total, visible=done < total)

        yield watch

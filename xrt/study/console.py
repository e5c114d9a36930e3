"""What a user sees while a study runs: on a terminal a live table with the time left, elsewhere plain lines.

A listener of the search; it knows records, not Ray. A terminal that cannot show something never ends a study.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from xrt.findings.answer import constant, weak_attack
from xrt.record.run import Listener, Run, TrialRecord
from xrt.record.values import OVER, Pace
from xrt.spec.study import StudySpec
from xrt.study.pace import seconds_left, share
from xrt.study.tables import clock, heading, parameters, percent_of, running_table, trial_table

SELDOM = 60.0  # seconds between two lines of progress where there is no terminal


class Screen(Listener):
    """Listener that keeps the latest record of each trial and draws them. A context manager."""

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self.spec, self.console = spec, console
        self.trials: dict[str, TrialRecord] = {}
        # Of the trials that run. One that ended counts until the next has a pace, so that the time left does not jump.
        self.paces: dict[str, Pace] = {}
        self.began = time.time()
        self.waiting: str | None = None
        self.confirming = 0  # trials of the confirmation up to its next look, once they are known
        self._next = 0.0  # when a file may get a line of progress again
        self._before = 0.0  # what an earlier process did of a resumed run
        self._live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def run_started(self, run: Run) -> None:
        self.trials = {t.id: t for t in run.trials()}
        self._before = sum(map(share, self.trials.values()))

    def trial_started(self, trial: TrialRecord) -> None:
        self._hear(trial, "started")

    def trial_reported(self, trial: TrialRecord) -> None:
        # Without pruning, as in a confirmation, the end of the training is the only rung.
        self._hear(trial, f"rung {len(trial.reports)} of {len(trial.config['rungs']) or 1}")
        for line in (weak_attack(trial), constant(trial)):
            if line:
                self.console.print(line, style="yellow", markup=False, highlight=False)

    def trial_moved(self, trial: TrialRecord, pace: Pace) -> None:
        ended = [id for id in self.paces if self.trials[id].state in OVER]
        if ended and trial.id not in self.paces:
            del self.paces[ended[0]]
        self.paces[trial.id] = pace

    def trial_ended(self, trial: TrialRecord) -> None:
        self._hear(trial, trial.state + (f": {trial.reason}" if trial.reason else ""))
        if not self.console.is_terminal and time.monotonic() > self._next:
            self._next = time.monotonic() + SELDOM
            print_lines(self.console, ["; ".join(self._progress())])

    def run_waits(self, run: Run) -> None:
        before, self.waiting = self.waiting, run.meta.waiting
        if self.waiting and self.waiting != before and not self.console.is_terminal:
            print_lines(self.console, [self.waiting])

    def run_ended(self, run: Run) -> None:
        self._live.stop()

    def _hear(self, trial: TrialRecord, what: str) -> None:
        self.trials[trial.id] = trial
        if not self.console.is_terminal:
            metric = self.spec.metric
            score = percent_of(trial.score(str(metric)))
            line = f"{datetime.now():%H:%M} {trial.id}  {parameters(trial.params, self.spec)}  {what}"
            line += f"  {heading(metric)} {score}" if score else ""
            print_lines(self.console, [line])

    def render(self) -> RenderableType:
        """A line of counts, the running trials, and the best trials; the terminal cuts off what is too high."""
        trials = list(self.trials.values())
        tables: list[RenderableType] = []
        if any(t.state == "running" for t in trials):
            tables += [Text("Running"), running_table(trials, dict(self.paces), self.spec), Text()]
        if known := [t for t in trials if t.reports or t.state in OVER]:
            tables += [Text("Best so far"), trial_table(known, self.spec)]
        return Group(Text("; ".join(self._progress())), Text(), *tables)

    def _progress(self) -> list[str]:
        """What is done of the search and of the confirmation, the time it took, and the time left."""
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
        return [*parts, f"about {clock(left)} left"] if left is not None else parts

    def seconds_left(self) -> float | None:
        """Seconds left of search and confirmation; None while no pace is known."""
        spent = time.time() - self.began
        trials, paces = list(self.trials.values()), dict(self.paces)
        return seconds_left(self.spec, trials, spent, self._before, self.confirming, paces)


def print_lines(console: Console, lines: Iterable[str], style: str | None = None) -> None:
    """Print sentences as they are, each on a line that may be longer than the terminal is wide."""
    for line in lines:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def evaluation_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function of (split, done, total) that shows a progress bar with the time left; on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = bar.add_task("", visible=False)

        def watch(split: str, done: int, total: int) -> None:
            if bar.tasks[0].finished or bar.tasks[0].description != split:
                bar.reset(shown)  # the next evaluation: its pace is its own
            bar.update(shown, description=split, completed=done, total=total, visible=done < total)

        yield watch

"""What a user sees while a study runs: a live table on a terminal, plain lines elsewhere.

A listener of the search; it knows records, not Ray. It never fails: what it cannot show it leaves out.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from xrt.answers.table import Row, leaderboard, row
from xrt.record.run import Run, TrialRecord
from xrt.spec.study import StudySpec

if TYPE_CHECKING:
    from xrt.answers.compare import Comparison
    from xrt.search.plan import Plan

MARKS = {
    "finished": "green",
    "running": "cyan",
    "pruned": "dim",
    "failed": "red",
    "stopped": "yellow",
    "pending": "dim",
}
TOP = 12  # rows shown; the rest is counted


class Screen:
    """Listener that keeps the latest record of each trial and draws them. A context manager."""

    def __init__(self, spec: StudySpec, console: Console, expected: int) -> None:
        self.spec, self.console, self.expected = spec, console, expected
        self.trials: dict[str, TrialRecord] = {}
        self.began = time.time()
        self._live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def run_started(self, run: Run) -> None:
        self.trials = {t.id: t for t in run.trials()}

    def trial_started(self, trial: TrialRecord) -> None:
        self._hear(trial, "started")

    def trial_reported(self, trial: TrialRecord) -> None:
        self._hear(trial, f"rung {trial.reports[-1].rung + 1} of {len(self.spec.rungs)}")

    def trial_ended(self, trial: TrialRecord) -> None:
        self._hear(trial, trial.state + (f": {trial.reason}" if trial.reason else ""))

    def run_ended(self, run: Run) -> None:
        self._live.stop()

    def _hear(self, trial: TrialRecord, what: str) -> None:
        self.trials[trial.id] = trial
        if not self.console.is_terminal:
            value = row(trial).value(self.spec.search.metric)
            shown = f"  {self.spec.search.metric} {value:.3f}" if value is not None and trial.reports else ""
            self.console.print(
                f"{trial.id}  {described(trial)}  {what}{shown}", highlight=False, soft_wrap=True
            )

    def render(self) -> RenderableType:
        """The table as it stands, best first, under a line of counts."""
        rows = [row(t) for t in self.trials.values()]
        counts = Counter(r.state for r in rows)
        done = sum(counts[s] for s in ("finished", "pruned", "failed"))
        told = ", ".join(f"{n} {state}" for state, n in counts.items())
        left = ""
        if done:
            seconds = (time.time() - self.began) / done * max(0, self.expected - done)
            left = f", about {clock(seconds)} left"
        line = Text(
            f"{done} of {self.expected} trials done ({told}); {clock(time.time() - self.began)}{left}"
        )
        return Group(trial_table(rows, self.spec), line)


def trial_table(rows: list[Row], spec: StudySpec, top: int = TOP) -> Table:
    """The first rows of the leaderboard as a terminal table."""
    metric, source = spec.search.metric, f"dev/acc/{spec.task.source}"
    columns = list(dict.fromkeys([metric, source, "dev/mean/targets"]))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("rung", no_wrap=True)
    for name in columns:
        table.add_column(name.removeprefix("dev/"), justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for r in leaderboard(rows, metric)[:top]:
        done = 0 if r.rung is None else r.rung + 1
        total = len(spec.rungs) if r.phase == "search" else 1
        values = [f"{100 * v:.1f}" if (v := r.value(name)) is not None else "" for name in columns]
        style = MARKS[r.state]
        table.add_row(
            r.id, parameters(r.params), "■" * done + "□" * (total - done), *values, Text(r.state, style=style)
        )
    if len(rows) > top:
        table.add_row("", f"… and {len(rows) - top} more", "", *[""] * len(columns), "")
    return table


def described(trial: TrialRecord) -> str:
    """One trial in a few words."""
    return parameters(trial.params)


def parameters(params: dict[str, object]) -> str:
    """`adversarial radius=0.1 steps=3 lr=2e-05 mini-a`: method first, numbers short."""
    method = str(params.get("method", "plain"))
    own = [f"{k.split('.', 1)[1]}={short(v)}" for k, v in params.items() if k.startswith(f"{method}.")]
    own = [text for text in own if text != "site=word"]
    return " ".join([method, *own, f"lr={short(params.get('learning_rate'))}", str(params.get("encoder"))])


def short(value: object) -> str:
    """A number in at most three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def plan_table(spec: StudySpec, plan: "Plan") -> Table:
    """What a study would do and cost."""
    table = Table(box=None, pad_edge=False, show_header=False)
    pruning = spec.pruning
    shares = ", ".join(f"{share:.0%}" for share in spec.rungs)
    rows = [
        ("task", f"{spec.task.name}: {len(spec.task.languages)} languages, {len(spec.task.pairs())} pairs"),
        ("varied", ", ".join(spec.space.varying())),
        ("trials", f"{spec.search.trials}, evaluated at {shares} of {plan.steps} steps"),
        *((f"  {name}", f"{cost:,.0f} plain steps a trial") for name, cost in plan.cost_by_method.items()),
        ("exhaustive", f"{plan.exhaustive:,.0f} plain steps"),
        (
            "search",
            f"about {plan.search:,.0f}" + (f" (1 in {pruning.reduction} passes a rung)" if pruning else ""),
        ),
        ("confirmation", f"about {plan.confirmation:,.0f}" if spec.confirm else "none"),
        ("a plain step", f"{plan.seconds_per_step * 1000:,.0f} ms here, with {spec.resources.cpu} CPU"),
        (
            "training time",
            f"about {clock(plan.hours * 3600)} for one slot; divide by the trials that run at once",
        ),
    ]
    for name, told in rows:
        table.add_row(name, told)
    return table


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


def holder_line(run: Run) -> str:
    """Who works on a run now."""
    who = run.holder()
    if who:
        return f"Running: process {who.get('pid')} on {who.get('host')}."
    if run.meta.status == "running":
        return f"Nobody works on it; go on with: python -m xrt.study resume {run.name}"
    return "Nobody works on it."


def comparison_table(left: Run, right: Run, compared: "Comparison") -> RenderableType:
    """Differences of two runs, what each says, and what follows."""
    table = Table("", left.name, right.name, box=None, pad_edge=False)
    for row_ in (*compared.asked, *compared.scores):
        table.add_row(*row_)
    return Group(
        table,
        Text(
            f"\n{left.name}: {compared.answers[0]}\n{right.name}: {compared.answers[1]}\n{compared.sentence}"
        ),
    )

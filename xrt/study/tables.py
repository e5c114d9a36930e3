"""Tables and lines of the command line: trials, runs, plans, comparisons, and what a run says at its end."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xrt.findings.findings import Findings
from xrt.findings.ranking import leaderboard
from xrt.findings.words import count, own, percent, show, spread
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.report.figures import Matrix, matrices
from xrt.report.search_figures import pruning
from xrt.spec.metric import Metric, zero_shot
from xrt.spec.study import StudySpec

if TYPE_CHECKING:
    from xrt.findings.compare import Comparison

STYLES = {
    "finished": "green",
    "running": "cyan",
    "pruned": "dim",
    "failed": "red",
    "stopped": "yellow",
    "pending": "dim",
}
TOP = 12  # rows shown; the rest is counted


def trial_table(trials: Sequence[TrialRecord], spec: StudySpec, top: int = TOP) -> Table:
    """The first rows of the leaderboard as a terminal table."""
    about = [spec.metric, zero_shot(spec.task.sources)[0], Metric("mean", "targets")]
    metrics = list(dict.fromkeys(about))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("rung", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.short, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for t in leaderboard(trials, spec.search.metric)[:top]:
        done, total = len(t.reports), max(len(t.reports), len(t.config.get("rungs", ())) or 1)
        scores = [
            percent(s).removesuffix(" %") if not math.isnan(s := t.score(str(m))) else "" for m in metrics
        ]
        rungs = "■" * done + "□" * (total - done)
        table.add_row(t.id, Text(parameters(t.params)), rungs, *scores, Text(t.state, style=STYLES[t.state]))
    if len(trials) > top:
        table.add_row("", f"… and {len(trials) - top} more", "", *[""] * len(metrics), "")
    return table


def confirmed_table(found: Findings) -> Table | None:
    """The confirmed configurations, one row each: mean ± standard deviation over seeds, dev beside test.

    What the search chose is bold. Gains and verdicts stand in the lines of the answer.
    """
    confirmed = found.confirmation
    if confirmed is None:
        return None
    dev = [] if confirmed.split == "dev" else [found.spec.metric]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("seeds", justify="right")
    for metric in (*dev, *confirmed.metrics):
        table.add_column(f"{metric.split}: {metric.words}", justify="right")
    chosen = confirmed.best(confirmed.winner).id if confirmed.winner else None
    for id, one in confirmed.configurations.items():
        failed = f", {len(one.failed)} failed" if one.failed else ""
        scores = [spread(one.accuracy(m)) for m in (*dev, *confirmed.metrics)]
        about = Text(parameters(one.params))
        table.add_row(id, about, f"{len(one.seeds)}{failed}", *scores, style="bold" if id == chosen else None)
    return table


def last_words(found: Findings, option: str) -> Group:
    """What a run says at its end: its configurations, the matrix of the best, what pruning saved, the answer.

    Args:
        option: `--results FOLDER` as it was given, for the commands that are named.
    """
    parts: list[RenderableType] = []
    if table := confirmed_table(found):
        parts += [Text("\nConfirmed configurations"), table]
    what, shown = matrices(found)
    if shown:
        parts += [Text(f"\nAccuracy, %: {shown[0].title} ({what})"), matrix_table(shown[0])]
    if (pruned := pruning(found)) and not math.isnan(pruned.share):
        spent = (
            f"{pruned.spent:,.0f} plain steps of training; all trials to the end: {pruned.exhaustive:,.0f}"
        )
        parts.append(Text(f"\nThe search cost {spent}. Pruning saved {1 - pruned.share:.0%}."))
    said = found.answer
    parts.append(Text(f"\n{said.sentence}", style="bold"))
    parts += [Text(f"- {line}") for line in said.arms] + [Text(line) for line in said.evidence]
    meta, paths = found.meta, found.paths
    where = [f"{meta.name}: {meta.status}. Recorded in {paths.root}"]
    where += [f"Report:  {paths.report}"] if paths.report.exists() else []
    where.append(f"Browse:  python -m xrt.study ui{option}")
    # To be copied: not broken where the terminal ends.
    return Group(*parts, Text("\n" + "\n".join(where), no_wrap=True, overflow="ignore"))


def matrix_table(shown: Matrix) -> Table:
    """Rows: language of sentence 1; columns: of sentence 2. Of many languages without decimals: they fit 80 columns.

    Of single sentences it has one row.
    """
    digits = 1 if len(shown.languages) <= 10 else 0
    table = Table(
        "" if shown.single else "1 \\ 2", *shown.languages, box=None, pad_edge=False, padding=(0, 1)
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for language, values in zip([""] if shown.single else shown.languages, shown.values, strict=True):
        table.add_row(language, *("" if math.isnan(v) else f"{100 * v:.{digits}f}" for v in values))
    return table


def runs_table(found: Sequence[Findings]) -> Table:
    """Each run with its answer: what the search chose and what it gains over plain."""
    table = Table("run", "status", "trials", "answer", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for one in found:
        table.add_row(one.meta.name, one.meta.status, str(len(one.trials)), Text(one.short))
    return table


def parameters(params: dict[str, object]) -> str:
    """`adversarial radius=0.1 steps=3 lr=2e-05 mini-a`: method first, numbers short."""
    settings = (f"{name}={show(value)}" for name, value in own(params).items())
    rate, encoder = f"lr={show(params.get('learning_rate'))}", str(params.get("encoder"))
    return " ".join([str(params["method"]), *settings, rate, encoder])


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def holder_line(run: Run, option: str = "") -> str:
    """Who works on a run now, and how to go on."""
    who = run.holder()
    if who:
        return f"Running: process {who.get('pid')} on {who.get('host')}."
    if run.meta.status in ("running", "stopped"):
        return f"Nobody works on it; resume it with: python -m xrt.study resume {run.name}{option}"
    return "Nobody works on it."


def progress_line(found: Findings) -> str:
    """How many trials of the search and of the confirmation are in which state."""
    states = ("finished", "pruned", "failed", "running", "stopped")
    phases = (("search", found.searched), ("confirmation", [t for t in found.trials if t.phase == "confirm"]))
    parts = []
    for name, trials in phases:
        counts = [f"{n} {state}" for state in states if (n := sum(t.state == state for t in trials))]
        if trials:
            planned = f" of {found.spec.search.trials}" if name == "search" else ""
            parts.append(f"{name}: {count(len(trials), 'trial')}{planned} ({', '.join(counts)})")
    if found.meta.status == "running" and found.meta.waiting:
        parts.append(found.meta.waiting)
    return "; ".join(parts) or "no trial yet"


def comparison_table(left: Run, right: Run, compared: "Comparison") -> RenderableType:
    """Differences of two runs, what each says, and what follows."""
    table = Table("", left.name, right.name, box=None, pad_edge=False)
    for row in (*compared.changed, *compared.scores):
        table.add_row(*map(Text, row))
    answers = (
        f"\n{left.name}: {compared.answers[0]}\n{right.name}: {compared.answers[1]}\n{compared.sentence}"
    )
    return Group(table, Text(answers))

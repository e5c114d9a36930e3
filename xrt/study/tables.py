"""Tables and lines of the command line: trials, runs, comparisons, and the summary at a run's end."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xrt.findings.confirming import missing
from xrt.findings.findings import Findings
from xrt.findings.ranking import leaderboard
from xrt.findings.words import count, own, percent, show, spread
from xrt.record.run import Run
from xrt.record.values import OVER, Pace, TrialRecord
from xrt.report.figures import Matrix, matrices
from xrt.report.search_figures import pruning
from xrt.spec.metric import Metric, zero_shot
from xrt.spec.study import StudySpec
from xrt.study.fitting import Column, Fitted
from xrt.study.pace import seconds_left, share

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
SHORT = {
    "batch_size": "batch",
    "max_tokens": "tokens",
    "weight_decay": "decay",
    "freeze_word_embeddings": "freeze",
}


def trial_table(trials: Sequence[TrialRecord], spec: StudySpec, top: int = TOP) -> Group:
    """The first rows of the leaderboard, accuracies in percent, and how many more there are."""
    metrics = dict.fromkeys([spec.metric, zero_shot(spec.task.sources)[0], Metric("mean", "targets")])
    shown = leaderboard(trials, spec.search.metric)[:top]
    scores = [Column(heading(m), [percent_of(t.score(str(m))) for t in shown], right=True) for m in metrics]
    state = Column("state", [Text(t.state, style=STYLES[t.state]) for t in shown])
    columns = [Column("rung", [_rungs(t) for t in shown]), *scores, state]
    least = [*(column.head for column in reversed(scores[1:])), "rung"]
    about = [parameters(t.params, spec) for t in shown]
    more = [Text(f"… and {len(trials) - top} more")] if len(trials) > top else []
    return Group(Fitted([t.id for t in shown], about, columns, least), *more)


def running_table(trials: Sequence[TrialRecord], paces: Mapping[str, Pace], spec: StudySpec) -> Group:
    """The progress of the running trials, by id: step, loss since their last rung, and pairs a second.

    A trial without a pace still reads and tokenizes its data, or has only just begun to train.
    """
    running = [t for t in trials if t.state == "running"]
    shown = sorted(running, key=lambda t: (len(t.id), t.id))[:TOP]
    at = [paces.get(t.id) for t in shown]
    columns = [
        Column(
            "step", [f"{pace.step:,} of {pace.steps:,}" if pace else "starting" for pace in at], right=True
        ),
        Column("loss", [f"{pace.loss:.3f}" if pace else "" for pace in at], right=True),
        Column("pairs/s", [f"{pace.pairs_per_second:,.0f}" if pace else "" for pace in at], right=True),
        Column("rung", [_rungs(t) for t in shown]),
    ]
    more = [Text(f"… and {len(running) - TOP} more run")] if len(running) > TOP else []
    about = [parameters(t.params, spec) for t in shown]
    return Group(Fitted([t.id for t in shown], about, columns, ["rung", "loss"]), *more)


def heading(metric: Metric) -> str:
    """`mixed`, `en`, `de-zh`, `proxy/noise`."""
    return metric.short if metric.kind == "proxy" else metric.name


def percent_of(score: float) -> str:
    """A percentage without the sign %, for a column; empty if unknown."""
    return "" if math.isnan(score) else percent(score).removesuffix(" %")


def _rungs(trial: TrialRecord) -> str:
    done = len(trial.reports)
    return "■" * done + "□" * ((len(trial.config.get("rungs", ())) or 1) - done)


def confirmed_table(found: Findings) -> Fitted | None:
    """The confirmed configurations, one row each: mean ± standard deviation over seeds, dev beside test.

    What the search chose is bold. Gains and verdicts stand in the lines of the answer.
    """
    confirmed = found.confirmation
    if confirmed is None:
        return None
    known = confirmed.configurations
    dev = [] if confirmed.split == "dev" else [found.spec.metric]
    columns = [
        Column(f"{m.split} {heading(m)}", [spread(one.accuracy(m)) for one in known.values()], right=True)
        for m in (*dev, *confirmed.metrics)
    ]
    seeds = [
        f"{len(one.seeds)}" + (f", {len(one.failed)} failed" if one.failed else "") for one in known.values()
    ]
    chosen = [confirmed.best(confirmed.winner).id] if confirmed.winner else []
    about = [parameters(one.params, found.spec) for one in known.values()]
    least = [columns[0].head] if dev else []
    return Fitted(list(known), about, [Column("seeds", seeds, right=True), *columns], least, chosen)


def last_words(found: Findings, option: str) -> Group:
    """The summary at a run's end: its configurations, the matrix of the best, what pruning saved, the answer.

    Args:
        option: `--results FOLDER` as it was given, for the commands that are named.
    """
    parts: list[RenderableType] = []
    if table := confirmed_table(found):
        parts += [Text("\nConfirmed configurations"), table]
    basis, shown = matrices(found)
    if shown:
        parts += [Text(f"\nAccuracy, %: {shown[0].title} ({basis})"), matrix_table(shown[0])]
    if (pruned := pruning(found)) and not math.isnan(pruned.share):
        spent = (
            f"{pruned.spent:,.0f} plain steps of training; all trials to the end: {pruned.exhaustive:,.0f}"
        )
        parts.append(Text(f"\nThe search cost {spent}. Pruning saved {1 - pruned.share:.0%}."))
    answer = found.answer
    parts.append(Text(f"\n{answer.sentence}", style="bold"))
    parts += [Text(f"- {line}") for line in answer.arms] + [Text(line) for line in answer.evidence]
    meta, paths = found.meta, found.paths
    where = [f"{meta.name}: {meta.status}. Recorded in {paths.root}"]
    where += [f"Report:  {paths.report}"] if paths.report.exists() else []
    where.append(f"Browse:  python -m xrt.study ui{option}")
    # These lines are for copying, so they do not wrap at the terminal's width.
    return Group(*parts, Text("\n" + "\n".join(where), no_wrap=True, overflow="ignore"))


def matrix_table(shown: Matrix) -> Table:
    """Rows: language of sentence 1; columns: of sentence 2. For single sentences, one row.

    With more than ten languages, accuracies have no decimals, to fit 80 columns.
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
        answer = one.short + (f"\nNote: {one.note}" if one.note else "")
        table.add_row(one.meta.name, one.meta.status, str(len(one.trials)), Text(answer))
    return table


def parameters(params: Mapping[str, Any], spec: StudySpec) -> str:
    """`adversarial radius=0.1 steps=3 lr=2e-05 mini-a`: the method, then what the study varies, under short names."""
    varying = set(spec.varying())
    varied = {name: value for name, value in params.items() if name in varying}
    words = [str(params["method"])]
    words += [f"{SHORT.get(name, name)}={show(value)}" for name, value in own(varied).items()]
    words += [f"lr={show(varied['learning_rate'])}"] if "learning_rate" in varied else []
    if "encoder" in varied:
        last = {Path(encoder).name for encoder in spec.space.encoders}
        distinct = len(last) == len(spec.space.encoders)
        words.append(Path(str(varied["encoder"])).name if distinct else str(varied["encoder"]))
    return " ".join(words)


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def holder_line(run: Run, option: str = "", learned: bool = True) -> str:
    """Whether a process works on the run, and the command that continues it.

    Args:
        learned: whether any configuration learned something, before more trials are offered.
    """
    if who := run.holder():
        return f"Running: process {who.get('pid')} on {who.get('host')}."
    if run.meta.status in ("running", "stopped"):
        return f"Not running; resume it with: python -m xrt.study resume {run.name}{option}"
    if not learned:
        return "Not running. Nothing was learned: change what is trained before you add trials."
    more = f"python -m xrt.study run --extend {run.name}{option} --set search.trials=+24"
    return f"Not running. More trials: {more}"


def time_line(run: Run, found: Findings) -> str:
    """When a run began, how long it took or has taken, and the time left while somebody works on it."""
    meta, who, now = found.meta, run.holder(), time.time()
    began = f"Started {datetime.fromtimestamp(meta.started, UTC):%Y-%m-%d %H:%M} UTC"
    if who is None:
        return f"{began}, ended {clock(meta.ended - meta.started)} later." if meta.ended else f"{began}."
    since = float(who.get("since", now))
    before = sum(share(trial, until=since) for trial in found.trials)
    ended = sum(t.state in OVER for t in found.searched)
    confirming = sum(t.phase == "confirm" and t.state in OVER for t in found.trials)
    confirming += len(missing(found)) if ended >= found.spec.search.trials else 0
    left = seconds_left(found.spec, found.trials, now - since, before, confirming)
    return f"{began}, {clock(now - meta.started)} ago" + (f"; about {clock(left)} left." if left else ".")


def progress_line(found: Findings) -> str:
    """How many trials of the search and of the confirmation are in which state."""
    states = ("finished", "pruned", "failed", "running", "stopped", "pending")
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

"""Tables and lines of the command line: trials, runs, plans, comparisons, and what a run says at its end."""

import math
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xrt.answers.confirmed import confirmation, ranked
from xrt.answers.figures import matrix, pruning
from xrt.answers.report import report_paths
from xrt.answers.table import Row, leaderboard
from xrt.answers.wording import answer, in_short
from xrt.record.run import Run
from xrt.spec.study import StudySpec

if TYPE_CHECKING:
    from xrt.answers.compare import Comparison
    from xrt.answers.figures import Matrix
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


def last_words(run: Run, option: str) -> Group:
    """What a run says at its end: the matrix of the best, what pruning saved, the answer, where to look on.

    Args:
        option: `--results FOLDER` as it was given, for the commands that are named.
    """
    parts: list[RenderableType] = []
    if found := shown_matrix(run):
        parts += [Text(f"\nAccuracy, %: {found.title}"), matrix_table(found)]
    if (pruned := pruning(run)) and not math.isnan(pruned.share):
        spent = (
            f"{pruned.spent:,.0f} plain steps of training; all trials to the end: {pruned.exhaustive:,.0f}"
        )
        parts.append(Text(f"\nThe search cost {spent}. Pruning saved {1 - pruned.share:.0%}."))
    told = answer(run, confirmation(run))
    parts += [Text(f"\n{told.sentence}", style="bold"), *(Text(line) for line in told.evidence)]
    page = report_paths(run).html
    where = [f"{run.name}: {run.meta.status}. Recorded in {run.paths.root}"]
    where += [f"Report:  {page}"] if page.exists() else []
    where.append(f"Browse:  python -m xrt.study ui{option}")
    # to be copied: not broken where the terminal ends
    return Group(*parts, Text("\n" + "\n".join(where), no_wrap=True, overflow="ignore"))


def shown_matrix(run: Run) -> "Matrix | None":
    """Of the confirmed winner on test, or of the best trial on dev."""
    confirmed = confirmation(run)
    if confirmed and confirmed.winner:
        own, split = confirmed.winner.configuration.trials, "test" if confirmed.split == "test" else "final"
        title = f"{confirmed.winner.configuration.label}, {confirmed.split}, mean of {len(own)} seeds"
        return matrix(title, own, run.meta.languages, split)
    best = ranked(run.trials(), run.meta.metric)[:1]
    return matrix(f"trial {best[0].id}, dev", best, run.meta.languages, "final") if best else None


def matrix_table(found: "Matrix") -> Table:
    """Rows: language of sentence 1; columns: of sentence 2. Of many languages without decimals: they fit 80 columns."""
    digits = 1 if len(found.languages) <= 10 else 0
    table = Table("1 \\ 2", *found.languages, box=None, pad_edge=False, padding=(0, 1))
    for column in table.columns[1:]:
        column.justify = "right"
    for language, values in zip(found.languages, found.values, strict=True):
        table.add_row(language, *("" if math.isnan(v) else f"{100 * v:.{digits}f}" for v in values))
    return table


def runs_table(runs: list[Run]) -> Table:
    """Each run with its answer: what the search chose and what it gains over plain."""
    table = Table("run", "status", "trials", "answer", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for run in runs:
        table.add_row(run.name, run.meta.status, str(len(run.trials())), in_short(run, confirmation(run)))
    return table


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
    why = [f"1 in {pruning.reduction} passes a rung"] if pruning else []
    if len(set(plan.search)) > 1:
        why.append(f"the more, the more trials are {plan.costliest}")
    ends = dict.fromkeys(clock(seconds) for seconds in plan.seconds)
    rows = [
        ("task", f"{spec.task.name}: {len(spec.task.languages)} languages, {len(spec.task.pairs())} pairs"),
        ("varied", ", ".join(spec.space.varying())),
        ("trials", f"{spec.search.trials}, evaluated at {shares} of {plan.steps} steps"),
        *((f"  {name}", f"{cost:,.0f} plain steps a trial") for name, cost in plan.cost_by_method.items()),
        ("exhaustive", f"{plan.exhaustive:,.0f} plain steps"),
        ("search", f"about {_span(plan.search)}" + (f" ({'; '.join(why)})" if why else "")),
        ("confirmation", f"about {_span(plan.confirmation)}" if spec.confirm else "none"),
        ("a plain step", f"{plan.seconds_per_step * 1000:,.0f} ms here, with {spec.resources.cpu} CPU"),
        (
            "training time",
            f"about {' to '.join(ends)} for one slot; divide by the trials that run at once",
        ),
    ]
    for name, told in rows:
        table.add_row(name, told)
    return table


def _span(ends: tuple[float, float]) -> str:
    return " to ".join(dict.fromkeys(f"{end:,.0f}" for end in ends))


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
    for row in (*compared.asked, *compared.scores):
        table.add_row(*row)
    return Group(
        table,
        Text(
            f"\n{left.name}: {compared.answers[0]}\n{right.name}: {compared.answers[1]}\n{compared.sentence}"
        ),
    )

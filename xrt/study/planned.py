"""What a study would do and cost, as a table."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from xrt.spec.study import StudySpec
from xrt.study.tables import clock

if TYPE_CHECKING:
    from xrt.search.plan import ArmPlan, Plan


def plan_table(spec: StudySpec, plan: "Plan") -> Table:
    """A line an arm, then the confirmation and the time."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    for name, text in _rows(spec, plan):
        table.add_row(Text(name), Text(text))
    return table


def _rows(spec: StudySpec, plan: "Plan") -> list[tuple[str, str]]:
    task = spec.task
    pairs = "" if task.sentences == 1 else f", {len(task.pairs()):,} pairs"
    rows = [
        ("task", f"{task.name}: {len(task.languages)} languages{pairs}"),
        ("varied", ", ".join(spec.varying())),
        ("a plain training", f"{plan.steps:,} steps"),
        ("search", f"{plan.trials} trials in {len(plan.arms)} arms, about {plan.search:,.0f} plain steps"),
        *((f"  {arm.arm.name}", _arm(arm)) for arm in plan.arms),
    ]
    if spec.confirm:
        trainings, costs = _span(plan.confirmed), _span(plan.confirmation)
        seeds = _span(plan.seeds)
        rows.append(("confirmation", f"{trainings} trainings with {seeds} seeds each, {costs} plain steps"))
    else:
        rows.append(("confirmation", "none"))
    if plan.sight:
        fewest, most = (f"{100 * end:.1f}" for end in plan.sight[:2])
        span = fewest if fewest == most else f"{most} (most seeds) to {fewest} (fewest)"
        text = f"a true difference of {span} points is found in 80 % of such studies, {plan.sight.basis}"
        rows.append(("what can be seen", text))
    threads = f"{spec.resources.cpu} CPU{'s' if spec.resources.cpu > 1 else ''}"
    ends = dict.fromkeys(clock(seconds) for seconds in plan.seconds)
    rows += [
        ("a plain step", f"{plan.seconds_per_step * 1000:,.0f} ms here, with {threads}"),
        ("time", f"about {' to '.join(ends)} for one slot; divide by the trials that run at once"),
    ]
    return rows


def _arm(arm: "ArmPlan") -> str:
    rungs = ", ".join(f"{step:,}" for step in arm.rungs)
    return f"{arm.trials} trials, rungs at {rungs} steps; a whole training costs {arm.cost:,.0f} plain steps"


def _span(ends: tuple[float, float]) -> str:
    return " to ".join(dict.fromkeys(f"{end:,.0f}" for end in ends))

"""What a study would do and cost, as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from xrt.findings.power import detectable_words
from xrt.findings.words import count
from xrt.search.packing import cores
from xrt.spec.study import StudySpec
from xrt.study.tables import clock

if TYPE_CHECKING:
    from xrt.search.plan import ArmPlan, Plan
    from xrt.search.timing import Timing


def plan_table(spec: StudySpec, plan: "Plan") -> Table:
    """One row per arm, then the confirmation and the time."""
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
        (
            "search",
            f"{plan.trials} trials in {len(plan.arms)} arms, about {plan.search.steps:,.0f} plain steps",
        ),
        *((f"  {arm.arm.name}", _arm(arm)) for arm in plan.arms),
    ]
    if spec.confirm:
        trainings, costs = _span(plan.confirmed), _span([cost.steps for cost in plan.confirmation])
        seeds = _span(plan.seeds)
        rows.append(("confirmation", f"{trainings} trainings with {seeds} seeds each, {costs} plain steps"))
    else:
        rows.append(("confirmation", "none"))
    if plan.sight:
        rows.append(("detectable", detectable_words(plan.sight)))
    threads = count(min(spec.resources.cpu, cores()), "CPU")
    ends = dict.fromkeys(clock(seconds) for seconds in plan.seconds)
    return [
        *rows,
        ("a step here", f"with {threads}, at the middle of each method's ranges"),
        *((f"  {name}", _timing(timing)) for name, timing in plan.timings.items()),
        (
            "time",
            f"about {' to '.join(ends)} if trials run one after the other; divide by those that run at once",
        ),
    ]


def _timing(timing: "Timing") -> str:
    steps = ", ".join(f"{method} {step.seconds * 1000:,.0f} ms" for method, step in timing.steps.items())
    room = f" of the {timing.room:.1f} that packing gives a trial" if timing.room else ""
    evaluation = f"evaluates {1 / timing.evaluation:,.0f} inputs a second"
    return f"{steps}; {evaluation}; peak memory {timing.peak / 2**30:.1f} GiB{room}"


def _arm(arm: "ArmPlan") -> str:
    rungs = ", ".join(f"{step:,}" for step in arm.rungs)
    cost = f"a whole training costs {arm.cost.steps:,.0f} plain steps, {clock(arm.cost.seconds)}"
    return f"{arm.trials} trials, rungs at {rungs} steps; {cost}"


def _span(ends: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{end:,.0f}" for end in ends))

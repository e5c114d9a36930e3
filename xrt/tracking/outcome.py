"""The MLflow page of an ended run: the answer with its table, and the metrics by which runs are compared.

A function of the findings; it knows no MLflow. During a run its page shows the search's progress instead.
"""

import math
from dataclasses import dataclass

from xrt.findings.findings import Confirmation, Findings
from xrt.findings.markdown import grid, plain_text
from xrt.findings.table import confirmed_rows
from xrt.spec.metric import Metric, means_of


@dataclass(frozen=True)
class Outcome:
    """`parts` are paragraphs of Markdown; `metrics` are of the chosen configuration, means over its seeds.

    The names are those of the trials (`test/mean/mixed`), so that a run and its trials share the columns of
    MLflow's table; `gain/...` is the difference to plain.
    """

    parts: tuple[str, ...]
    metrics: dict[str, float]


def outcome(found: Findings) -> Outcome | None:
    """The outcome of an ended run; None before its end."""
    if found.meta.ended is None:
        return None
    answer = found.answer
    parts = [f"**{plain_text(answer.sentence)}**"]
    parts += [f"- {plain_text(line)}" for line in answer.arms]
    parts += map(plain_text, answer.evidence)
    if table := confirmed_rows(found):
        bold = next((i for i, row in enumerate(table.rows) if row.chosen), None)
        parts.append(grid(table.head, [row.cells for row in table.rows], table.numbers, bold))
    confirmed = found.confirmation
    return Outcome(tuple(parts), _metrics(found, confirmed) if confirmed else {})


def _metrics(found: Findings, confirmed: Confirmation) -> dict[str, float]:
    """Accuracy and gain in every language and mean; of each claim also the corrected interval and p."""
    arm = confirmed.winner
    if arm is None:
        return {}
    values: dict[str, float] = {}
    for metric in (
        *means_of(found.spec.task),
        *(Metric("acc", language) for language in found.meta.languages),
    ):
        values[str(metric.on(confirmed.split))] = confirmed.accuracy(arm, metric).mean
        if gain := confirmed.gain(arm, metric):
            values[f"gain/{metric.short}"] = gain.mean
    for claim in confirmed.claims_of(arm):
        low, high = claim.interval
        name = f"gain/{claim.metric.short}"
        values |= {
            name: claim.difference.mean,
            f"{name}/low": low,
            f"{name}/high": high,
            f"{name}/p": claim.p,
        }
    return {name: value for name, value in values.items() if not math.isnan(value)}

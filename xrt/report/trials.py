"""A section for each trial, opened by its points and its rows: its curves, its configuration, what it reported."""

import math
from collections.abc import Iterator

from xrt.findings.findings import Findings
from xrt.findings.words import NOTHING, describe, percent, show
from xrt.record.values import TrialRecord
from xrt.report.rendering import Curve, Folded, Heading, Table

LOSS = "train/loss"


def sections(found: Findings) -> Iterator[Heading | Folded]:
    """The trials that have begun, those of the search best first, then those of the confirmation."""
    confirming = [t for t in found.trials if t.phase == "confirm"]
    begun = [t for t in (*found.leaderboard, *confirming) if t.started is not None]
    if begun:
        yield Heading("Every trial")
    for trial in begun:
        curves = [curve for name in (str(found.spec.metric), LOSS) if (curve := _curve(trial, name))]
        parts: list[Curve | Table] = [*curves, _settings(trial), *_reports(trial)]
        yield Folded(f"trial-{trial.id}", _title(trial, str(found.spec.metric)), tuple(parts))


def _title(trial: TrialRecord, metric: str) -> str:
    score = trial.score(metric)
    reached = "" if math.isnan(score) else f", {metric} {percent(score)}"
    rate = show(trial.params.get("learning_rate"))
    about = f"{describe(trial.params)}, {trial.params['encoder']}, learning rate {rate}, seed {trial.seed}"
    return f"{trial.id}: {about}: {trial.state}{reached}"


def _curve(trial: TrialRecord, name: str) -> Curve | None:
    known = [(r.step, value) for r in trial.reports if not math.isnan(value := r.metrics.get(name, math.nan))]
    if len(known) < 2:
        return None
    steps, values = zip(*known, strict=True)
    return Curve(name, steps, values)


def _settings(trial: TrialRecord) -> Table:
    """What was sampled, then everything else that the training takes."""
    facts = {
        "phase": trial.phase,
        "node": trial.node,
        "device": trial.device,
        "reason": (trial.reason or "")[:500],
        "seed": trial.seed,
    }
    rows = {**trial.params, **{k: v for k, v in trial.config.items() if k not in trial.params}, **facts}
    shown = tuple((name, _value(value)) for name, value in rows.items() if value not in ("", None))
    return Table(("setting", "value"), shown)


def _value(value: object) -> str:
    """Names and values as pairs, without what is empty: `radius 0.05, steps 2`."""
    if isinstance(value, dict):
        value = [pair for pair in value.items() if pair[1] not in (None, "", [], ())]
    if isinstance(value, list | tuple):
        return ", ".join(" ".join(map(_value, v)) if isinstance(v, list | tuple) else show(v) for v in value)
    return show(value)


def _reports(trial: TrialRecord) -> Iterator[Table]:
    """A column a rung. Single pairs are left out: they stand in the record."""
    if trial.reports:
        names = dict.fromkeys(name for r in trial.reports for name in r.metrics if "/pair/" not in name)
        rows = tuple((n, *(_number(r.metrics.get(n, math.nan)) for r in trial.reports)) for n in names)
        head = ("metric", *(f"step {r.step:,}" for r in trial.reports))
        yield Table(head, rows, frozenset(range(1, len(head))))


def _number(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.4g}"

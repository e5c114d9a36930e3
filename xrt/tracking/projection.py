"""What MLflow should hold for a run, as plain values: a pure function of the record.

The parent run stands for the run, a child run for each trial that has begun. It knows neither MLflow's client
nor what a store already has; `tracking.py` compares the two and sends what is missing. Because every point
has its step and its time from the record, sending it again changes nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from xrt.answers.outcome import Outcome
from xrt.answers.table import best, leaderboard, markdown, row
from xrt.record.values import Data, Meta, TrialRecord

NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
TRIAL = "xrt.trial"  # only children have it
UID = "xrt.uid"
_FORBIDDEN = re.compile(r"[^\w .:-]")  # in the name of a metric, where a slash would make a group of its own
LONGEST = 5000  # characters of a tag or parameter; MLflow cuts at 8,000 and 6,000
SETTINGS = (
    *("encoder", "learning_rate", "method", "seed", "epochs", "batch_size", "max_tokens", "warmup"),
    *("weight_decay", "clip", "freeze_word_embeddings", "dropout", "micro_batch", "gradient_checkpointing"),
)
_TRIAL_STATUS = {
    **{"pending": "SCHEDULED", "running": "RUNNING", "finished": "FINISHED"},
    **{"pruned": "KILLED", "stopped": "KILLED", "failed": "FAILED"},
}
_RUN_STATUS = {"running": "RUNNING", "finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class Point:
    """One value of a metric; `time` in milliseconds, as MLflow counts."""

    key: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Projected:
    """One MLflow run. Points of the same key stand in the order of their steps."""

    name: str
    status: str
    started: int
    ended: int | None  # None while it runs
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    data: tuple[Data, ...] = ()


def child(meta: Meta, trial: TrialRecord, parent: str) -> Projected:
    """The MLflow run of a trial that has begun; `parent` is its parent's MLflow run id."""
    asked = {**{key: trial.config.get(key) for key in SETTINGS}, "seed": trial.seed, **trial.params}
    tags = {
        **_common(meta),
        PARENT: parent,
        TRIAL: trial.id,
        "xrt.outcome": trial.state,
        "xrt.phase": trial.phase,
        "xrt.rung": str(trial.last.rung) if trial.last else None,
        "xrt.reason": trial.reason,
        "xrt.node": trial.node,
    }
    return Projected(
        name=f"{trial.id} {trial.method}",
        status=_TRIAL_STATUS[trial.state],
        started=_ms(trial.started or meta.started),
        ended=None if trial.ended is None or trial.state == "running" else _ms(trial.ended),
        tags=_present(tags),
        params=_present({name: value for name, value in asked.items() if value != "null"}),
        points=tuple(
            Point(key, value, report.step, _ms(report.time))
            for report in trial.reports
            for key, value in report.metrics.items()
        ),
        # a trial of the search never sees the test split, so its page must not say so
        data=tuple(d for d in meta.data if trial.phase == "confirm" or d.context != "test"),
    )


def has_begun(trial: TrialRecord) -> bool:
    """Whether there is anything to show of a trial: not while it waits, nor if it was stopped waiting."""
    return trial.started is not None or trial.state in ("running", "finished", "pruned", "failed")


def parent(
    meta: Meta,
    trials: Sequence[TrialRecord],
    children: Mapping[str, str],
    place: str,
    outcome: Outcome | None = None,
    asked: Mapping[str, str] = MappingProxyType({}),
) -> Projected:
    """The MLflow run of the run itself.

    Args:
        trials: All of them.
        children: Their MLflow run ids, by trial id.
        place: The address of the experiment in MLflow's pages, for links.
        outcome: What the run says, when it has ended.
        asked: The fields of the study, which become its parameters.
    """
    winner = best([row(trial) for trial in trials], meta.metric)
    tags = {
        **_common(meta),
        NOTE: _note(meta, trials, children, place, outcome),
        "mlflow.source.name": f"xrt.study run {meta.study}",  # its column shows what follows the last slash
        "xrt.command": meta.command,
        "mlflow.source.type": "LOCAL",
        "xrt.outcome": meta.status,
        "xrt.metric": meta.metric,
        "xrt.task": meta.task,
        "xrt.versions": ", ".join(f"{name} {version}" for name, version in meta.versions.items()),
        "xrt.dropped": "; ".join(meta.extra.get("dropped", ())),
        "xrt.warnings": "; ".join(meta.extra.get("warnings", ())),
        "xrt.best_trial": children.get(winner.id) if winner else None,
    }
    return Projected(
        name=meta.name,
        status=_RUN_STATUS[meta.status],
        started=_ms(meta.started),
        ended=None if meta.ended is None else _ms(meta.ended),
        tags=_present(tags),
        params=_present({name: value for name, value in asked.items() if value != "null"}),
        points=(*_course(meta.metric, trials), *_result(meta, trials, outcome), *_misalignment(meta)),
        data=meta.data,
    )


def _course(metric: str, trials: Sequence[TrialRecord]) -> list[Point]:
    """Best value so far and trials by outcome, after each trial that ended: step 1 is the first of them.

    So the parent's page shows the search's progress, and its last points are the summary of the run.
    """
    points: list[Point] = []
    counts = {"finished": 0, "pruned": 0, "failed": 0}
    record: float | None = None
    ended = [(t.ended, t.id, t) for t in trials if t.state in counts and t.ended is not None]
    for step, (moment, _, trial) in enumerate(sorted(ended, key=lambda entry: entry[:2]), 1):
        counts[trial.state] += 1
        time = _ms(moment)
        points += [Point(f"trials/{state}", count, step, time) for state, count in counts.items()]
        if winner := best([row(trial)], metric):
            value = winner.value(metric) or 0.0
            record = value if record is None else max(record, value)
        if record is not None:
            points.append(Point(f"best/{metric}", record, step, time))
    return points


def _misalignment(meta: Meta) -> list[Point]:
    """`misalignment/words/mini-a/de`: what the probe of each encoder found, once."""
    return [
        Point(
            f"misalignment/{site}/{_FORBIDDEN.sub('_', Path(encoder).name)}/{name}",
            value,
            0,
            _ms(meta.started),
        )
        for encoder, sites in meta.extra.get("misalignment", {}).items()
        for site, found in sites.items()
        for name, value in {**found["distance"], "unrelated": found["unrelated"]}.items()
    ]


def _result(meta: Meta, trials: Sequence[TrialRecord], outcome: Outcome | None) -> list[Point]:
    """The numbers of the outcome, once; again only when a resumed run has more trials."""
    if outcome is None or meta.ended is None:
        return []
    step = sum(trial.ended is not None for trial in trials)
    return [Point(key, value, step, _ms(meta.ended)) for key, value in outcome.metrics.items()]


def _note(
    meta: Meta,
    trials: Sequence[TrialRecord],
    children: Mapping[str, str],
    place: str,
    outcome: Outcome | None,
) -> str:
    """The page's description: the outcome if there is one, how the search went, its first trials as a table.

    As many of these as MLflow keeps: it would cut a longer text in the middle of a line.
    """
    rows = leaderboard([row(trial) for trial in trials if trial.phase == "search"], meta.metric)

    def link(id: str) -> str | None:
        return f"{place}/runs/{children[id]}" if id in children else None

    count = {state: sum(r.state == state for r in rows) for state in ("finished", "pruned", "failed")}
    fates = f"{count['finished']} finished, {count['pruned']} pruned, {count['failed']} failed"
    if winner := best(rows, meta.metric):
        value = winner.value(meta.metric) or 0.0
        first = f"**Best {meta.metric}: {value:.4f}**, trial {winner.id} ({winner.method})"
    else:
        first = "No trial has finished yet"
    said = [outcome.note, "Search:"] if outcome else []
    said.append(f"{first}; {len(rows)} trials: {fates}.")
    last = f"Run `{meta.name}`, study `{meta.study}`."
    for top in range(min(10, len(rows)), 0, -1):
        text = "\n\n".join([*said, markdown(rows, meta.metric, top, link), last])
        if len(text) <= LONGEST:
            return text
    return "\n\n".join([*said, last])


def _common(meta: Meta) -> dict[str, object]:
    """Tags of the parent and of every child."""
    return {
        "xrt.run": meta.name,
        "xrt.study": meta.study,
        UID: meta.uid,
        "mlflow.user": meta.user,
        "mlflow.source.git.commit": (meta.git or {}).get("commit"),
    }


def _present(values: Mapping[str, object]) -> dict[str, str]:
    """Those that have a value, as strings that MLflow need not cut (a cut one would never look equal)."""
    return {key: str(value)[:LONGEST] for key, value in values.items() if value not in (None, "")}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

"""What MLflow should contain for a run, as plain values: a pure function of the record.

The parent run represents the run, a child run each trial that has begun. It knows neither MLflow's client nor
what a store already has; `tracker.py` compares the two and sends what is missing. Because the steps and times of
all points come from the record, sending them again changes nothing.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xrt.findings.compare import fields
from xrt.findings.findings import Findings
from xrt.findings.markdown import grid, plain_text
from xrt.findings.words import capital, describe, percent, show
from xrt.record.values import OVER, Data, Meta, TrialRecord
from xrt.spec.metric import Metric
from xrt.tracking.outcome import Outcome, outcome

NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
TRIAL = "xrt.trial"  # only children have it
UID = "xrt.uid"
_FORBIDDEN = re.compile(r"[^\w .:-]")  # in the name of a metric, where a slash would make a group
LONGEST = 5000  # characters of a tag or parameter; MLflow cuts at 8,000 and 6,000
SETTINGS = (
    *("encoder", "learning_rate", "method", "seed", "epochs", "batch_size", "max_tokens", "warmup"),
    *(
        "weight_decay",
        "clip",
        "freeze_word_embeddings",
        "dropout",
        "micro_batch",
        "gradient_checkpointing",
        "compile",
        "deterministic",
        "precision",
        "keep",
    ),
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
    sampled = {name: "null" if value is None else value for name, value in trial.params.items()}
    params = {**{key: trial.config.get(key) for key in SETTINGS}, "seed": trial.seed, **sampled}
    tags = {
        **_common(meta),
        PARENT: parent,
        NOTE: _summary(meta, trial) if trial.state in OVER and not trial.outside else None,
        TRIAL: trial.id,
        "xrt.outcome": trial.state,
        "xrt.phase": trial.phase,
        "xrt.configuration": trial.configuration or trial.id,
        "xrt.rung": str(trial.last.rung) if trial.last else None,
        "xrt.reason": trial.reason,
        "xrt.node": trial.node,
        "xrt.device": trial.device,
    }
    return Projected(
        name=f"{trial.id} {trial.method}",
        status=_TRIAL_STATUS[trial.state],
        started=_ms(trial.started or meta.started),
        ended=None if trial.ended is None or trial.state == "running" else _ms(trial.ended),
        tags=_present(tags),
        params=_present(params),
        points=tuple(
            Point(key, value, report.step, _ms(report.time))
            for report in trial.reports
            for key, value in report.metrics.items()
        ),
        # a trial of the search never reads the test split, so its page must not name it
        data=tuple(d for d in meta.data if trial.phase == "confirm" or d.context != "test"),
    )


def _summary(meta: Meta, trial: TrialRecord) -> str:
    """A trial's page in a sentence: what was trained, from which seed, and what it reached (test: if confirmed)."""
    metric = Metric.parse(meta.metric)
    scores = {m.split: trial.score(str(m)) for m in (metric, metric.on("test"))}
    reached = [
        f"{percent(s)} on {metric.words} of {split}" for split, s in scores.items() if not math.isnan(s)
    ]
    end = f"{trial.state}: {trial.reason.rstrip('.')}" if trial.reason else trial.state
    return plain_text(f"{capital(describe(trial.params))}, seed {trial.seed}: {'; '.join([*reached, end])}.")


def has_begun(trial: TrialRecord) -> bool:
    """Whether a trial has anything to show: not while it waits, nor if it was stopped before it began."""
    return trial.started is not None or trial.state in ("running", *OVER)


def parent(found: Findings, children: Mapping[str, str], place: str) -> Projected:
    """The MLflow run of the run itself.

    Args:
        children: the MLflow run ids of its trials, by trial id.
        place: the address of the experiment in MLflow's pages, for links.
    """
    meta, best, shown = found.meta, found.best_trial, outcome(found)
    tags = {
        **_common(meta),
        NOTE: note(found, children, place, shown),
        # MLflow's column shows what follows the last slash.
        "mlflow.source.name": f"xrt.study run {meta.study}",
        "xrt.command": meta.command,
        "mlflow.source.type": "LOCAL",
        "xrt.outcome": meta.status,
        "xrt.metric": meta.metric,
        "xrt.task": meta.task,
        "xrt.versions": ", ".join(f"{name} {version}" for name, version in meta.versions.items()),
        "xrt.dropped": "; ".join(meta.dropped),
        "xrt.warnings": "; ".join(meta.warnings),
        "xrt.best_trial": children.get(best.id) if best else None,
    }
    return Projected(
        name=meta.name,
        status=_RUN_STATUS[meta.status],
        started=_ms(meta.started),
        ended=None if meta.ended is None else _ms(meta.ended),
        tags=_present(tags),
        params=_present({name: value for name, value in fields(found).items() if value != "null"}),
        points=(*_course(found), *_result(found, shown), *_misalignment(meta)),
        data=meta.data,
    )


def _course(found: Findings) -> list[Point]:
    """Best score so far and trials by outcome, after each trial that ended: step 1 is the first of them.

    So the parent's page shows the search's progress, and its last points are the summary of the run.
    """
    points: list[Point] = []
    counts = {"finished": 0, "pruned": 0, "failed": 0}
    best, metric = math.nan, found.meta.metric
    ended = [(t.ended, t.id, t) for t in found.trials if t.state in counts and t.ended is not None]
    for step, (moment, _, trial) in enumerate(sorted(ended, key=lambda entry: entry[:2]), 1):
        counts[trial.state] += 1
        time = _ms(moment)
        points += [Point(f"trials/{state}", count, step, time) for state, count in counts.items()]
        if trial.phase == "search" and trial.state == "finished":
            best = max((s for s in (best, trial.score(metric)) if not math.isnan(s)), default=math.nan)
        if not math.isnan(best):
            points.append(Point(f"best/{metric}", best, step, time))
    return points


def _misalignment(meta: Meta) -> list[Point]:
    """`misalignment/words/mini-a/de`: the probe of each encoder, once."""
    return [
        Point(
            f"misalignment/{site}/{_FORBIDDEN.sub('_', Path(encoder).name)}/{name}",
            value,
            0,
            _ms(meta.started),
        )
        for encoder, sites in meta.misalignment.items()
        for site, found in sites.items()
        for name, value in {**found["distance"], "unrelated": found["unrelated"]}.items()
    ]


def _result(found: Findings, shown: Outcome | None) -> list[Point]:
    """The numbers of the outcome, once; again only when a resumed run has more trials."""
    ended = found.meta.ended
    if shown is None or ended is None:
        return []
    step = sum(trial.ended is not None for trial in found.trials)
    return [Point(key, value, step, _ms(ended)) for key, value in shown.metrics.items()]


def note(found: Findings, children: Mapping[str, str], place: str, shown: Outcome | None) -> str:
    """The page's description: the user's note, the outcome, the course of the search, its best trials as a table.

    Paragraphs that do not fit are left out: MLflow would cut a longer text in the middle of a line.
    """
    trials, metric = found.leaderboard, found.meta.metric
    count = {state: sum(t.state == state for t in trials) for state in OVER}
    first = "No trial has finished yet"
    if best := found.best_trial:
        first = f"**Best {metric}: {best.score(metric):.4f}**, trial {best.id} ({best.method})"
    fates = ", ".join(f"{n} {state}" for state, n in count.items())
    head = [found.note] if found.note else []
    head += [*shown.parts, "Search:"] if shown else []
    last = f"Run `{found.meta.name}`, study `{found.meta.study}`."
    text = _fitting([*head, f"{first}; {len(trials)} trials: {fates}."], LONGEST - len(last) - 2)
    for top in range(min(10, len(trials)), 0, -1):
        whole = "\n\n".join([text, _trials(found, top, children, place), last])
        if len(whole) <= LONGEST:
            return whole
    return f"{text}\n\n{last}"


def _fitting(parts: Sequence[str], room: int) -> str:
    """The paragraphs that fit."""
    kept: list[str] = []
    for part in parts:
        if len("\n\n".join([*kept, part])) <= room:
            kept.append(part)
    return "\n\n".join(kept)


def _trials(found: Findings, top: int, children: Mapping[str, str], place: str) -> str:
    """The best trials of the search as a table, with links to their pages."""
    metric, shown = found.meta.metric, found.leaderboard[:top]
    names = list(dict.fromkeys(name for t in found.leaderboard for name in t.params))
    varied = [n for n in names if len({repr(t.params.get(n)) for t in found.leaderboard}) > 1]
    varied = [name for name in varied if any(name in t.params for t in shown)]
    rows = []
    for t in shown:
        score = t.score(metric)
        settings = (show(t.params[name]) if name in t.params else "" for name in varied)
        rows.append([t.id, *settings, "" if math.isnan(score) else f"{score:.4f}", t.state])
    table = grid(["trial", *varied, metric, "state"], rows, numbers=(len(varied) + 1,))
    for t in shown:
        if t.id in children:
            table = table.replace(f"| {t.id} |", f"| [{t.id}]({place}/runs/{children[t.id]}) |", 1)
    return table


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
    """Those that have a value, as strings that MLflow need not cut, because cut ones would be sent again each time."""
    return {key: str(value)[:LONGEST] for key, value in values.items() if value not in (None, "")}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

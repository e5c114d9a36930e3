"""Two runs side by side: how their studies differ, and whether the outcome differs. It prints nothing.

The best configurations are compared on the examples that both runs evaluated.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xrt.findings.configurations import Configuration, unpaired
from xrt.findings.findings import Findings
from xrt.findings.statistics import LEVEL, Estimate, over_seeds
from xrt.findings.words import difference_interval, percent, points, probability, spread
from xrt.spec.metric import Metric, means_of


@dataclass(frozen=True)
class Comparison:
    """Two runs, `left` and `right`.

    Attributes:
        answers: each run's own answer.
        changed: fields of the study, versions and data that differ: name, left, right.
        scores: metric, left, right as shown.
        gain: right minus left by the first primary metric; None where the runs cannot be compared.
        sentence: the outcome in words.
    """

    answers: tuple[str, str]
    changed: tuple[tuple[str, str, str], ...]
    scores: tuple[tuple[str, str, str], ...]
    gain: Estimate | None
    sentence: str


def compare(left: Findings, right: Findings) -> Comparison:
    """Compare two runs as they stand."""
    gain = _gain(left, right)
    return Comparison(
        (left.answer.sentence, right.answer.sentence),
        tuple(changed(left, right)),
        tuple(_scores(left, right)),
        gain,
        _sentence(left, right, gain),
    )


def reason_to_keep(new: Findings, held: Findings) -> str | None:
    """Why the winner of `new` does not replace the winner of `held`; None if it does, because it is not reliably worse.

    Confirmed winners are compared on test by the first primary metric, unconfirmed winners on dev by the study's
    metric. An unconfirmed winner never replaces a confirmed one.
    """
    if (gain := _gain(held, new)) is not None:
        worse = gain.mean < 0 and (gain.p < LEVEL or not gain.known)
        return f"it is worse by {points(-gain.mean).lstrip('+')} points on test" if worse else None
    ours, theirs = new.best_trial, held.best_trial
    alone = not (_winner(new) or _winner(held))
    if alone and ours and theirs and new.meta.metric == held.meta.metric and _digests(new) == _digests(held):
        score, bar = ours.score(new.meta.metric), theirs.score(new.meta.metric)
        return f"{percent(score)} on dev is less than {percent(bar)}" if score < bar else None
    return "the two cannot be compared: they were not confirmed on the same test examples"


def _winner(found: Findings) -> tuple[Configuration, Metric] | None:
    confirmed = found.confirmation
    if confirmed is None or confirmed.winner is None:
        return None
    return confirmed.best(confirmed.winner), confirmed.metrics[0]


def _gain(left: Findings, right: Findings) -> Estimate | None:
    ours, theirs = _winner(left), _winner(right)
    if ours is None or theirs is None or ours[1] != theirs[1]:
        return None
    known = [p for w in (ours, theirs) for p in w[0].predictions[w[1].split].values()]
    if not known or not all(known[0].comparable(p) for p in known):
        return None
    return unpaired(theirs[0], ours[0], ours[1])


def _sentence(left: Findings, right: Findings, gain: Estimate | None) -> str:
    if left.meta.task != right.meta.task:
        tasks = f"({left.meta.task}, {right.meta.task})"
        return f"The runs are of different tasks {tasks}, so their numbers cannot be compared."
    if gain is None:
        return "The runs cannot be compared: they lack confirmed predictions for the same examples."
    change = f"{points(gain.mean)} points from {left.meta.name} to {right.meta.name}"
    if not gain.known:
        return f"No verdict: {change}, but one seed gives no interval."
    evidence = f"95 % interval {difference_interval(gain.interval())}, p {probability(gain.p)}"
    return f"{'A reliable' if gain.p < 0.05 else 'No reliable'} difference: {change} ({evidence})."


def _scores(left: Findings, right: Findings) -> Iterator[tuple[str, str, str]]:
    languages = dict.fromkeys([*left.meta.languages, *right.meta.languages])
    for metric in (*means_of(left.spec.task), *(Metric("acc", language) for language in languages)):
        cells = (_score(left, metric), _score(right, metric))
        if any(not math.isnan(cell.mean) for cell in cells):
            yield metric.words, spread(cells[0]), spread(cells[1])


def _score(found: Findings, metric: Metric) -> Estimate:
    if found.confirmation and found.confirmation.winner:
        return found.confirmation.accuracy(found.confirmation.winner, metric)
    return over_seeds([t.score(str(metric)) for t in found.ranking[:1]])


def changed(left: Findings, right: Findings) -> Iterator[tuple[str, str, str]]:
    """What differs in the study, in the libraries, in the data: name, left, right."""
    for kind, ours, theirs in (
        ("", fields(left), fields(right)),
        ("version of ", left.meta.versions, right.meta.versions),
        ("data: ", _digests(left), _digests(right)),
    ):
        for name in dict.fromkeys([*ours, *theirs]):
            if ours.get(name) != theirs.get(name):
                yield kind + name, ours.get(name, "-"), theirs.get(name, "-")


def _digests(found: Findings) -> dict[str, str]:
    return {f"{data.name}/{data.split}": f"{data.rows} rows, {data.digest[:12]}" for data in found.meta.data}


def fields(found: Findings) -> dict[str, str]:
    """The study as flat fields: `search.trials`."""
    return dict(_flat(found.spec.to_plain(), ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""Two runs side by side: what was asked differently, and whether the outcome differs.

The chosen configurations are compared on the examples that both runs answered. It prints nothing.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xrt.answers.confirmed import Confirmation, confirmation, difference, number, ranked
from xrt.answers.statistics import Estimate, over_seeds
from xrt.answers.wording import answer, interval, points, probability, spread, words
from xrt.record.run import Run
from xrt.spec.document import read_document
from xrt.spec.tasks import whole_dev


@dataclass(frozen=True)
class Comparison:
    """Two runs, `left` and `right`.

    Attributes:
        answers: each run's own answer.
        asked: fields of the study, versions and data that differ: name, left, right.
        scores: metric, left, right as shown.
        gain: right minus left by the headline metric; None where the runs cannot be compared.
        sentence: the outcome in words.
    """

    answers: tuple[str, str]
    asked: tuple[tuple[str, str, str], ...]
    scores: tuple[tuple[str, str, str], ...]
    gain: Estimate | None
    sentence: str


def compare(left: Run, right: Run) -> Comparison:
    """Compare two runs as they stand.

    Raises:
        RecordError: a record is damaged.
    """
    found = confirmation(left), confirmation(right)
    gain = _gain(*found)
    answers = answer(left, found[0]).sentence, answer(right, found[1]).sentence
    return Comparison(
        answers,
        tuple(asked(left, right)),
        tuple(_scores(left, right, *found)),
        gain,
        _sentence(left, right, gain),
    )


def _gain(left: Confirmation | None, right: Confirmation | None) -> Estimate | None:
    if not (left and right and left.winner and right.winner):
        return None
    if (left.metric, left.split) != (right.metric, right.split):
        return None
    return difference(right.winner.configuration, left.winner.configuration, left.metric, left.split)


def _sentence(left: Run, right: Run, gain: Estimate | None) -> str:
    if left.meta.task != right.meta.task:
        return f"The runs are of different tasks ({left.meta.task}, {right.meta.task}): their numbers do not compare."
    if gain is None:
        return (
            "Not both runs have a confirmed answer to the same question that was asked of the same examples."
        )
    much = f"{points(gain.mean)} points from {left.name} to {right.name}"
    if not gain.known:
        return f"How sure is unknown: {much}, but with one seed there is no interval."
    sure = f"95 % interval {interval(gain, signed=True)}, p {probability(gain.p)}"
    return f"{'A reliable' if gain.p < 0.05 else 'No reliable'} difference: {much} ({sure})."


def _scores(
    left: Run, right: Run, ours: Confirmation | None, theirs: Confirmation | None
) -> Iterator[tuple[str, str, str]]:
    languages = dict.fromkeys([*left.meta.languages, *right.meta.languages])
    names = ["mean/mixed", "mean/targets", *(f"acc/{language}" for language in languages)]
    for name in names:
        cells = (_score(left, ours, name), _score(right, theirs, name))
        if any(not math.isnan(cell.mean) for cell in cells):
            yield words(name), spread(cells[0]), spread(cells[1])


def _score(run: Run, found: Confirmation | None, name: str) -> Estimate:
    if found and found.winner:
        return found.score(found.winner.configuration, name)
    best = ranked(run.trials(), run.meta.metric)
    return over_seeds([number(best[0], whole_dev(f"dev/{name}"))] if best else [])


def asked(left: Run, right: Run) -> Iterator[tuple[str, str, str]]:
    """What differs in the study, in the libraries, in the data: name, left, right."""
    for kind, ours, theirs in (
        ("", fields(left), fields(right)),
        ("version of ", left.meta.versions, right.meta.versions),
        ("data: ", _digests(left), _digests(right)),
    ):
        for name in dict.fromkeys([*ours, *theirs]):
            if ours.get(name) != theirs.get(name):
                yield kind + name, ours.get(name, "-"), theirs.get(name, "-")


def _digests(run: Run) -> dict[str, str]:
    return {f"{data.name}/{data.split}": f"{data.rows} rows, {data.digest[:12]}" for data in run.meta.data}


def fields(run: Run) -> dict[str, str]:
    """The study as flat fields: `search.trials`."""
    return dict(_flat(read_document(run.paths.spec), ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

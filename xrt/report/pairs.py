"""The cells of the accuracy matrix in detail: counts, interval and gain. Knows findings, no page."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from xrt.findings.findings import Confirmation, Findings
from xrt.findings.statistics import NAN, over_groups
from xrt.record.values import TrialRecord
from xrt.robust.predictions import Predictions
from xrt.spec.arms import PLAIN, Arm
from xrt.spec.metric import Metric

Pair = tuple[str, str]


class Cell(NamedTuple):
    """A pair of languages. Counts are over all seeds, 0 of 0 where the predictions are gone; intervals are 95 %, over
    seeds and example groups, and not corrected for the number of pairs.
    """

    sentence_1: str
    sentence_2: str
    correct: int
    total: int
    accuracy: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def name(self) -> str:
        """`de-zh`, and `de` of two sentences in one language."""
        return (
            self.sentence_1 if self.sentence_1 == self.sentence_2 else f"{self.sentence_1}-{self.sentence_2}"
        )


def cells(found: Findings) -> tuple[Cell, ...]:
    """Every pair of the matrix that `figures.matrices` draws, in its order; those without a number are left out."""
    confirmed, pairs = found.confirmation, found.spec.task.pairs()
    if confirmed and confirmed.winner:
        rows = (_confirmed(confirmed, confirmed.winner, pair) for pair in pairs)
    else:
        rows = (_searched(found, pair) for pair in pairs)
    return tuple(row for row in rows if not math.isnan(row.accuracy))


def compared(found: Findings) -> tuple[TrialRecord | None, TrialRecord | None]:
    """The best trial of the search, and the best plain one where that is another."""
    plain = next((t for t in found.ranking if t.method == PLAIN), None)
    return found.best_trial, None if plain is found.best_trial else plain


def _confirmed(confirmed: Confirmation, arm: Arm, pair: Pair) -> Cell:
    metric = Metric.of(pair, confirmed.split)
    reached, gain = confirmed.accuracy(arm, metric), confirmed.gain(arm, metric)
    low, high = np.clip(reached.interval(), 0.0, 1.0).tolist()
    counts = _counts(confirmed.best(arm).predictions.get(confirmed.split, {}).values(), pair)
    gained = (gain.mean, *gain.interval()) if gain else (NAN, NAN, NAN)
    return Cell(*pair, *counts, reached.mean, low, high, *gained)


def _searched(found: Findings, pair: Pair) -> Cell:
    ours, theirs = compared(found)
    name = str(Metric.of(pair, "dev"))
    score = ours.score(name) if ours else NAN
    gain = score - theirs.score(name) if theirs else NAN
    opened = found.predictions.get(ours.id) if ours else None
    counts = _counts([opened] if opened else [], pair)
    low, high = (
        over_groups(opened, [opened.pairs.index(pair)], draws=400) if counts[1] and opened else (NAN, NAN)
    )
    return Cell(*pair, *counts, score, low, high, gain, NAN, NAN)


def _counts(opened: Iterable[Predictions], pair: Pair) -> tuple[int, int]:
    known = [one.counts.get(pair, (0, 0)) for one in opened]
    return sum(right for right, _ in known), sum(total for _, total in known)

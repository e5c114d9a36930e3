"""What the figures about languages show, as plain rows. How they are drawn is known to `drawing` alone.

Each function takes the findings of a run and returns the rows of one figure, or None where it would be empty.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xrt.data import Task
from xrt.findings.findings import Findings
from xrt.findings.statistics import LEVEL
from xrt.findings.words import describe
from xrt.record.values import TrialRecord
from xrt.spec.arms import PLAIN
from xrt.spec.metric import Metric


class Matrix(NamedTuple):
    """Values by language of sentence 1 (rows) and of sentence 2 (columns); NaN where there is none.

    Of single sentences it is the diagonal alone, one row.
    """

    title: str
    languages: tuple[str, ...]
    values: npt.NDArray[np.float64]  # (L, L), or (1, L)
    signed: bool  # differences, in points

    @property
    def single(self) -> bool:
        """Whether it is of single sentences."""
        return len(self.values) < len(self.languages)


class Gain(NamedTuple):
    """A difference to plain with its 95 % interval, not corrected. `mean`: it is of several languages."""

    words: str
    metric: Metric
    difference: float
    low: float
    high: float


class Gap(NamedTuple):
    """A language: how far the encoder puts it from the source before fine-tuning, and what the method gains there."""

    language: str
    distance: float  # in mean norms at the site, as a radius
    gain: Gain


class Gaps(NamedTuple):
    """One site of the encoder, `words` or `states`; `unrelated`: the distance of unrelated source sentences."""

    site: str
    encoder: str
    points: tuple[Gap, ...]
    unrelated: float


def matrix(title: str, trials: Sequence[TrialRecord], task: Task, split: str) -> Matrix | None:
    """Mean over trials (the seeds of a configuration) of their accuracy matrices."""
    languages = task.languages
    if not trials:
        return None
    rows = [[(a, b) for b in languages] for a in languages]
    rows = [[(a, a) for a in languages]] if task.sentences == 1 else rows
    names = [[str(Metric.of(pair, split)) for pair in row] for row in rows]
    values = np.array([[np.mean([t.score(name) for t in trials]) for name in row] for row in names])
    return None if np.isnan(values).all() else Matrix(title, languages, values, signed=False)


def minus(title: str, left: Matrix | None, right: Matrix | None) -> Matrix | None:
    """Left minus right, in points."""
    if left is None or right is None:
        return None
    return Matrix(title, left.languages, 100 * (left.values - right.values), signed=True)


def matrices(found: Findings) -> tuple[str, list[Matrix]]:
    """The matrix of what won, and its gain over what it is compared with; of the search where nothing is confirmed."""
    task, confirmed = found.spec.task, found.confirmation
    if confirmed and confirmed.winner:
        best, other = confirmed.best(confirmed.winner), confirmed.reference(confirmed.winner)
        ours, theirs, split = best.trials, other.trials if other else (), confirmed.split
        what = f"{split}, mean over {len(ours)} seeds"
        against = other.label if other else PLAIN
    else:
        ours, split, what, against = tuple(found.ranking[:1]), "dev", "dev, one seed", PLAIN
        theirs = tuple(t for t in found.ranking if t.method == PLAIN)[:1]
        theirs = () if theirs == ours else theirs
    if not ours:
        return what, []
    own = matrix(describe(ours[0].params), ours, task, split)
    gain = minus(f"gain over {against}", own, matrix(PLAIN, theirs, task, split))
    return what, [m for m in (own, gain) if m]


def gains(found: Findings) -> tuple[Gain, ...] | None:
    """The winner's gain over its reference by language and in the primary means, each with its own interval."""
    confirmed = found.confirmation
    if confirmed is None or confirmed.winner is None or confirmed.winner.method == PLAIN:
        return None
    rows = []
    for metric in (*(Metric("acc", language) for language in found.meta.languages), *confirmed.metrics):
        gain = confirmed.gain(confirmed.winner, metric)
        if gain is not None and not math.isnan(gain.mean):
            rows.append(Gain(metric.words, metric, gain.mean, *gain.interval(LEVEL)))
    return tuple(rows) or None


def gaps(found: Findings) -> tuple[Gaps, ...] | None:
    """The winner's gain by target language against the misalignment of its encoder."""
    rows, confirmed = gains(found), found.confirmation
    if rows is None or confirmed is None or confirmed.winner is None:
        return None
    encoder = confirmed.best(confirmed.winner).encoder
    by_language = {row.metric.name: row for row in rows if row.metric.kind == "acc"}
    sites = []
    for site, probed in found.meta.misalignment.get(encoder, {}).items():
        distances = probed["distance"].items()
        points = tuple(Gap(a, d, by_language[a]) for a, d in distances if a in by_language)
        sites.append(Gaps(site, encoder, points, probed["unrelated"]))
    return tuple(site for site in sites if len(site.points) > 1) or None

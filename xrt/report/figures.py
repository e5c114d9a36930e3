"""The data of the figures about languages, as plain rows; `drawing` draws them.

Each function takes the findings of a run and returns the rows of one figure, or None where it would be empty.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xrt.data import Task
from xrt.findings.findings import Confirmation, Findings
from xrt.findings.statistics import LEVEL
from xrt.findings.words import describe
from xrt.record.values import TrialRecord
from xrt.report.pairs import compared
from xrt.spec.arms import PLAIN, Arm
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


class Place(NamedTuple):
    """A language: how far its translations lie from the source, and how far along δ, in the unit of the radius."""

    language: str
    distance: float
    along: float
    inside: float
    gain: Gain


class Places(NamedTuple):
    """Of one configuration: its attack reaches as far as `radius`."""

    label: str
    radius: float
    points: tuple[Place, ...]


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
    """The winner's matrix and its gain over its reference; without a confirmation, those of the search's best trial."""
    task, confirmed = found.spec.task, found.confirmation
    if confirmed and confirmed.winner:
        best, other = confirmed.best(confirmed.winner), confirmed.reference(confirmed.winner)
        ours, split = best.trials, confirmed.split
        # Paired by seed, as every gain is: seeds that only one of them has would show in it.
        theirs = [t for t in other.trials if t.seed in best.seeds] if other else []
        basis = f"{split}, mean over {len(ours)} seeds"
        against = other.label if other else PLAIN
    else:
        first, plain = compared(found)
        ours, theirs = (first,) if first else (), [plain] if plain else []
        split, basis, against = "dev", "dev, one seed", PLAIN
    if not ours:
        return basis, []
    own = matrix(describe(ours[0].params), ours, task, split)
    paired = [t for t in ours if t.seed in {other.seed for other in theirs}]
    gain = minus(f"gain over {against}", matrix("", paired, task, split), matrix("", theirs, task, split))
    return basis, [m for m in (own, gain) if m]


def gains(found: Findings) -> tuple[Gain, ...] | None:
    """The winner's gain over its reference by language and in the primary means, each with its own interval."""
    confirmed = found.confirmation
    if confirmed is None or confirmed.winner is None or confirmed.winner.method == PLAIN:
        return None
    return _gains(found, confirmed, confirmed.winner)


def _gains(found: Findings, confirmed: Confirmation, arm: Arm) -> tuple[Gain, ...] | None:
    rows = []
    for metric in (*(Metric("acc", language) for language in found.meta.languages), *confirmed.metrics):
        gain = confirmed.gain(arm, metric)
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


def places(found: Findings) -> Places | None:
    """Where translations lie for the winner's encoder as it ended, if it was attacked; else for the first arm that was.

    Means over the seeds of the arm's best configuration.
    """
    confirmed = found.confirmation
    if confirmed is None:
        return None
    arms = [*([confirmed.winner] if confirmed.winner else []), *confirmed.candidates.best]
    for arm in arms:
        best, by_language = confirmed.best(arm), {}
        for gain in (_gains(found, confirmed, arm) if best.trials else None) or ():
            names = [str(Metric(kind, gain.metric.name)) for kind in ("distance", "along", "inside")]
            distance, along, inside = (float(np.mean([t.score(n) for t in best.trials])) for n in names)
            if gain.metric.kind == "acc" and not math.isnan(distance):
                by_language[gain.metric.name] = Place(gain.metric.name, distance, along, inside, gain)
        if by_language:
            radius = float(best.params[f"{arm.method}.radius"])
            return Places(best.label, radius, tuple(by_language.values()))
    return None

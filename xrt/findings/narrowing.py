"""The next study: the same question in a space narrowed to the best trials of a run.

The ranges of an arm's own parameters cover its best trials. Encoders, learning rate and training settings, which all
arms share, cover the best trials of every arm. A range is then widened by half of the way to its old ends.
"""

import math
from collections.abc import Sequence
from typing import Any

from xrt.errors import RecordError
from xrt.findings.findings import Findings
from xrt.findings.ranking import leaderboard
from xrt.record.values import TrialRecord
from xrt.spec.study import StudySpec
from xrt.spec.values import Choice, Range, Scalar, Value

SHARE, FEWEST = 4, 3  # an arm's best trials: one in SHARE, at least FEWEST
WIDER = 0.5


def narrow(found: Findings) -> StudySpec:
    """A study `NAME-narrow` around the best trials, with another seed of its search.

    Raises:
        RecordError: no trial of an arm has reported.
    """
    spec, document = found.spec, found.spec.to_plain()
    best = [trial for arm in spec.arms for trial in _best(found, arm.name)]
    space = document["space"]
    for name, value in spec.values():
        trials = [trial for trial in best if name in trial.params]
        narrower = _around(value, [trial.params[name] for trial in trials]) if trials else value.plain()
        method, _, parameter = name.rpartition(".")
        if method:
            space["method"][method][parameter] = narrower
        elif name != "method":
            (space if name in space else document["training"])[name] = narrower
    document["study"] = f"{spec.study[:57]}-narrow"
    document["search"]["seed"] = spec.search.seed + 1
    return StudySpec.model_validate(document)


def _best(found: Findings, name: str) -> Sequence[TrialRecord]:
    """The best trials of an arm: finished ones by score, then those that trained furthest."""
    own = [t for t in found.searched if found.spec.arm_of(t.params).name == name and t.reports]
    if not own:
        raise RecordError(
            f"{found.meta.name}: no trial of {name} has reported yet; nothing to narrow around."
        )
    return leaderboard(own, found.meta.metric)[: max(FEWEST, len(own) // SHARE)]


def _around(value: Value, seen: Sequence[Scalar]) -> Any:
    """The options of the best trials, or a range around their numbers."""
    if isinstance(value, Choice):
        kept = Choice(tuple(option for option in value.options if option in seen))
        return kept.plain() if value.varies else value.plain()
    numbers = [float(number) for number in seen if number is not None]
    low = _between(value, min(numbers), value.low)
    high = _between(value, max(numbers), value.high)
    whole = value.scale == "int"
    return Range(value.scale, math.floor(low) if whole else low, math.ceil(high) if whole else high).plain()


def _between(value: Range, inner: float, outer: float) -> float:
    """A bound part of the way from the outermost of the best trials to the old bound, to three digits."""
    point = inner * (outer / inner) ** WIDER if value.scale == "log" else inner + (outer - inner) * WIDER
    return min(value.high, max(value.low, float(f"{point:.3g}")))

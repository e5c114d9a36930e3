"""Numbers and configurations formatted for readers. Knows values only."""

import math
from collections.abc import Mapping
from typing import Any

from xrt.findings.statistics import LEVEL, Estimate

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def percent(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """With its sign: `+1.2`, and a real minus."""
    if math.isnan(difference):
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def spread(estimate: Estimate) -> str:
    """Mean ± standard deviation between seeds, in percent."""
    sd = "" if math.isnan(estimate.sd) else f" ± {100 * estimate.sd:.1f}"
    return NOTHING if math.isnan(estimate.mean) else f"{100 * estimate.mean:.1f}{sd}"


def accuracy_interval(estimate: Estimate) -> str:
    """The 95 % interval of an accuracy, in percent."""
    low, high = estimate.interval(LEVEL)
    return NOTHING if math.isnan(low) else f"{100 * max(0.0, low):.1f} to {100 * min(1.0, high):.1f}"


def difference_interval(ends: tuple[float, float]) -> str:
    """The interval of a difference, in points."""
    low, high = ends
    return NOTHING if math.isnan(low) else f"{points(low)} to {points(high)}"


def probability(p: float) -> str:
    return NOTHING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def show(value: object) -> str:
    """A parameter in at most three digits, as in a study file."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def own(params: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's further parameters under short names: the method's, then the searched training settings."""
    shared = ("method", "encoder", "learning_rate")
    named = {name.rpartition(".")[2]: value for name, value in params.items() if name not in shared}
    return {name: value for name, value in named.items() if (name, value) != ("site", "word")}


def describe(params: Mapping[str, Any]) -> str:
    """The method with its own parameters: "adversarial (radius 0.1, steps 1, dropout 0.2)"."""
    parts = [f"{name} {show(value)}" for name, value in own(params).items()]
    return str(params["method"]) + (f" ({', '.join(parts)})" if parts else "")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]

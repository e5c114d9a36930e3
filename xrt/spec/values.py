"""What one parameter of a search space may be: a constant, a choice, or a range. Knows no sampler.

A constant is a choice of one. What a parameter accepts stands in its `Kind`; everything else (lists, ranges)
is the same for all parameters.
"""

from dataclasses import dataclass
from typing import Any, Literal

from xrt.errors import closest
from xrt.spec.problems import LARGEST_WHOLE, Problem, Refused, refuse, show

Scalar = str | int | float
RANGES = ("log", "uniform", "int")


@dataclass(frozen=True)
class Choice:
    """One of `options`; a single option is a constant, which no sampler is asked for."""

    options: tuple[Scalar, ...]

    def plain(self) -> Any:
        """As it stands in a study file."""
        return self.options[0] if len(self.options) == 1 else list(self.options)


@dataclass(frozen=True)
class Range:
    """`low` to `high`, both included; `log`: uniform in the logarithm; `int`: whole numbers."""

    scale: Literal["log", "uniform", "int"]
    low: float
    high: float

    def plain(self) -> Any:
        """As it stands in a study file."""
        return {self.scale: [self.low, self.high]}


Value = Choice | Range


def least(value: Value) -> float:
    """The smallest number that a value may take."""
    return float(value.low if isinstance(value, Range) else min(map(float, value.options)))


@dataclass(frozen=True)
class Kind:
    """What a parameter accepts: an encoder, a site, one of `words`, or a number of at least (`above`: above) `low`."""

    type: Literal["encoder", "site", "word", "number", "whole"]
    low: float = 0
    above: bool = False
    words: tuple[str, ...] = ()

    @property
    def ranges(self) -> tuple[str, ...]:
        """The ranges that make sense for it."""
        return {"number": ("log", "uniform"), "whole": ("int",)}.get(self.type, ())

    @property
    def one(self) -> str:
        """One accepted value, in words."""
        if self.type == "encoder":
            return "the name or the folder of an encoder"
        if self.type == "site":
            return "word or {layer: k} with k of at least 1"
        if self.type == "word":
            return " or ".join(self.words)
        name = "a whole number" if self.type == "whole" else "a number"
        return f"{name} {'above' if self.above else 'of at least'} {self.low:g}"

    @property
    def allowed(self) -> str:
        """Every form that it takes, in words."""
        forms = [self.one, "a list of such", *(f"{{{r}: [low, high]}}" for r in self.ranges)]
        return ", ".join(forms[:-1]) + f" or {forms[-1]}"

    def accept(self, given: Any) -> Scalar | None:
        """`given` in its final type, or None. No text for numbers, no true for 1, no NaN, no infinity."""
        if self.type == "encoder":
            return given if isinstance(given, str) and given.strip() == given != "" else None
        if self.type == "site":
            return _site(given)
        if self.type == "word":
            return given if given in self.words else None
        if isinstance(given, bool) or not isinstance(given, int if self.type == "whole" else int | float):
            return None
        if (
            not -LARGEST_WHOLE <= given <= LARGEST_WHOLE
            or given < self.low
            or (self.above and given == self.low)
        ):
            return None
        return given if self.type == "whole" else float(given)


def read_value(kind: Kind, given: Any) -> Value:
    """Reads a parameter's value in any of its forms.

    Raises:
        Refused: with every problem of the value.
    """
    if isinstance(given, Choice | Range):  # made in Python: the same rules
        given = given.plain()
    if isinstance(given, list):
        return _choice(kind, given)
    if isinstance(given, dict) and not (kind.type == "site" and "layer" in given):
        return _range(kind, given)
    accepted = kind.accept(given)
    if accepted is None:
        raise Refused([Problem((), refuse(given, kind.allowed, closest(given, kind.words)))])
    return Choice((accepted,))


def _choice(kind: Kind, given: list[Any]) -> Choice:
    if not given:
        raise Refused([Problem((), f"the list is empty; at least one value: {kind.one}.")])
    problems, options = [], dict[Scalar, None]()
    for index, item in enumerate(given):
        accepted = kind.accept(item)
        if accepted is None:
            problems.append(Problem((index,), refuse(item, kind.one, closest(item, kind.words))))
        elif accepted in options:
            problems.append(Problem((index,), f"{show(item)} is in the list twice; keep one."))
        else:
            options[accepted] = None
    if problems:
        raise Refused(problems)
    return Choice(tuple(options))


def _range(kind: Kind, given: dict[str, Any]) -> Range:
    scale = next(iter(given), None)
    if len(given) != 1 or scale not in kind.ranges:
        hint = closest(scale, kind.ranges) if len(given) == 1 and scale not in RANGES else ""
        raise Refused([Problem((), refuse(given, kind.allowed, hint))])
    bounds = given[scale]
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise Refused([Problem((scale,), refuse(bounds, "two numbers, [low, high]"))])
    above = kind.above or (scale == "log" and kind.low <= 0)
    end = Kind(kind.type, kind.low, above)
    reason = " (a log range cannot begin at 0)" if above and not kind.above else ""
    accepted = [end.accept(bound) for bound in bounds]
    problems = [
        Problem((scale, i), refuse(bound, end.one + reason))
        for i, bound in enumerate(bounds)
        if accepted[i] is None
    ]
    if problems:
        raise Refused(problems)
    return _ordered(scale, *accepted)


def _ordered(scale: Any, low: Any, high: Any) -> Range:
    if low < high:
        return Range(scale, low, high)
    if low == high:
        raise Refused(
            [Problem((scale,), f"the range [{low:g}, {high:g}] is empty; for one value write {low:g}.")]
        )
    text = f"the range [{low:g}, {high:g}] is inverted; low comes first. Did you mean [{high:g}, {low:g}]?"
    raise Refused([Problem((scale,), text)])


def _site(given: Any) -> str | None:
    """`word`, or `layer:3` (also written {layer: 3}): the flat form is what samples and tables carry."""
    layer: Any = given.get("layer") if isinstance(given, dict) and len(given) == 1 else None
    if isinstance(given, str) and given.startswith("layer:") and given[6:].isascii() and given[6:].isdigit():
        layer = int(given[6:10])
    if isinstance(layer, int) and not isinstance(layer, bool) and 1 <= layer < 1000:
        return f"layer:{layer}"
    return "word" if given == "word" else None

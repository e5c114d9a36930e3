"""What one parameter of a search space may be: a constant, a choice, or a range. Knows no sampler.

A constant is a choice of one. What a parameter accepts stands in its `Kind`; everything else (lists, ranges)
is the same for all parameters.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from xrt.errors import closest
from xrt.robust.keeping import Keep
from xrt.spec.problems import LARGEST_WHOLE, Problem, Refused, refuse, show

Scalar = str | int | float | None
RANGES = ("log", "uniform", "int")


@dataclass(frozen=True)
class Choice:
    """One of `options`; a single option is a constant, which no sampler sees."""

    options: tuple[Scalar, ...]

    @property
    def varies(self) -> bool:
        """Whether a sampler has anything to choose."""
        return len(self.options) > 1

    def plain(self) -> Any:
        """As it stands in a study file."""
        return list(self.options) if self.varies else self.options[0]


@dataclass(frozen=True)
class Range:
    """`low` to `high`, both included; `log`: uniform in the logarithm; `int`: whole numbers."""

    scale: Literal["log", "uniform", "int"]
    low: float
    high: float
    varies = True

    def plain(self) -> Any:
        """As it stands in a study file."""
        return {self.scale: [self.low, self.high]}


Value = Choice | Range


def ends(value: Value) -> tuple[float, float]:
    """The smallest and the largest number that a value may take; null is none."""
    if isinstance(value, Range):
        return value.low, value.high
    numbers = [float(option) for option in value.options if option is not None]
    return min(numbers), max(numbers)


@dataclass(frozen=True)
class Kind:
    """What a parameter accepts: an encoder, a site, one of `words`, a flag, which weights to keep, or a number.

    A number is at least (`above`: above) `low`, and below `below`. `null`: null is accepted too.
    """

    type: Literal["encoder", "site", "word", "flag", "keep", "number", "whole"]
    low: float = 0
    above: bool = False
    words: tuple[str, ...] = ()
    below: float = math.inf
    null: bool = False

    @property
    def ranges(self) -> tuple[str, ...]:
        """The ranges that make sense for it."""
        return {"number": ("log", "uniform"), "whole": ("int",)}.get(self.type, ())

    @property
    def one(self) -> str:
        """One accepted value, in words."""
        return self._one + (", null" if self.null else "")

    @property
    def _one(self) -> str:
        spoken = {
            "encoder": "the name or the folder of an encoder",
            "site": "word or {layer: k} with k of at least 1",
            "word": " or ".join(self.words),
            "flag": "true or false",
            "keep": Keep.ALLOWED,
        }
        if self.type in spoken:
            return spoken[self.type]
        name = "a whole number" if self.type == "whole" else "a number"
        below = "" if self.below == math.inf else f" and below {self.below:g}"
        return f"{name} {'above' if self.above else 'of at least'} {self.low:g}{below}"

    @property
    def allowed(self) -> str:
        """Every form that it takes, in words."""
        forms = [self.one, "a list of such", *(f"{{{r}: [low, high]}}" for r in self.ranges)]
        return ", ".join(forms[:-1]) + f" or {forms[-1]}"

    def accept(self, given: Any) -> Scalar:
        """`given` in its final type, or None. No text for numbers, no true for 1, no NaN, no infinity."""
        if self.type == "encoder":
            return given if isinstance(given, str) and given.strip() == given != "" else None
        if self.type == "site":
            return _site(given)
        if self.type == "word":
            return given if given in self.words else None
        if self.type == "flag":
            return given if isinstance(given, bool) else None
        if self.type == "keep":
            return None if (keep := Keep.read(given)) is None else str(keep)
        if isinstance(given, bool) or not isinstance(given, int if self.type == "whole" else int | float):
            return None
        if not self._within(given):
            return None
        return given if self.type == "whole" else float(given)

    def refuses(self, given: Any) -> bool:
        """Whether `given` is no accepted value."""
        return self.accept(given) is None and not (self.null and given is None)

    def _within(self, given: float) -> bool:
        least = given > self.low if self.above else given >= self.low
        return least and given < self.below and -LARGEST_WHOLE <= given <= LARGEST_WHOLE


class Reader:
    """Joins a `Kind` to pydantic: reads and writes the value of a field, and speaks for it in messages."""

    def __init__(self, kind: Kind) -> None:
        self.allowed = kind.allowed
        self.kind = kind

    def __call__(self, given: Any) -> Value:
        try:
            return read_value(self.kind, given)
        except Refused as refused:
            raise refused.for_pydantic() from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(lambda value: value.plain())
        return core_schema.no_info_plain_validator_function(self, serialization=written)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {}  # `allowed` says it


def read_value(kind: Kind, given: Any) -> Value:
    """Reads a parameter's value in any of its forms.

    Raises:
        Refused: with every problem of the value.
    """
    if isinstance(given, Choice | Range):  # made in Python: the same rules
        given = given.plain()
    if isinstance(given, list):
        return _choice(kind, given)
    if isinstance(given, dict) and kind.refuses(given):
        return _range(kind, given)
    if kind.refuses(given):
        raise Refused([Problem((), refuse(given, kind.allowed, closest(given, kind.words)))])
    return Choice((kind.accept(given),))


def _choice(kind: Kind, given: list[Any]) -> Choice:
    if not given:
        raise Refused([Problem((), f"the list is empty; at least one value: {kind.one}.")])
    problems, options = [], dict[Scalar, None]()
    for index, item in enumerate(given):
        accepted = kind.accept(item)
        if kind.refuses(item):
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
    end = Kind(kind.type, kind.low, above, below=kind.below)
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

"""Turns pydantic's errors into lines that a user can act on: what was given, what is allowed, a near name.

What is allowed is read off the models (types, bounds, literals), so that no message can disagree with the
check. Knows no study; `Problem.field` is where it is, the reader adds the file.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from xrt.errors import closest

Field = tuple[str | int, ...]
LARGEST_WHOLE = 10**9  # above every sensible count; keeps whole numbers inside 32 bits everywhere
REFUSED = "xrt"  # the type of errors that bring their own sentences


class Problem(NamedTuple):
    """One problem: its field (`("search", "trials")`), and the sentence."""

    field: Field
    text: str

    @property
    def dotted(self) -> str:
        """`search.trials`, `space.encoder[1]`; a part that is no plain name is quoted."""
        parts = [
            f"[{p}]" if isinstance(p, int) else f".{p if p.isidentifier() else show(p)}" for p in self.field
        ]
        return "".join(parts).removeprefix(".")


class Refused(Exception):
    """Raised while a value is read, with all its problems; fields are relative to the value."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(p.text for p in self.problems))

    def for_pydantic(self) -> PydanticCustomError:
        """The same, as pydantic wants it: collected with all others."""
        return PydanticCustomError(REFUSED, "{text}", {"text": str(self), "problems": self.problems})


def show(value: Any, longest: int = 60) -> str:
    """A given value as it would stand in the file, on one line, short, without control characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def refuse(given: Any, allowed: str, hint: str = "") -> str:
    """The sentence of nearly every problem."""
    if "number" in allowed and not isinstance(given, bool):
        if isinstance(given, str) and _is_number(given):
            hint = hint or " Remove the quotes."
        elif isinstance(given, int | float) and given > LARGEST_WHOLE and " to " not in allowed:
            allowed += f", at most {LARGEST_WHOLE}"
    if allowed.startswith("text") and isinstance(given, int | float):
        hint = f' Put it in quotes: "{show(given)}".'
    return f"{show(given)} is not allowed; {allowed}.{hint}"


def unknown(name: object, allowed: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """The sentence for a field that does not exist; `elsewhere`: dotted fields of the whole file."""
    allowed = list(allowed)
    moved = [path for path in elsewhere if path.rpartition(".")[2] == name]
    hint = f' Did you mean "{moved[0]}"?' if moved else closest(name, allowed)
    listed = f"allowed are {', '.join(allowed)}" if allowed else "there are none here"
    return f"unknown field; {listed}.{hint}"


def explain(error: ValidationError, model: type[BaseModel], elsewhere: Iterable[str] = ()) -> list[Problem]:
    """Every problem that pydantic found, in the order of the fields, one a place."""
    elsewhere = list(elsewhere)
    found: dict[tuple[Field, str], Problem] = {}
    for detail in error.errors(include_url=False):
        owner, field, location = _find(model, detail["loc"])
        if detail["type"] == REFUSED:
            problems = [Problem(location + p.field, p.text) for p in detail["ctx"]["problems"]]
        elif detail["type"] == "extra_forbidden":
            names = owner.model_fields if owner else ()
            problems = [Problem(location, unknown(detail["loc"][-1], names, elsewhere))]
        elif detail["type"] == "missing":
            problems = [Problem(location, f"missing; {allowed(field)}.")]
        else:
            problems = [Problem(location, _refuse_input(detail["input"], field))]
        for problem in problems:
            found.setdefault((problem.field, problem.text), problem)
    # Of text or a mapping, a mapping with a mistake is refused as text too: what is inside says more.
    return [one for one in found.values() if not any(_is_inside(other, one) for other in found.values())]


def _is_inside(one: Problem, other: Problem) -> bool:
    """Whether `one` is in a field below the one that `other` names."""
    return len(one.field) > len(other.field) > 0 and one.field[: len(other.field)] == other.field


def allowed(field: Any) -> str:
    """What a field takes, in words, from its annotation: `a whole number of at least 1, or null`."""
    if isinstance(field, FieldInfo):
        return _phrase(field.annotation, field.metadata)
    return _phrase(field, [])


def section(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation (`Confirm | None`), if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := section(arg))), None)


def _refuse_input(given: Any, field: Any) -> str:
    hint = closest(given, _literals(field)) if isinstance(given, str) else ""
    if given is None and isinstance(field, FieldInfo) and not field.is_required():
        hint = " Leave it out for the default."
    return refuse(given, allowed(field), hint)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _find(model: type[BaseModel], loc: Field) -> tuple[type[BaseModel] | None, Any, Field]:
    """The model that owns the field at `loc`, the field, and `loc` without pydantic's own union branches."""
    owner: type[BaseModel] | None = model
    field: Any = None
    inside: type[BaseModel] | None = model
    location: list[str | int] = []
    branch = False  # whether the next part names a branch of a union
    for part in loc:
        if branch and not isinstance(part, int):
            branch = False
            continue
        if isinstance(part, int):
            field = next(iter(get_args(_bare(field))), str)
        elif inside and (part in inside.model_fields or part == loc[-1]):
            owner, field = inside, inside.model_fields.get(part)
            inside = section(field.annotation) if field else None
            branch = inside is not None and len([a for a in get_args(_bare(field)) if a is not NoneType]) > 1
        else:
            continue  # the name of a union's branch
        location.append(part)
    return owner, field, tuple(location)


def _bare(field: Any) -> Any:
    return field.annotation if isinstance(field, FieldInfo) else field


def _literals(field: Any) -> list[str]:
    annotation = _bare(field)
    if get_origin(annotation) is Literal:
        return [str(a) for a in get_args(annotation)]
    return [name for arg in get_args(annotation) for name in _literals(arg)]


def _phrase(annotation: Any, metadata: Sequence[Any]) -> str:
    spoken = next((m.allowed for m in metadata if hasattr(m, "allowed")), None)
    origin, args = get_origin(annotation), get_args(annotation)
    if spoken is not None:
        return str(spoken)
    if origin is Annotated:
        return _phrase(args[0], [*_flat(args[1:])])
    if origin in (Union, UnionType):
        return ", or ".join(_phrase(a, metadata) for a in sorted(args, key=lambda a: a is NoneType))
    if origin is Literal:
        *most, last = (str(a) for a in args)
        return f"{', '.join(most)} or {last}" if most else last
    if origin in (tuple, list):
        return f"a list of texts{_bounds(metadata)}"
    if origin is dict:
        return "a mapping of words to words"
    if (model := section(annotation)) is not None:
        return f"a mapping of {', '.join(model.model_fields)}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}
    return words[annotation] + _bounds(metadata)


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else [item]


def _bounds(metadata: Sequence[Any]) -> str:
    found = {}
    for item in metadata:
        for name in ("ge", "gt", "le", "lt"):
            if (bound := getattr(item, name, None)) is not None and bound != LARGEST_WHOLE:
                found[name] = bound
    if found.keys() == {"ge", "le"}:
        return f" from {found['ge']} to {found['le']}"
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    return "".join(f"{' and' if i else ''} {words[n]} {b}" for i, (n, b) in enumerate(found.items()))

"""`--set a.b=value`: replaces the whole value at a dotted field of a study file, before the file is checked.

The value is YAML: `search.trials=8`, `space.encoder=[a, b]`, `confirm=null`. A field exists if the models
declare it, whether or not the file gives it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from xrt.errors import SpecError, closest
from xrt.robust.methods import METHODS
from xrt.spec.document import parse
from xrt.spec.problems import section, show
from xrt.spec.space import Space, parameters_of
from xrt.spec.study import StudySpec
from xrt.spec.tasks import OwnTask
from xrt.spec.values import RANGES, Reader

WHERE = "--set"


@dataclass(frozen=True)
class Override:
    """One value for one field."""

    field: tuple[str, ...]
    value: Any


@cache
def known_fields() -> tuple[str, ...]:
    """Every dotted field that a study file may have, in the order of the models."""
    return tuple(_fields(StudySpec, ""))


def read_override(text: str) -> Override:
    """Read `a.b=value`; raises SpecError if it is not an override, or if studies have no such field."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise SpecError(f"{WHERE} {show(text)}: has no value; write FIELD=VALUE, like search.trials=8.")
    if name not in known_fields():
        raise SpecError(f"{WHERE}: {name or show(text)}: {_unknown(name)}")
    field = tuple(name.split("."))
    read = parse(value, f"{WHERE}: {name}")
    # A range is one value: {log: [...]} replaces what was there.
    if field[0] in ("space", "training") and field[-1] in RANGES:
        return Override(field[:-1], {field[-1]: read})
    return Override(field, read)


def apply(document: Mapping[str, Any], override: Override) -> dict[str, Any]:
    """A copy of `document` with the override; raises SpecError when a value above the field has no fields."""
    return _replaced(document, override.field, override.value, ())


def _replaced(node: Any, field: tuple[str, ...], value: Any, above: tuple[str, ...]) -> dict[str, Any]:
    if node is not None and not isinstance(node, Mapping):
        name, whole = ".".join((*above, *field)), ".".join(above)
        raise SpecError(
            f"{WHERE}: {name}: {whole} is {show(node)} in the file, which has no fields; "
            f'set it as a whole: {WHERE} "{whole}={{...}}".'
        )
    first, rest, known = field[0], field[1:], dict(node or {})
    known[first] = _replaced(known.get(first), rest, value, (*above, first)) if rest else value
    return known


def _unknown(name: str) -> str:
    """What is allowed nearest to where the name leaves the known fields."""
    known, above = known_fields(), name
    while above and above not in known:
        above = above.rpartition(".")[0]
    prefix = f"{above}." if above else ""
    nexts = dict.fromkeys(k[len(prefix) :].split(".")[0] for k in known if k.startswith(prefix))
    inside = f" of {above}" if above else ""
    allowed = f"allowed{inside} are {', '.join(nexts)}" if nexts else f"{above} has no fields"
    same_end = [k for k in known if k.rpartition(".")[2] == name.rpartition(".")[2]]
    hint = closest(name, same_end or known) or (f' Did you mean "{same_end[0]}"?' if same_end else "")
    return f"unknown field; {allowed}.{hint}"


def _fields(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, declared in model.model_fields.items():
        yield prefix + name
        if name == "task":
            yield from _fields(OwnTask, "task.")
        elif prefix == "space.":
            yield from _space_fields(prefix + name)
        elif prefix == "training.":
            yield from (f"{prefix}{name}.{scale}" for scale in _ranges(declared))
        elif (inner := section(declared.annotation)) is not None:
            yield from _fields(inner, f"{prefix}{name}.")


def _ranges(declared: FieldInfo) -> tuple[str, ...]:
    return next(reader.kind.ranges for reader in declared.metadata if isinstance(reader, Reader))


def _space_fields(name: str) -> Iterator[str]:
    declared = Space.model_fields[name.removeprefix("space.")]
    if any(isinstance(reader, Reader) for reader in declared.metadata):
        yield from (f"{name}.{scale}" for scale in _ranges(declared))
        return
    for method, kind in METHODS.items():
        yield f"{name}.{method}"
        for parameter, accepted in parameters_of(kind).items():
            yield f"{name}.{method}.{parameter}"
            yield from (f"{name}.{method}.{parameter}.{scale}" for scale in accepted.ranges)

"""The reference of study files, from the models: `python -m tools.study_reference > docs/study-file.md`."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from xrt.robust.methods import METHODS
from xrt.spec.problems import LARGEST_WHOLE, allowed, section
from xrt.spec.sections import Section
from xrt.spec.space import Space, default_of, parameters_of
from xrt.spec.study import StudySpec
from xrt.spec.tasks import OwnTask
from xrt.spec.values import Kind, Reader

HEAD = """\
# What can a study file say?

A study is one YAML file; `--set training.epochs=2` overrides any field of it and can be repeated. A field that is
not listed here is refused; the message names the nearest one that is. Only `task` and `space` must be given.

*Generated from the code by `python -m tools.study_reference`; a test checks that it is current.*
"""
VALUES = """\
A value of `encoder`, `learning_rate`, a method's parameter or a field of [`training`](#training) is one of:

| value | example | |
|---|---|---|
| a constant | `2.0e-5` | not searched |
| a choice | `[1, 2, 3]`, `[null, 0.1]` | one of these |
| a range | `{uniform: [0.1, 0.5]}` | any number between, both ends included |
| a log range | `{log: [1.0e-5, 1.0e-3]}` | the same, uniform in the logarithm |
| a range of whole numbers | `{int: [1, 5]}` | |
"""


def reference() -> str:
    """The whole page."""
    own = (
        "The name of a task that ships (`pawsx`, `xnli`, `mini`, `mini-topics`), or your own, read from files or the "
        "hub ([Your own data](data.md)):"
    )
    parts = [HEAD, _top(), "## task", own, _fields(OwnTask), "## space", VALUES]
    parts += [_table(("field", "", "default"), _space()), "The methods and their parameters:", _methods()]
    for name, model in sections().items():
        more = " `null` skips it." if StudySpec.model_fields[name].annotation is not model else ""
        parts += [f"## {name}", f"{(model.__doc__ or '').strip()}{more}", _fields(model)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def sections() -> dict[str, type[Section]]:
    """The sections of a study file by their names; those that may be null included."""
    found = {}
    for name, field in StudySpec.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Section):
                found[name] = kind
    return found


def _top() -> str:
    described = {name: field.description or "" for name, field in StudySpec.model_fields.items()}
    link = {name: f"[`{name}`](#{name})" for name in ("task", "space", *sections())}
    return _table(("field", ""), [(link.get(n, f"`{n}`"), told) for n, told in described.items()])


def _fields(model: type[BaseModel]) -> str:
    rows = []
    schema = model.model_json_schema()
    for name, field in schema["properties"].items():
        default = "must be given" if name in schema.get("required", ()) else f"`{_yaml(field['default'])}`"
        # A field with its own reader says itself what it takes; its schema does not know.
        spoken = field.keys().isdisjoint(("type", "anyOf", "enum", "const", "$ref"))
        takes = _spoken(model.model_fields[name]) if spoken else _allowed(field)
        rows.append((f"`{name}`", field["description"], takes, default))
    return "\n\n".join([_table(("field", "", "allowed", "default"), rows), *_inner(model)])


def _spoken(field: FieldInfo) -> str:
    """Of a field that may be searched one value: the forms that hold several are the same for all."""
    kinds = [each.kind.one for each in field.metadata if isinstance(each, Reader)]
    return kinds[0] if kinds else allowed(field)


def _inner(model: type[BaseModel]) -> Iterator[str]:
    """The tables of the mappings that a section's fields may hold."""
    for name, field in model.model_fields.items():
        if (inside := section(field.annotation)) is not None:
            yield f"In `{name}`: {(inside.__doc__ or '').strip()}\n\n{_fields(inside)}"


def _space() -> Iterator[Sequence[str]]:
    for name, field in Space.model_fields.items():
        yield f"`{name}`", field.description or "", "must be given"


def _methods() -> str:
    rows = []
    for name, method in METHODS.items():
        opened = parameters_of(method)
        rows += [
            (
                f"`{name}`" if i == 0 else "",
                f"`{parameter}`",
                _kind(kind),
                _default(default_of(method, parameter)),
            )
            for i, (parameter, kind) in enumerate(opened.items())
        ] or [(f"`{name}`", "", "", "")]
    return _table(("method", "parameter", "allowed", "default"), rows)


def _kind(kind: Kind) -> str:
    if kind.type == "site":
        return "`word`, or `layer:3`: behind the third layer"
    if kind.type == "word":
        return ", ".join(f"`{word}`" for word in kind.words)
    whole = "a whole number" if kind.type == "whole" else "a number"
    return f"{whole}, {'above' if kind.above else 'at least'} {kind.low:g}"


def _default(value: object) -> str:
    return "must be given" if value is None else f"`{value}`"


def _allowed(field: dict[str, Any]) -> str:
    """What a field of the schema accepts, in words."""
    if "anyOf" in field:
        return " or ".join(_allowed(one) for one in field["anyOf"])
    if "$ref" in field:
        return "a mapping (below)"
    if field.get("type") == "object":
        return "a mapping of words"
    if values := field.get("enum") or ([field["const"]] if "const" in field else []):
        return ", ".join(f"`{value}`" for value in values)
    name = {"integer": "a whole number", "number": "a number", "boolean": "`true`, `false`"}.get(
        field["type"]
    )
    name = name or {"null": "`null`", "array": "a list", "string": "text"}[field["type"]]
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    told = [
        f"{word} {field[key]:g}"
        for key, word in bounds.items()
        if key in field and field[key] < LARGEST_WHOLE
    ]
    return ", ".join([name, *told])


def _yaml(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(reference(), end="")

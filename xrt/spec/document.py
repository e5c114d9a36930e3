"""YAML as a study file may use it: plain values, read safely, and written so that reading gives them back.

Scalars follow YAML 1.2, so that `1e-5` is a number and `no` is a language, not false. Refused: duplicate
keys, anchors and aliases, tags, keys that are not text, deep nesting, and files that are too large. Knows
nothing of studies.
"""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from xrt.errors import SpecError

LARGEST = 1 << 20  # bytes: a study file has about 2,000
DEEPEST = 20  # a study file has 5 levels
MOST = 10_000  # values; a study file has about 50
SCALARS: list[
    tuple[str, str, str]
] = [  # (tag, pattern, first characters), YAML 1.2 core; "" is an empty value
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
]


def read_document(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        SpecError: one problem, with the file and, where there is one, the line.
    """
    name = shown_path(path)
    if not os.path.isfile(path):
        raise SpecError(f"{name}: is not a file; a study file is YAML text.")
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise SpecError(f"{name}: cannot be read: {error.strerror}.") from error
    if len(raw) > LARGEST:
        raise SpecError(f"{name}: is larger than 1 MiB; a study file has a few lines.")
    document = parse(_text(raw, name), name)
    if not isinstance(document, dict):
        found = "is empty" if document is None else f"holds {_kind(document)}"
        raise SpecError(f'{name}: {found}; a study file is a mapping that begins with "task: NAME".')
    return document


def parse(text: str, where: str) -> Any:
    """Plain values (dict, list, str, int, float, bool, None) from one YAML text.

    Args:
        where: begins the message; the line follows.

    Raises:
        SpecError: one problem.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except _Refused as error:
        raise SpecError(f"{where}: line {error.line}: {_one_line(str(error))}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(
            f"{where}: line {mark.line + 1 if mark else 1}: not YAML: {_one_line(reason)}."
        ) from error
    except yaml.reader.ReaderError as error:
        raise SpecError(f"{where}: character {error.character:#x} is not allowed; plain text.") from error
    except ValueError as error:  # a number of thousands of digits
        raise SpecError(f"{where}: a number is too long; {_one_line(str(error).split(';')[0])}.") from error


def dump(document: Any) -> str:
    """YAML text that `parse` reads as an equal value."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )


def shown_path(path: str | Path) -> str:
    """As a user would type it: relative when it is below the working directory."""
    absolute, here = os.path.abspath(path), os.path.join(os.getcwd(), "")
    return _one_line(absolute.removeprefix(here))


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SpecError(
            f"{name}: line {line}: byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8."
        ) from error


def _kind(document: Any) -> str:
    return "a list" if isinstance(document, list) else f"one value, {_one_line(str(document))}"


def _one_line(text: str, longest: int = 160) -> str:
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


class _Refused(Exception):
    """YAML that a study file never needs."""

    def __init__(self, mark: yaml.Mark, problem: str) -> None:
        self.line = mark.line + 1
        super().__init__(problem)


class _Loader(yaml.SafeLoader):
    """Refuses what a study file never needs, with the line."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as PyYAML does)
    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            rule = "anchors (&) and aliases (*) are not used; write the value out, or put it in quotes"
            raise _Refused(event.start_mark, rule)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Refused(event.start_mark, f"tag {tag} is not allowed; plain values only")
        self.depth, self.nodes = self.depth + 1, self.nodes + 1
        if self.depth > DEEPEST:
            raise _Refused(event.start_mark, f"nested deeper than {DEEPEST} levels")
        if self.nodes > MOST:
            raise _Refused(event.start_mark, f"more than {MOST} values")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                raise _Refused(key.start_mark, "a field's name is text; put it in quotes")
            if key.value in lines:
                twice = f'"{key.value}" is given twice, first in line {lines[key.value]}; keep one'
                raise _Refused(key.start_mark, twice)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if "\0" in node.value or any("\ud800" <= c <= "\udfff" for c in node.value):
            raise _Refused(node.start_mark, "text with a NUL or half a character is not allowed")
        return super().construct_scalar(node)


class _Dumper(yaml.SafeDumper):
    """Writes by the same rules of what is a number, and never an anchor."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.Node:
    """PyYAML would write U+0085 and its like as they are, and read them as a line's end."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _write_text)
for _tag, _pattern, _first in SCALARS:
    for _base in (_Loader, _Dumper):
        # PyYAML's resolver looks up by first character; the empty value is under ''.
        _base.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(rf"(?:{_pattern})\Z"),
            [*_first, *([""] if _tag == "null" else [])],
        )

"""Of other libraries only documented names: no name with a leading underscore that is not ours."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "xrt"
# file and name -> why, as of which version, and the upstream issue; at most three lines
EXCEPTIONS: dict[tuple[str, str], str] = {}
OURS = {"self", "cls"}


def private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def foreign(source: str, own: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """Lines and names: attributes of what is not our own, and imports of modules or names that are private.

    Args:
        own: private names that the file defines itself: a method may use them of another object of its class.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=value, attr=attr) if (
                private(attr) and not _is_ours(value) and attr not in own
            ):
                yield node.lineno, attr
            case ast.Import(names=names):
                yield from ((node.lineno, n.name) for n in names if any(map(private, n.name.split("."))))
            case ast.ImportFrom(module=module, names=names) if not (module or "").startswith("xrt"):
                parts = [*(module or "").split("."), *(n.name for n in names)]
                yield from ((node.lineno, f"{module}: {part}") for part in parts if private(part))
            case ast.Constant(value=str(text)) if (
                text.startswith("_") and "__" in text[1:] and text.isidentifier()
            ):
                # the name of a private attribute of a class, as Python mangles it
                if private(text) and not text.endswith("__") and text[1].isupper():
                    yield node.lineno, text


def _is_ours(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "super":
        return True
    return isinstance(value, ast.Name) and value.id in OURS


def defined(source: str) -> frozenset[str]:
    """Private names that a file defines: functions, classes, fields, and attributes of self."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
    return frozenset(found)


FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 80


@pytest.mark.parametrize("file", FILES)
def test_only_documented_names_of_other_libraries(file: str) -> None:
    source = (ROOT / file).read_text()
    found = [
        (line, name) for line, name in foreign(source, defined(source)) if (file, name) not in EXCEPTIONS
    ]
    assert not found, f"xrt/{file}: private names of other libraries: {found}"


def test_exceptions_are_few_needed_and_have_a_reason() -> None:
    assert len(EXCEPTIONS) <= 3
    for (file, name), reason in EXCEPTIONS.items():
        assert name in {found for _, found in foreign((ROOT / file).read_text())}
        assert any(sign in reason for sign in ("github.com", "#")), "an upstream issue"


@pytest.mark.parametrize(
    "source",
    [
        "trial._trial_id",
        "from ray.train._internal import storage",
        "import ray.autoscaler._private.util",
        "from optuna.samplers import _tpe",
        "storage.study._storage.get()",
        "vars(trial).update(_Trial__config=1); getattr(trial, '_Trial__config')",
        "x = module._function",
    ],
)
def test_what_is_private_is_seen(source: str) -> None:
    assert list(foreign(source))


@pytest.mark.parametrize(
    "source",
    [
        "self._own; cls._own; super()._own()",
        "value.__dict__; type(value).__name__",
        "from xrt.data import _ours",
        "from __future__ import annotations",
    ],
)
def test_what_is_ours_or_pythons_is_not(source: str) -> None:
    assert not list(foreign(source))

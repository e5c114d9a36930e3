"""From a study's name to a checked study: finds the file, applies the overrides, and words every problem.

A study is a path to a file, or a name: `studies/NAME.yaml` in the working directory, else one that ships.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import xrt
from xrt.errors import SpecError, closest
from xrt.spec.checks import together
from xrt.spec.document import read_document, shown_path
from xrt.spec.overrides import WHERE, Override, apply, known_fields, read_override
from xrt.spec.problems import Problem, explain, show
from xrt.spec.study import StudySpec, is_name, with_metric

FOLDER = "studies"
MOST = 50  # problems shown: more are one mistake
_PACKAGE = Path(xrt.__file__).parent
# In a wheel the studies are inside the package, in a checkout beside it.
SHIPPED = _PACKAGE / FOLDER if (_PACKAGE / FOLDER).is_dir() else _PACKAGE.parent / FOLDER


def load_study(name_or_path: str, overrides: Sequence[str] = ()) -> StudySpec:
    """Reads a study and checks it with its overrides (`search.trials=8`).

    Raises:
        SpecError: with every problem of the file and of the overrides, one line each:
            `file: dotted.field: what was given; what is allowed. Hint`.
    """
    problems: list[str] = []
    read = _collect(problems, overrides, read_override)
    paths = _collect(problems, [name_or_path], find_study)
    documents = _collect(problems, paths, read_document)
    if not documents:
        raise SpecError(problems)
    path, document = paths[0], documents[0]
    applied: list[Override] = []
    for override in read:
        try:
            document = apply(document, override)
            applied.append(override)
        except SpecError as error:
            problems += error.problems
    document.setdefault("study", path.stem)
    problems += [_line(problem, path, applied) for problem in check(document)]
    if len(problems) > MOST:
        problems[MOST:] = [f"{shown_path(path)}: and {len(problems) - MOST} more problems."]
    if problems:
        raise SpecError(problems)
    return StudySpec.model_validate(document)


def check(document: dict[str, Any]) -> list[Problem]:
    """Every problem of a study file's mapping, in the order of its fields."""
    try:
        StudySpec.model_validate(document)
    except ValidationError as error:
        problems = explain(error, StudySpec, known_fields())
    else:
        return []
    problems += together(with_metric(document), StudySpec, [problem.field for problem in problems])
    unique = dict.fromkeys(problems)
    order = [*StudySpec.model_fields]
    return sorted(unique, key=lambda p: order.index(p.field[0]) if p.field and p.field[0] in order else -1)


def find_study(name_or_path: str) -> Path:
    """The file of a study; raises SpecError with the known studies when there is none."""
    if os.path.isfile(name_or_path):
        return Path(name_or_path)
    if is_name(name_or_path):
        for folder in (Path(FOLDER), SHIPPED):
            if (path := folder / f"{name_or_path}.yaml").is_file():
                return path
    known = known_studies()
    listed = f"known are {', '.join(known)}, and files: PATH.yaml" if known else "give a file: PATH.yaml"
    path = Path(name_or_path)
    there = path.suffix != "" and path.parent.is_dir()
    files = {str(path.with_name(file.name)) for file in path.parent.glob("*.yaml")} if there else set()
    # A file beside it is meant rather than a shipped study of a similar name.
    hint = closest(str(path), files) or closest(path.stem, known)
    raise SpecError(f"study {show(name_or_path)}: there is no such study; {listed}.{hint}")


def known_studies() -> dict[str, Path]:
    """Name and file of every study in ./studies and among those that ship; the first wins, sorted."""
    found: dict[str, Path] = {}
    for folder in (Path(FOLDER), SHIPPED):
        for path in sorted(folder.glob("*.yaml")):
            if is_name(path.stem):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _collect(problems: list[str], items: Sequence[Any], read: Any) -> list[Any]:
    """What `read` makes of each item; its problems are gathered instead of raised."""
    done = []
    for item in items:
        try:
            done.append(read(item))
        except SpecError as error:
            problems += error.problems
    return done


def _line(problem: Problem, path: Path, overrides: Sequence[Override]) -> str:
    """The problem with where its value came from: the file, or `--set`."""
    field = tuple(str(part) for part in problem.field)
    by_hand = any(field[: len(override.field)] == override.field for override in overrides)
    where = WHERE if by_hand else shown_path(path)
    return f"{where}: {problem.dotted}: {problem.text}"

"""The floors of the package: a file imports lower floors and its own folder; big libraries have their rooms.

Read from the syntax trees, so that an import inside a function counts as much as one at the top.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = {
    "errors": 0,
    "mini": 1,
    "data": 2,
    "robust": 3,
    "spec": 4,
    "record": 5,
    "findings": 6,
    "search": 7,  # three wings: they do not know each other
    "report": 7,
    "tracking": 7,
    "study": 8,
}
# Library -> the only files or folders that may import it.
ROOMS = {
    "ray": ("search/",),
    "optuna": ("search/", "findings/importances.py"),
    "mlflow": ("tracking/store.py", "tracking/registry.py"),
}


def violations(package: Path) -> list[str]:
    """Imports of a package's files that break the rules: `search/tuning.py:12: imports xrt.study`."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        for line, name in imports(path, package):
            if reason := _refused(inside, name.split(".")):
                found.append(f"{inside.as_posix()}:{line}: imports {name}; {reason}")
    return found


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports, wherever in it; also by `import_module("...")`."""
    home = [package.name, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = home[: len(home) - level + 1] if level else []
                start = ".".join([*base, *([module] if module else [])])
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if ast.unparse(function).split(".")[-1] in ("import_module", "__import__"):
                    yield node.lineno, name
            case ast.Attribute(value=ast.Name(id=package.name), attr=attribute) if attribute in FLOORS:
                yield node.lineno, f"{package.name}.{attribute}"


def _refused(inside: Path, name: list[str]) -> str | None:
    """Why a file of the package may not import that name; None if it may."""
    rooms = ROOMS.get(name[0])
    if rooms is not None:
        allowed = inside.as_posix().startswith(rooms)
        return None if allowed else f"only {' and '.join(rooms)} may"
    if name[0] != "xrt" or len(name) == 1:
        return None
    own, other = inside.parts[0].removesuffix(".py"), name[1]
    if own == other:
        return None
    if own == "__init__":
        return (
            None if name[1:3] == ["study", "notebook"] else "the package itself hands on the notebook alone"
        )
    if own not in FLOORS:
        return "this file is on no floor"
    if other not in FLOORS:
        return None if other.startswith("__") else "that is on no floor"
    return None if FLOORS[other] < FLOORS[own] else f"floor {FLOORS[other]} from floor {FLOORS[own]}"


def loaded(imported: list[str], path: Path) -> set[str]:
    """The top-level packages in memory after a fresh process has imported those modules from `path`."""
    code = f"import sys, {', '.join(imported)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=path,
        env={**os.environ, "PYTHONPATH": str(path)},
    )
    return set(done.stdout.split())


def modules(folder: Path) -> list[str]:
    """Every module of a folder of the package, by its full name."""
    files = sorted(path.relative_to(folder.parent.parent) for path in folder.rglob("*.py"))
    return [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]


def test_every_file_keeps_to_its_floor(root: Path) -> None:
    assert violations(root / "xrt") == []


def test_the_walk_sees_every_floor_and_the_folders_in_folders(root: Path) -> None:
    files = [path.relative_to(root / "xrt") for path in (root / "xrt").rglob("*.py")]
    floors = {file.parts[0].removesuffix(".py") for file in files} - {"__init__"}
    assert len(files) >= 50
    assert floors == set(FLOORS)
    assert Path("mini/languages/en.py") in files
    assert sum(1 for file in files for _ in imports(root / "xrt" / file, root / "xrt")) > 300


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("spec/a.py", "from xrt.search.tuning import run_trials"),
        ("search/a.py", "from xrt.report import page"),
        ("search/a.py", "from xrt.tracking.tracker import sync"),
        ("report/a.py", "import xrt.search.sampler"),
        ("report/a.py", "from xrt.tracking import outcome"),
        ("tracking/a.py", "from xrt.report.figures import matrices"),
        ("tracking/a.py", "import xrt.search.sampler"),
        ("findings/a.py", "from xrt.report import drawing"),
        ("findings/a.py", "from xrt.search.scoring import metrics_of_predictions"),
        ("record/a.py", "from xrt.findings.findings import findings"),
        ("data/a.py", "def f():\n    from xrt.robust.region import project"),
        ("data/deep/a.py", "from xrt.robust import region"),
        ("data/a.py", "from ..robust import region"),
        ("data/a.py", "from .. import robust"),
        ("mini/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import xrt.data"),
        ("record/a.py", "from xrt import study"),
        ("record/a.py", "import xrt\nxrt.study.main()"),
        ("record/a.py", "import importlib\nimportlib.import_module('xrt.search.sampler')"),
        ("errors.py", "from xrt.mini import LANGUAGES"),
        ("__init__.py", "from xrt.errors import XrtError"),
        ("helpers/a.py", "from xrt.errors import XrtError"),
        ("study/a.py", "from xrt.helpers import anything"),
        ("robust/a.py", "def f():\n    import ray"),
        ("study/a.py", "from ray import tune"),
        ("report/a.py", "import ray.tune as tune"),
        ("spec/a.py", "import optuna"),
        ("findings/findings.py", "import optuna"),
        ("report/page.py", "import optuna"),
        ("tracking/tracker.py", "import mlflow"),
        ("search/a.py", "from mlflow import MlflowClient"),
    ],
)
def test_a_planted_import_is_refused(tmp_path: Path, file: str, source: str) -> None:
    planted = tmp_path / "xrt" / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(source)
    [violation] = violations(tmp_path / "xrt")
    assert violation.startswith(f"{file}:{len(source.splitlines())}: imports ")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "search/a.py",
            "from ray import tune\nfrom xrt.record.run import Run\nfrom xrt.search import sampler",
        ),
        ("tracking/store.py", "def f():\n    from mlflow import MlflowClient"),
        ("findings/importances.py", "def f():\n    import optuna"),
        ("report/a.py", "from xrt.findings.findings import findings"),
        ("study/a.py", "from xrt.report.page import write_report\nfrom xrt.tracking import tracker"),
        ("data/a.py", "import ast\nfrom . import b\nfrom xrt.errors import DataError\nimport raymond"),
        ("spec/a.py", "import xrt\nprint(xrt.__file__)\nfrom xrt import __doc__"),
    ],
)
def test_what_is_allowed_is_not_refused(tmp_path: Path, file: str, source: str) -> None:
    planted = tmp_path / "xrt" / file
    planted.parent.mkdir(parents=True)
    planted.write_text(source)
    assert violations(tmp_path / "xrt") == []


LIBRARY = {"ray", "mlflow", "optuna"}


@pytest.mark.parametrize(
    ("floors", "absent"),
    [
        (("mini", "data", "robust"), LIBRARY),  # usable from a notebook
        (("spec", "record", "findings"), LIBRARY | {"torch", "transformers", "matplotlib"}),
        (("report",), LIBRARY | {"torch", "transformers"}),
        (("study",), LIBRARY),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_floors_in_a_fresh_process_load_no_library_of_others(
    root: Path, floors: tuple[str, ...], absent: set[str]
) -> None:
    names = [name for floor in floors for name in modules(root / "xrt" / floor)]
    assert {f"xrt.{floor}" for floor in floors} < set(names)
    assert loaded(names, root) & absent == set()


def test_the_commands_answer_before_anything_big_is_loaded(root: Path) -> None:
    assert loaded(["xrt.study.__main__"], root) & (LIBRARY | {"torch", "transformers", "pyarrow"}) == set()


def test_a_planted_library_is_seen_in_the_fresh_process(tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").touch()
    (tmp_path / "planted" / "floor").mkdir(parents=True)
    (tmp_path / "planted" / "floor" / "__init__.py").write_text("from planted.floor import inner")
    (tmp_path / "planted" / "floor" / "inner.py").write_text("import mlflow")
    names = modules(tmp_path / "planted" / "floor")
    assert names == ["planted.floor", "planted.floor.inner"]
    assert "mlflow" in loaded(names[:1], tmp_path)

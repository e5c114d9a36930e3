"""The repository as its reader finds it: modules that say what they are, studies that load, a true README."""

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT
from xrt.spec import load_study
from xrt.spec.loading import SHIPPED
from xrt.study import machines
from xrt.study.__main__ import app

LONGEST_FILE, LONGEST_FUNCTION = 400, 60
PYTHON = sorted(
    path.relative_to(ROOT) for folder in ("xrt", "tests", "tools") for path in (ROOT / folder).rglob("*.py")
)
STUDIES = sorted(path.relative_to(ROOT) for path in (ROOT / "studies").rglob("*.y*ml"))
# Home folders and the like, at the beginning of a path; not the `/home` of an address or of a longer path.
HOMES = "|".join(["root", "home", "work", "tmp", "mnt", "Users"])
MACHINE_PATH = re.compile(rf"(?<![\w.~/:$}}*-])/(?:{HOMES})/[\w.-][\w./-]*")
ALLOWED_PATHS = ("/home/ubuntu", "/home/ray")  # of machines that are rented, not of those that we work on


@cache
def tracked() -> list[Path]:
    """The files of the repository, also those not yet added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted(filter(None, listed.stdout.decode().split("\0")))
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    """The text of a file; None if it is not text."""
    data = path.read_bytes()
    return None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")


def test_the_lists_are_not_empty() -> None:
    assert len(PYTHON) > 80 and len(STUDIES) >= 3 and len(tracked()) > 90


# Modules


@pytest.mark.parametrize("file", PYTHON, ids=str)
def test_a_module_says_what_it_is_and_is_short(file: Path) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    says_it_by_its_tests = file.parts[0] == "tests" and (file.name.startswith("test_") or not source.strip())
    assert problems(source, docstring=not says_it_by_its_tests) == []


def problems(source: str, docstring: bool = True) -> list[str]:
    """How a module breaks the project's limits."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) or not docstring else ["no docstring"]
    if (lines := len(source.splitlines())) > LONGEST_FILE:
        found.append(f"{lines} lines")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append(f"{node.name}: {length} lines")
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os", ["no docstring"]),
        ('"""Doc."""\n' * 401, ["401 lines"]),
        ('"""Doc."""\nclass A:\n    def f(self):\n' + "        pass\n" * 60, ["f: 61 lines"]),
        ('"""Doc."""\ndef f():\n' + "    pass\n" * 59, []),
    ],
)
def test_a_planted_module_is_measured(source: str, expected: list[str]) -> None:
    assert problems(source) == expected


# Studies


@pytest.mark.parametrize("file", STUDIES, ids=str)
def test_a_study_is_valid_and_opens_with_its_command(file: Path) -> None:
    spec = load_study(str(ROOT / file))
    first, *rest = (ROOT / file).read_text(encoding="utf-8").splitlines()
    name = file.stem if file.parent == Path("studies") else file.as_posix()
    assert first.startswith(f"# python -m xrt.study run {name}")
    assert all(any(line.startswith(f"# {word}") for line in rest) for word in ("Question:", "Cost"))
    assert spec.study == file.stem


def test_the_studies_and_cluster_files_of_the_checkout_are_those_that_ship() -> None:
    packaged = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert SHIPPED == ROOT / "studies"
    beside = {name: f"xrt/checkout/{name}" for name in machines.SOURCES if name not in ("xrt", "studies")}
    assert packaged == {"packages": ["xrt"], "force-include": {"studies": "xrt/studies"} | beside}


# The README and other pages


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def broken_links(page: Path) -> list[str]:
    """Links of a page that lead to no file, or to no heading of a file."""
    text = without_code(page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(<?([^)\s>]+)", text):
        if re.match(r"https?://\S+\.\S+|mailto:", target):
            continue
        file, _, heading = target.partition("#")
        found = (page.parent / file) if file else page
        if not found.exists() or (heading and heading not in headings(found)):
            broken.append(target)
    return broken


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere() -> None:
    assert ROOT / "README.md" in pages()
    assert {str(page): links for page in pages() if (links := broken_links(page))} == {}


def test_a_planted_link_is_found_broken(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One: two\n")
    page = tmp_path / "a.md"
    page.write_text("[a](b.md#one-two) [b](b.md#three) [c](c.md) [d](https://x.org) `[e](e.md)`\n")
    assert broken_links(page) == ["b.md#three", "c.md"]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `python -m xrt.study …` in a page, continued lines joined, comments left out."""
    text = re.sub(r"\\\n\s*", " ", text)
    text = re.sub(
        r'"([^"\n]*python -m xrt\.study [^"\n]*)"', r"\1", text
    )  # handed to another machine, in quotes
    for command in re.findall(r"python -m xrt\.study ([a-z][^`\n]*)", text):
        yield shlex.split(command, comments=True)


def command_problems(words: list[str]) -> list[str]:
    """The parts of a command line that the program does not know."""
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    if words[0] not in known:
        return [f"no command {words[0]}"]
    options = {name for parameter in known[words[0]].params for name in parameter.opts} | {"--help"}
    found = [f"{words[0]} has no {word}" for word in words if word.startswith("--") and word not in options]
    if words[0] == "run" and len(words) > 1 and (SHIPPED / f"{words[1]}.yaml").exists():
        overrides = [value for word, value in pairwise(words) if word == "--set"]
        load_study(words[1], overrides)
    return found


def test_every_command_of_the_pages_exists() -> None:
    table = list(commands((ROOT / "docs" / "commands.md").read_text(encoding="utf-8")))
    assert {words[0] for words in table} == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    others = [words for page in pages() for words in commands(page.read_text(encoding="utf-8"))]
    assert [problem for words in others for problem in command_problems(words)] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python -m xrt.study rum mini", ["no command rum"]),
        ("`python -m xrt.study run mini --sett a=1`", ["run has no --sett"]),
        ("python -m xrt.study run mini \\\n  --set search.trials=8  # fewer", []),
    ],
)
def test_a_planted_command_is_checked(line: str, expected: list[str]) -> None:
    [words] = commands(line)
    assert command_problems(words) == expected


def test_the_study_of_the_readme_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S
    )
    assert blocks
    for block in blocks:
        file = tmp_path / block.split(maxsplit=6)[5]  # of its first line: # python -m xrt.study run FILE
        file.write_text(block, encoding="utf-8")
        assert load_study(str(file)).study == file.stem


def test_every_make_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    used = set(re.findall(r"\bmake ([a-z]+)\b", code_of((ROOT / "README.md").read_text(encoding="utf-8"))))
    assert {"study", "check", "test"} <= used <= targets


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 170


def test_the_glossary_has_no_more_words_than_can_be_learned() -> None:
    page = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([a-z][^|]+) \| [^|]+ \|$", page.split("## Words")[1].split("\n## ")[0], flags=re.M
    )
    assert 20 <= len(rows) - 1 <= 30, "the first row is the head"


def code_of(text: str) -> str:
    return "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", text, flags=re.M | re.S))


def test_every_benchmark_of_the_makefile_exists() -> None:
    [named] = re.findall(r"^BENCH \?= (.*)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert all((ROOT / "tests" / "bench" / f"{name}.py").exists() for name in named.split())


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make .*\btest\b", script, flags=re.M)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_tree_of_the_code_names_every_module() -> None:
    page = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
    [tree] = re.findall(r"^```text\n(xrt/\n.*?)^```", page, flags=re.M | re.S)
    modules = {p.relative_to(ROOT / "xrt") for p in (ROOT / "xrt").rglob("*.py") if p.name != "__init__.py"}
    modules = {p for p in modules if len(p.parts) <= 2}  # one language a file: the tree names their folder
    assert tree_files(tree) == {p.as_posix() for p in modules}


def tree_files(tree: str) -> set[str]:
    """The Python files of a drawn tree: two spaces deeper is one folder further in."""
    found, folder = set(), ""
    for line in tree.splitlines()[1:]:
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0] if line.strip() else ""
        if name.endswith("/") and depth == 1:
            folder = name
        elif name.endswith(".py"):
            found.add((folder if depth > 1 else "") + name)
    return found


# The whole tree


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    texts = {path: text for path in tracked() if (text := text_of(path)) is not None}
    assert len(texts) > 80
    assert {
        str(path.relative_to(ROOT)): places for path, t in texts.items() if (places := machine_paths(t))
    } == {}


def machine_paths(text: str) -> list[str]:
    return [place for place in MACHINE_PATH.findall(text) if not place.startswith(ALLOWED_PATHS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see " + "/ro" + "ot/x", ["/ro" + "ot/x"]),
        ("path='" + "/ho" + "me/me/data'", ["/ho" + "me/me/data"]),
        ("file_mounts: /home/ubuntu/xrt", []),
        ("https://example.org/work/items and build/tmp/x", []),
    ],
)
def test_a_planted_place_is_found(text: str, expected: list[str]) -> None:
    assert machine_paths(text) == expected


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins_of(file: str) -> dict[str, str]:
    """The version of each package that a file pins, hashes and platforms left out."""
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in pinned}


def test_the_lock_has_the_pinned_versions_with_hashes_and_names_no_registry() -> None:
    pins, locked = pins_of("constraints.txt"), pins_of("requirements.lock")
    assert {name: locked[name] for name in locked.keys() & pins} == {
        name: pins[name] for name in locked.keys() & pins
    }
    ours = {canonicalize_name(Requirement(line).name) for line in pyproject()["project"]["dependencies"]}
    assert ours <= locked.keys() and len(locked.keys() & pins) > 100
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked) and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_the_constraints_pin_every_dependency_within_its_bounds() -> None:
    pins = pins_of("constraints.txt")
    project = pyproject()["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    wanted = [Requirement(line) for line in project["dependencies"] + extras]
    assert len(pins) > 100 and len(wanted) > 20
    for requirement in wanted:
        if requirement.name != "xrt":
            assert Version(pins[canonicalize_name(requirement.name)]) in requirement.specifier

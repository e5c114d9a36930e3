"""The corpus as its users meet it: a command that ends with exit code 2 and one clear line, and leaves nothing."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data.test_folder import test_what_is_wrong_with_a_file_is_said_with_file_and_line as tsv
from tests.faults.test_corpus import ENCODER_CASES, NAMES, RECORD_CASES, SOUND
from tests.findings.worked import SPEC
from tests.spec.conftest import MINIMAL
from tests.spec.test_document import test_a_file_that_is_no_study_is_refused_with_its_line as document
from tests.spec.test_study import test_one_mistake_is_one_line_that_says_how_to_mend_it as study
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.study.__main__ import QUIET, main

TWO = """\
task: {{name: two, languages: [en, de], labels: ["no", "yes"]}}
data: {{source: folder, path: data}}
space: {{encoder: ["{encoder}"], learning_rate: 1.0e-3, method: plain}}
"""
Line = Callable[..., str]


def cases(test: Any) -> list[Any]:
    """The cases of a parametrised test."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return list(mark.args[1])


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Line:
    """The one line with which a command ends, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**QUIET, "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)

    def ended(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["xrt", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed, told = capfd.readouterr()
        assert (ended.value.code, printed) == (2, ""), printed + told
        assert "Traceback" not in told
        assert told.count("\n") == 1, told
        return told

    return ended


@pytest.mark.parametrize("name", ENCODER_CASES)
def test_an_encoder(name: str, tmp_path: Path, line: Line) -> None:
    spoil, expected = ENCODER_CASES[name]
    shutil.copytree(SOUND, tmp_path / "encoder")
    spoil(tmp_path / "encoder")
    assert expected in line("run", "mini", "--set", "space.encoder=[./encoder]")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", RECORD_CASES)
def test_a_record(name: str, line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    run = Run.create(Results.at("results"), SPEC)
    file, content, expected = RECORD_CASES[name]
    raw = content(run) if callable(content) else content
    (run.paths.root / file).write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    assert expected in line("export", run.name, "model")
    if file.startswith("trials/"):
        # Readers show the rest.
        sys.argv = ["xrt", "best", run.name]
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        assert ended.value.code == 0 and expected in told.err and "Traceback" not in told.out + told.err
    else:
        assert expected in line("best", run.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_name(name: str, line: Line) -> None:
    assert "is not a name" in line("best", "--", name)


@pytest.mark.parametrize(("raw", "problem"), cases(document))
def test_a_file_that_is_no_study(raw: bytes, problem: str, line: Line) -> None:
    Path("f.yaml").write_bytes(raw)
    assert line("run", "f.yaml").startswith(problem)


@pytest.mark.parametrize(("raw", "problem"), cases(document))
def test_a_record_of_no_study(raw: bytes, problem: str, line: Line) -> None:
    run = Run.create(Results.at("results"), SPEC)
    run.paths.spec.write_bytes(raw)
    assert problem.replace("f.yaml", f"{run.name}/spec.yaml") in line("compare", run.name, run.name)


@pytest.mark.parametrize(("section", "problem"), cases(study))
def test_a_mistake_in_a_study(section: str, problem: str, line: Line) -> None:
    Path("s.yaml").write_text(f"{MINIMAL}{section}\n")
    assert line("run", "s.yaml") == f"s.yaml: {problem}\n"


@pytest.mark.parametrize(("content", "problem"), cases(tsv))
def test_a_file_of_sentences(content: str | bytes, problem: str, tmp_path: Path, line: Line) -> None:
    Path("two.yaml").write_text(TWO.format(encoder=SOUND))
    Path("data").mkdir()
    for name in ("train-en", "dev-de", "test-en", "test-de"):
        Path(f"data/{name}.tsv").write_text("a\tb\tno\nc\td\tyes\n" * 40)
    Path("data/dev-en.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = line("run", "two.yaml")
    assert said.startswith("data/dev-en.tsv") and problem in said
    assert not (tmp_path / "results").exists()


def test_the_corpus_is_large() -> None:
    kinds = (ENCODER_CASES, RECORD_CASES, NAMES, cases(document), cases(study), cases(tsv))
    assert min(map(len, kinds)) >= 14
    assert sum(map(len, kinds)) >= 130

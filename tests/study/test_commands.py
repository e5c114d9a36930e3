"""Every command's example in its `--help` runs, on the toy study; a run can be repeated from its record."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.study.conftest import free_port
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.study.__main__ import app

EXAMPLE = re.compile(r"`python -m xrt\.study ([^`]+)`")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EXAMPLES = [(name, words) for name, command in COMMANDS.items() for words in EXAMPLE.findall(command.help)]
SAYS = {
    "list": "on mixed pairs",
    "best": "Accuracy, %",
    "sync": "MLflow had everything.",
    "trial": "dev/mean/mixed",
    "plan": "inputs a second",
    "status": "Nobody works on it.",
    "report": "report.html",
    "compare": "difference",
    "export": "build/winner",
}
ALONE = {"run", "resume", "confirm", "ui"}  # in processes of their own: they start Ray, or a server


def test_every_command_has_an_example_of_itself() -> None:
    assert {name for name, _ in EXAMPLES} == set(COMMANDS) == set(SAYS) | ALONE
    assert all(shlex.split(words)[0] == name for name, words in EXAMPLES)


def on_the_toy(words: str, run: str) -> list[str]:
    """An example's words, of the toy study in place of mini."""
    name, *rest = shlex.split(words)
    study = "toy.yaml" if name in ("run", "plan") else "toy"
    told = {"mini": study, "mini-20260101-120000": run, "5001": str(free_port())}
    return [name, *(told.get(word, word) for word in rest)]


@pytest.fixture(scope="module")
def run(finished) -> Run:
    return Run.open(Results.at(finished.folder / "results"), "toy")


@pytest.mark.parametrize(("name", "words"), [e for e in EXAMPLES if e[0] in SAYS], ids=lambda v: v.split()[0])
def test_the_example_runs(finished, run, monkeypatch, name, words) -> None:
    monkeypatch.chdir(finished.folder)
    done = CliRunner().invoke(app, on_the_toy(words, run.name), catch_exceptions=False)
    said = " ".join(done.output.split())  # a table folds its last column where the line ends
    assert done.exit_code == 0 and SAYS[name] in said, done.output
    if name == "compare":
        assert "no reliable difference: 0.0 points" in done.output.lower()


@pytest.mark.parametrize("words", ["plan toy.yaml", "trial toy 0000"])
def test_plan_and_trial_compute_with_the_threads_of_a_trial(finished, monkeypatch, words) -> None:
    monkeypatch.chdir(finished.folder)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        CliRunner().invoke(app, words.split(), catch_exceptions=False)
        assert torch.get_num_threads() == 1, "resources.cpu of the toy study"
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_run_repeated_from_its_record_gives_the_same_table_and_an_ended_one_resumes(
    tmp_path, searched, ray_kept
):
    _, again, _ = (words for name, words in EXAMPLES if name == "run")
    toy = searched.copied(tmp_path / "toy")
    results = Results.at(toy.folder / "results")
    one = Run.open(results, "toy")
    printed = toy.here(*on_the_toy(again, one.name))
    other = Run.open(results, "toy")
    assert other.name != one.name and other.spec_yaml == one.spec_yaml
    assert "Not as in" not in printed and other.meta.repeats == one.name
    assert table_of(other) == table_of(one)
    [resume] = [words for name, words in EXAMPLES if name == "resume"]
    before = (other.paths.root / "run.json").read_bytes()
    assert "nothing is left to resume" in toy.here(*on_the_toy(resume, ""))
    assert (other.paths.root / "run.json").read_bytes() == before


@pytest.mark.slow
def test_more_seeds_continue_a_finished_confirmation_and_are_recorded_as_added(
    tmp_path, finished, ray_kept
) -> None:
    toy = finished.copied(tmp_path / "toy")
    results = Results.at(toy.folder / "results")
    before = {t.id: t for t in Run.open(results, "toy").trials()}
    toy.here("confirm", "toy", "--set", "confirm.seeds=3", "--tracking", "later")
    after = {t.id: t for t in Run.open(results, "toy").trials()}
    new = [t for id, t in after.items() if id not in before]
    assert {id: after[id] for id in before} == before, "nothing is trained twice"
    assert new and {t.seed for t in new} == {6} and all(t.added for t in new)
    assert "only confirm.seeds can change" in toy.here("confirm", "toy", "--set", "search.trials=9", code=2)


def table_of(run: Run) -> list[tuple]:
    """All that a run measured but for speeds, times and the memory that a process happened to hold."""
    told = [
        [
            {k: v for k, v in r.metrics.items() if "per_second" not in k and k != "train/peak_gib"}
            for r in t.reports
        ]
        for t in run.trials()
    ]
    return [(t.id, t.params, t.state, reports) for t, reports in zip(run.trials(), told, strict=True)]


def test_a_study_and_a_run_to_repeat_are_not_both_given(toy) -> None:
    for words in (["run"], ["run", "toy.yaml", "--from", "toy"]):
        assert "either a study" in toy.here(*words, code=2)


def test_a_shell_completes_commands_studies_and_runs(finished, run) -> None:
    def completed(line: str) -> list[str]:
        code = "import sys; sys.argv = ['xrt']; from xrt.study.__main__ import main; main()"
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        asked = {**os.environ, "_XRT_COMPLETE": "complete_bash", **words}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=finished.folder, env=asked, capture_output=True, text=True
        )
        return done.stdout.split()

    assert completed("xrt res") == ["resume"]
    assert completed("xrt run paw") == ["pawsx", "pawsx-paper"]
    assert completed("xrt best toy") == ["toy", run.name]


def test_completion_is_of_the_installed_script(toy) -> None:
    # The script is for the shell that asks, which is found among the parents of the process: a second command
    # keeps bash there.
    asks = f"{shlex.quote(sys.executable)} -m xrt.study --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", asks], cwd=toy.folder, capture_output=True, text=True, check=True)
    script = done.stdout
    assert "_XRT_COMPLETE=complete_bash" in script and Path(script.split()[-1]).name == "xrt"

"""Every command's example in its `--help` runs, on the toy study; a run can be repeated from its record."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.findings import worked
from tests.study.conftest import free_port
from xrt.findings.confirming import wanted
from xrt.record.paths import Results
from xrt.record.run import Run
from xrt.search.sampler import propose
from xrt.spec import load_study
from xrt.study.__main__ import app
from xrt.study.bounds import SEEDS, as_overrides, raised

EXAMPLE = re.compile(r"`python -m xrt\.study ([^`]+)`")


def leaves(group: object, before: str = "") -> Iterator[tuple[str, object]]:
    """The commands, those of a group behind its name."""
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from leaves(command, f"{name} ")
        else:
            yield before + name, command


COMMANDS = dict(leaves(typer.main.get_command(app)))
EXAMPLES = [(name, words) for name, command in COMMANDS.items() for words in EXAMPLE.findall(command.help)]
SAYS = {
    "list": "on mixed pairs",
    "best": "Accuracy, %",
    "sync": "MLflow is up to date.",
    "trial": "dev/mean/mixed",
    "plan": "inputs a second",
    "status": "Not running.",
    "report": "report.html",
    "compare": "difference",
    "export": "build/winner",
    "narrow": "study: toy-narrow",
    "note": "noted. To add the note to the report and to MLflow",
    "cite": "@inproceedings{huang-2021-robust",
    "cluster init": "Written: my-cluster",
}
ALONE = {
    "run",
    "resume",
    "confirm",
    "ui",
    "delete",
}  # in tests of their own: they start Ray, or a server, or remove


def test_every_command_has_an_example_of_itself() -> None:
    assert {name for name, _ in EXAMPLES} == set(COMMANDS) == set(SAYS) | ALONE
    assert all(f"{words} ".startswith(f"{name} ") for name, words in EXAMPLES)


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
        done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
        assert ("label conflict with en" in done.output) == words.startswith("plan"), "as a run says it"
        assert torch.get_num_threads() == 1, "resources.cpu of the toy study"
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_run_repeated_from_its_record_gives_the_same_table_and_an_ended_one_resumes(
    tmp_path, searched, ray_kept
):
    again = next(words for name, words in EXAMPLES if name == "run" and "--from" in words)
    toy = searched.copied(tmp_path / "toy")
    results = Results.at(toy.folder / "results")
    one = Run.open(results, "toy")
    printed = toy.here(*on_the_toy(again, one.name))
    other = Run.open(results, "toy")
    assert other.name != one.name and other.spec_yaml == one.spec_yaml
    assert "Changed since" not in printed and other.meta.repeats == one.name
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


def test_one_configuration_by_hand_is_trained_with_so_many_seeds_and_so_is_its_ablation(tmp_path) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^python -m xrt\.study run mini (--set \"space=.*)$", page, re.M)
    run = worked.make(tmp_path, load_study("mini", shlex.split(line)[1::2]))
    first = propose(run.spec, [])
    assert first and first.params == {
        "encoder": "mini-a",
        "learning_rate": 1e-3,
        "method": "adversarial",
        "adversarial.radius": 0.1,
        "adversarial.steps": 1,
    }
    trial = worked.searched(run, 0, first.params)
    run.save(trial)
    assert propose(run.spec, [trial]) is None, "it is the only one"
    needed = {(one.configuration, one.params["method"], one.seed) for one in wanted(run)}
    both = (("0000", "adversarial"), ("0000-plain", "plain"))
    assert needed == {(*one, seed) for one in both for seed in range(8, 13)}


@pytest.mark.slow
def test_an_extended_run_gets_more_trials_of_the_same_search_and_keeps_those_it_has(
    tmp_path, searched, ray_kept
) -> None:
    toy = searched.copied(tmp_path / "toy")
    run = Run.open(Results.at(toy.folder / "results"), "toy")
    before, asked = run.trials(), run.spec.search.trials
    toy.here("run", "--extend", "toy", "--set", "search.trials=+2", "--tracking", "later")
    after = run.trials()
    assert after[: len(before)] == before and len(after) == len(before) + 2
    assert [t.params for t in after[len(before) :]] == [
        propose(run.spec, after[:count]).params for count in (len(before), len(before) + 1)
    ]
    assert all(t.added for t in after[len(before) :]), "somebody had seen the verdicts"
    assert run.spec.search.trials == asked + 2 and as_overrides(run) == [f"search.trials={asked + 2}"]
    assert f"of {asked + 2} (" in toy.here("status", "toy")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("search.trials=1", "search.trials: 1 is not allowed"),
        ("search.trials=+0", "search.trials: 0 is not allowed"),
        ("search.trials=+many", "'+many' is not allowed"),
        ("search.seed=8", "only search.trials and confirm.seeds can change"),
        ("confirm.seeds=[5, 10]", "search.trials is missing"),
    ],
)
def test_an_extension_says_how_many_trials_more_and_nothing_else(
    tmp_path, searched, monkeypatch, given, said
) -> None:
    toy = searched.copied(tmp_path / "toy")
    before = (Run.open(Results.at(toy.folder / "results"), "toy").paths.root / "run.json").read_bytes()
    also = [] if "trials" in given or "confirm" in given else ["--set", "search.trials=+2"]
    assert said in toy.here("run", "--extend", "toy", "--set", given, *also, code=2)
    assert (
        Run.open(Results.at(toy.folder / "results"), "toy").paths.root / "run.json"
    ).read_bytes() == before


@pytest.mark.parametrize(("given", "seeds"), [("+2", (4, 4)), ("[2, 5]", (2, 5)), ("4", (4, 4))])
def test_seeds_are_raised_to_a_number_or_by_one(finished, given, seeds) -> None:
    opened = Run.open(Results.at(finished.folder / "results"), "toy")
    assert opened.spec.confirm and opened.spec.confirm.seeds == (2, 2)
    assert raised(opened, [f"confirm.seeds={given}"], (SEEDS,)) == {"seeds": seeds}


def test_more_seeds_of_a_study_without_a_confirmation_are_refused(tmp_path, searched) -> None:
    toy = searched.copied(tmp_path / "toy")
    more = ["--set", "search.trials=+2", "--set", "confirm.seeds=[2, 3]"]
    for words in (["confirm", "toy"], ["run", "--extend", "toy", *more]):
        assert "has no confirmation (confirm: null)" in toy.here(*words, code=2)


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
        assert "give a study" in toy.here(*words, code=2)


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

"""Every mistake of a user: a clear line, exit code 2, no traceback, no run folder left behind.

In this process, for a new one takes ten seconds to begin; an unknown field and the missing network have one of theirs.
"""

import shutil

import pytest

CASES = {
    "unknown study": (["run", "payx"], ['study "payx"', "pawsx"]),
    "unknown task": (["--set", "task=pawx"], ["task", "pawx", "pawsx"]),
    "unknown encoder": (["--set", "space.encoder=[nowhere/there]"], ["encoder: nowhere/there"]),
    "unknown language": (["--set", "search.metric=dev/acc/xx"], ["search.metric", "dev/acc/xx"]),
    "unknown method": (["--set", "space.method={adversaril: {}}"], ["adversaril", "adversarial"]),
    "unknown field": (["--set", "training.epoch=3"], ["training.epoch", "epochs"]),
    "wrong type": (["--set", "search.trials=many"], ["search.trials", "many", "whole number"]),
    "empty range": (["--set", "space.learning_rate={log: [0.1, 0.1]}"], ["space.learning_rate", "empty"]),
    "inverted range": (["--set", "space.learning_rate={log: [0.1, 0.01]}"], ["inverted"]),
    "metric never reported": (["--set", "search.metric=dev/mean/mixt"], ["dev/mean/mixed"]),
    "folder without the files": (["--set", "data.path=empty"], ["empty", "train-en.tsv"]),
    "folder that is not there": (["--set", "data.path=nowhere"], ["nowhere"]),
    "too few columns": (["--set", "data.path=columns"], ["dev-de.tsv", "3"]),
    "label outside the task's": (["--set", "data.path=labels"], ["dev-fr.tsv", '"2"']),
    "too many rungs": (["--set", "pruning.rungs=9"], ["pruning.rungs"]),
}


@pytest.fixture(scope="module")
def folders(toy):
    """Variants of the toy's data, each with one flaw."""
    (toy.folder / "empty").mkdir()
    for name, file, line in (("columns", "dev-de.tsv", "only one"), ("labels", "dev-fr.tsv", "a\tb\t2")):
        shutil.copytree(toy.folder / "data", toy.folder / name)
        lines = (toy.folder / name / file).read_text().splitlines()
        lines[2] = line
        (toy.folder / name / file).write_text("\n".join(lines) + "\n")
    return toy


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_told_in_one_clear_line(folders, name):
    arguments, expected = CASES[name]
    if arguments[0] != "run":
        arguments = ["run", "toy.yaml", *arguments]
    printed = (folders.xrt if name == "unknown field" else folders.here)(*arguments, code=2)
    for words in expected:
        assert words in printed
    assert "Traceback" not in printed
    assert not (folders.folder / "results").exists(), "a run folder was left behind"


def test_without_a_network_the_hub_is_named_and_the_folder_offered(toy, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    printed = toy.xrt("run", "pawsx", code=2)
    assert "google-research-datasets/paws-x" in printed and "source: folder" in printed
    assert "bert-base-multilingual-cased" in printed and "Traceback" not in printed
    assert not (toy.folder / "results").exists()


def test_a_name_of_a_run_that_cannot_be_one_is_refused_before_anything_is_looked_at(toy):
    assert "--name: '../x' is not a name" in toy.here("run", "toy", "--name", "../x", code=2)
    assert "leave --name out" in toy.here("run", "--extend", "toy", "--name", "x", code=2)
    assert not (toy.folder / "results").exists()


def test_commands_on_a_run_that_is_not_there_name_it(toy):
    for command in ("resume", "best", "sync"):
        assert "nothere" in toy.here(command, "nothere", code=2)

"""The environment of a run, without secrets."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from xrt.record import environment


def test_versions_are_those_of_the_installed_libraries() -> None:
    found = environment.versions()
    assert found["torch"] == importlib.metadata.version("torch")
    assert found["python"].startswith("3.")
    assert {"ray", "transformers", "datasets", "optuna", "mlflow"} <= found.keys()


def test_the_commit_and_whether_the_tree_was_changed(tmp_path: Path) -> None:
    assert environment.git(tmp_path) is None

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    clean = environment.git(tmp_path)
    assert clean is not None
    assert len(str(clean["commit"])) == 40
    assert clean["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert environment.git(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_the_command_is_the_one_that_was_typed(monkeypatch) -> None:
    typed = ["/opt/python/bin/python", "-m", "xrt.study", "run", "my study.yaml"]
    monkeypatch.setattr(sys, "orig_argv", typed)
    assert environment.command() == "python -m xrt.study run 'my study.yaml'"

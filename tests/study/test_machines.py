"""`cluster init` writes what a cluster needs, and never overwrites."""

from pathlib import Path

from tests.study.conftest import Toy
from xrt.study.machines import KINDS, next_commands


def test_cluster_files_are_written_with_the_next_commands_of_each_kind_of_machine(
    toy: Toy, tmp_path: Path
) -> None:
    printed = toy.here("cluster", "init", str(tmp_path / "it"))
    assert (tmp_path / "it" / "xrt" / "mini" / "lexicon.py").exists() and (
        tmp_path / "it" / "studies"
    ).is_dir()
    for kind, file in KINDS.items():
        commands = next_commands(tmp_path / "it" / file)
        assert len(commands) == 3 and f"{kind} ({file})" in printed
        assert all(f"  {command}\n" in printed for command in commands)


def test_what_is_there_already_is_never_overwritten(toy: Toy, tmp_path: Path) -> None:
    mine = tmp_path / "cluster.yaml"
    mine.write_text("mine")
    printed = toy.here("cluster", "init", str(tmp_path), code=2)
    assert printed.splitlines() == [
        f"{tmp_path}: has cluster.yaml, and nothing is overwritten; name another folder."
    ]
    assert list(tmp_path.iterdir()) == [mine] and mine.read_text() == "mine"

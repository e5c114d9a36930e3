"""The whole program installed from a wheel, outside the checkout; and on the machines of a cluster."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, made_once

ENOUGH = (
    "search.trials=2",
    "space.encoder=[mini-a]",
    "space.method={plain: {}, noise: {scale: 0.5}}",
    "training.epochs=1",
    "data.train_rows=160",
    "confirm=null",
    "resources.gpu=0",
)


def ran(words: list[str | Path], folder: Path, **more: str) -> str:
    """What a program prints, without the checkout on its path."""
    places = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    done = subprocess.run(words, cwd=folder, env=places, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel(project: Path, folder: Path) -> Path:
    ran(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(project)],
        folder,
    )
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new virtual environment with our wheel; it borrows everything else from the running one."""

    def make(folder: Path) -> None:
        venv.create(folder / "venv")
        [packages] = (folder / "venv").glob("lib/python3*/site-packages")
        # a path file is not read for others in the folder that it names: the editable checkout stays out
        (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        pip = [sys.executable, "-m", "pip", "--python", "venv/bin/python"]
        ran([*pip, "install", "--quiet", "--no-deps", str(wheel(ROOT, folder))], folder)

    return made_once(tmp_path_factory, "wheel", make) / "venv" / "bin"


@pytest.mark.slow
def test_from_a_wheel_outside_the_checkout_a_study_runs_and_is_reported(
    environment: Path, tmp_path: Path
) -> None:
    where = ran([environment / "python", "-c", "import xrt; print(xrt.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(environment.parent)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert ran([environment / "xrt", "--version"], tmp_path) == f"xrt {version}\n"
    sets = [word for one in ENOUGH for word in ("--set", one)]
    assert "report.html" in ran(
        [environment / "xrt", "run", "mini", *sets, "--tracking", "later", "--name", "first"], tmp_path
    )
    assert "finished" in ran([environment / "xrt", "status", "first"], tmp_path)
    [run] = (tmp_path / "results" / "mini").glob("*/run.json")
    (run.parent / "report.html").unlink()
    ran([environment / "xrt", "report", "mini"], tmp_path)
    assert "mini" in (run.parent / "report.html").read_text()


@pytest.mark.slow
def test_what_an_installed_user_gets_for_a_cluster_is_what_the_checkout_has(
    environment: Path, tmp_path: Path
) -> None:
    ran([environment / "xrt", "cluster", "init", "it"], tmp_path)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "xrt", "studies", "cluster"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    wanted = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    written = {
        str(file.relative_to(tmp_path / "it")) for file in (tmp_path / "it").rglob("*") if file.is_file()
    }
    assert set(wanted) <= written and len(written - set(wanted)) == 6, "and six files of the project itself"
    assert all((tmp_path / "it" / name).read_bytes() == (ROOT / name).read_bytes() for name in written)
    found = "import cluster.spot; print(cluster.spot.SpotFirst.__name__)"
    assert ran([environment / "python", "-c", found], tmp_path / "it", PYTHONPATH=".") == "SpotFirst\n"


def copied_by_ray(name: str) -> dict[str, str]:
    return yaml.safe_load((ROOT / name).read_text())["file_mounts"]


def copied_by_docker() -> dict[str, str]:
    lines = (ROOT / "cluster" / "Dockerfile").read_text().splitlines()
    words = [line.split()[1:] for line in lines if line.startswith("COPY ")]
    return {f"~/xrt/{name}": name for *names, _ in words for name in names}


@pytest.mark.slow
def test_what_is_copied_to_the_machines_is_enough_to_install_it(tmp_path: Path) -> None:
    [aws, ssh] = (copied_by_ray(name) for name in ("cluster.yaml", "cluster.local.yaml"))
    assert aws == ssh and copied_by_docker().items() <= aws.items()
    project = tmp_path / "machine"
    project.mkdir()
    for name in copied_by_docker().values():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, project / name)
    assert wheel(project, tmp_path).stat().st_size > 10**6

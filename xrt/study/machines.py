"""The command `cluster init`: writes what Ray's launcher, Slurm and Kubernetes need, if there is no checkout.

The folder that it writes is a small checkout: the cluster files, the studies and the code as they are installed here.
So the machines run this very version, wherever it came from; on PyPI `xrt` is another project.
"""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

import xrt
from xrt.errors import XrtError
from xrt.spec.loading import SHIPPED
from xrt.study.app import CLUSTER, app, out

PACKAGE = Path(xrt.__file__).parent
# A wheel holds inside the package what a checkout has beside it.
_BESIDE = PACKAGE / "checkout" if (PACKAGE / "checkout").is_dir() else PACKAGE.parent
# The files that begin with the commands for a kind of machine.
KINDS = {
    "AWS": "cluster.yaml",
    "Machines reached by ssh": "cluster.local.yaml",
    "Slurm": "cluster/slurm.sh",
    "Kubernetes": "cluster/kuberay.yaml",
}
# What the machines need to install the package, by its name in the folder.
_NAMES = (
    "cluster",
    "cluster.yaml",
    "cluster.local.yaml",
    "pyproject.toml",
    "constraints.txt",
    "LICENSE",
    "README.md",
)
SOURCES = {name: _BESIDE / name for name in _NAMES} | {"xrt": PACKAGE, "studies": SHIPPED}

cluster = typer.Typer(
    no_args_is_help=True, help="Files for Slurm, Kubernetes, AWS and machines reached by ssh."
)
app.add_typer(cluster, name="cluster", rich_help_panel=CLUSTER)


@cluster.callback()
def _group() -> None:
    """With a callback typer keeps the word `init`, though it is the only command."""


@cluster.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path("xrt-cluster")) -> None:
    """Write the cluster files, with this version of the code, into a folder, and say what comes next.

    Example: `python -m xrt.study cluster init my-cluster`
    """
    if there := [name for name in SOURCES if (folder / name).exists()]:
        raise XrtError(f"{folder}: has {', '.join(there)}, and nothing is overwritten; name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in SOURCES.items():
        if source.is_file():
            shutil.copy(source, folder / name)
        else:
            inside = ("checkout", "studies") if source == PACKAGE else ()
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", *inside))
    out.print(f"Written: {folder}. What to change there is marked CHANGE. Then:", soft_wrap=True)
    out.print(f"  cd {shlex.quote(str(folder))}", soft_wrap=True, highlight=False, markup=False)
    for kind, file in KINDS.items():
        out.print(f"\n{kind} ({file})", soft_wrap=True, highlight=False)
        for line in next_commands(folder / file):
            out.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def next_commands(file: Path) -> list[str]:
    """The first three commands in the comment that a cluster file begins with."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#   ") for line in lines if line.startswith("#   ")][:3]

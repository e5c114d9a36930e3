"""The environment of a run: versions, commit, machine, command; without secrets."""

import getpass
import importlib.metadata
import os
import platform
import shlex
import socket
import subprocess
import sys
from pathlib import Path

from xrt.record.redaction import redact as redact
from xrt.record.redaction import redact_words
from xrt.record.redaction import redacted as redacted

PACKAGES = ("xrt", "torch", "ray", "transformers", "datasets", "optuna", "mlflow")


def versions() -> dict[str, str]:
    """The versions of Python and of each installed library."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git(folder: Path | None = None) -> dict[str, str | bool] | None:
    """The commit of the working tree around a folder (default: the current one), and whether it has changes."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "dirty": _git(folder, "status", "--porcelain", "--untracked-files=no") != ""}


def machine() -> dict[str, str | int | float]:
    """The driver's machine; code that knows Ray adds the cluster's machines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"platform": platform.platform(), "cpus": os.cpu_count() or 1, "memory_gib": round(memory, 1)}


def host() -> str:
    return socket.gethostname()


def user() -> str | None:
    """The user's name; None if the system has none (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def command() -> str:
    """The command line of this process, ready to paste, without secrets."""
    words = list(sys.orig_argv)
    words[:1] = [Path(words[0]).name] if words else []
    return shlex.join(redact_words(words))


def _git(folder: Path | None, *words: str) -> str | None:
    """The output of git; None without git, outside a working tree, or on a time-out."""
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            encoding="utf-8",
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()

"""What a run is run with: versions, commit, machine, command. No secret passes through here into a record.

Environment variables are read for one purpose only: to find their secrets in other texts and hide them.
"""

import getpass
import importlib.metadata
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("xrt", "torch", "ray", "transformers", "datasets", "optuna", "mlflow")
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE", re.IGNORECASE)
SECRET_OPTION = re.compile(r"(?i)(--?[\w.-]*(?:token|secret|passw|api-?_?key)[\w.-]*(?:=|\s+))\S+")
# of the hub, GitHub, AWS and others, which are known by how they begin
TOKEN = re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|AKIA|ASIA|glpat-|dapi|sk-)[A-Za-z0-9_-]{16,}")
USER_INFO = re.compile(r"(\w://)[^/\s@'\"]+@")
HIDDEN = "***"


def versions() -> dict[str, str]:
    """Of Python and of each library that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git(folder: Path | None = None) -> dict[str, str | bool] | None:
    """Commit of the working tree around a folder (default: here), and whether it was changed since."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "dirty": _git(folder, "status", "--porcelain", "--untracked-files=no") != ""}


def machine() -> dict[str, str | int | float]:
    """The driver's machine; what the cluster has is for those to say who ask Ray."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"platform": platform.platform(), "cpus": os.cpu_count() or 1, "memory_gib": round(memory, 1)}


def host() -> str:
    return socket.gethostname()


def user() -> str | None:
    """The name of whoever runs this; None where the system has no name for them (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def command() -> str:
    """The command line of this process, ready to be pasted, without secrets."""
    words = list(sys.orig_argv)
    words[:1] = [Path(words[0]).name] if words else []
    return redact(shlex.join(words))


def redact(text: str) -> str:
    """Hides `user:password@` in addresses, values of options such as --token, what looks like a token, and the values
    of environment variables whose names say that they are secret (from 8 characters on: shorter ones are words).
    """
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= 8:
            text = text.replace(value, HIDDEN)
    text = SECRET_OPTION.sub(rf"\g<1>{HIDDEN}", USER_INFO.sub(rf"\g<1>{HIDDEN}@", text))
    return TOKEN.sub(HIDDEN, text)


def redacted(value: Any) -> Any:
    """The same value with every string in it redacted, at any depth."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _git(folder: Path | None, *words: str) -> str | None:
    """What git says; None without git, outside a working tree, or when it takes long."""
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

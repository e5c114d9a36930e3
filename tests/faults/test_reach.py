"""Who can reach a running study: its Ray answers nobody without its token."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.faults.small import descendants

pytestmark = pytest.mark.slow
RAY = """\
import os, ray
from xrt.search.cluster import connect
connect()
print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
input()
"""
COUNTERS = {44217, 44227}  # of Ray's head: numbers of requests and nodes, to anybody (SECURITY.md)
PAGES = ("", "metrics", "api/job_agent/jobs/")
LISTEN = "0A"  # as /proc/net/tcp says it
JOIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print('joined')"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, str, dict[str, str]]]:
    """A process that has a Ray as a study has it, its address, and the environment that holds its token."""
    home = {**os.environ, "HOME": str(tmp_path_factory.mktemp("home"))}
    with subprocess.Popen(
        [sys.executable, "-c", RAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=home
    ) as process:
        address, token = process.stdout.readline().split()
        yield process, address, {**home, "RAY_AUTH_TOKEN": token}
        process.communicate("\n")


def test_only_who_holds_the_token_joins(study, tmp_path: Path) -> None:
    _, address, home = study
    tokens = {
        "ours": {**home, "RAY_AUTH_MODE": "token"},
        "another": {**home, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64},
        "none": {**home, "RAY_AUTH_MODE": "disabled"},
    }
    joining = {
        name: subprocess.Popen(
            [sys.executable, "-c", JOIN, address],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, environment in tokens.items()
    }
    said = {name: process.communicate() for name, process in joining.items()}
    assert {name for name, (printed, _) in said.items() if "joined" in printed} == {"ours"}, said["ours"]
    assert all("InvalidAuthToken" in said[name][1] for name in ("another", "none"))


def listening(pids: list[int]) -> set[int]:
    """The TCP ports on which processes listen."""
    held = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                held.add(os.readlink(entry))
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    return {
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == LISTEN and f"socket:[{row[9]}]" in held
    }


def test_no_page_of_it_answers_without_the_token(study) -> None:
    process, address, _ = study
    ports = listening(descendants(process.pid)) - COUNTERS
    assert len(ports) >= 3
    for host in ("127.0.0.1", address.partition(":")[0]):
        for page in (f"{host}:{port}/{page}" for port in ports for page in PAGES):
            try:
                with urllib.request.urlopen(f"http://{page}", timeout=60) as answer:
                    raise AssertionError(f"{page}: {answer.read(100)}")
            except urllib.error.HTTPError as error:
                assert error.code == 401, page
            except (OSError, HTTPException):  # speaks no HTTP
                continue

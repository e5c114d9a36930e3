"""Which Ray a study runs on: its own, unless the user names another. Each in a process, which can have one Ray."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONNECT = """
import os, ray
from xrt.errors import XrtError
from xrt.search.cluster import connect
try:
    print("cpus", connect().cpus, ray.get_runtime_context().gcs_address, flush=True)
except XrtError as error:
    print("refused", error, flush=True)
"""
COLLEAGUE = """
import ray
ray.init(address="local", num_cpus=77, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(ray.get_runtime_context().gcs_address, flush=True)
input()
"""
TOKEN = "c0ffee" * 10


@pytest.fixture
def folder() -> Iterator[Path]:
    """Stands for the machine's temporary folder; Ray's sockets want a short name."""
    made = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def environment(folder: Path, **more: str) -> dict[str, str]:
    home = folder / "home"
    (home / ".ray").mkdir(parents=True, exist_ok=True)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "XRT_", "AWS_"))}
    return own | {"PYTHONPATH": str(ROOT), "HOME": str(home), "RAY_TMPDIR": str(folder)} | more


def said(code: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip()


@contextmanager
def running(code: str, env: dict[str, str]) -> Iterator[str]:
    """A process that prints one line and stays; returns the line."""
    with subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.communicate("\n")


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """An address that never answers, and the bytes sent there."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    connection.settimeout(5)
                    heard.append(connection.recv(65536))
                except TimeoutError:
                    heard.append(b"")
                except OSError:
                    return

        threading.Thread(target=listen, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", heard


def plant(folder: Path, address: str) -> None:
    """Write into Ray's folder what `ray start` writes there, as everybody may."""
    (folder / "ray").mkdir(exist_ok=True)
    (folder / "ray" / "ray_current_cluster").write_text(address)


@pytest.mark.slow
def test_who_plants_an_address_hears_nothing_and_the_folder_is_its_owners_alone(folder: Path) -> None:
    with listening() as (address, heard):
        plant(folder, address)
        more = {"RAY_AUTH_MODE": "token"}
        assert said(CONNECT, environment(folder, **more)).startswith("cpus ")
    assert heard == []
    own = folder / f"xrt-{os.getuid()}"
    assert own.stat().st_mode & 0o777 == 0o700 and list(own.glob("ray/session_*"))
    logs = [path for path in own.rglob("*") if path.is_file()]
    assert logs and not any(TOKEN.encode() in path.read_bytes() for path in logs)


@pytest.mark.slow
def test_a_colleagues_ray_is_not_joined(folder: Path) -> None:
    env = environment(folder)
    with running(COLLEAGUE, env) as address:
        plant(folder, address)
        answer = said(CONNECT, env)
    assert answer.startswith("cpus ") and not answer.startswith("cpus 77") and address not in answer


@pytest.mark.slow
def test_the_ray_that_is_named_is_joined(folder: Path) -> None:
    env = environment(folder, RAY_AUTH_MODE="token")
    with running(COLLEAGUE, env) as address:
        assert said(CONNECT, env | {"RAY_ADDRESS": address}) == f"cpus 77 {address}"
        stranger = said(CONNECT, env | {"RAY_ADDRESS": address, "RAY_AUTH_TOKEN": "f" * 64})
    assert stranger.startswith(f"refused RAY_ADDRESS: {address}: ") and "\n" not in stranger


HURRIED = "from xrt.search import cluster; cluster.JOINING = 5.0\n" + CONNECT  # 20 without this


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "silent"])
def test_a_named_ray_that_does_not_answer_in_time_ends_with_one_line(folder: Path, address: str) -> None:
    with listening() as (silent, _):
        named = silent if address == "silent" else address
        answer = said(HURRIED, environment(folder, RAY_ADDRESS=named))
    # Ray itself would abort after a minute, with a page.
    assert answer.startswith(f"refused RAY_ADDRESS: {named}: ") and "unset RAY_ADDRESS" in answer
    assert "\n" not in answer and ("no answer within 5 s" in answer) == (address == "silent")


def test_a_folder_that_somebody_else_has_made_is_not_used(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / f"xrt-{os.getuid()}").symlink_to(folder / "elsewhere")
    answer = said(CONNECT, environment(folder))
    assert answer.startswith("refused") and "belongs to somebody else; set RAY_TMPDIR" in answer
    assert list((folder / "elsewhere").iterdir()) == []


KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKE1234",
    "AWS_SECRET_ACCESS_KEY": "fake/secret+key0123456789",
}
TUNE = """
import ctypes, hashlib, os
from ray import tune
from xrt.search.cluster import connect
from xrt.search.private import unlogged_keys

def digest(value):
    return hashlib.sha256(value).hexdigest()

def trial(config):
    seen = digest(os.environb[b"AWS_SECRET_ACCESS_KEY"])
    tune.report({"seen": seen, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")})

connect()
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
with unlogged_keys():
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ
    here = digest(getenv(b"AWS_SECRET_ACCESS_KEY"))
    [result] = tune.Tuner(trial, run_config=tune.RunConfig(verbose=0, storage_path=os.environ["STORAGE"])).fit()
assert here == result.metrics["seen"] == digest(os.environb[b"AWS_SECRET_ACCESS_KEY"])
print("seen", repr(result.metrics["gpus"]))
"""


@pytest.mark.slow
def test_keys_of_aws_reach_the_workers_and_no_log_and_who_asked_for_no_gpu_sees_none(folder: Path) -> None:
    assert (
        said(TUNE, environment(folder, STORAGE=str(folder / "results"), **KEYS)).splitlines()[-1] == "seen ''"
    )
    files = [
        path
        for path in (folder / f"xrt-{os.getuid()}").rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    assert any(path.name == "runtime_env_agent.log" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not any(value.encode() in content for value in KEYS.values()), path


@pytest.mark.slow
def test_under_uv_ray_packs_nothing(folder: Path) -> None:
    code = "import xrt.search, ray._private.ray_constants as c; print(c.RAY_ENABLE_UV_RUN_RUNTIME_ENV)"
    assert said(code, environment(folder)) == "False"

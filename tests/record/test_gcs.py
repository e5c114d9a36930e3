"""Results in a bucket of Google's: what holds of S3 (test_remote.py), as far as an emulator goes."""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyarrow.fs import copy_files

from tests.record.conftest import SPEC
from tests.record.test_remote import TRIAL, machine
from xrt.errors import RecordError
from xrt.record.paths import Results
from xrt.record.run import Run

pytest.importorskip("gcp_storage_emulator")


def key(folder: Path) -> Path:
    """A service account's key, as Google hands it out; nobody has to know it here."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    about = {"type": "service_account", "client_email": "xrt@example.com", "client_id": "1"}
    about |= {"private_key_id": "1", "private_key": pem, "token_uri": "https://example.com/token"}
    (folder / "key.json").write_text(json.dumps(about))
    return folder / "key.json"


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A place in an empty bucket, as `--results` takes it."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key(tmp_path)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}"]
    words += ["--in-memory", "--default-bucket=results"]
    # Of its own, for pyarrow keeps Python's lock while it waits for an answer.
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        time.sleep(0.05)
    yield f"gs://results/xrt?scheme=http&endpoint_override=127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_a_run_is_held_by_one_machine_and_read_by_others(address, monkeypatch, tmp_path):
    run = Run.create(Results.at(address), SPEC)
    with run.hold():
        run.save(TRIAL.begun(5.0))
        machine(monkeypatch, tmp_path / "laptop")
        other = Run.open(Results.at(address), "mini")
        with pytest.raises(RecordError, match="is held by process"), other.hold():
            pass
    there = Run.open(Results.at(address), "mini")
    assert there.trials() == run.trials() and there.holder() is None


def test_checkpoints_are_found_and_removed_as_tune_writes_them(address, tmp_path):
    run, place = Run.create(Results.at(address), SPEC), "tune/search-1/0000/checkpoint_000001"
    path, system = run.stored(place)
    with tempfile.TemporaryDirectory() as written:
        Path(written, "model.safetensors").write_bytes(b"weights")
        system.create_dir(path)
        copy_files(written, path, destination_filesystem=system)
    store, folder = run.paths.results.place, run.paths.root / place
    assert store.folders(run.paths.tune) == [folder.parents[1]] and store.folders(folder.parent) == [folder]
    assert store.sizes(folder) == {"model.safetensors": 7}
    assert (run.fetch(place) / "model.safetensors").read_bytes() == b"weights"
    store.remove(folder)
    assert store.sizes(folder) == {}

"""Keeps private: the folder and token of a Ray started here, and AWS's keys. Knows no Ray.

Ray's own folder is open to every account of a machine, and the token in the home folder may be that of a cluster.
"""

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xrt.errors import XrtError
from xrt.record.redaction import note_secrets

FOLDER, TOKEN = "RAY_TMPDIR", "RAY_AUTH_TOKEN"
LONGEST = 36  # characters of a folder: paths of the sockets that Ray makes below it have at most 107
OWN_TOKEN = secrets.token_hex(32)  # lives as long as this process
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")


@contextmanager
def own_places() -> Iterator[None]:
    """Within the block a Ray that starts gets a folder and a token of its own."""
    before = os.environ.get(FOLDER)
    os.environ |= {FOLDER: str(own_folder()), TOKEN: OWN_TOKEN}
    try:
        yield
    finally:
        os.environ.pop(FOLDER)
        if before is not None:
            os.environ[FOLDER] = before


def own_folder() -> Path:
    """This user's folder for Ray's files, made if necessary; nobody else can read or write in it.

    Raises:
        XrtError: it belongs to somebody else, or cannot be made.
    """
    usual = tempfile.gettempdir()
    base = os.environ.get(FOLDER) or (usual if len(usual) <= LONGEST else "/tmp")
    folder = Path(base) / f"xrt-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise XrtError(
            f"{folder}: cannot be made ({error.strerror}); set {FOLDER} to a folder of your own."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise XrtError(
            f"{folder}: belongs to somebody else; set {FOLDER} to a folder that only you can write to."
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


@contextmanager
def unlogged_keys() -> Iterator[None]:
    """Hide AWS's keys from Python while Ray Tune starts trials.

    Tune copies them from `os.environ` into a message that Ray's agent on every machine logs. They stay in the process's
    environment, where C libraries and the processes of a Ray started here read them. Machines of a cluster have keys of
    their own, or an instance profile.
    """
    note_secrets()
    kept = {name: os.environ.pop(name) for name in KEYS if name in os.environ}
    for name, value in kept.items():
        os.putenv(name, value)
    try:
        yield
    finally:
        os.environ.update(kept)

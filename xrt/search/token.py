"""Ray's token, which lets a process into a cluster: for its owner's eyes only. Knows no Ray.

Ray 2.60 makes one in the home folder when it starts a cluster, readable by everybody. So it is made here, before.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

ELSEWHERE = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # the user has said where it is


def keep_token() -> None:
    """Make the token unless there is one, and take it out of others' sight. A home that is read-only stays as it is."""
    if any(os.environ.get(name) for name in ELSEWHERE):
        return
    file = Path.home() / ".ray" / "auth_token"
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as opened:
                opened.write(secrets.token_hex(32))
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)

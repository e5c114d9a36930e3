"""Whether a file is still what was written: checksums; and opening plain files only, no links or pipes.

CRC-32 finds every flipped bit and every page that was lost. It does not stop a forger, who would write it anew.
"""

import errno
import json
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKSUM = "checksum"  # the key of a sealed JSON object, and the last of it


def opened(path: Path, flags: int = os.O_RDONLY) -> int:
    """The descriptor of an ordinary file, to write to one that has this name alone: a stranger's link leads nowhere.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and (flags == os.O_RDONLY or found.st_nlink <= 1):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no file of its own, but a link, a pipe or a device", str(path))


def content(path: Path) -> bytes:
    """All that is in a file.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
    """
    with os.fdopen(opened(path), "rb") as file:
        return file.read()


def readable_as_its_folder(path: Path) -> None:
    """Let everybody read a file who may read its folder: safetensors closes what it writes to all but its owner."""
    path.chmod(0o600 | path.parent.stat().st_mode & 0o444)


def fingerprint(path: Path) -> list[int]:
    """Length and CRC-32: a file that was cut has another length, one whose pages were lost another sum.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
    """
    length = check = 0
    with os.fdopen(opened(path), "rb") as file:
        while block := file.read(1 << 22):
            length, check = length + len(block), zlib.crc32(block, check)
    return [length, check]


def digest(value: object) -> str:
    """Eight hexadecimal digits, the same for equal JSON values however they are written."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(canonical.encode()):08x}"


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its checksum."""
    return {**value, CHECKSUM: digest(value)}


def is_broken(value: Mapping[str, Any]) -> bool:
    """Whether an object is not what was sealed. One without a checksum is of an earlier version, and taken as it is:
    the damage that takes the checksum's name away is no damage to the rest.
    """
    rest = {key: item for key, item in value.items() if key != CHECKSUM}
    return CHECKSUM in value and value[CHECKSUM] != digest(rest)

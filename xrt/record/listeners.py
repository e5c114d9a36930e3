"""Passes events to listeners: if a listener fails, the study continues."""

import logging
from typing import Any

from xrt.record.redaction import redact
from xrt.record.run import Listener

_log = logging.getLogger("xrt")


def tell(listeners: list[Listener], event: str, *values: Any) -> None:
    """Notify all of them; a listener that fails is logged once and gets no more events."""
    for listener in list(listeners):
        try:
            getattr(listener, event)(*values)
        except Exception as error:  # terminals, stores, networks and full disks raise errors of any kind
            listeners.remove(listener)
            name, what = type(listener).__name__, f"{type(error).__name__}: {error}"
            _log.warning("%s: %s; it gets no more events, the study continues.", name, redact(what))

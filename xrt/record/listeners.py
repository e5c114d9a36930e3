"""How listeners are told what happens: whatever becomes of one, the study goes on."""

import logging
from typing import Any

from xrt.record.redaction import redact
from xrt.record.run import Listener

_log = logging.getLogger("xrt")


def tell(listeners: list[Listener], event: str, value: Any) -> None:
    """Tell all of them; one that fails is said once, and is told nothing more."""
    for listener in list(listeners):
        try:
            getattr(listener, event)(value)
        except Exception as error:  # whatever a terminal, a store, a network, a full disk raise
            listeners.remove(listener)
            name, what = type(listener).__name__, f"{type(error).__name__}: {error}"
            _log.warning("%s: %s; it hears nothing more, the study goes on.", name, redact(what))

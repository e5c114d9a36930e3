"""Whether Ray still lives under a study: Tune does not ask."""

import socket
import time
from typing import Any

import ray
from ray import tune

from xrt.errors import XrtError

WATCHED = 5.0  # seconds between looks


class RayLost(XrtError):
    """Ray has died under a study; the message says how to go on."""

    exit_code = 1


class Died(BaseException):
    """Ray has. No `Exception`: on one Tune tidies up first, and waits for a Ray that is no more."""


class Watch(tune.Callback):
    """Ends the study when Ray has died: without its node Tune would wait for ever, and without its store of state Ray
    would end this process after a minute, neither with a word on how to go on. It cannot speak where Tune itself
    waits for that store.
    """

    def __init__(self) -> None:
        context = ray.get_runtime_context()
        host, _, port = context.gcs_address.rpartition(":")
        self._node, self._store, self._next = context.get_node_id(), (host, int(port)), 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + WATCHED
        if not (self._has_state() and self._has_node()):
            raise Died

    def _has_state(self) -> bool:
        """Whether somebody listens where the store of state was; a network that is slow is not its death."""
        try:
            socket.create_connection(self._store, timeout=WATCHED).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        return True

    def _has_node(self) -> bool:
        return any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node)

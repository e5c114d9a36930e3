"""Notices that Ray has died under a study: Tune does not check."""

import socket
import time
from typing import Any

import ray
from ray import tune

from xrt.errors import XrtError

WATCHED = 5.0  # seconds between checks


class RayLost(XrtError):
    """Ray has died during a study; the message says how to resume."""

    exit_code = 1


class Died(BaseException):
    """Ray has died. Not an `Exception`, after which Tune would clean up and wait for the dead Ray."""


class Watch(tune.Callback):
    """Ends the study when Ray has died, with a message on how to resume. Otherwise Tune would wait for ever for a dead
    node, and Ray would end this process a minute after the death of its GCS. It has no effect while Tune itself waits
    for the GCS.
    """

    def __init__(self) -> None:
        context = ray.get_runtime_context()
        host, _, port = context.gcs_address.rpartition(":")
        self._node, self._gcs, self._next = context.get_node_id(), (host, int(port)), 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + WATCHED
        if not (self._has_gcs() and self._has_node()):
            raise Died

    def _has_gcs(self) -> bool:
        """Whether the GCS still listens at its address; a slow network does not count as its death."""
        try:
            socket.create_connection(self._gcs, timeout=WATCHED).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        return True

    def _has_node(self) -> bool:
        return any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node)

"""Connects to Ray (a private one, or the cluster that RAY_ADDRESS names) and describes its machines.

Without an address, `ray.init` follows a file in a world-writable folder: to a colleague's Ray, to a dead one, or to an
attacker who receives the token of a cluster. So xrt starts its own Ray unless the user names one.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from xrt.errors import XrtError
from xrt.search.packing import SHOWN, WORKERS, Workers, cores, described, gpu_gib, present
from xrt.search.private import own_places

ADDRESS = "RAY_ADDRESS"
JOINING = 20.0  # seconds within which a cluster must accept the connection
STARTS = 6  # attempts to start our own Ray, on a machine that is too slow
MEASURED = 60.0  # seconds that machines may take to report their GPUs

ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a study start from its working folder
    "RAY_AIR_NEW_OUTPUT": "0",  # no tables of Tune's: ours is shown
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # our own Ctrl-C ends a run so that it can be resumed
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports its reason instead of the metric
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the record has all of it, and these fail on a full disk
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # practically never: nothing reads these snapshots
    "RAY_enable_metrics_collection": "0",  # no page of counters, which needs no token
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
JOIN = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


def connect() -> Workers:
    """Join the cluster that RAY_ADDRESS names (`auto`: one that Ray finds on this machine), or start a Ray of our own.

    Ray asks for a token by default, unless RAY_AUTH_MODE says otherwise.

    Returns:
        The machines of the cluster.

    Raises:
        XrtError: the cluster does not accept us within `JOINING` seconds, or no Ray can be started here.
    """
    if not ray.is_initialized():
        os.environ.update(ENVIRONMENT)
        # It would print a page for each process that died and is replaced.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        address = os.environ.get(ADDRESS) or "local"
        with _sigterm_kept():
            if address == "local":
                with own_places():
                    _begin(address)
            else:
                _knock(address)
                _init(address)
    if text := os.environ.get(WORKERS):
        return described(text)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    return present([node["Resources"] for node in nodes], _smallest_gpu(nodes))


def _begin(address: str) -> None:
    """Start our own Ray. It allows itself half a minute, too little on a very busy machine, so we try again."""
    for _ in range(STARTS - 1):
        try:
            return _init(address)
        except XrtError as error:
            if "timed out" not in str(error):
                raise
            ray.shutdown()
    _init(address)


def _init(address: str) -> None:
    try:
        ray.init(
            address=address,
            num_cpus=cores() if address == "local" and cores() < (os.cpu_count() or 1) else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
            runtime_env={"env_vars": ENVIRONMENT},
        )
    except Exception as error:  # Ray raises a dozen kinds
        raise XrtError(f"Ray: {_last_line(str(error)) or type(error).__name__}") from error


def _knock(address: str) -> None:
    """Try to connect to a cluster in a separate process that can be killed: Ray itself waits for minutes, then aborts.

    Raises:
        XrtError: the connection fails.
    """
    end = time.monotonic() + JOINING
    try:
        _reach(address)
        words = [sys.executable, "-c", JOIN, address]
        subprocess.run(words, capture_output=True, text=True, check=True, timeout=end - time.monotonic())
    except (TimeoutError, subprocess.TimeoutExpired):
        why = f"no answer within {JOINING:.0f} s"
    except subprocess.CalledProcessError as error:
        why = _last_line(error.stderr)
    except (OSError, ValueError) as error:
        why = str(error)
    else:
        return
    raise XrtError(
        f"{ADDRESS}: {address}: {why.rstrip('.')}. Name a Ray cluster that is up, as HOST:PORT, or unset {ADDRESS}: "
        "the study then starts a Ray of its own."
    )


def _reach(address: str) -> None:
    """Check that something listens at the address, before Ray connects to it."""
    if address == "auto":
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("is not an address")
    socket.create_connection((host.strip("[]"), int(port)), timeout=JOINING).close()


def _last_line(text: str) -> str:
    """The line of a process's output that names its error, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "Error: " in line.split(" ", 1)[0] + " "]
    return ((named or lines)[-1] if lines else "no answer")[:300]


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Restore our SIGTERM handler: Ray's own would end the run without a message."""
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(on_term):
            signal.signal(signal.SIGTERM, on_term)


def _smallest_gpu(nodes: list[dict[str, Any]]) -> float:
    """GiB of the smallest GPU of all machines, because a trial may land on any of them; 0 if one is unknown."""
    ids = [node["NodeID"] for node in nodes if node["Resources"].get("GPU")]
    if ids == [ray.get_runtime_context().get_node_id()]:
        return gpu_gib(os.environ.get(SHOWN))
    ask = ray.remote(gpu_gib)
    asked = [
        ask.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(id, soft=False)).remote()
        for id in ids
    ]
    with suppress(ray.exceptions.RayError, TimeoutError):
        return min(ray.get(asked, timeout=MEASURED), default=0.0)
    return 0.0

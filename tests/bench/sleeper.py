"""The trial of `tests.bench.scale`: it trains nothing. Apart, so that sixteen processes need not import torch."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from ray import tune

SLOTS, RUNGS, METRICS, SLEEP = 16, 4, 60, 1.0  # seconds of a rung
MESSAGE = "message"  # as in `xrt.search.tuning`, which would import torch
STARTED = "XRT_BENCH_STARTED"  # the folder in which each process says that it is there


def together() -> None:
    """Wait until all processes have started, which takes two cores long and is not measured."""
    folder = Path(os.environ[STARTED])
    (folder / str(os.getpid())).touch()
    while len(os.listdir(folder)) < SLOTS:
        time.sleep(0.1)


def sleeping(config: dict[str, Any]) -> None:
    """A trial that trains nothing and reports as much as a real one."""
    together()
    value = int(config["id"]) / 1e4
    tune.report({MESSAGE: json.dumps({"node": str(os.getpid()), "device": "CPU"})})
    for rung in range(RUNGS):
        time.sleep(SLEEP)
        metrics = {f"dev/pair/x{i}-y": value for i in range(METRICS - 1)} | {"dev/mean/mixed": value}
        about = {
            "rung": rung,
            "share": 3.0 ** (rung + 1 - RUNGS),
            "step": 10 * (rung + 1),
            "metrics": metrics,
        }
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state").write_bytes(bytes(1000))
            tune.report({MESSAGE: json.dumps(about)}, checkpoint=tune.Checkpoint.from_directory(folder))

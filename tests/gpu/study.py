"""Section on the whole: `python -m xrt.study run mini` on the card, from the command to the report."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.gpu.card import Card, Figure

SETTINGS = ("resources.gpu=auto", "resources.cpu=2", "training.compile=true")
SMALL = ("search.trials=4", "training.epochs=4", "confirm.seeds=2", "data.train_rows=64")


def study(card: Card) -> Iterator[Figure]:
    """Exit code, time, and whether there is a report."""
    results = card.out / "results"
    words = [sys.executable, "-m", "xrt.study", "run", "mini", "--results", str(results)]
    for setting in SETTINGS if card.cuda else ("resources.gpu=0", *SMALL):
        words += ["--set", setting]
    began = time.monotonic()
    with (card.out / "study.log").open("w") as log:
        shown = {} if card.cuda else {"CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **shown}, check=False
        )
    yield Figure("run mini: exit code", done.returncode, "", 0)
    yield Figure("run mini: from the command to the report", time.monotonic() - began, "s")
    yield Figure("run mini: reports", len(list(results.glob("mini/*/report.html"))), "", 1, low=True)

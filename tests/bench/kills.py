"""SIGKILL at random points, every method, objective and `keep`: `python -m tests.bench.kills [KILLS] [STEPS]`.

A process trains a tiny encoder and saves a checkpoint every few steps; it is killed after a random time, also while it
saves, and another goes on from the newest whole checkpoint. What the last ends with is compared bit for bit with the
weights of a training that nobody disturbed, and so are the weights that it kept. Float32, one CPU thread, dropout on.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.robust import test_training as small
from tests.robust.conftest import build, step_of
from xrt.robust import checkpoint
from xrt.robust.encoder import load_encoder
from xrt.robust.keeping import Keep, Kept
from xrt.robust.training import Recipe, TrainingState, start, train

EVERY, SLOW = (
    3,
    0.02,
)  # steps between checkpoints; seconds that a step takes at least, so that kills meet steps

# What a training keeps, beside its method; the best is that of the smallest loss on a batch.
KEPT = {"noise, the best": "best:loss:4", "noise, the average": "average:8:7"}


def looked_at(state: TrainingState, keep: Keep) -> None:
    """Evaluate or average the weights, as a trial does."""
    assert state.kept is not None
    if keep.how == "average":
        state.kept.add(state.encoder.model)
        return
    batch = small.batch_for(state.encoder)
    with state.encoder.as_used(), torch.no_grad():
        loss = float(state.encoder.loss(batch, state.encoder.embed(batch)))
    state.kept.take_if_better(state.encoder.model, -loss)


def train_on(model: Path, places: Path, name: str, steps: int, pause: float) -> None:
    """Resume from the newest whole checkpoint under `places`, and train to the end."""
    encoder = load_encoder(str(model), ("no", "yes"), dropout=0.1, seed=1)
    recipe = Recipe(learning_rate=1e-3, steps=steps, seed=5)
    state, how = start(encoder, recipe), small.method(name.partition(", the ")[0])
    keep = Keep.read(KEPT.get(name, "last"))
    assert keep is not None
    looks, stops = keep.looks(steps), [*range(EVERY, steps, EVERY), steps]
    state.kept = Kept() if looks else None
    if whole := [path for path in places.iterdir() if step_of(path) is not None]:
        checkpoint.restore(state, max(whole, key=lambda path: step_of(path) or 0))
    for reached in train(state, how, recipe, small.stream(encoder), stops, looks.__contains__):
        if reached.step in looks:
            looked_at(state, keep)
        if reached.step not in stops:
            continue
        place = places / f"{reached.step:06}"
        shutil.rmtree(place, ignore_errors=True)  # torn by a kill: it would have been gone on from
        checkpoint.save(state, place)
        time.sleep(EVERY * pause)


def started(*arguments: object) -> BaseProcess:
    """The same in a forked process, because importing torch takes longer than the training."""
    process = get_context("fork").Process(target=train_on, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    """Wait for the end of a process; returns how it ended."""
    process.join()
    return process.exitcode


def disturbed(model: Path, places: Path, name: str, steps: int, kills: int) -> list[int]:
    """Kill a training so often at random, then let it finish; the steps of its newest checkpoints at the kills."""
    draw, reached = random.Random(f"{name} {steps}"), []
    while True:
        process, before = started(model, places, name, steps, SLOW), _newest(places)
        if len(reached) == kills:
            assert ended(process) == 0
            return reached
        while _newest(places) == before and process.is_alive():  # it has got somewhere
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 8 * EVERY * SLOW))
        os.kill(process.pid, signal.SIGKILL)
        assert ended(process) == -signal.SIGKILL, "it ended before it was killed: more steps"
        reached.append(_newest(places))


def _newest(places: Path) -> int:
    return max((step_of(path) or 0 for path in places.iterdir()), default=0)


def same_weights(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same weights and moments, bit for bit."""
    pairs = [
        (load_file(one / file), load_file(other / file))
        for file in (checkpoint.WEIGHTS, checkpoint.OPTIMIZER, checkpoint.KEPT)
        if (one / file).exists()
    ]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)


def compared(folder: Path, name: str, steps: int, kills: int) -> tuple[bool, list[int]]:
    """Whether a killed training ended as an undisturbed one, and where it was killed."""
    model, quiet, killed = folder / "model", folder / f"{name}-quiet", folder / f"{name}-killed"
    torch.set_num_threads(1)  # a fork of more would wait for threads that it does not have
    if not model.exists():
        build("bert", model)
    quiet.mkdir()
    killed.mkdir()
    assert ended(started(model, quiet, name, steps, 0.0)) == 0
    where = disturbed(model, killed, name, steps, kills)
    return same_weights(quiet / f"{steps:06}", killed / f"{steps:06}"), where


def main(kills: str = "10", steps: str = "240") -> int:
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in (*small.PARAMETERS, *KEPT):
            same, where = compared(Path(folder), name, int(steps), int(kills))
            differing += not same
            print(f"{name:36} killed after {where}: {'identical' if same else 'DIFFERENT'}", flush=True)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

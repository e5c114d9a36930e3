"""The operations of a training step on the device, counted rather than timed: `python -m tests.bench.step_operations`.

Tiny encoders of four shapes do one step in bfloat16, plain and with K = 3, under torch's profiler, on a CPU: what is
counted there is what a GPU would be asked for. Printed are the operations that Python and autograd call, how many of
them cast, the most casts of one weight, the modules that were walked through, and the flags that were switched.
Exit code 1 where a weight is cast more than once, or modules are walked.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from tests.robust.conftest import batch_for, build
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.objective import Method, Perturbed
from xrt.robust.perturb import Adversarial, Clean
from xrt.robust.training import Recipe, _step, start

SHAPES = ("bert", "xlmr", "deberta", "modernbert")
METHODS: dict[str, Method] = {"plain": Perturbed(Clean()), "K = 3": Perturbed(Adversarial(0.3, 3))}
WALKS = (
    nn.Module.train,
    nn.Module.named_modules,
)  # each enters every module; what walks goes through one of them


@dataclass(frozen=True)
class Counted:
    """Counts of one step. `casts_of_a_weight`: the maximum over trained weights."""

    operations: int
    casts: int
    casts_of_a_weight: float
    walked: int
    flags: int


def counted(encoder: Encoder, method: Method) -> Counted:
    """Counts of the second step of a training, because the first step also sets things up."""
    encoder.mixed = True
    encoder.model.train()
    recipe = Recipe(learning_rate=1e-4, steps=10, seed=1)
    state, batch, generator = start(encoder, recipe), batch_for(encoder), torch.Generator()
    _step(state, method, recipe, batch, generator)
    with calls() as entered:
        _step(state, method, recipe, batch, generator)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        _step(state, method, recipe, batch, generator)
    events = [event for event in seen.events() or () if event.name.startswith("aten::")]
    casts = [event for event in events if event.name == "aten::_to_copy"]
    return Counted(
        sum(not any(parent.name.startswith("aten::") for parent in _parents(event)) for event in events),
        len(casts),
        _of_a_weight(encoder, casts),
        sum(entered[walk.__code__] for walk in WALKS),
        entered["flags"],
    )


def _of_a_weight(encoder: Encoder, casts: list[Any]) -> float:
    """The profiler knows shapes, not names: of weights of one shape it is the mean, and the largest is returned."""
    weights = Counter(tuple(p.shape) for p in encoder.model.parameters() if p.requires_grad)
    # The backward of a cast is a cast of the gradient.
    forward = [c for c in casts if not any("ToCopyBackward" in parent.name for parent in _parents(c))]
    found = Counter(tuple(cast.input_shapes[0]) for cast in forward)
    return max(found[shape] / count for shape, count in weights.items())


def _parents(event: Any) -> Iterator[Any]:
    while event := event.cpu_parent:
        yield event


@contextmanager
def calls() -> Iterator[Counter[Any]]:
    """How often Python enters each function meanwhile, by its code; "flags": training flags that were set."""
    entered: Counter[Any] = Counter()

    def enter(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered[frame.f_code] += 1
            if frame.f_code is nn.Module.__setattr__.__code__:
                entered["flags"] += frame.f_locals["name"] == "training"

    sys.setprofile(enter)
    try:
        yield entered
    finally:
        sys.setprofile(None)


def main() -> int:
    disable_progress_bar()
    set_verbosity_error()
    missed = 0
    print("encoder     step    operations   casts   most of a weight   modules walked   flags switched")
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            path = build(shape, Path(folder) / shape)
            for name, method in METHODS.items():
                found = counted(load_encoder(str(path), ("no", "yes")), method)
                missed += found.casts_of_a_weight > 1 or found.walked > 0
                print(
                    f"{shape:11} {name:7} {found.operations:10} {found.casts:7} {found.casts_of_a_weight:18.2f} "
                    f"{found.walked:16} {found.flags:16}"
                )
    print(f"bounds: a weight cast once, no module walked: {'NO' if missed else 'yes'}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

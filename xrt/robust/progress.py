"""The measurements during a training: loss, speed, memory, and the effect of the attack.

Everything is summed on the device and read at stops. Nothing here waits for the device inside a step, draws a random
number of the training, or changes the model.
"""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from xrt.data.batches import Batch
from xrt.errors import TrainingError
from xrt.robust.encoder import Encoder
from xrt.robust.objective import Method, attack
from xrt.robust.perturb import Clean


@dataclass(frozen=True)
class Attacked:
    """The effect of a perturbation on the network without dropout, over some batches of training data."""

    before: float  # mean loss at δ = 0
    after: float  # mean loss at δ
    norm: float  # mean ‖δ_i‖₂ over the perturbable positions
    radius: float  # the largest possible mean ‖δ_i‖₂; of noise its scale
    passes: int  # of ascent; noise has none, and need not raise the loss


@dataclass(frozen=True)
class Progress:
    """The numbers at a stop. `cost` counts plain steps; rates count training time only."""

    step: int
    loss: float  # mean since the previous stop
    examples_per_second: float
    tokens_per_second: float
    cost: float
    peak_memory: int  # bytes
    micro_batch: int | None = None  # pairs that pass through the encoder at once; None between stops
    attack: Attacked | None = None  # None between stops, or when the method adds nothing to the states


class Meter:
    """Sums on the device, read at stops; remembers the first step whose loss or gradient was not finite.

    The sums are part of a checkpoint, so a kill between two stops does not change what the next stop reports.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Reset the sums after a stop."""
        self.steps, self.examples, self.seconds = 0, 0, 0.0
        self.loss = self.bad = self.tokens = torch.zeros(())
        self.start_clock()

    def start_clock(self) -> None:
        """Start the clock: the caller's time between stops is not training time."""
        self.began = time.perf_counter()

    def add(self, step: int, batch: Batch, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Add a step; the first is step 1."""
        self.steps, self.examples = self.steps + 1, self.examples + len(batch)
        self.tokens = self.tokens.to(loss.device) + batch.attention_mask.sum()
        self.loss = self.loss.to(loss.device) + loss
        bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
        self.bad = torch.where((self.bad.to(loss.device) == 0) & bad, float(step), self.bad.to(loss.device))

    def check(self) -> None:
        """Check for NaN and infinity; waits for the device.

        Raises:
            TrainingError: a loss or gradient was NaN or infinite.
        """
        if step := int(self.bad):
            raise TrainingError(
                f"step {step}: the loss or its gradient is not a number. "
                "Try a smaller learning rate, radius or noise scale."
            )

    def read(self) -> tuple[float, float, float]:
        """Mean loss, examples per second, and tokens (without padding) per second."""
        self.check()
        loss, tokens = float(self.loss) / max(1, self.steps), float(self.tokens)
        self.seconds += time.perf_counter() - self.began
        self.start_clock()
        return loss, self.examples / self.seconds, tokens / self.seconds

    def sums(self) -> dict[str, float]:
        """All sums, as plain numbers."""
        return {
            "steps": self.steps,
            "examples": self.examples,
            "seconds": self.seconds,
            "loss": float(self.loss),
            "tokens": float(self.tokens),
        }

    def load(self, sums: Mapping[str, float]) -> None:
        """Continue from the values of `sums`."""
        self.clear()
        self.steps, self.examples, self.seconds = int(sums["steps"]), int(sums["examples"]), sums["seconds"]
        self.loss, self.tokens = torch.tensor(float(sums["loss"])), torch.tensor(float(sums["tokens"]))


def measure(
    encoder: Encoder, method: Method, batches: list[Batch], micro_batch: int, seed: int
) -> Attacked | None:
    """Measure the perturbation of `method` on `batches`, without dropout; leaves the encoder in training mode."""
    if isinstance(method.perturbation, Clean):
        return None
    generator = torch.Generator(encoder.device).manual_seed(seed)
    parts = [part for batch in batches for part in batch.parts(micro_batch)]
    found = torch.stack([_measured(encoder, method, part, generator) for part in parts])
    before, after, norm, pairs, places = found.double().sum(0).tolist()
    perturbation = method.perturbation
    return Attacked(
        before / pairs, after / pairs, norm / max(1, places), perturbation.size, perturbation.passes
    )


def _measured(encoder: Encoder, method: Method, batch: Batch, generator: torch.Generator) -> torch.Tensor:
    """Sums over a batch (5,): loss before, loss after, norms of δ, and the counts of pairs and positions."""
    with encoder.as_used(), torch.no_grad():
        states = encoder.embed(batch)
    delta = attack(encoder, batch, states, method, generator)
    with encoder.as_used(), torch.no_grad():
        losses = torch.stack([encoder.loss(batch, states), encoder.loss(batch, states + delta)])
        norms = torch.linalg.vector_norm(delta, dim=-1).sum()
        counts = torch.stack([torch.full_like(norms, len(batch)), batch.perturbable.sum().float()])
        return torch.cat([losses * len(batch), norms.reshape(1), counts])


def peak_memory(device: torch.device) -> int:
    """Peak bytes: on a GPU, allocated since its counter was reset; on a CPU, held by this process since it began."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

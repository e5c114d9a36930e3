"""The one training loop: a generator that does the steps and hands over at the stops that it was given.

The caller evaluates, reports, saves and ends; the loop knows no rungs, no files, no Ray. All randomness is a
function of (seed, step), so that the state of a run is its weights, its optimizer and one number.

Letters: B pairs, T tokens, D width.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from xrt.data.batches import Batch
from xrt.errors import TrainingError
from xrt.robust.encoder import Encoder
from xrt.robust.perturb import Adversarial, Perturbation
from xrt.robust.region import Region

CHECK_EVERY = 20  # steps between looks at the device for NaN and Inf: each look waits for the device


@dataclass(frozen=True)
class Recipe:
    """How to train, whatever the method. `micro_batch` pairs go through the encoder at once (None: the whole batch)."""

    learning_rate: float
    steps: int
    seed: int
    warmup: float = 0.1  # share of the steps
    weight_decay: float = 0.0
    clip: float = 1.0  # L2 norm of the gradient
    freeze_word_embeddings: bool = False
    micro_batch: int | None = None


class Method(Protocol):
    """Fills the parameter gradients of one (micro-)batch with weight `weight`; returns the detached loss."""

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor: ...

    def cost(self, layers: int, site: int) -> float:
        """Cost of a step relative to a plain step, where a backward pass costs two forward passes."""
        ...


@dataclass(frozen=True)
class Perturbed:
    """Minimise the loss at embeddings + δ: plain, adversarial or noisy fine-tuning, by its perturbation.

    The inner passes run without dropout: the attack is on the network that will be used, it is cheaper, and it
    leaves the random numbers of the outer pass alone, so that radius 0 equals plain fine-tuning to the bit.
    """

    perturbation: Perturbation

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        states = encoder.embed(batch)
        delta = attack(encoder, batch, states.detach(), self.perturbation, generator)
        loss = encoder.loss(batch, states + delta)
        (loss * weight).backward()
        return loss.detach()

    def cost(self, layers: int, site: int) -> float:
        return 1 + self.perturbation.passes * 2 / 3 * (layers - site) / layers


@dataclass(frozen=True)
class Free:
    """FreeLB (Zhu et al. 2020, algorithm 1): every ascent pass also gives its parameter gradient, 1/K of the sum."""

    attack: Adversarial

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        region = Region.around(batch.input_ids, batch.perturbable, self.attack.radius)
        passes, delta, total = self.attack.passes, torch.zeros(()), torch.zeros((), device=encoder.device)
        for k in range(passes):
            states = encoder.embed(batch)
            if k == 0:
                delta = region.random(states.shape[-1], generator)
            delta.requires_grad_()
            loss = encoder.loss(batch, states + delta)
            (loss * (weight / passes)).backward()
            total += loss.detach() / passes
            if k + 1 < passes:
                assert delta.grad is not None
                delta = region.ascend(delta.detach(), delta.grad, 1.5 * self.attack.radius / passes)
        return total

    def cost(self, layers: int, site: int) -> float:
        return float(self.attack.passes)


def attack(
    encoder: Encoder,
    batch: Batch,
    states: torch.Tensor,
    perturbation: Perturbation,
    generator: torch.Generator,
) -> torch.Tensor:
    """δ (B, T, D) of `perturbation` against the encoder without dropout; leaves the encoder in training mode."""
    if perturbation.passes:
        encoder.model.eval()
    delta = perturbation(states, batch.perturbable, lambda moved: encoder.loss(batch, moved), generator)
    if perturbation.passes:
        encoder.model.train()
    return delta


@dataclass(frozen=True)
class Progress:
    """What a user watches, at a stop. `cost` counts plain steps; rates count training time only."""

    step: int
    loss: float  # mean since the stop before
    examples_per_second: float
    tokens_per_second: float
    cost: float


@dataclass
class TrainingState:
    """All that a checkpoint must hold: weights, optimizer, how many steps are done, what was measured on the way."""

    encoder: Encoder
    optimizer: torch.optim.Optimizer
    step: int = 0
    meter: "Meter" = field(default_factory=lambda: Meter())


def start(encoder: Encoder, recipe: Recipe) -> TrainingState:
    """The state before the first step. Biases and norms are not decayed (Devlin et al. 2019)."""
    if recipe.freeze_word_embeddings:
        encoder.model.get_input_embeddings().requires_grad_(False)
    trained = [p for p in encoder.model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = encoder.device.type == "cuda"
    return TrainingState(encoder, torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=fused or None))


def train(
    state: TrainingState,
    method: Method,
    recipe: Recipe,
    batches: Callable[[int], Iterator[Batch]],
    stops: Sequence[int],
    pause: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Do the steps from `state.step` to the last of `stops`, yielding at each stop.

    Args:
        batches: from a step number, the batches from that step on.
        pause: asked every few steps; when it says so the loop yields between stops too, so that the caller can
            save. Neither the training nor what is measured at the next stop depends on it.

    Raises:
        TrainingError: the loss or the gradient became NaN or infinite.
    """
    stream, meter = batches(state.step), state.meter
    generator = torch.Generator(state.encoder.device)
    if state.step in stops:  # restored where it had been measured to the end
        meter.clear()
    for stop in [s for s in stops if s > state.step]:
        meter.go_on()
        state.encoder.model.train()
        while state.step < stop:
            batch = next(stream).to(state.encoder.device)
            loss, norm = _step(state, method, recipe, batch, generator)
            meter.add(state.step, batch, loss, norm)
            if state.step % CHECK_EVERY == 0 and state.step < stop:
                meter.check()
                if pause():
                    yield progress(state, method)
                    meter.go_on()
        yield progress(state, method)
        meter.clear()


def progress(state: TrainingState, method: Method) -> Progress:
    """What was measured since the last stop, up to where the state stands.

    Raises:
        TrainingError: the loss or the gradient became NaN or infinite on the way.
    """
    return state.meter.read(state.step, method.cost(state.encoder.layers, state.encoder.layer))


def _step(
    state: TrainingState, method: Method, recipe: Recipe, batch: Batch, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One update; returns loss and gradient norm, both still on the device."""
    draw = recipe.seed * 1_000_003 + state.step
    torch.manual_seed(draw)  # dropout
    generator.manual_seed(draw + 2**40)  # perturbations
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.learning_rate * _schedule(state.step, recipe)
    size = recipe.micro_batch or len(batch)
    losses = []
    for start_row in range(0, len(batch), size):
        part = batch.rows(start_row, start_row + size) if size < len(batch) else batch
        weight = len(part) / len(batch)
        losses.append(method.backward(state.encoder, part, weight, generator) * weight)
    norm = torch.nn.utils.clip_grad_norm_(state.encoder.model.parameters(), recipe.clip)
    state.optimizer.step()
    state.optimizer.zero_grad()
    state.step += 1
    return torch.stack(losses).sum(), norm


def _schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then linear to zero; a function of the step alone."""
    warm = max(1, round(recipe.warmup * recipe.steps))
    return min((step + 1) / warm, (recipe.steps - step) / max(1, recipe.steps - warm))


class Meter:
    """Sums on the device, read at stops; remembers the first step whose loss or gradient was not finite.

    They are part of a checkpoint: what a stop says does not depend on where a kill fell before it.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew: a stop has been passed."""
        self.steps, self.examples, self.seconds = 0, 0, 0.0
        self.loss = self.bad = self.tokens = torch.zeros(())
        self.go_on()

    def go_on(self) -> None:
        """Start the clock: what the caller did meanwhile is no training time."""
        self.began = time.perf_counter()

    def add(self, step: int, batch: Batch, loss: torch.Tensor, norm: torch.Tensor) -> None:
        self.steps, self.examples = self.steps + 1, self.examples + len(batch)
        self.tokens = self.tokens.to(loss.device) + batch.attention_mask.sum()
        self.loss = self.loss.to(loss.device) + loss
        bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
        self.bad = torch.where((self.bad.to(loss.device) == 0) & bad, float(step), self.bad.to(loss.device))

    def check(self) -> None:
        if step := int(self.bad):
            raise TrainingError(
                f"step {step}: the loss or its gradient is not a number. "
                "Try a smaller learning rate, radius or noise scale."
            )

    def read(self, step: int, cost: float) -> Progress:
        self.check()
        loss, tokens = float(self.loss) / max(1, self.steps), float(self.tokens)
        self.seconds += time.perf_counter() - self.began
        self.go_on()
        return Progress(step, loss, self.examples / self.seconds, tokens / self.seconds, cost * step)

    def sums(self) -> dict[str, float]:
        """All of it, as plain numbers."""
        return {
            "steps": self.steps,
            "examples": self.examples,
            "seconds": self.seconds,
            "loss": float(self.loss),
            "tokens": float(self.tokens),
        }

    def load(self, sums: Mapping[str, float]) -> None:
        """Go on from what `sums` gave."""
        self.clear()
        self.steps, self.examples, self.seconds = int(sums["steps"]), int(sums["examples"]), sums["seconds"]
        self.loss, self.tokens = torch.tensor(float(sums["loss"])), torch.tensor(float(sums["tokens"]))

"""The only training loop: a generator that does the steps and yields at the stops.

The caller evaluates, reports, saves and ends; the loop knows no rungs, no files, no Ray. All randomness is a
function of (seed, step), so that the state of a run is its weights, its optimizer and one number.

Letters: B pairs, T tokens, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from xrt.data.ahead import ahead
from xrt.data.batches import Batch
from xrt.errors import TrainingError
from xrt.robust.encoder import Encoder
from xrt.robust.graphs import Graphs
from xrt.robust.keeping import Kept
from xrt.robust.memory import out_of_memory
from xrt.robust.objective import Method
from xrt.robust.progress import Meter, Progress, measure, peak_memory
from xrt.robust.words import Words

PROBED = 3  # the attack is measured on so many batches before a stop
CHECK_EVERY = 20  # steps between checks for NaN and Inf: each waits for the device


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
    compile: bool = False  # steps as CUDA graphs, on a GPU


@dataclass
class TrainingState:
    """All that a checkpoint must hold: weights, optimizer, number of steps, and measurements so far.

    `micro_batch` is the recipe's, or half of it after a step ran out of memory. `kept` are the weights that it may end
    with; None: its last weights, or it has ended. `trained` are the parameters that the optimizer updates, in the
    model's order.
    """

    encoder: Encoder
    optimizer: torch.optim.Optimizer
    trained: list[torch.nn.Parameter]
    words: Words
    micro_batch: int | None = None
    step: int = 0
    meter: Meter = field(default_factory=Meter)
    kept: Kept | None = None
    graphs: Graphs | None = None  # in no checkpoint: they are recorded again

    def begin_steps(self) -> None:
        """Prepare for training steps, until `end_steps`."""
        self.encoder.model.train()
        self.words.take()
        self.meter.start_clock()

    def end_steps(self) -> None:
        """Prepare for anything but steps: the encoder gets all its trained weights back."""
        self.words.give_back()


def start(encoder: Encoder, recipe: Recipe, used: np.ndarray[Any, Any] | None = None) -> TrainingState:
    """The state before the first step. Biases and norms are not decayed (Devlin et al. 2019).

    Args:
        used: the token ids of all training sentences. Only their word embeddings are trained, which gives the same
            weights; with weight decay, or if the ids are not known beforehand (None), the whole table is trained.
    """
    if recipe.freeze_word_embeddings:
        encoder.model.get_input_embeddings().requires_grad_(False)
    words = Words(encoder, used, recipe.weight_decay)
    trained = [words.weight if p is words.whole else p for p in encoder.model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    graphs = Graphs() if recipe.compile and encoder.device.type == "cuda" else None
    return TrainingState(encoder, optimizer, trained, words, recipe.micro_batch, graphs=graphs)


def train(
    state: TrainingState,
    method: Method,
    recipe: Recipe,
    batches: Callable[[int], Iterator[Batch]],
    stops: Sequence[int],
    pause: Callable[[int], bool] = lambda step: False,
) -> Iterator[Progress]:
    """Do the steps from `state.step` to the last of `stops`, yielding at each stop.

    Args:
        batches: maps a step to the batches from that step on, which are made in another thread.
        pause: called after each step between stops; if it returns true, the loop yields there too, so that the caller
            can evaluate or save. Neither the training nor the measurements at the next stop depend on it.

    Raises:
        TrainingError: the loss or the gradient became NaN or infinite, or a GPU's memory does not suffice.
    """
    meter, generator = state.meter, torch.Generator(state.encoder.device)
    if state.step in stops:  # restored at a stop, whose measurements are complete
        meter.clear()
    with closing(ahead(batches(state.step))) as stream:
        for stop in [s for s in stops if s > state.step]:
            state.begin_steps()
            while state.step < stop:
                batch = next(stream).to(state.encoder.device)
                loss, norm = _step(state, method, recipe, batch, generator)
                meter.add(state.step, batch, loss, norm)
                if state.step % CHECK_EVERY == 0 and state.step < stop:
                    meter.check()
                if state.step < stop and pause(state.step):
                    state.end_steps()
                    yield _reading(state, method)
                    state.begin_steps()
            state.end_steps()
            yield progress(state, method, recipe, batches)
            meter.clear()


def progress(
    state: TrainingState, method: Method, recipe: Recipe, batches: Callable[[int], Iterator[Batch]]
) -> Progress:
    """The measurements since the last stop, and the effect of the attack on the present state.

    The attack is measured on the batches before the stop, drawn again, so no training step pays for it.

    Raises:
        TrainingError: the loss or the gradient has become NaN or infinite.
    """
    measured, encoder = _reading(state, method), state.encoder
    last = min(PROBED, state.step)
    recent = [batch.to(encoder.device) for batch in islice(batches(state.step - last), last)]
    size = state.micro_batch or max(map(len, recent))
    attacked = measure(encoder, method, recent, size, recipe.seed + state.step)
    return replace(measured, micro_batch=size, attack=attacked)


def _reading(state: TrainingState, method: Method) -> Progress:
    encoder = state.encoder
    loss, examples, tokens = state.meter.read()
    cost = state.step * method.cost(encoder.layers, encoder.layer)
    return Progress(state.step, loss, examples, tokens, cost, peak_memory(encoder.device))


def _step(
    state: TrainingState, method: Method, recipe: Recipe, batch: Batch, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One update; returns loss and gradient norm, both still on the device."""
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.learning_rate * _schedule(state.step, recipe)
    loss = _gradients(state, method, recipe, batch, generator)
    norm = state.words.clip(state.trained, recipe.clip)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=state.graphs is None)
    state.step += 1
    return loss, norm


def _gradients(
    state: TrainingState, method: Method, recipe: Recipe, batch: Batch, generator: torch.Generator
) -> torch.Tensor:
    """Fill the gradients of a whole batch; returns its loss.

    A step that runs out of memory is repeated with half the micro-batch, as are all later steps. This happens once per
    training: if half the micro-batch does not fit either, the settings need to change.
    """
    loss, size = _accumulated(state, method, recipe.seed, batch, generator), state.micro_batch or len(batch)
    if loss is None and size > 1 and state.micro_batch == recipe.micro_batch:
        state.optimizer.zero_grad(set_to_none=state.graphs is None)
        torch.cuda.empty_cache()
        state.micro_batch = -(-size // 2)
        loss = _accumulated(state, method, recipe.seed, batch, generator)
    if loss is None:
        raise TrainingError(
            f"step {state.step + 1}: the GPU's memory does not suffice for micro-batches of "
            f"{state.micro_batch or size}. Try a smaller training.micro_batch or training.max_tokens, "
            "training.gradient_checkpointing=true, or more of resources.gpu."
        )
    return loss


def _accumulated(
    state: TrainingState, method: Method, seed: int, batch: Batch, generator: torch.Generator
) -> torch.Tensor | None:
    """The loss of a batch, its gradients filled micro-batch by micro-batch; None if the memory does not suffice."""
    draw = seed * 1_000_003 + state.step
    torch.manual_seed(draw)  # dropout
    generator.manual_seed(draw + 2**40)  # perturbations
    losses = []
    try:
        with state.encoder.casting_once():
            for part in batch.parts(state.micro_batch or len(batch)):
                weight = len(part) / len(batch)
                losses.append(_backward(state, method, part, weight, generator) * weight)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None  # outside the handler, so that the traceback, which holds tensors, is gone
    return torch.stack(losses).sum()


def _backward(
    state: TrainingState, method: Method, part: Batch, weight: float, generator: torch.Generator
) -> torch.Tensor:
    if state.graphs is None:
        return method.backward(state.encoder, part, weight, generator)
    return state.graphs.backward(state.encoder, method, part, weight, generator)


def _schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then linear to zero; a function of the step alone."""
    warm = max(1, round(recipe.warmup * recipe.steps))
    return min((step + 1) / warm, (recipe.steps - step) / max(1, recipe.steps - warm))

"""Sections on speed: steps a second against the usual loop, launches and waits of a step, evaluation."""

import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from tests.gpu.card import (
    METHODS,
    SHAPES,
    Card,
    Figure,
    batch_of,
    encoder_of,
    operations_of_a_step,
    seconds_of_a_step,
    training,
)  # fmt: skip
from xrt.data.batches import Batch
from xrt.data.tokens import Tokens
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import Inputs, predict_inputs
from xrt.robust.objective import Method
from xrt.robust.training import _step


def steps(card: Card) -> Iterator[Figure]:
    """Steps a second, plain and K = 3, eager and as graphs, and the usual loop beside."""
    for kind in SHAPES:
        encoder = encoder_of(card, kind)
        usual, ratio = _side_by_side(card, encoder)
        yield Figure(f"{kind}: the usual loop, plain", 1 / usual, "steps a second")
        least = None if card.small else 0.9
        yield Figure(f"{kind}: plain, eager: of the usual loop", ratio, "x", least, low=True)
        for name, method in METHODS.items():
            for compiled in (False, True):
                how = "graphs" if compiled else "eager"
                state, recipe = training(card, encoder, compiled=compiled)
                each = seconds_of_a_step(card, state, recipe, method, card.steps(30))
                inner = method.perturbation.passes
                done = operations_of_a_step(encoder, card.pairs, card.tokens, inner) / each
                bound = 0.9 / usual if (name, compiled, card.small) == ("plain", True, False) else None
                yield Figure(f"{kind}: {name}, {how}", 1 / each, "steps a second", bound, low=True)
                if card.peak:
                    yield Figure(f"{kind}: {name}, {how}: of the card's peak", 100 * done / card.peak, "%")
                del state
                encoder.model.zero_grad()
                card.free()
        del encoder
        card.free()


def _side_by_side(card: Card, encoder: Encoder) -> tuple[float, float]:
    """Seconds of a plain step of the usual loop, and how often our step fits into it: medians of three rounds.

    Both are the host's launches, whose speed changes from second to second.
    """
    rounds, count = [], card.steps(15)
    for _ in range(3):
        usual = _usual(card, encoder, count)
        state, recipe = training(card, encoder)
        rounds.append((usual, usual / seconds_of_a_step(card, state, recipe, METHODS["plain"], count)))
        del state
        encoder.model.zero_grad()
        card.free()
    times, ratios = zip(*rounds, strict=True)
    return median(times), median(ratios)


def _usual(card: Card, encoder: Encoder, count: int) -> float:
    """Seconds of a plain step as HF's Trainer does it: autocast, clipping, fused AdamW, a schedule, the loss read."""
    model, batch = encoder.model.train(), batch_of(encoder, card.pairs, card.tokens)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    total = torch.zeros((), device=card.device)

    def step() -> None:
        nonlocal total
        on = batch.to(card.device)
        with torch.autocast(card.device.type, dtype=torch.bfloat16):
            out = model(input_ids=on.input_ids, attention_mask=on.attention_mask, labels=on.labels)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.zero_grad()
        total += out.loss.detach()

    for _ in range(card.steps(6)):
        step()
    card.wait()
    began = time.perf_counter()
    for _ in range(count):
        step()
    card.wait()
    return (time.perf_counter() - began) / count


def launches(card: Card) -> Iterator[Figure]:
    """What a step launches on the card, and how often the host waits for it."""
    if not card.cuda:
        return
    for kind in SHAPES:
        encoder = encoder_of(card, kind)
        for name, method in METHODS.items():
            for compiled in (False, True):
                how = f"{kind}: {name}, {'graphs' if compiled else 'eager'}"
                launched, waits = _counted(card, encoder, method, compiled)
                yield Figure(f"{how}: launches a step", launched, "", 100 if compiled else None)
                yield Figure(f"{how}: waits a step", waits, "", 0)
        del encoder
        card.free()


def _counted(card: Card, encoder: Encoder, method: Method, compiled: bool) -> tuple[float, float]:
    state, recipe = training(card, encoder, compiled=compiled)
    batch, generator = batch_of(encoder, card.pairs, card.tokens), torch.Generator(card.device)
    state.begin_steps()

    def step() -> None:
        _step(state, method, recipe, batch.to(card.device), generator)

    for _ in range(6):
        step()
    found = _launched(step), _waits(step)
    state.end_steps()
    encoder.model.zero_grad()
    return found


def _launched(step: Callable[[], None]) -> float:
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        step()
        torch.cuda.synchronize()
    return float(sum("Launch" in event.name for event in seen.events() or ()))


def _waits(step: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return float(sum("synchroniz" in str(one.message) for one in seen))


def evaluation(card: Card) -> Iterator[Figure]:
    """Predictions of pairs of sentences against forward passes over batches that lie ready on the card."""
    encoder = encoder_of(card, "xlmr", dropout=0.0)
    inputs = _inputs(encoder, 60 if card.small else 20_000)
    predict_inputs(encoder, inputs)
    batches: list[Batch] = []

    def kept(encoder: Encoder, batch: Batch) -> torch.Tensor:
        batches.append(batch)
        return torch.zeros(len(batch), dtype=torch.long, device=card.device)

    predict_inputs(encoder, inputs, kept)
    whole, pure = [], []
    for _ in range(3):
        began = time.perf_counter()
        predict_inputs(encoder, inputs)
        whole.append(time.perf_counter() - began)
        card.wait()
        began = time.perf_counter()
        for batch in batches:
            encoder.predict(batch)
        card.wait()
        pure.append(time.perf_counter() - began)
    yield Figure("predictions", len(inputs.rows) / min(whole), "pairs a second")
    yield Figure(
        "of pure forward passes", 100 * min(pure) / min(whole), "%", None if card.small else 80, low=True
    )


def _inputs(encoder: Encoder, count: int) -> Inputs:
    rng = np.random.default_rng(0)
    words = encoder.model.get_input_embeddings().num_embeddings

    def side() -> Tokens:
        lengths = rng.integers(8, 40, count)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return Tokens(rng.integers(5, words, starts[-1]).astype(np.int32), starts)

    return Inputs(
        (("en", "de"),), {"en": side()}, {"de": side()}, np.zeros(count, np.int64), np.arange(count), 128
    )

"""Sections on what is computed: bfloat16 against float32, graphs against eager steps, resumption, determinism."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import torch

from tests.gpu.card import METHODS, Card, Figure, batch_of, encoder_of, seconds_of_a_step, training, used_of
from xrt.data.batches import Batch
from xrt.robust import checkpoint
from xrt.robust.methods import METHODS as BY_NAME
from xrt.robust.objective import Method
from xrt.robust.training import Recipe, TrainingState, start, train
from xrt.search.scoring import Scoring
from xrt.search.trial import open_encoder, training_stream
from xrt.spec.loading import load_study
from xrt.spec.trial import TrialConfig, build

METRIC = "dev/mean/targets"


def mini_trial(method: str, **parameters: float) -> TrialConfig:
    """A trial of `mini` in the middle of its space."""
    sample = {"encoder": "mini-a", "learning_rate": 1.5e-3, "method": method}
    return build(load_study("mini"), sample | {f"{method}.{k}": v for k, v in parameters.items()}, 1)


def trained_mini(
    card: Card, config: TrialConfig, steps: int, mixed: bool | None, compiled: bool = False
) -> tuple[dict[str, torch.Tensor], float, float]:
    """Weights, zero-shot accuracy and the gain in loss of the attack after so many steps of a trial of `mini`."""
    encoder = open_encoder(config)
    encoder.mixed = mixed
    stream, used = training_stream(config, encoder)
    scoring = Scoring.of(config, encoder, stream, used, lambda split, done, total: None)
    method = BY_NAME[config.method].build(config.parameters, scoring.site_norm)
    recipe = Recipe(config.learning_rate, steps, config.seed, compile=compiled)
    (reached,) = train(start(encoder, recipe, used), method, recipe, stream, (steps,))
    score = 0.0 if card.small else scoring.whole(encoder).metrics[METRIC]
    gain = reached.attack.after - reached.attack.before if reached.attack else 0.0
    return {k: v.clone() for k, v in encoder.model.state_dict().items()}, score, gain


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """How far two sets of weights are from each other: the norm of the difference as a share of the norm."""
    names = [name for name in one if one[name].is_floating_point()]
    off = torch.stack([(one[name] - other[name]).double().norm() for name in names]).norm()
    return float(off / torch.stack([one[name].double().norm() for name in names]).norm())


@contextmanager
def deterministic(wanted: bool = True) -> Iterator[None]:
    torch.use_deterministic_algorithms(wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def precision(card: Card) -> Iterator[Figure]:
    """bfloat16 against float32: logits, what the attack gains, what mini reaches."""
    encoder = encoder_of(card, "xlmr", dropout=0.0)
    batch = batch_of(encoder, card.pairs, card.tokens).to(card.device)
    scores = {}
    with torch.inference_mode():
        for mixed in (False, True):
            encoder.mixed = mixed
            scores[mixed] = encoder.scores(batch)
    off = (scores[True] - scores[False]).abs().max() / scores[False].abs().max()
    yield Figure("logits in bfloat16, off by (of the largest)", float(off), "", 0.05)
    mixed, config = None if card.cuda else True, mini_trial("adversarial", radius=0.2, steps=3)
    # Early: once mini has been learned, there is little left to gain.
    gained, gain = (trained_mini(card, config, card.steps(30), mixed=how)[2] for how in (False, mixed))
    config, steps = mini_trial("adversarial", radius=0.05, steps=3), card.steps(270)
    full, half = (trained_mini(card, config, steps, mixed=how)[1] for how in (False, mixed))
    if not card.small:
        yield Figure("mini, float32: zero-shot accuracy", 100 * full, "%", 60, low=True)
        yield Figure("mini, bfloat16: zero-shot accuracy, apart by", 100 * abs(full - half), "points", 3)
    yield Figure("gain of the attack, bfloat16 over float32", gain / gained, "", 0.8, low=True)


def graphs(card: Card) -> Iterator[Figure]:
    """Steps as CUDA graphs against eager ones: the trained weights, with kernels that repeat themselves."""
    for name, config in {
        "plain": mini_trial("plain"),
        "adversarial, K = 3": mini_trial("adversarial", radius=0.2, steps=3),
        "noise": mini_trial("noise", scale=0.3),
        "free": mini_trial("free", radius=0.2, steps=2),
    }.items():
        config, steps = replace(config, deterministic=True), card.steps(120)
        try:
            eager, _, _ = trained_mini(card, config, steps, mixed=None)
            recorded, _, _ = trained_mini(card, config, steps, mixed=None, compiled=True)
        finally:
            torch.use_deterministic_algorithms(False)
        yield Figure(f"{name}: graphs, weights apart by", apart(eager, recorded), "", 1e-6)
    waiting = METHODS["plain"]
    with deterministic(card.cuda):
        eager = _trained(card, waiting, None, asking=True)
        refused = _trained(card, waiting, None, asking=True, compiled=True)
    yield Figure("an encoder that asks the card: weights apart by", apart(eager, refused), "", 1e-6)


def resume(card: Card) -> Iterator[Figure]:
    """Killed and resumed against uninterrupted; what determinism costs."""
    for name, method in METHODS.items():
        with deterministic(card.cuda):
            off = _resumed(card, method)
        yield Figure(f"{name}, deterministic: resumed, weights apart by", off, "", 0.0)
        if card.cuda:
            yield Figure(f"{name}, as it is: resumed, weights apart by", _resumed(card, method), "", 1e-3)
    if card.cuda:
        taken = []
        for wanted in (False, True):
            with deterministic(wanted):
                state, recipe = training(card, encoder_of(card, "bert"))
                taken.append(seconds_of_a_step(card, state, recipe, METHODS["K = 3"], 20))
        yield Figure("K = 3: a step with deterministic algorithms", taken[1] / taken[0], "x")


def _resumed(card: Card, method: Method) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return apart(_trained(card, method, None), _trained(card, method, Path(folder)))


def _trained(
    card: Card, method: Method, folder: Path | None, *, compiled: bool = False, asking: bool = False
) -> dict[str, torch.Tensor]:
    """Weights after some steps; with a folder, killed in the middle and resumed from a checkpoint there."""
    cut, end = card.steps(10), 2 * card.steps(10)
    recipe = Recipe(1e-4, end, seed=1, compile=compiled)

    def begun() -> TrainingState:
        encoder = encoder_of(card, "bert", layers=2)
        if asking:  # its forward pass waits for a number, which no graph can hold
            encoder.model.register_forward_hook(
                lambda model, given, out: out.logits.detach().sum().item() and None
            )
        return start(encoder, recipe, np.arange(used_of(encoder)))

    def batches(step: int) -> Iterator[Batch]:
        return (batch_of(state.encoder, card.pairs, card.tokens, seed) for seed in count(step))

    state = begun()
    if folder is not None:
        list(train(state, method, recipe, batches, (cut,)))
        checkpoint.save(state, folder)
        state = begun()
        checkpoint.restore(state, folder)
    list(train(state, method, recipe, batches, (end,)))
    return {k: v.clone() for k, v in state.encoder.model.state_dict().items()}


def clock(card: Card) -> Iterator[Figure]:
    """The peak speed of the card: a large product, and a large copy."""
    size = 256 if card.small else 8192
    one = torch.randn(size, size, device=card.device, dtype=torch.bfloat16)
    each = _seconds(card, lambda: one @ one, card.steps(20))
    card.peak = 2 * size**3 / each
    yield Figure("product of matrices in bfloat16", card.peak / 1e12, "10^12 a second")
    large = torch.empty(2**16 if card.small else 2**30, device=card.device)
    other = torch.empty_like(large)
    each = _seconds(card, lambda: other.copy_(large), card.steps(20))
    yield Figure("copy on the device", 2 * 4 * large.numel() / each / 1e9, "GB a second")


def _seconds(card: Card, call: Callable[[], object], times: int) -> float:
    for _ in range(3):
        call()
    card.wait()
    began = time.perf_counter()
    for _ in range(times):
        call()
    card.wait()
    return (time.perf_counter() - began) / times

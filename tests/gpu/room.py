"""Sections on memory: the model of `memory.py` against the card, a real shortage, trials that share the card."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import torch

from tests.gpu.card import METHODS, Card, Figure, batch_of, encoder_of, seconds_of_a_step, training
from xrt.data.batches import Batch
from xrt.robust.encoder import Encoder
from xrt.robust.memory import DEBERTA, EVALUATED, MAP, OVERHEAD, Shape, evaluation_gib, step_gib
from xrt.robust.training import train
from xrt.search.trial import use_gpu

CASES = (("bert", 32, 128), ("bert", 16, 512), ("xlmr", 32, 128), ("xlmr", 64, 64), ("deberta", 32, 128),
         ("deberta", 16, 256))  # fmt: skip


def shape(encoder: Encoder) -> Shape:
    """What the memory model knows of an encoder, read off the model itself."""
    config = encoder.model.config
    words = encoder.model.get_input_embeddings().weight.numel()
    total = sum(p.numel() for p in encoder.model.parameters())
    maps = DEBERTA if config.model_type.startswith("deberta") else MAP
    return Shape(total, words, config.num_hidden_layers, config.hidden_size, config.num_attention_heads, maps)


def memory(card: Card) -> Iterator[Figure]:
    """The peak memory of a step against the model, which must be enough and less than twice too much."""
    if not card.cuda:
        return
    for kind, pairs, tokens in CASES:
        encoder = encoder_of(card, kind)
        for name, method in METHODS.items():
            for compiled in (False, True):
                card.free()
                said = step_gib(shape(encoder), pairs, tokens, compiled=compiled)
                state, recipe = training(card, encoder, compiled=compiled)
                batch = batch_of(encoder, pairs, tokens)
                list(train(state, method, recipe, lambda step, b=batch: iter([b] * 20), (8,)))
                # What the allocator holds is what the neighbours lack; the context is outside of it.
                taken = (torch.cuda.max_memory_reserved() + OVERHEAD) / 2**30
                how = f"{kind} {pairs} x {tokens}, {name}, {'graphs' if compiled else 'eager'}"
                yield Figure(f"{how}: taken of what was said", taken / said, f"of {said:.1f} GiB", 1.0)
                del state
                encoder.model.zero_grad()
        card.free()
        encoder.model.eval()
        encoder.predict(batch_of(encoder, EVALUATED // tokens, tokens).to(card.device))
        taken = (torch.cuda.max_memory_reserved() + OVERHEAD) / 2**30
        said = evaluation_gib(shape(encoder), tokens)
        yield Figure(
            f"{kind}, evaluation at {tokens}: taken of what was said", taken / said, f"of {said:.1f} GiB", 1.0
        )
        del encoder
    card.free()
    free, total = torch.cuda.mem_get_info()
    context = total - free - torch.cuda.memory_reserved()
    yield Figure(
        "outside of torch: taken of what was said", context / OVERHEAD, f"of {OVERHEAD / 2**30:.1f} GiB", 1.0
    )


def shortage(card: Card) -> Iterator[Figure]:
    """A step that does not fit is done again with half the micro-batch."""
    if not card.cuda:
        return
    total = torch.cuda.get_device_properties(card.device).total_memory
    tokens, pairs = 256, 64
    for compiled in (False, True):
        held = []
        for size in (pairs, pairs // 2):
            card.free()
            state, recipe = training(card, encoder_of(card, "bert"), compiled=compiled, micro_batch=size)
            list(train(state, METHODS["plain"], recipe, _batches(state.encoder, pairs, tokens), (6,)))
            held.append(torch.cuda.max_memory_reserved())
            del state
        card.free()
        use_gpu((sum(held) / 2 + OVERHEAD) / total)
        try:
            state, recipe = training(card, encoder_of(card, "bert"), compiled=compiled)
            list(train(state, METHODS["plain"], recipe, _batches(state.encoder, pairs, tokens), (6,)))
            how = "graphs" if compiled else "eager"
            yield Figure(
                f"{how}: pairs at once after too little memory", state.micro_batch or pairs, "", pairs / 2
            )
        finally:
            use_gpu(1.0)
        del state
    card.free()


def _batches(encoder: Encoder, pairs: int, tokens: int) -> Callable[[int], Iterator[Batch]]:
    def batches(step: int) -> Iterator[Batch]:
        return (batch_of(encoder, pairs, tokens, seed) for seed in count(step))

    return batches


def packing(card: Card) -> Iterator[Figure]:
    """Trials side by side, each with its share: steps a second of all; and one that wants more than its share."""
    if not card.cuda:
        return
    total, alone = torch.cuda.get_device_properties(card.device).total_memory / 2**30, 0.0
    need = 1.1 * step_gib(shape(encoder_of(card, "bert")), card.pairs, card.tokens) / total
    card.free()
    for together in (1, 2, 4):
        done = _side_by_side([min(need, 1 / together)] * together)
        rate = sum(done)
        alone = alone or rate
        failed = sum(one == 0 for one in done)
        yield Figure(
            f"{together} trials of BERT-base: steps a second of all", rate, "", 0.9 * alone, low=True
        )
        yield Figure(f"{together} trials of BERT-base: failed", failed, "", 0)
    done = _side_by_side([need, 0.01])
    yield Figure("beside one that lacks memory: steps a second", done[0], "", 1e-9, low=True)
    yield Figure("the one that lacks memory: steps a second", done[1], "", 0)


def _side_by_side(shares: list[float]) -> list[float]:
    words = [sys.executable, "-m", "tests.gpu.room"]
    started = [subprocess.Popen([*words, str(share)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for share in shares]  # fmt: skip
    outputs = [one.communicate()[0].split() for one in started]
    return [
        float(out[-1]) if one.returncode == 0 and out else 0.0
        for one, out in zip(started, outputs, strict=True)
    ]


def main(share: str) -> int:
    """One of the trials: steps for some seconds, and how many a second."""
    use_gpu(float(share))
    card = Card(torch.device("cuda"), small=False, out=Path())
    state, recipe = training(card, encoder_of(card, "bert"))
    seconds_of_a_step(card, state, recipe, METHODS["plain"], 10)
    batches = _batches(state.encoder, card.pairs, card.tokens)
    began, before = time.monotonic(), state.step
    while time.monotonic() - began < 6:
        list(train(state, METHODS["plain"], recipe, batches, (state.step + 10,)))
    print((state.step - before) / (time.monotonic() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

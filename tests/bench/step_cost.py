"""What a training step costs relative to a plain one: `python tests/bench/step_cost.py [ENCODER] [ROUNDS]`.

ENCODER: a folder or hub name; by default a random BERT of 30 million parameters, whose arithmetic is the same.
In each round every variant does one whole step (forward, attack, backward, clipping, AdamW) on the same batch,
in turn, so that a noisy machine disturbs all of them alike; printed is the median over the rounds of the ratio to
the plain step of the same round. "usual" is the loop that most published code has: K full passes that also fill
parameter gradients, then one more.
"""

import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from xrt.data.batches import Batch
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.objective import Free, Method, Perturbed
from xrt.robust.perturb import Adversarial, Clean, Noise
from xrt.robust.region import Region

BATCH, TOKENS, RADIUS = 16, 64, 0.1


@dataclass(frozen=True)
class Usual:
    """PGD as it is usually written: every pass is a whole one, parameter gradients included."""

    radius: float
    passes: int

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        region = Region.around(encoder.embed(batch), batch.perturbable, self.radius)
        delta = region.random(encoder.embed(batch).shape[-1], generator)
        for _ in range(self.passes):
            delta.requires_grad_()
            encoder.loss(batch, encoder.embed(batch) + delta).backward()
            assert delta.grad is not None
            delta = region.ascend(delta.detach(), delta.grad, 1.5 * self.radius / self.passes)
            encoder.model.zero_grad()
        loss = encoder.loss(batch, encoder.embed(batch) + delta)
        loss.backward()
        return loss.detach()

    def cost(self, layers: int, site: int) -> float:
        return 1.0 + self.passes


def random_bert(folder: str) -> str:
    """A BERT of 34 million parameters with a word tokenizer, like e5-small with a cut vocabulary."""
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "one", "two"])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>").save_pretrained(
        folder
    )
    config = BertConfig(hidden_size=384, intermediate_size=1536, num_attention_heads=12, vocab_size=34_000)
    BertModel(config).save_pretrained(folder)
    return folder


def step(method: Method, encoder: Encoder, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """Seconds of one whole training step."""
    began = time.perf_counter()
    encoder.model.train()
    method.backward(encoder, batch, 1.0, torch.Generator().manual_seed(0))
    torch.nn.utils.clip_grad_norm_(encoder.model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - began


def main(name: str = "", rounds: str = "7") -> None:
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(name or random_bert(folder), ("0", "1"))
    half = Encoder(encoder.model, encoder.tokenizer, encoder.layers // 2)
    size = sum(p.numel() for p in encoder.model.parameters())
    print(
        f"{size / 1e6:.1f} M parameters, batch {BATCH} x {TOKENS} tokens, {torch.get_num_threads()} threads"
    )
    optimizer = torch.optim.AdamW(encoder.model.parameters(), lr=1e-5)
    batch = random_batch(encoder)
    variants: dict[str, tuple[Method, Encoder, float | None]] = {"plain": (Perturbed(Clean()), encoder, None)}
    for k in (1, 3, 5):
        variants[f"adversarial, K={k}"] = (Perturbed(Adversarial(RADIUS, k)), encoder, 1.05 * (2 * k + 3) / 3)
        variants[f"usual loop, K={k}"] = (Usual(RADIUS, k), encoder, None)
    variants["layer L/2, K=3"] = (Perturbed(Adversarial(RADIUS, 3)), half, None)
    variants["free, K=3"] = (Free(Adversarial(RADIUS, 3)), encoder, 3.1)
    variants["noise"] = (Perturbed(Noise(RADIUS)), encoder, None)
    for method, where, _ in variants.values():  # warm up
        step(method, where, optimizer, batch)
    seconds = {label: np.array([0.0] * int(rounds)) for label in variants}
    for turn in range(int(rounds)):
        for label, (method, where, _) in variants.items():
            seconds[label][turn] = step(method, where, optimizer, batch)
    ratios = {label: float(np.median(s / seconds["plain"])) for label, s in seconds.items()}
    for label, (method, where, bound) in variants.items():
        told = "" if bound is None else f"  at most {bound:.2f}: {'yes' if ratios[label] <= bound else 'NO'}"
        print(
            f"{label:18} {ratios[label]:5.2f} x plain   arithmetic {method.cost(where.layers, where.layer):.2f}{told}"
        )
    share = ratios["layer L/2, K=3"] / ratios["adversarial, K=3"]
    print(f"layer L/2 against word site, K=3: {share:.2f} (at most 0.75: {'yes' if share <= 0.75 else 'NO'})")


def random_batch(encoder: Encoder) -> Batch:
    """Random pieces without padding: every token counts."""
    shape = (BATCH, TOKENS)
    ids = torch.randint(5, encoder.model.get_input_embeddings().num_embeddings, shape)
    types = torch.zeros(shape, dtype=torch.long)
    perturbable = torch.ones(shape, dtype=torch.bool)
    return Batch(ids, torch.ones(shape, dtype=torch.long), types, perturbable, torch.randint(0, 2, (BATCH,)))


if __name__ == "__main__":
    main(*sys.argv[1:])

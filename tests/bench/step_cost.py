"""What a training step costs relative to a plain one: `python -m tests.bench.step_cost [ENCODER] [ROUNDS]`.

ENCODER: a folder or hub name; by default a random BERT of 30 million parameters, whose arithmetic is the same.
In each round every variant does one whole step (forward, attack, backward, clipping, AdamW) on the same batch,
in turn, so that a noisy machine disturbs all of them alike; printed is the median over the rounds of the ratio to
the plain step of the same round. "usual" is the loop that most published code has: K full passes that also fill
parameter gradients, then one more. Exit code 1 where a bound is missed: 1.05 times the arithmetic of adversarial steps,
with and without the clean loss or the KL objective, and of free.
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
from xrt.robust.objective import Free, Method, Objective, Perturbed
from xrt.robust.perturb import Adversarial, Clean, Noise
from xrt.robust.region import Region

BATCH, TOKENS, RADIUS = 16, 64, 0.1
SLACK = 1.05  # of the arithmetic: attention masks, norms, projections


@dataclass(frozen=True)
class Usual:
    """PGD as it is usually written: every pass is a whole one, parameter gradients included."""

    radius: float
    passes: int

    @property
    def perturbation(self) -> Adversarial:
        return Adversarial(self.radius, self.passes)

    @property
    def objective(self) -> Objective:
        return Objective()

    def backward(
        self, encoder: Encoder, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        region = Region.around(encoder.embed(batch), batch.perturbable, self.radius)
        delta = region.random(encoder.embed(batch).shape[-1], generator)
        for _ in range(self.passes):
            delta.requires_grad_()
            encoder.loss(batch, encoder.embed(batch) + delta).backward()
            assert delta.grad is not None
            delta = region.ascend(delta.detach(), delta.grad, 1.5 / self.passes)
            encoder.model.zero_grad()
        loss = encoder.loss(batch, encoder.embed(batch) + delta)
        loss.backward()
        return loss.detach()

    def cost(self, layers: int, site: int) -> float:
        return 1.0 + self.passes


def random_bert(folder: str, pieces: int = 34_000) -> str:
    """A BERT of e5-small's layers with a word tokenizer; 34 million parameters, as with a cut vocabulary."""
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "one", "two"])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>").save_pretrained(
        folder
    )
    config = BertConfig(hidden_size=384, intermediate_size=1536, num_attention_heads=12, vocab_size=pieces)
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


def main(name: str = "", rounds: str = "7") -> int:
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(name or random_bert(folder), ("0", "1"))
    half = Encoder(encoder.model, encoder.tokenizer, encoder.layers // 2)
    size = sum(p.numel() for p in encoder.model.parameters())
    print(
        f"{size / 1e6:.1f} M parameters, batch {BATCH} x {TOKENS} tokens, {torch.get_num_threads()} threads"
    )
    optimizer = torch.optim.AdamW(encoder.model.parameters(), lr=1e-5)
    batch = random_batch(encoder)
    clean, kl = Objective(clean=1.0), Objective(kl=True)
    variants: dict[str, tuple[Method, Encoder, float | None]] = {"plain": (Perturbed(Clean()), encoder, None)}
    for k in (1, 3, 5):
        how = Adversarial(RADIUS, k)
        variants[f"adversarial, K={k}"] = (Perturbed(how), encoder, SLACK * (2 * k + 3) / 3)
        variants[f"usual loop, K={k}"] = (Usual(RADIUS, k), encoder, None)
    for k in (1, 3):
        how = Adversarial(RADIUS, k, "small")
        variants[f"with clean, K={k}"] = (Perturbed(how, clean), encoder, SLACK * (2 * k + 6) / 3)
        variants[f"kl, K={k}"] = (Perturbed(how, kl), encoder, SLACK * (2 * k + 7) / 3)
    variants["layer L/2, K=3"] = (Perturbed(Adversarial(RADIUS, 3)), half, None)
    free = Free(Adversarial(RADIUS, 3, "small", "sequence"))
    variants["free, K=3"] = (free, encoder, SLACK * 4)
    variants["noise"] = (Perturbed(Noise(RADIUS)), encoder, None)
    variants["noise, kl"] = (Perturbed(Noise(RADIUS), kl), encoder, SLACK * 2)
    for method, where, _ in variants.values():  # warm up
        step(method, where, optimizer, batch)
    seconds = {label: np.array([0.0] * int(rounds)) for label in variants}
    for turn in range(int(rounds)):
        for label, (method, where, _) in variants.items():
            seconds[label][turn] = step(method, where, optimizer, batch)
    ratios = {label: float(np.median(s / seconds["plain"])) for label, s in seconds.items()}
    missed = 0
    for label, (method, where, bound) in variants.items():
        met = bound is None or ratios[label] <= bound
        missed += not met
        told = "" if bound is None else f"  at most {bound:.2f}: {'yes' if met else 'NO'}"
        cost = method.cost(where.layers, where.layer)
        print(f"{label:18} {ratios[label]:5.2f} x plain   arithmetic {cost:.2f}{told}")
    share = ratios["layer L/2, K=3"] / ratios["adversarial, K=3"]
    print(f"layer L/2 against word site, K=3: {share:.2f} (at most 0.75: {'yes' if share <= 0.75 else 'NO'})")
    return int(missed > 0 or share > 0.75)


def random_batch(encoder: Encoder) -> Batch:
    """Random pieces without padding: every token counts."""
    shape = (BATCH, TOKENS)
    ids = torch.randint(5, encoder.model.get_input_embeddings().num_embeddings, shape)
    types = torch.zeros(shape, dtype=torch.long)
    perturbable = torch.ones(shape, dtype=torch.bool)
    return Batch(ids, torch.ones(shape, dtype=torch.long), types, perturbable, torch.randint(0, 2, (BATCH,)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

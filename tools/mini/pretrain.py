"""Makes a shipped encoder: `python -m tools.mini.pretrain mini-a`, about 14 CPU minutes on one core, seeded.

Trained on generated text alone (`corpus`), none of whose sentences is in dev or test. Which task signal it gives in
which language: English pairs are told, word by word, whether roles were swapped between the two sentences (40 to
45 % of the examples; this is the fine-tuning task in another form), the six other languages are told so in 3 to 6 %
of the examples together. The languages are aligned by code-switching and a few translation pairs. All else is
masked-token prediction. The two encoders differ in seed and in how much the other languages are told.

A tiny model of its own kind: nothing measured on it is claimed of encoders that people use.
"""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding
from torch import nn
from transformers import ModernBertConfig, ModernBertForSequenceClassification, PreTrainedTokenizerFast

from tools.mini.corpus import Example, Mixture, examples
from tools.mini.curriculum import Curriculum
from tools.mini.tokenizer import CLS, MASK, PAD, SEP, SPECIAL, build_tokenizer, save_tokenizer
from xrt.mini import ENCODERS

IGNORED = -100
POOL = 16  # batches
EVERY = 250  # steps between two lines of the log


@dataclass(frozen=True)
class Recipe:
    """All that decides an encoder."""

    seed: int
    mixture: Mixture = field(default_factory=Mixture)
    steps: int = 10_000
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.02
    decay: float = 0.3
    patience: int = 1500  # steps after which the next kind joins, learned or not
    detection: float = 2.0  # weight of the detection loss
    masked: float = 0.15  # of the pieces of a denoising example
    masked_roles: float = 0.5  # of the denoising examples: all the second sentence's swappable words
    vocabulary: int = 3000
    layers: int = 3
    width: int = 64
    heads: int = 4

    def pace(self, step: int) -> float:
        """The share of the learning rate at a step: up, level, down to nothing."""
        done = step / self.steps
        return min(1.0, (done + 1e-4) / self.warmup, (1 - done) / self.decay)


RECIPES: dict[str, Recipe] = {
    "mini-a": Recipe(
        seed=1,
        mixture=Mixture(detect_source=0.40, detect_other=0.06, translate=0.06),
        steps=14_000,
        batch=48,
        learning_rate=3e-3,
        patience=900,
        masked_roles=0.8,
    ),
    "mini-b": Recipe(
        seed=2,
        mixture=Mixture(detect_source=0.45, detect_other=0.03, translate=0.05),
        steps=14_000,
        batch=48,
        learning_rate=3e-3,
    ),
}


def configuration(recipe: Recipe, vocabulary: int) -> ModernBertConfig:
    """Short sentences: every layer sees all of them, and the rotary base is small."""
    return ModernBertConfig(
        vocab_size=vocabulary, hidden_size=recipe.width, intermediate_size=2 * recipe.width,
        num_hidden_layers=recipe.layers, num_attention_heads=recipe.heads, max_position_embeddings=128,
        initializer_range=0.1,
        layer_types=["full_attention"] * recipe.layers,
        rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1000.0}},
        pad_token_id=PAD, bos_token_id=CLS, cls_token_id=CLS, eos_token_id=SEP, sep_token_id=SEP,
        classifier_pooling="mean",
    )  # fmt: skip


class Pretrainer(nn.Module):
    """The encoder with two throw-away outputs per piece: which piece was here, and was it swapped."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.classifier = ModernBertForSequenceClassification(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.swap = nn.Linear(config.hidden_size, 1)

    def forward(self, batch: "Batch") -> tuple[torch.Tensor, torch.Tensor]:
        """(mean denoising loss, detection losses of the pieces told, in row order)."""
        hidden = self.classifier.model(
            batch.ids, attention_mask=batch.ids != PAD
        ).last_hidden_state  # (B, T, D)
        hidden = self.classifier.head(hidden)
        hidden_masked = hidden[batch.targets != IGNORED]
        scores = hidden_masked @ self.classifier.model.embeddings.tok_embeddings.weight.T + self.bias
        denoise = nn.functional.cross_entropy(scores, batch.targets[batch.targets != IGNORED])
        told = batch.swapped >= 0
        detect = nn.functional.binary_cross_entropy_with_logits(
            self.swap(hidden[told])[:, 0], batch.swapped[told], reduction="none"
        )
        return denoise, detect


def mean(losses: torch.Tensor) -> torch.Tensor:
    """The mean, 0 of none."""
    return losses.sum() / max(1, len(losses))


@dataclass(frozen=True)
class Batch:
    ids: torch.Tensor  # (B, T) pieces, masked
    targets: torch.Tensor  # (B, T) the pieces under the masks, IGNORED elsewhere
    chosen: list[Example]
    swapped: torch.Tensor  # (B, T) 1.0 swapped, 0.0 not, -1.0 not told

    def of_examples(self, losses: torch.Tensor) -> Iterator[tuple[str, float]]:
        """(kind, mean loss) of each English example that was told, from the losses of its pieces."""
        rows = torch.nonzero(self.swapped >= 0)[:, 0]
        sums = torch.zeros(len(self.chosen)).index_add(0, rows, losses.detach())
        pieces = torch.bincount(rows, minlength=len(self.chosen))
        for example, total, count in zip(self.chosen, sums.tolist(), pieces.tolist(), strict=True):
            if count and example.language == "en":
                yield example.kind, total / count


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def make_batch(chosen: list[tuple[Example, Encoding]], recipe: Recipe, rng: np.random.Generator) -> Batch:
    shape = len(chosen), max(len(pieces) for _, pieces in chosen)
    ids, targets = np.full(shape, PAD), np.full(shape, IGNORED)
    swapped, masked = np.full(shape, -1.0, dtype=np.float32), np.zeros(shape, dtype=bool)
    for row, (example, pieces) in enumerate(chosen):
        used = slice(0, len(pieces))
        ids[row, used] = pieces.ids
        second = np.array([side == 1 for side in pieces.sequence_ids])
        roles = second & np.array(
            [any(_overlap(span, role) for role in example.roles) for span in pieces.offsets]
        )
        if example.task == "detect":
            swapped[row, used] = np.where(roles, float(example.swapped), -1.0)
        else:
            masked[row, used] = rng.random(len(pieces)) < recipe.masked
            masked[row, used] |= roles & (rng.random() < recipe.masked_roles)
    masked &= ids >= len(SPECIAL)
    targets[masked] = ids[masked]
    ids[masked] = MASK
    return Batch(torch.tensor(ids), torch.tensor(targets), [one for one, _ in chosen], torch.tensor(swapped))


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe, curriculum: Curriculum, rng: np.random.Generator
) -> Iterator[Batch]:
    """Batches without end, of pairs of about one length: `POOL` are drawn at once, sorted, cut, shuffled."""
    stream = examples(recipe.mixture, curriculum, rng)
    while True:
        drawn = list(islice(stream, POOL * recipe.batch))
        encoded = tokenizer.backend_tokenizer.encode_batch([(one.first, one.second) for one in drawn])
        both = sorted(zip(drawn, encoded, strict=True), key=lambda pair: len(pair[1]))
        for place in rng.permutation(POOL):
            yield make_batch(both[place * recipe.batch : (place + 1) * recipe.batch], recipe, rng)


def pretrain(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> ModernBertForSequenceClassification:
    """Trains from scratch; the same recipe gives the same weights on the same machine."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 2])
    model = Pretrainer(configuration(recipe, len(tokenizer)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.pace)
    curriculum = Curriculum(recipe.patience)
    stream = batches(tokenizer, recipe, curriculum, rng)
    totals, began = np.zeros(2), time.process_time()
    for step in range(1, recipe.steps + 1):
        batch = next(stream)
        denoise, detect = model(batch)
        optimizer.zero_grad()
        (denoise + recipe.detection * mean(detect)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        curriculum.note(batch.of_examples(detect))
        totals += denoise.item(), mean(detect).item()
        if step % EVERY == 0:
            means = "  ".join(f"{name} {loss:.2f}" for name, loss in curriculum.losses.items())
            print(f"{step}: {totals / EVERY} {time.process_time() - began:.0f} CPU s  {means}", flush=True)
            totals[:] = 0
    return model.classifier


def save(
    model: ModernBertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Everything but the classifier, which fine-tuning makes anew."""
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("classifier")}
    model.save_pretrained(folder, state_dict=weights)
    save_tokenizer(tokenizer, folder)


def main() -> None:
    parser = ArgumentParser(
        prog="python -m tools.mini.pretrain", description="Make a shipped encoder of `mini`."
    )
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--into", type=Path, help="the folder to write; default: the shipped one")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # one thread: the same sums in the same order everywhere
    recipe = RECIPES[arguments.name]
    tokenizer = build_tokenizer(recipe.seed, recipe.vocabulary, meanings=4000)
    save(pretrain(recipe, tokenizer), tokenizer, arguments.into or ENCODERS[arguments.name])


if __name__ == "__main__":
    main()

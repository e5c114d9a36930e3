"""What the sections share: the device, encoders of the real shapes with random weights, batches, figures."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
)

from xrt.data.batches import Batch
from xrt.robust.encoder import Encoder
from xrt.robust.objective import Method, Perturbed
from xrt.robust.perturb import Adversarial, Clean
from xrt.robust.settings import keep_positions, mask_unseen
from xrt.robust.training import Recipe, TrainingState, start, train

# Layers, width, heads and vocabulary of mBERT, XLM-R base and mDeBERTa base.
SHAPES = {"bert": (12, 768, 12, 119_547), "xlmr": (12, 768, 12, 250_002), "deberta": (12, 768, 12, 251_000)}
USED = 30_000  # pieces of the vocabulary that the data use, as PAWS-X uses of XLM-R's
TINY = (2, 64, 4, 500)
METHODS: dict[str, Method] = {"plain": Perturbed(Clean()), "K = 3": Perturbed(Adversarial(0.1, 3))}


@dataclass(frozen=True)
class Figure:
    """One line of the result. `bound` None: nothing is asked of it. `low`: the bound is the least, not the most."""

    name: str
    value: float
    unit: str = ""
    bound: float | None = None
    low: bool = False

    @property
    def passed(self) -> bool:
        if self.bound is None:
            return True
        return self.value >= self.bound if self.low else self.value <= self.bound

    def line(self) -> str:
        asked = "" if self.bound is None else f"   at {'least' if self.low else 'most'} {self.bound:g}"
        verdict = "" if self.bound is None else f": {'yes' if self.passed else 'NO'}"
        return f"  {self.name:58} {self.value:12.5g} {self.unit}{asked}{verdict}"

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


@dataclass
class Card:
    """What the sections run on. `small`: tiny shapes and few steps, for the suite."""

    device: torch.device
    small: bool
    out: Path
    pawsx: Path | None = None
    peak: float = field(default=0.0)  # measured operations a second of a large product in bfloat16

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def tokens(self) -> int:
        return 16 if self.small else 128

    @property
    def pairs(self) -> int:
        return 4 if self.small else 32

    def steps(self, whole: int) -> int:
        return 2 if self.small else whole

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Free the memory of a section."""
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


Section = Callable[[Card], Iterator[Figure]]


def encoder_of(card: Card, kind: str, *, dropout: float = 0.1, layers: int | None = None) -> Encoder:
    """Random weights in a real shape; no file is read or written."""
    depth, width, heads, words = TINY if card.small else SHAPES[kind]
    sizes: dict[str, Any] = {
        "num_hidden_layers": layers or depth, "hidden_size": width, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "vocab_size": words, "pad_token_id": 1,
        "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, "max_position_embeddings": 514,
    }  # fmt: skip
    config = {
        "bert": lambda: BertConfig(**sizes),
        "xlmr": lambda: XLMRobertaConfig(**sizes, type_vocab_size=1),
        "deberta": lambda: DebertaV2Config(
            **sizes, type_vocab_size=0, relative_attention=True, position_buckets=256, max_relative_positions=-1,
            pos_att_type=["p2c", "c2p"], position_biased_input=False, share_att_key=True, norm_rel_ebd="layer_norm",
        ),
    }[kind]()  # fmt: skip
    torch.manual_seed(0)
    with card.device:
        model = AutoModelForSequenceClassification.from_config(config)
    mask_unseen(model)
    keep_positions(model)
    return Encoder(model, _tokenizer())


def _tokenizer() -> PreTrainedTokenizerFast:
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "one", "two"])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")


def batch_of(encoder: Encoder, pairs: int, tokens: int, seed: int = 0) -> Batch:
    """Random pieces on the host, the last tenth of every second pair padding."""
    drawn, shape = torch.Generator().manual_seed(seed), (pairs, tokens)  # dropout has the other
    ids = torch.randint(5, used_of(encoder), shape, generator=drawn)
    mask = torch.ones(shape, dtype=torch.long)
    mask[1::2, tokens - tokens // 10 :] = 0
    ids[mask == 0] = 1
    return Batch(ids, mask, None, mask == 1, torch.randint(0, 2, (pairs,), generator=drawn))


def used_of(encoder: Encoder) -> int:
    """How many pieces, the first of the vocabulary, the batches draw from."""
    return min(USED, encoder.model.get_input_embeddings().num_embeddings // 4)


def training(
    card: Card, encoder: Encoder, *, compiled: bool = False, micro_batch: int | None = None
) -> tuple[TrainingState, Recipe]:
    """A state before its first step, and how it is to be trained."""
    recipe = Recipe(1e-5, 10_000, seed=1, micro_batch=micro_batch, compile=compiled)
    return start(encoder, recipe, np.arange(used_of(encoder))), recipe


def seconds_of_a_step(card: Card, state: TrainingState, recipe: Recipe, method: Method, steps: int) -> float:
    """Of a training on one width, its loop included, after a few steps to warm up."""
    batch, warm = batch_of(state.encoder, card.pairs, card.tokens), card.steps(6)

    def batches(step: int) -> Iterator[Batch]:
        while True:
            yield batch

    stop = state.step + warm
    list(train(state, method, recipe, batches, (stop,)))
    card.wait()
    # The reading at a stop attacks some batches: it is no step. So it is never reached.
    last = stop + steps
    loop = train(state, method, recipe, batches, (last + 1,), lambda step: step == last)
    began = time.perf_counter()
    next(loop)
    card.wait()
    return (time.perf_counter() - began) / steps


def operations_of_a_step(encoder: Encoder, pairs: int, tokens: int, inner: int = 0) -> float:
    """Multiplications and additions: 2 a weight and token forward, 4 backward, of which an attack needs 2."""
    words = encoder.model.get_input_embeddings().weight.numel()
    inside = sum(p.numel() for p in encoder.model.parameters()) - words
    config = encoder.model.config
    attention = 2 * config.num_hidden_layers * config.hidden_size * tokens
    return (6 + 4 * inner) * (inside + attention) * pairs * tokens

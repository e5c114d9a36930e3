"""Proxies of transfer: accuracy on dev examples of the source languages alone, made harder in a fixed way.

No labelled target sentence is needed, as in strict zero-shot selection; but where plain accuracy in the source
language is the same for all, these may still tell encoders apart. Whether they do is for a study to say.

- `noise`: N(0, (NOISE·n̄)²/D) on each word embedding, n̄ the mean norm of the pretrained word embeddings.
- `synonyms`: every word with neighbours becomes itself or one of them, all equally likely.

Both are the same for all trials: the draws are seeded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from xrt.data.batches import Batch
from xrt.data.pairs import Aligned, PairRows
from xrt.data.synonyms import Neighbours, substitute
from xrt.data.tokens import tokenize_cached, tokenizer_digest
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import Inputs, gathered, predict_inputs
from xrt.robust.perturb import Noise
from xrt.robust.predictions import Pair, Predictions

Sides = tuple[tuple[str, ...], tuple[str, ...]]  # sentences 1, sentences 2
NOISE = 1.0
SEED = 0


@dataclass(frozen=True)
class Proxies:
    """`word_norm`: n̄, in the units of the embeddings; without a table of neighbours there are no `synonyms`."""

    word_norm: float
    neighbours: Neighbours | None
    max_tokens: int

    def predictions(
        self, encoder: Encoder, aligned: Aligned, wanted: Mapping[Pair, PairRows]
    ) -> dict[str, Predictions]:
        """The predictions for examples of the source languages' own cells, by proxy."""
        sentences = {a: aligned.sentences(a) for a, _ in wanted}
        plain = {a: (one.first, one.second) for a, one in sentences.items()}
        found = {
            "noise": predict_inputs(encoder, self._inputs(encoder, wanted, plain), self._noisily(encoder))
        }
        if self.neighbours is not None:
            other = {a: _substituted(sides, self.neighbours) for a, sides in plain.items()}
            found["synonyms"] = predict_inputs(encoder, self._inputs(encoder, wanted, other))
        return {name: gathered(aligned, wanted, predicted) for name, predicted in found.items()}

    def _inputs(
        self, encoder: Encoder, wanted: Mapping[Pair, PairRows], texts: Mapping[str, Sides]
    ) -> Inputs:
        digest = tokenizer_digest(encoder.tokenizer)
        first, second = (
            {a: tokenize_cached(encoder.tokenizer, digest, sides[k]) for a, sides in texts.items()}
            for k in (0, 1)
        )
        return Inputs.of(wanted, first, second, self.max_tokens)

    def _noisily(self, encoder: Encoder) -> "_Noisily":
        return _Noisily(Noise(NOISE * self.word_norm), torch.Generator(encoder.device).manual_seed(SEED))


@dataclass(frozen=True)
class _Noisily:
    """Predicts with noise on the word embeddings, whatever the site of the trial."""

    noise: Noise
    generator: torch.Generator

    @torch.inference_mode()
    def __call__(self, encoder: Encoder, batch: Batch) -> torch.Tensor:
        words = replace(encoder, layer=0)
        states = words.embed(batch)
        delta = self.noise(states, batch.perturbable, lambda moved: words.loss(batch, moved), self.generator)
        return words.logits(batch, states + delta).argmax(-1)


def _substituted(sides: Sides, neighbours: Neighbours) -> Sides:
    """All sentences with synonyms: a function of their row and side alone."""
    first, second = (
        tuple(
            substitute(text, neighbours, np.random.default_rng([SEED, side, row]))
            for row, text in enumerate(texts)
        )
        for side, texts in enumerate(sides)
    )
    return first, second

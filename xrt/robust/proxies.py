"""Proxies of transfer: accuracy on dev examples of the source language alone, made harder in a fixed way.

No labelled target sentence is needed, as in strict zero-shot selection; but where plain accuracy in the source
language is the same for all, these may still tell encoders apart. Whether they do is for a study to say.

- `noise`: N(0, (NOISE·n̄)²/D) on each word embedding, n̄ the mean norm of the pretrained word embeddings.
- `synonyms`: every word with neighbours becomes itself or one of them, all equally likely.

Both are the same for all trials: the draws are seeded.
"""

from dataclasses import dataclass

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

NOISE = 1.0
SEED = 0


@dataclass(frozen=True)
class Proxies:
    """`word_norm`: n̄, in the units of the embeddings; without a table of neighbours there are no `synonyms`."""

    word_norm: float
    neighbours: Neighbours | None
    max_tokens: int

    def predictions(self, encoder: Encoder, aligned: Aligned, rows: PairRows) -> dict[str, Predictions]:
        """The predictions for `rows` of the source language, by proxy."""
        source = aligned.task.source
        wanted: dict[Pair, PairRows] = {(source, source): rows}
        sentences = aligned.sentences(source)
        plain = (sentences.first, sentences.second)
        found = {
            "noise": predict_inputs(encoder, self._inputs(encoder, wanted, plain), self._noisily(encoder))
        }
        if self.neighbours is not None:
            other = _substituted(plain, self.neighbours)
            found["synonyms"] = predict_inputs(encoder, self._inputs(encoder, wanted, other))
        return {name: gathered(aligned, wanted, predicted) for name, predicted in found.items()}

    def _inputs(
        self, encoder: Encoder, wanted: dict[Pair, PairRows], sides: tuple[tuple[str, ...], tuple[str, ...]]
    ) -> Inputs:
        digest = tokenizer_digest(encoder.tokenizer)
        ((source, _),) = wanted
        first, second = ({source: tokenize_cached(encoder.tokenizer, digest, side)} for side in sides)
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
        words = Encoder(encoder.model, encoder.tokenizer)
        states = words.embed(batch)
        delta = self.noise(states, batch.perturbable, lambda moved: words.loss(batch, moved), self.generator)
        return words.logits(batch, states + delta).argmax(-1)


def _substituted(
    sides: tuple[tuple[str, ...], tuple[str, ...]], neighbours: Neighbours
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All sentences with synonyms: a function of their row and side alone."""
    first, second = (
        tuple(
            substitute(text, neighbours, np.random.default_rng([SEED, side, row]))
            for row, text in enumerate(texts)
        )
        for side, texts in enumerate(sides)
    )
    return first, second

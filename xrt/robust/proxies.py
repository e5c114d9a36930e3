"""Proxies of transfer: accuracy on dev examples of the source languages alone, made harder in a fixed way.

Like strict zero-shot selection they need no labelled target sentences, but they may separate trials that are equal in
plain source-language accuracy. A study shows whether they do.

- `noise`: N(0, (NOISE·n̄)²/D) on each word embedding, n̄ the mean norm of the pretrained word embeddings.
- `synonyms`: every word with neighbours becomes itself or one of them, all equally likely.

Both are the same for all trials: the draws are seeded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

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
    """`word_norm`: n̄, in the units of the embeddings; without a table of neighbours, no `synonyms`."""

    word_norm: float
    neighbours: Neighbours | None
    max_tokens: int

    def predictions(
        self, encoder: Encoder, aligned: Aligned, wanted: Mapping[Pair, PairRows]
    ) -> dict[str, Predictions]:
        """By proxy, the predictions for examples of the source languages' own cells."""
        sentences = {a: aligned.sentences(a) for a, _ in wanted}
        plain = {a: (one.first, one.second) for a, one in sentences.items()}
        found = {"noise": predict_inputs(encoder, self._inputs(encoder, wanted, plain), self.noisily(NOISE))}
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

    def noisily(self, scale: float, votes: int = 1) -> "Noisily":
        """A predictor under noise of `scale`, relative to n̄; its draws start from the seed."""
        return Noisily(Noise(scale * self.word_norm), votes)


@dataclass
class Noisily:
    """Predicts with noise on the word embeddings, whatever the site of the trial.

    With several votes, each under its own noise, it predicts the commonest class (the smoothed classifier of Cohen et
    al. 2019); of equally common ones the more probable.
    """

    noise: Noise
    votes: int = 1
    _generator: torch.Generator | None = None

    @torch.inference_mode()
    def __call__(self, encoder: Encoder, batch: Batch) -> torch.Tensor:
        """The class of each pair (B,)."""
        words = replace(encoder, layer=0)
        self._generator = self._generator or torch.Generator(encoder.device).manual_seed(SEED)
        states, counts = words.embed(batch), torch.zeros(())
        for _ in range(self.votes):
            delta = self.noise(states, batch.perturbable, _no_loss, self._generator)
            logits = words.logits(batch, states + delta)
            ballot = F.one_hot(logits.argmax(-1), logits.shape[-1])
            # Probabilities only break ties: those of all votes together weigh less than one vote.
            counts = ballot + logits.softmax(-1) / (self.votes + 1) + counts
        return counts.argmax(-1)


def _no_loss(states: torch.Tensor) -> torch.Tensor:
    raise AssertionError("noise asks no loss")


def _substituted(sides: Sides, neighbours: Neighbours) -> Sides:
    """All sentences with synonyms, drawn by row and side alone."""
    first, second = (
        tuple(
            substitute(text, neighbours, np.random.default_rng([SEED, side, row]))
            for row, text in enumerate(texts)
        )
        for side, texts in enumerate(sides)
    )
    return first, second

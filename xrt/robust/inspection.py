"""Checks before a run that an encoder computes the same in training and in evaluation, by a few forward passes.

Families differ in padding, pooling and randomness, so no check relies on a family's name. Two sentence pairs of
different length take both paths, from token ids (evaluation) and from the states at the site (training), together and
alone.

Letters: B pairs, T tokens.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig

from xrt.data.batches import Batch, collate
from xrt.data.network import within
from xrt.data.tokens import tokenize
from xrt.errors import EncoderError
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.sources import first_line, load_tokenizer, place, unusable
from xrt.robust.weights import check_weights

PATIENCE = 6.0  # seconds for the hub to send a configuration, a kilobyte
TOLERANCE = 1e-5  # of scores, relative to the largest where that is above 1
FIRST = ("Anna gave Peter a red book in the house yesterday.", "He goes home.")
SECOND = ("Yesterday Peter was given a red book in the house by Anna.", "She goes.")
SHORTEST = 8  # tokens: the lower bound of training.max_tokens

_one_at_a_time = Lock()  # one large encoder may fill the memory


def check_encoder(
    name: str,
    *,
    max_tokens: int = SHORTEST,
    dropout: bool = False,
    layers: Collection[int] = (),
    gradient_checkpointing: bool = False,
) -> None:
    """Check that an encoder loads and behaves as trials require. Loads its weights.

    Args:
        max_tokens: the longest pairs of the study.
        dropout: whether the study sets it.
        layers: the k of all `site: layer: k`.
        gradient_checkpointing: whether the study sets it.

    Raises:
        EncoderError: it does not; the error lists every problem.
    """
    # The error below says all that its messages about retries would.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    error = within(PATIENCE, lambda: AutoConfig.from_pretrained(place(name), trust_remote_code=False))
    if error is not None:
        raise unusable(name, error) from error
    _require_pieces(name, load_tokenizer(name))
    if Path(place(name)).is_dir():
        check_weights(Path(place(name)))
    with _one_at_a_time:
        encoder = load_encoder(
            name,
            ("0", "1"),
            dropout=0.0 if dropout else None,
            gradient_checkpointing=gradient_checkpointing,
        )
        problems = list(_path_problems(encoder, layers))
        if not problems:
            problems = [*_dropout_problems(encoder, dropout), *_length_problems(encoder, max_tokens)]
    if problems:
        raise EncoderError([f"encoder: {name}: {problem}" for problem in problems])


def _require_pieces(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that has special pieces only: transformers makes one where its files are missing."""
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
        files = " or ".join(sorted(set(tokenizer.vocab_files_names.values())))
        raise EncoderError(
            f"encoder: {name}: its tokenizer knows no words, only {len(tokenizer.get_vocab())} special pieces; are its "
            f"files missing ({files})? Save the tokenizer into the encoder's folder too."
        )


def _path_problems(encoder: Encoder, layers: Collection[int]) -> Iterator[str]:
    """The problem of the word embeddings; if they have none, those of the other sites."""
    family = type(encoder.model).__name__
    if problem := _first_problem(encoder):
        yield f"{family} {problem} Choose another encoder."
        return
    for layer in sorted(set(layers) - {0}):
        try:
            problem = _first_problem(Encoder(encoder.model, encoder.tokenizer, layer))
        except EncoderError as error:
            yield str(error)
        else:
            if problem:
                yield f"site: layer {layer}: {family} {problem} Use the site word."


def _first_problem(encoder: Encoder) -> str | None:
    """The problem, as the end of a sentence that begins with the family's name."""
    checks: tuple[Callable[[Encoder], str | None], ...] = (_layer_problem, _score_problem, _gradient_problem)
    try:
        return next((problem for check in checks if (problem := check(encoder))), None)
    except Exception as error:  # each family raises its own
        return f"cannot be trained here: {first_line(error)}"


def _layer_problem(encoder: Encoder) -> str | None:
    return None if encoder.layers > 0 else "has no layers."


def _score_problem(encoder: Encoder) -> str | None:
    """Scores that differ by rounding alone agree in double precision, so that is tried before a problem is reported."""
    problem = _compared(encoder)
    if problem:
        with suppress(Exception):  # some families compute in single precision only
            encoder.model.double()
            problem = _compared(encoder)
        encoder.model.float()
    return problem


@torch.no_grad()
def _compared(encoder: Encoder) -> str | None:
    encoder.model.eval()
    batch, *alone = (_batch(encoder, chosen) for chosen in ((0, 1), (0,), (1,)))
    scores = encoder.scores(batch)
    if not torch.isfinite(scores).all():
        return "gives scores that are not numbers."
    inside = encoder.logits(batch, encoder.embed(batch))
    if (distance := _distance(scores, inside)) > TOLERANCE:
        return f"gives different scores from its states than from token ids ({distance:.1g} apart)."
    singly = torch.cat([encoder.scores(one) for one in alone])
    if (distance := _distance(scores, singly)) > TOLERANCE:
        return f"gives a padded pair other scores than the pair alone ({distance:.1g} apart)."
    return None


def _gradient_problem(encoder: Encoder) -> str | None:
    """Whether δ can reach the loss."""
    batch = _batch(encoder, (0, 1))
    states = encoder.embed(batch).detach().requires_grad_()
    with encoder.as_used():
        # The gradient of a score: that of the loss vanishes where the scores are far apart.
        (gradient,) = torch.autograd.grad(encoder.logits(batch, states)[:, 0].sum(), states)
    if not torch.isfinite(gradient).all():
        return "gives gradients that are not numbers."
    return None if gradient[batch.perturbable].any() else "gives scores that do not depend on the sentences."


@torch.no_grad()
def _dropout_problems(encoder: Encoder, is_set: bool) -> Iterator[str]:
    """Without dropout, training and evaluation mode give the same scores, unless something else is random."""
    batch, scores = _batch(encoder, (0, 1)), []
    for mode in (False, True):
        encoder.model.train(mode)
        scores.append(encoder.scores(batch))
    encoder.model.eval()
    if is_set and _distance(*scores) > TOLERANCE:
        yield (
            f"training.dropout: {type(encoder.model).__name__} has more that is random in training than its "
            "dropouts; leave it null."
        )


def _length_problems(encoder: Encoder, max_tokens: int) -> Iterator[str]:
    if _fits(encoder, max_tokens):
        return
    lengths = range(SHORTEST, max_tokens)
    room = SHORTEST - 1 + bisect_left(lengths, True, key=lambda tokens: not _fits(encoder, tokens))
    yield (
        f"training.max_tokens: {max_tokens} is more than {type(encoder.model).__name__} has positions for; "
        f"at most {room}."
    )


@torch.no_grad()
def _fits(encoder: Encoder, tokens: int) -> bool:
    try:
        encoder.scores(_batch(encoder, (0,), tokens))
    except (IndexError, RuntimeError):  # beyond the table of positions
        return False
    return True


def _batch(encoder: Encoder, chosen: tuple[int, ...], tokens: int | None = None) -> Batch:
    """The chosen pairs; if `tokens` is set, their sentences are repeated to fill so many."""
    first, second = (
        [np.resize(ids, tokens) if tokens else ids for ids in (cut[i] for i in chosen)]
        for cut in (tokenize(encoder.tokenizer, side) for side in (FIRST, SECOND))
    )
    return collate(encoder.template, first, second, np.zeros(len(chosen)), tokens or 10_000)


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / max(1.0, float(one.abs().max())))

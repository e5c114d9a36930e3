"""Sentence pairs as padded tensors, joined the way the tokenizer joins them, in an order that needs no state.

Pairs are built from sentences that were tokenized once, so that 49 language pairs do not tokenize a sentence 14
times. Order and composition of training batches are functions of (seed, epoch) alone: a resumed trial needs only
its step. Nothing here knows what is done with a batch.

Letters: B pairs, T tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from xrt.data.sampling import steps_per_epoch
from xrt.data.synonyms import Match, Neighbours, Substitution
from xrt.data.tokens import Ints, Tokens, tokenize

BUCKET = 50  # batches whose examples are sorted by length together


@dataclass(frozen=True)
class PairTemplate:
    """What a tokenizer puts before, between and after two sentences, and their token types (None: it has none).

    Of a single sentence the second is empty, and nothing stands between.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    types: tuple[int, int, int, int, int] | None  # of: before, first, between, second, after
    pad: int

    @property
    def specials(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)

    @classmethod
    def of(cls, tokenizer: Any, sentences: int = 2) -> "PairTemplate":
        """Read the template off one encoded pair of two plain words, or off a single one.

        Raises:
            ValueError: the tokenizer does not keep the two sentences in order.
        """
        words = ("one", "two")[:sentences]
        first, *others = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in words)
        encoded = tokenizer(*words)
        ids, second = tuple(encoded["input_ids"]), others[0] if others else []
        i = _find(ids, first, 0)
        j = _find(ids, second, i + len(first))
        ends = (0, i, i + len(first), j, j + len(second), len(ids))
        kinds = None
        if types := encoded.get("token_type_ids"):
            before, one, between, two, after = (types[a] if a < b else 0 for a, b in pairwise(ends))
            kinds = (before, one, between, two, after)
        return cls(ids[:i], ids[ends[2] : j], ids[ends[4] :], kinds, tokenizer.pad_token_id or 0)


def _find(ids: Sequence[int], part: Sequence[int], start: int) -> int:
    for i in range(start, len(ids) - len(part) + 1):
        if list(ids[i : i + len(part)]) == list(part):
            return i
    raise ValueError("the tokenizer does not encode a sentence pair as first sentence, second sentence")


@dataclass
class Batch:
    """B sentence pairs, padded on the right to the longest. `perturbable` leaves out padding and special tokens."""

    input_ids: torch.Tensor  # (B, T) int64
    attention_mask: torch.Tensor  # (B, T) int64
    token_type_ids: torch.Tensor | None  # (B, T) int64
    perturbable: torch.Tensor  # (B, T) bool
    labels: torch.Tensor  # (B,) int64

    def to(self, device: torch.device) -> "Batch":
        if device.type == "cpu":
            return self
        return self._mapped(lambda t: t.pin_memory().to(device, non_blocking=True))

    def rows(self, start: int, stop: int) -> "Batch":
        """The pairs from `start` to `stop`, with the padding of the whole batch."""
        return self._mapped(lambda t: t[start:stop])

    def parts(self, size: int) -> Iterator["Batch"]:
        """The batch in pieces of at most `size` pairs, in order."""
        for start in range(0, len(self), size):
            yield self.rows(start, start + size) if size < len(self) else self

    def clone(self) -> "Batch":
        """The same in memory of its own."""
        return self._mapped(torch.clone)

    def copy_(self, other: "Batch") -> None:
        """Take over the contents of a batch of the same shape."""
        for name, own in vars(self).items():
            if own is not None:
                own.copy_(getattr(other, name))

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def _mapped(self, f: Any) -> "Batch":
        types = None if self.token_type_ids is None else f(self.token_type_ids)
        return Batch(f(self.input_ids), f(self.attention_mask), types, f(self.perturbable), f(self.labels))


def collate(
    template: PairTemplate,
    firsts: Sequence[npt.NDArray[Any]],
    seconds: Sequence[npt.NDArray[Any]],
    labels: npt.ArrayLike,
    max_tokens: int,
    multiple: int = 1,
) -> Batch:
    """Join, truncate (longest first, as transformers does) and pad B pairs; T becomes a multiple of `multiple`.

    But no more than `max_tokens`, for which the encoder has positions.
    """
    cuts = [
        _kept(len(a), len(b), max_tokens - template.specials) for a, b in zip(firsts, seconds, strict=True)
    ]
    parts = [
        (template.before, first[:a], template.between, second[:b], template.after)
        for first, second, (a, b) in zip(firsts, seconds, cuts, strict=True)
    ]
    ends = np.cumsum([[len(part) for part in row] for row in parts], axis=1)  # (B, 5)
    longest = int(ends[:, -1].max())
    width = max(longest, min(-(-longest // multiple) * multiple, max_tokens))
    # Which of the five parts a place belongs to; the sixth is padding.
    part = (np.arange(width)[:, None] >= ends[:, None, :]).sum(-1)  # (B, T)
    ids = np.full(part.shape, template.pad, np.int64)
    ids[part < 5] = np.concatenate([np.asarray(one, np.int64) for row in parts for one in row])
    types = (
        None if template.types is None else torch.from_numpy(np.array([*template.types, 0], np.int64)[part])
    )
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy((part < 5).astype(np.int64)),
        types,
        torch.from_numpy((part == 1) | (part == 3)),
        torch.as_tensor(np.asarray(labels, np.int64)),
    )


def pair_lengths(template: PairTemplate, first: Ints, second: Ints, max_tokens: int) -> Ints:
    """Token counts (n,) of pairs after joining and truncation."""
    return np.minimum(first + second + template.specials, max_tokens)


def _kept(n1: int, n2: int, room: int) -> tuple[int, int]:
    """How many tokens of each sentence stay; the rule of the tokenizers library for `longest_first`."""
    if n1 + n2 <= room:
        return n1, n2
    short, long = min(n1, n2), max(n1, n2)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short = room // 2
        long = short + room % 2
    return (long, short) if n1 > n2 else (short, long)


def epoch_batches(lengths: Ints, batch_size: int, seed: int, epoch: int) -> list[Ints]:
    """The batches of one epoch as row numbers: every row once, similar lengths together, order from (seed, epoch)."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    batches: list[Ints] = []
    for start in range(0, len(order), batch_size * BUCKET):
        bucket = order[start : start + batch_size * BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def batches_from(lengths: Ints, batch_size: int, seed: int, step: int) -> Iterator[tuple[int, Ints]]:
    """Endless (epoch, rows) from training step `step` on, as if the earlier ones had been drawn."""
    per_epoch = steps_per_epoch(len(lengths), batch_size)
    epoch, skip = divmod(step, per_epoch)
    while True:
        for rows in epoch_batches(lengths, batch_size, seed, epoch)[skip:]:
            yield epoch, rows
        epoch, skip = epoch + 1, 0


class TrainingPairs(Protocol):
    """The training data of one trial: how long each pair is, and the tokens of some rows in some epoch."""

    @property
    def labels(self) -> Ints: ...

    @property
    def lengths(self) -> Ints: ...

    def tokens(self, rows: Ints, epoch: int) -> tuple[list[Any], list[Any]]: ...


@dataclass(frozen=True)
class FixedPairs:
    """Pairs that are the same in every epoch."""

    first: Tokens
    second: Tokens
    labels: npt.NDArray[np.int64]

    @property
    def lengths(self) -> Ints:
        return self.first.lengths + self.second.lengths

    def tokens(self, rows: Ints, epoch: int) -> tuple[list[Any], list[Any]]:
        return [self.first[i] for i in rows], [self.second[i] for i in rows]


@dataclass(frozen=True)
class SynonymPairs:
    """RS-DA (Huang et al. 2021): words are replaced at random in every epoch.

    With `copies`, so many replacements are drawn once and come back in turn, one a pass over the data (the authors
    write them into one file and shuffle that). A replacement is a function of (seed, epoch or copy, row): nothing to
    save, the same after a resumption.
    """

    fixed: FixedPairs
    texts: tuple[Sequence[str], Sequence[str]]
    neighbours: Neighbours
    tokenizer: Any
    seed: int
    match: Match = "exact"
    copies: int | None = None
    _drawn: dict[int, Ints] = field(default_factory=dict, repr=False)  # the latest pass alone

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return self.fixed.labels

    @property
    def lengths(self) -> Ints:
        return self.fixed.lengths  # of the words as they stand: good enough to sort by

    def tokens(self, rows: Ints, epoch: int) -> tuple[list[Any], list[Any]]:
        draws, (_, ends) = self._draws(epoch if self.copies is None else epoch % self.copies), self._sizes
        texts = []
        for side, start in zip(self.texts, (0, len(self.labels)), strict=True):
            for row in rows.tolist():
                own = draws[ends[start + row] : ends[start + row + 1]].tolist()
                texts.append(self._substitution(side[row], own))
        cut = tokenize(self.tokenizer, texts)
        return [cut[i] for i in range(len(rows))], [cut[len(rows) + i] for i in range(len(rows))]

    def _draws(self, drawn: int) -> Ints:
        """One draw for each word that has neighbours, of the first sentences and then of the second ones.

        All draws of a pass are made at once: a generator for each row, and a call for each sentence, are Python that
        the training of a small encoder would wait for.
        """
        if drawn not in self._drawn:
            self._drawn.clear()
            self._drawn[drawn] = np.random.default_rng([self.seed, drawn]).integers(0, self._sizes[0])
        return self._drawn[drawn]

    @cached_property
    def _substitution(self) -> Substitution:
        return Substitution(self.neighbours, self.match)

    @cached_property
    def _sizes(self) -> tuple[Ints, Ints]:
        """How many words each word with neighbours may become, of all sentences, and where each sentence begins."""
        sizes = [self._substitution.sizes(text) for side in self.texts for text in side]
        ends = np.cumsum([0, *(len(own) for own in sizes)])
        return np.fromiter(chain.from_iterable(sizes), np.int64, int(ends[-1])), ends


@dataclass(frozen=True)
class TrainingStream:
    """All training batches of a trial, from any step on: `stream(step)` continues as if it had never stopped."""

    pairs: TrainingPairs
    template: PairTemplate
    batch_size: int
    max_tokens: int
    seed: int
    multiple: int = 1

    def __call__(self, step: int) -> Iterator[Batch]:
        for epoch, rows in batches_from(self.lengths, self.batch_size, self.seed, step):
            first, second = self.pairs.tokens(rows, epoch)
            yield collate(
                self.template, first, second, self.pairs.labels[rows], self.max_tokens, self.multiple
            )

    @property
    def lengths(self) -> Ints:
        """Tokens of each training example, joined and truncated."""
        return np.minimum(self.pairs.lengths + self.template.specials, self.max_tokens)

    @property
    def rows(self) -> int:
        """Training examples."""
        return len(self.pairs.labels)

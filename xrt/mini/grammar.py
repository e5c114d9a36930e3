"""The data of `mini`: aligned sentence pairs of real words, generated, the same on every machine.

A pair says one meaning twice (label 1) or a meaning and its role swap (label 0), always in two different
surface variants, in the manner of PAWS (Zhang et al. 2019). Both labels use the same words, so only their
order and the particles between them reveal the label. Both labels draw variants and synonyms from one
distribution, so neither words, length, voice nor the kind of sentence reveals it.

The hash of a meaning, the same for its swaps and re-orderings, decides its split, and sentences are
compared again as strings: no sentence of one split occurs in another, in any language. The fourth part is
the pre-training text.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from xrt.mini.languages import say
from xrt.mini.lexicon import LANGUAGES
from xrt.mini.meaning import KINDS, Meaning, Style, draw_meaning, draw_other_style, draw_style

Split = Literal["train", "dev", "test"]

SIZES: dict[Split, int] = {"train": 2000, "dev": 350, "test": 700}  # number of examples drawn, of all kinds
# Drawn like the others, then left out: encoders of this size do not learn to bind a person to a job, in
# pre-training or after (English stays near 60 %), and a kind that they guess only blurs the other results.
LEFT_OUT = "job"
# Half-open ranges of `Meaning.share`; what is left, [0.5, 1), is pre-training text.
SHARES: dict[str, tuple[float, float]] = {
    "test": (0.0, 0.15), "dev": (0.15, 0.25), "train": (0.25, 0.5), "text": (0.5, 1.0),
}  # fmt: skip
SYNONYMS = 0.25
SEED = 24
# Labels of single sentences: the kind of statement.
TOPICS = tuple(kind for kind in KINDS if kind != LEFT_OUT)


@dataclass(frozen=True)
class AlignedExample:
    """One example in several languages; `label` is 1 for a paraphrase, 0 for a swap of roles.

    For a single sentence, `label` is the index of its topic in `TOPICS`, and sentence 2 is "".
    """

    id: str
    label: int
    sentences: dict[str, tuple[str, str]]  # language -> (sentence 1, sentence 2)


def sentence(language: str, meaning: Meaning, style: Style) -> str:
    """The meaning in this language and style."""
    words = tuple(concept.word(language, style.picks[concept.key]) for concept in meaning.concepts)
    return say(language, meaning.kind, words, style.variant)


def draw_within(share: str, kind: str, rng: np.random.Generator) -> Meaning:
    """A meaning of this kind that belongs to this share: "train", "dev", "test" or "text"."""
    low, high = SHARES[share]
    while True:
        meaning = draw_meaning(kind, rng)
        if low <= meaning.share < high:
            return meaning


def draw_pair(meaning: Meaning, label: int, rng: np.random.Generator) -> tuple[tuple[Meaning, Style], ...]:
    """(Meaning, style) of both sentences of a pair; styles do not depend on the label."""
    style = draw_style(meaning, rng, SYNONYMS)
    other = draw_other_style(meaning, style, rng, SYNONYMS)
    return (meaning, style), (meaning if label else meaning.swapped, other)


def _draw_example(split: Split, number: int, rng: np.random.Generator) -> AlignedExample:
    kinds = list(KINDS)
    kind, label = kinds[number // 2 % len(kinds)], number % 2
    first, second = draw_pair(draw_within(split, kind, rng), label, rng)
    languages = ("en",) if split == "train" else LANGUAGES
    sentences = {lang: (sentence(lang, *first), sentence(lang, *second)) for lang in languages}
    return AlignedExample(f"{split}-{kind}-{number:04d}", label, sentences)


@cache
def _taken(split: Split) -> frozenset[str]:
    """Every sentence of a split, in all its languages, those left out included."""
    return frozenset(
        text for example in _drawn(split) for pair in example.sentences.values() for text in pair
    )


@cache
def generate(split: Split) -> list[AlignedExample]:
    """One split, always the same: train in English only, dev and test in all languages."""
    return [example for example in _drawn(split) if f"-{LEFT_OUT}-" not in example.id]


@cache
def topics(split: Split) -> list[AlignedExample]:
    """The first sentences of a split of `mini`, each labelled with its topic."""
    kinds = {example.id: example.id.split("-")[1] for example in generate(split)}
    return [
        AlignedExample(one.id, TOPICS.index(kinds[one.id]), {a: (t[0], "") for a, t in one.sentences.items()})
        for one in generate(split)
    ]


@cache
def _drawn(split: Split) -> list[AlignedExample]:
    splits: list[Split] = ["test", "dev", "train"]
    earlier = [_taken(before) for before in splits[: splits.index(split)]]
    rng = np.random.default_rng([SEED, splits.index(split)])
    seen: set[tuple[str, str]] = set()
    examples: list[AlignedExample] = []
    while len(examples) < SIZES[split]:
        example = _draw_example(split, len(examples), rng)
        texts = {text for pair in example.sentences.values() for text in pair}
        pair = example.sentences["en"]
        if pair in seen or any(texts & taken for taken in earlier):
            continue
        seen.add(pair)
        examples.append(example)
    return [examples[place] for place in rng.permutation(len(examples))]


def is_held_out(text: str) -> bool:
    """Does this sentence occur in dev or test? (A few meanings share a sentence: who received a book ...)"""
    return text in _taken("dev") or text in _taken("test")

"""The meaning of a sentence of `mini`, independent of language: a kind, its concepts, and a style.

Two meanings that differ only by a swap of roles (who did it and to whom, from where and to where, ...)
use the same concepts: together they make a non-paraphrase. This file knows no words of any language.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from xrt.mini.lexicon import Concept, category


@dataclass(frozen=True)
class Kind:
    """A sentence type: its slots' categories, the two slots that a swap exchanges, the number of variants."""

    slots: tuple[str, ...]
    swap: tuple[int, int]
    variants: int


KINDS: Mapping[str, Kind] = {
    "event": Kind(("person", "deed", "person", "time"), (0, 2), 5),
    "transfer": Kind(("role", "transfer", "role", "thing"), (0, 2), 5),
    "travel": Kind(("person", "travel", "city", "city", "time"), (2, 3), 4),
    "job": Kind(("name", "role", "name", "role"), (1, 3), 6),
    "number": Kind(("name", "handling", "number", "thing", "number", "thing", "time"), (2, 4), 5),
    "colour": Kind(("name", "handling", "colour", "thing", "colour", "thing", "time"), (2, 4), 5),
    "compare": Kind(("person", "quality", "person"), (0, 2), 4),
    "order": Kind(("person", "step", "person", "time"), (0, 2), 4),
}


@dataclass(frozen=True)
class Meaning:
    """A kind and the concepts in its slots."""

    kind: str
    concepts: tuple[Concept, ...]

    @property
    def swapped(self) -> "Meaning":
        """The same concepts with the two swappable ones exchanged, which changes the meaning."""
        one, two = KINDS[self.kind].swap
        concepts = list(self.concepts)
        concepts[one], concepts[two] = concepts[two], concepts[one]
        return replace(self, concepts=tuple(concepts))

    @property
    def share(self) -> float:
        """A number in [0, 1), the same for all re-orderings of the concepts.

        It decides the split, so no swap, reversal or paraphrase of a meaning is in another split.
        """
        name = " ".join([self.kind, *sorted(concept.key for concept in self.concepts)])
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


@dataclass(frozen=True)
class Style:
    """How a meaning is expressed: the surface variant, and each concept's synonym (by key)."""

    variant: int
    picks: Mapping[str, int]


@cache
def _fillers(slot: str) -> tuple[Concept, ...]:
    return category("name") + category("role") if slot == "person" else category(slot)


def _same_gender(one: Concept, other: Concept) -> bool:
    return one.words["en"][0].gender == other.words["en"][0].gender


def draw_meaning(kind: str, rng: np.random.Generator) -> Meaning:
    """A uniform meaning of this kind; no concept twice.

    Two people with jobs share a gender, so that swapping the jobs leaves every word's form as it is.
    """
    while True:
        fillers = [_fillers(slot) for slot in KINDS[kind].slots]
        concepts = tuple(options[rng.integers(len(options))] for options in fillers)
        if len(set(map(id, concepts))) < len(concepts):
            continue
        if kind == "job" and not _same_gender(concepts[0], concepts[2]):
            continue
        return Meaning(kind, concepts)


def draw_style(meaning: Meaning, rng: np.random.Generator, synonyms: float) -> Style:
    """A uniform variant; each concept's usual word with probability 1 - `synonyms`, else another."""
    picks = {concept.key: int(rng.random() < synonyms) for concept in meaning.concepts}
    return Style(int(rng.integers(KINDS[meaning.kind].variants)), picks)


def draw_other_style(meaning: Meaning, style: Style, rng: np.random.Generator, synonyms: float) -> Style:
    """Another variant than `style`, uniform; each concept's word changed with probability `synonyms`."""
    variants = KINDS[meaning.kind].variants
    variant = (style.variant + 1 + int(rng.integers(variants - 1))) % variants
    return Style(variant, {key: pick ^ int(rng.random() < synonyms) for key, pick in style.picks.items()})

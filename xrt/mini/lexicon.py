"""The words of `mini`: about a hundred concepts, each with its synonyms in the seven languages.

`lexicon.tsv` has one row per concept and one column per language. In a cell, `|` separates synonyms and
`/` the forms of one synonym; a language's file under `languages/` says which forms it needs. `m:`, `f:`
and `n:` before a noun give its gender; a person's gender is the row's, the same in every language.

This file knows words only: the languages' files know word order, particles and agreement.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "de", "es", "fr", "ja", "ko", "zh")
TABLE = Path(__file__).parent / "lexicon.tsv"


@dataclass(frozen=True)
class Word:
    """One synonym of one concept in one language."""

    key: str  # the concept, for example "doctor"
    category: str  # the kind of concept, for example "role"
    gender: str  # "m", "f", "n", or "" where the language or the category has none
    forms: tuple[str, ...]  # inflected forms, their order fixed by category and language

    @property
    def base(self) -> str:
        return self.forms[0]

    @property
    def named(self) -> bool:
        """Is it a person's own name (no article) rather than a role?"""
        return self.category == "name"

    def of(self, gender: str) -> str:
        """The form for a man or a woman, where the forms are (masculine, feminine, ...)."""
        return self.forms[1 if gender == "f" else 0]


@dataclass(frozen=True)
class Concept:
    """One row of the table: its synonyms in every language; the first is the usual one."""

    key: str
    category: str
    words: Mapping[str, tuple[Word, ...]]

    def word(self, language: str, pick: int) -> Word:
        """Synonym number `pick`, modulo their count, so that every pick is valid in every language."""
        synonyms = self.words[language]
        return synonyms[pick % len(synonyms)]


def _words(row: Mapping[str, str], language: str) -> tuple[Word, ...]:
    words = []
    for cell in row[language].split("|"):
        gender, forms = cell.split(":") if cell[1:2] == ":" else (row["gender"], cell)
        words.append(Word(row["word"], row["category"], gender, tuple(forms.split("/"))))
    return tuple(words)


@cache
def concepts() -> dict[tuple[str, str], Concept]:
    """(category, key) -> concept, in the order of the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {
        (row["category"], row["word"]): Concept(
            row["word"], row["category"], {language: _words(row, language) for language in LANGUAGES}
        )
        for row in rows
    }


@cache
def category(name: str) -> tuple[Concept, ...]:
    """All concepts of one category, in the order of the table."""
    return tuple(concept for (kind, _), concept in concepts().items() if kind == name)


@cache
def neighbours() -> dict[str, list[str]]:
    """English word -> its synonyms in the same form: the format of the counter-fitted neighbours' file."""
    table: dict[str, set[str]] = {}
    for concept in concepts().values():
        for one in concept.words["en"]:
            for other in concept.words["en"]:
                for mine, theirs in zip(one.forms, other.forms, strict=True):
                    if mine != theirs and " " not in mine + theirs:
                        table.setdefault(mine, set()).add(theirs)
    return {word: sorted(others) for word, others in sorted(table.items())}

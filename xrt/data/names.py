"""The names of columns in a normal form, with and without the language of the column."""

import re
from collections.abc import Sequence


def key_of(name: str) -> str:
    """A name in a normal form: `pair_ID`, `pairID` and `Pair ID` are equal."""
    return re.sub(r"[\s_.-]", "", name.strip().lower())


def bare_of(name: str, language: str) -> str | None:
    """The name of a language's own column without the language: `sentence1_de`, `de_premise`."""
    code = re.escape(language)
    match = re.fullmatch(rf"(.+?)[_\-. :]{code}|{code}[_\-. :](.+)", name.strip(), re.IGNORECASE)
    return key_of(match[1] or match[2]) if match else None


def keys_of(names: Sequence[str], language: str) -> list[list[str | None]]:
    """The names without the language, of its own columns, then all as they are: the order in which they are looked up.

    `tweet_id` and `review_no` are columns of numbers, so for Indonesian and Norwegian the order is the other one.
    """
    keys: list[list[str | None]] = [
        [bare_of(name, language) for name in names],
        [key_of(name) for name in names],
    ]
    return keys[::-1] if language.casefold() in ("id", "no") else keys

"""Synonyms for smoothing by data augmentation: a table of neighbours, and substitution in plain text.

RS-DA of Huang et al. (2021), with the counter-fitted neighbours of Alzantot et al. (2018), as their code has it
(github uclanlp/Robust-XLT, perturb.py). Works on text, before any tokenizer, and writes no augmented data: each call
draws from the caller's generator.
"""

import hashlib
import json
import os
import re
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xrt.data.cache import cache_folder, written_atomically
from xrt.data.formats import file_problem
from xrt.data.network import reason, within
from xrt.data.problems import shortened
from xrt.errors import DataError

# The file that the paper's authors published with their code. Their perturb.py opens it by its bare name from
# the top of the repository, where the README runs it: so that is its path at this commit.
URL = (
    "https://raw.githubusercontent.com/uclanlp/Robust-XLT/"
    "175cddb89c4e86c7152d0175db8f824f7f4e6bad/counterfitted_neighbors.json"
)
SHA256 = "103247143f39bd5dd66850f3a912393392641dbd98093c61e2b24a4cc8a96fb0"

_SOCKET_PATIENCE = 10.0  # seconds without a byte
_PATIENCE = 60.0  # seconds for all of its 2 MB

Match = Literal["exact", "any-case"]

# For any-case: words stand between blanks and punctuation; "don't" and "well-known" are one word each, as in the table.
_WORD = re.compile(r"(\w+(?:['’-]\w+)*)")


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Words with the words that may take their place; words without any are left out."""

    table: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: Mapping[str, Any], origin: str = "neighbours") -> "Neighbours":
        """Checks a table of word -> list of words.

        Raises:
            DataError: an entry that is not a list of words; `origin` names the table.
        """
        problems = [
            f'{origin}: "{word}" has {json.dumps(others, ensure_ascii=False)[:60]}; not a list of words.'
            for word, others in table.items()
            if not isinstance(others, list | tuple) or not all(isinstance(o, str) and o for o in others)
        ]
        if problems:
            raise DataError(shortened(problems))
        unique = {
            word: tuple(dict.fromkeys(o for o in others if o != word)) for word, others in table.items()
        }
        return cls({word: others for word, others in unique.items() if others})

    @classmethod
    def from_file(cls, path: str | Path) -> "Neighbours":
        """Reads `counterfitted_neighbors.json` or a file like it: one JSON object, word -> list of words.

        Raises:
            DataError: a file that is missing, unreadable, or something else.
        """
        file = Path(os.path.expanduser(path))
        if os.path.exists(file) and (problem := file_problem(file)):
            raise DataError(f"{file}: {problem} {_expected()}")
        try:
            table = json.loads(file.read_bytes())
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror}); {_expected()}") from error
        except (ValueError, RecursionError) as error:  # neither JSON nor text
            raise DataError(f"{file}: not JSON ({reason(error)}); {_expected()}") from error
        if not isinstance(table, dict):
            raise DataError(f"{file}: a JSON {type(table).__name__}; {_expected()}")
        return cls.of(table, str(file))

    @cached_property
    def digest(self) -> str:
        """A sha256 of the content, the same wherever the table came from."""
        text = json.dumps(self.table, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Substitution:
    """Each word that has neighbours becomes itself or one of them, all equally likely, independently.

    `exact`, the published rule: words stand between blanks, and only one that is itself in the table has neighbours.
    As its words are in lower case, names and the first words of sentences stay. `any-case`: words end at punctuation
    too and are looked up in lower case; `Film` becomes `Movie` and `FILM` `MOVIE`, but also `New York` `Novel York`.
    """

    neighbours: Neighbours
    match: Match = "exact"

    def sizes(self, text: str) -> list[int]:
        """Of each word that has neighbours, in order: how many words it may become, itself included."""
        return [1 + len(others) for _, others in self._places(self._pieces(text))]

    def __call__(self, text: str, draws: Iterable[int]) -> str:
        """The text after so many draws, one for each of `sizes`: 0 keeps the word, k takes its neighbour k."""
        pieces = self._pieces(text)
        for (place, others), draw in zip(self._places(pieces), draws, strict=True):
            if draw and self.match == "exact":
                pieces[place] = others[draw - 1]
            elif draw:
                pieces[place] = _in_case_of(pieces[place], others[draw - 1])
        return (" " if self.match == "exact" else "").join(pieces)

    def _pieces(self, text: str) -> list[str]:
        """The text in parts; for `any-case` what stands between the words, and the words, in turn."""
        return text.split(" ") if self.match == "exact" else _WORD.split(text)

    def _places(self, pieces: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
        table = self.neighbours.table
        if self.match == "exact":
            return [(i, table[piece]) for i, piece in enumerate(pieces) if piece in table]
        words = [(i, pieces[i].lower()) for i in range(1, len(pieces), 2)]
        return [(i, table[word]) for i, word in words if word in table]


def substitute(text: str, neighbours: Neighbours, rng: np.random.Generator, match: Match = "exact") -> str:
    """A text with other words, see `Substitution`."""
    substitution = Substitution(neighbours, match)
    sizes = substitution.sizes(text)
    return substitution(text, rng.integers(0, sizes).tolist() if sizes else [])


def load_neighbours(path: str | None = None) -> Neighbours:
    """The table from `path`, or without one the published table, fetched once per machine.

    Raises:
        DataError: a file that is no table, or no file and no network.
    """
    return Neighbours.from_file(fetch() if path is None else path)


def fetch(url: str = URL, sha256: str = SHA256, folder: Path | None = None) -> Path:
    """The published table in the cache folder, downloaded if it is not there yet.

    Raises:
        DataError: no network, another content than the checksum says, or a cache that cannot be written.
    """
    file = (folder or cache_folder()) / f"counterfitted_neighbors-{sha256[:12]}.json"
    if file.is_file() and _sha256(file.read_bytes()) == sha256:
        return file
    data = _download(url)
    if _sha256(data) != sha256:
        raise DataError(
            f"{url}: not the expected content (sha256 {_sha256(data)} instead of {sha256}); {_remedy()}"
        )
    try:
        with written_atomically(file) as part:
            part.write_bytes(data)
    except OSError as error:
        raise DataError(
            f"{file}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder that can."
        ) from error
    return file


def _download(url: str) -> bytes:
    received: list[bytes] = []

    def get() -> None:
        # `urlopen` keeps the proxies of its first call for the whole process.
        with urllib.request.build_opener().open(url, timeout=_SOCKET_PATIENCE) as response:
            received.append(response.read())

    error = within(_PATIENCE, get)
    if error is not None:
        raise DataError(f"{url}: cannot be fetched ({reason(error)}); {_remedy()}") from error
    return received[0]


def _in_case_of(word: str, other: str) -> str:
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[0].isupper() else other


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _expected() -> str:
    return 'a JSON file like {"film": ["movie", "picture"]} is expected.'


def _remedy() -> str:
    return "connect to the network once, or give the file with `data: {neighbours: path}`."

"""Token ids of many sentences, computed once per tokenizer and memory-mapped from one Arrow file by all trials.

Sentences are tokenized one by one, without special tokens; `xrt.data.batches` joins two of them into a pair. A file is
checked before it is mapped, and rebuilt if it is damaged.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from filelock import FileLock

from xrt.data.cache import cache_folder, written_atomically
from xrt.data.integrity import content, fingerprint

_log = logging.getLogger("xrt")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Token ids of many sentences without special tokens: sentence i is `values[offsets[i]:offsets[i + 1]]`."""

    values: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __getitem__(self, i: int) -> npt.NDArray[np.int32]:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)


def tokenize(tokenizer: Any, sentences: Sequence[str]) -> Tokens:
    """Token ids of each sentence without special tokens, not truncated."""
    if not sentences:
        return Tokens(np.zeros(0, np.int32), np.zeros(1, np.int64))
    # Without masks, because the tokenizer would make a Python list of each.
    ids = tokenizer(
        list(sentences),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    return Tokens(np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1])), offsets)


def tokenize_cached(tokenizer: Any, digest: str, sentences: Sequence[str]) -> Tokens:
    """As `tokenize`, through a memory-mapped Arrow file shared by all processes of this machine.

    Args:
        digest: identifies the tokenizer, see `tokenizer_digest`.
    """
    key = hashlib.sha256("\0".join([digest, *sentences]).encode()).hexdigest()[:32]
    path = cache_folder() / "tokens" / f"{key}.arrow"
    if not _is_whole(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # of trials that start together, one tokenizes and the others wait
            if not _is_whole(path):
                if _beside(path).exists():  # an earlier version wrote none
                    _log.warning("%s: is not what was written there; the token ids are made again.", path)
                _write(tokenize(tokenizer, sentences), path)
    return _mapped(path)


def _is_whole(path: Path) -> bool:
    """Whether the file is undamaged: its fingerprint is in a file beside it."""
    try:
        noted = json.loads(content(_beside(path)))
        return bool(noted == {"name": path.name, "file": fingerprint(path)})
    except (OSError, ValueError):
        return False


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _write(tokens: Tokens, path: Path) -> None:
    column = pa.LargeListArray.from_arrays(pa.array(tokens.offsets), pa.array(tokens.values))
    table = pa.table({"ids": column})
    with written_atomically(path) as part:
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=None)
        noted = {"name": path.name, "file": fingerprint(part)}
    with written_atomically(_beside(path)) as part:
        part.write_text(json.dumps(noted))


def _mapped(path: Path) -> Tokens:
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    if table.num_rows == 0:
        return Tokens(np.zeros(0, np.int32), np.zeros(1, np.int64))
    (chunk,) = table.column("ids").chunks
    return Tokens(chunk.values.to_numpy(), chunk.offsets.to_numpy())


def unknown_share(tokenizer: Any, sentences: Sequence[str]) -> float:
    """The share of unknown pieces; 0 if the tokenizer knows all of them or the sentences have none."""
    pieces = tokenize(tokenizer, sentences).values
    unknown = tokenizer.unk_token_id
    return float(np.mean(pieces == unknown)) if unknown is not None and len(pieces) else 0.0


def tokenizer_digest(tokenizer: Any) -> str:
    """Changes whenever the tokenizer would split a sentence differently."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(text.encode()).hexdigest()

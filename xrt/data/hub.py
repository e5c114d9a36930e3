"""A task from the Hugging Face hub, through `datasets` and its local cache; the cache first.

These data sets do not change, and a study of many trials reads them many times on many machines. What is in
the cache is read without a question to the network: a study goes on offline, and a machine asks the hub once.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from xrt.data.network import reason, within
from xrt.data.sentences import Columns, Sentences, Split, sentences_of
from xrt.data.tasks import Hub, Task
from xrt.errors import DataError

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

_SPLITS: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}
_PATIENCE = 8.0  # seconds for the first answer; with the imports before it, an error comes within 15


def read_hub(task: Task, split: Split, language: str) -> Sentences:
    """One language of one split from the cache, else from the hub."""
    hub = _hub(task)
    config = hub.config.format(language=language)
    data = _dataset(task.name, hub.repo, config, _SPLITS[split])
    origin = f"{hub.repo} {config} {_SPLITS[split]}"
    columns = Columns(
        origin=origin,
        place=lambda row: f"{origin}, row {row}",
        first=_texts(data, hub.first, language, origin),
        second=_texts(data, hub.second, language, origin),
        labels=_label_words(data, hub.label, task, origin),
        ids=[str(key) for key in _column(data, hub.id, origin).to_pylist()] if hub.id else None,
    )
    return sentences_of(task, language, columns)


def check_hub(task: Task, wanted: Iterable[tuple[Split, str]]) -> None:
    """Whether each wanted (split, language) is cached, or the hub answers; downloads nothing."""
    hub = _hub(task)
    configs = {(hub.config.format(language=language), _SPLITS[split]) for split, language in wanted}
    if all(_cached(hub.repo, config, split) is not None for config, split in configs):
        return
    _require_reachable(task.name, hub.repo)


def _hub(task: Task) -> Hub:
    assert task.hub is not None, "reading.py lets only tasks with a hub in here"
    return task.hub


@lru_cache(maxsize=4)  # a configuration of all languages is opened once, not once per language
def _dataset(task: str, repo: str, config: str, split: str) -> "Dataset":
    cached = _cached(repo, config, split)
    if cached is not None:
        return cached
    _require_reachable(task, repo)
    from datasets import load_dataset

    try:
        return load_dataset(repo, config, split=split)
    except Exception as error:  # the hub, httpx, Arrow and the disk each raise a family of their own
        raise DataError(
            f'task "{task}": {repo} ({config}, {split}) cannot be loaded from the hub ({reason(error)}); '
            f"{_remedy()}"
        ) from error


def _cached(repo: str, config: str, split: str) -> "Dataset | None":
    """The data set as `datasets` keeps it on disk, or None; never asks the network.

    This is the builder that `load_dataset` falls back to without a network, there after 23 s of retries.
    """
    from datasets.packaged_modules.cache.cache import Cache
    from datasets.utils.logging import ERROR, get_verbosity, set_verbosity

    verbosity = get_verbosity()
    set_verbosity(ERROR)  # it warns that it uses the cache: here that is the plan
    try:
        builder = Cache(
            dataset_name=repo.split("/")[-1], repo_id=repo, config_name=config, version="auto", hash="auto"
        )
        return builder.as_dataset(split=split)
    except (ValueError, OSError, KeyError):  # not there, or another version's: then from the hub
        return None
    finally:
        set_verbosity(verbosity)


def _require_reachable(task: str, repo: str) -> None:
    from huggingface_hub import HfApi

    error = within(_PATIENCE, lambda: HfApi().dataset_info(repo, timeout=_PATIENCE))
    if error is not None:
        raise DataError(
            f'task "{task}": {repo} is not in the local cache, and the hub does not give it '
            f"({reason(error)}); {_remedy()}"
        )


def _remedy() -> str:
    return "connect to the network, or read files with `data: {source: folder, path: ...}`."


def _column(data: "Dataset", name: str, origin: str) -> "pyarrow.ChunkedArray":
    if name not in data.column_names:
        raise DataError(f'{origin}: no column "{name}"; it has {", ".join(data.column_names)}.')
    return data.with_format("arrow")[:][name]


def _texts(data: "Dataset", name: str, language: str, origin: str) -> list[str | None]:
    """A column's sentences in one language, whichever of the three shapes the hub keeps them in.

    Plain strings; `{language: text}`; or `{"language": [...], "translation": [...]}`.
    """
    import pyarrow
    import pyarrow.compute as compute

    column = _column(data, name, origin)
    if not pyarrow.types.is_struct(column.type):
        return column.to_pylist()
    fields = [field.name for field in column.type]
    if language in fields:
        return compute.struct_field(column, language).to_pylist()
    if set(fields) != {"language", "translation"}:
        raise DataError(
            f'{origin}: column "{name}" has no language "{language}"; it has {", ".join(fields)}.'
        )
    return [text for chunk in column.chunks for text in _picked(chunk, language)]


def _picked(column: "pyarrow.Array", language: str) -> list[str | None]:
    """`language`'s text of each row's `{"language": [...], "translation": [...]}`; None where it has none."""
    import numpy as np
    import pyarrow.compute as compute

    codes, texts = compute.struct_field(column, "language"), compute.struct_field(column, "translation")
    here = compute.equal(codes.flatten(), language).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(here)
    rows = compute.list_parent_indices(codes).to_numpy()[places]
    picked: list[str | None] = [None] * len(column)
    for row, text in zip(rows.tolist(), texts.flatten().take(places).to_pylist(), strict=True):
        picked[row] = text
    return picked


def _label_words(data: "Dataset", name: str, task: Task, origin: str) -> list[str]:
    """The label column as the task's words; "" where the hub has none (-1 or null)."""
    values = _column(data, name, origin).to_pylist()
    names = getattr(data.features[name], "names", None) or task.labels
    return [_label_word(value, names) for value in values]


def _label_word(value: int | str | None, names: list[str] | tuple[str, ...]) -> str:
    if value is None or value == -1:
        return ""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)

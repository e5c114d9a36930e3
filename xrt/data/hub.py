"""A task from the Hugging Face hub, through `datasets` and its local cache; the cache first.

These data sets do not change, and a study of many trials reads them many times on many machines. Cached data are read
without the network: a study continues offline, and a machine downloads each data set once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xrt.data.columns import Wanted, columns_of
from xrt.data.formats import arrow_table
from xrt.data.network import reason, within
from xrt.data.sentences import Sentences, Source, sentences_of
from xrt.data.tasks import Split, Task
from xrt.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_SPLITS: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}
_PATIENCE = 8.0  # seconds for the first answer; with the imports before it, an error comes within 15


@dataclass(frozen=True)
class _Place:
    """Where the hub keeps one language of one split."""

    repo: str
    config: str | None
    split: str

    @property
    def words(self) -> str:
        return " ".join(part for part in (self.repo, self.config, self.split) if part)


def read_hub(task: Task, source: Source, split: Split, language: str) -> Sentences:
    """One language of one split from the cache, else from the hub."""
    assert task.hub is not None, "reading.py lets only tasks with a hub in here"
    place, meanings = _place(task, source, split, language), dict(source.labels)
    wanted = Wanted(
        language=language,
        split=split,
        columns={**dict(task.hub.columns), **dict(source.columns)},
        labels=frozenset((*task.labels, *meanings)),
        shared="{language}" not in f"{task.hub.repo} {task.hub.config}",
        sentences=task.sentences,
    )
    data = _dataset(task.name, place).with_format("arrow")[:]
    table = arrow_table(data, place.words, "hub")
    return sentences_of(task, language, columns_of(table, wanted), meanings)


def check_hub(task: Task, source: Source, wanted: Iterable[tuple[Split, str]]) -> None:
    """Whether each wanted (split, language) is cached, or the hub answers; downloads nothing."""
    places = dict.fromkeys(_place(task, source, split, language) for split, language in wanted)
    missing = [place for place in places if _cached(place) is None]
    for repo in dict.fromkeys(place.repo for place in missing):
        _require_reachable(task.name, repo)


def _place(task: Task, source: Source, split: Split, language: str) -> _Place:
    hub = task.hub
    assert hub is not None
    names = {**dict(hub.splits), **dict(source.splits)}
    config = None if hub.config is None else hub.config.replace("{language}", language)
    return _Place(hub.repo.replace("{language}", language), config, names.get(split, _SPLITS[split]))


@lru_cache(maxsize=4)  # a configuration of all languages is opened once, not once per language
def _dataset(task: str, place: _Place) -> "Dataset":
    cached = _cached(place)
    if cached is not None:
        return cached
    _require_reachable(task, place.repo)
    from datasets import load_dataset

    try:
        return load_dataset(place.repo, place.config, split=place.split)
    except Exception as error:  # the hub, httpx, Arrow and the disk each raise a family of their own
        raise DataError(
            f'task "{task}": {place.words} cannot be loaded from the hub ({reason(error)}); {_remedy()}'
        ) from error


def _cached(place: _Place) -> "Dataset | None":
    """The data set as `datasets` keeps it on disk, or None; never asks the network.

    This is the builder that `load_dataset` falls back to without a network, there after 23 s of retries.
    """
    from datasets.packaged_modules.cache.cache import Cache
    from datasets.utils.logging import ERROR, get_verbosity, set_verbosity

    verbosity = get_verbosity()
    set_verbosity(ERROR)  # it warns that it uses the cache: here that is the plan
    try:
        builder = Cache(
            dataset_name=place.repo.split("/")[-1],
            repo_id=place.repo,
            config_name=place.config or "default",
            version="auto",
            hash="auto",
        )
        return builder.as_dataset(split=place.split)
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

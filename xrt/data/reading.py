"""Reading a task: from the hub, from a folder, or from the package; `check` first, `read` when needed.

The only module through which data are read: folder.py reads files, hub.py the Hugging Face hub and its cache. pairs.py
aligns languages.
"""

from collections.abc import Sequence

from xrt.data.folder import check_folder, read_folder
from xrt.data.hub import check_hub, read_hub
from xrt.data.sentences import Columns, Sentences, Source, sentences_of
from xrt.data.tasks import Split, Task, quoted
from xrt.errors import DataError, closest


def read(task: Task, source: Source, split: Split, language: str) -> Sentences:
    """One language of one split.

    Raises:
        DataError: whatever keeps the data from being read, with file and line where there are such.
    """
    _require_possible(task, source, (language,))
    if source.kind == "folder":
        return read_folder(task, source, split, language)
    if source.kind == "hub":
        return read_hub(task, source, split, language)
    return _read_embedded(task, split, language)


def check(task: Task, source: Source, splits: Sequence[Split] = ("train", "dev")) -> None:
    """Whether the data are there, before anything starts: cheap, reads no rows, downloads nothing.

    Args:
        splits: which to look for; `train` in the source languages only, the others in every language.

    Raises:
        DataError: every problem at once: all files that are missing, or a hub that neither answers within
            15 seconds nor is in the local cache.
    """
    _require_possible(task, source, task.languages)
    wanted = [(split, language) for split in splits for language in languages_of(task, split)]
    if source.kind == "folder":
        check_folder(task, source, wanted)
    elif source.kind == "hub":
        check_hub(task, source, wanted)


def languages_of(task: Task, split: Split) -> tuple[str, ...]:
    """The languages that a split is used in: no target sentence is ever trained on.

    A source language that is not evaluated has training data alone.
    """
    return task.sources if split == "train" else task.languages


def _require_possible(task: Task, source: Source, languages: Sequence[str]) -> None:
    """Refuses what could never be read, whatever the disk or the network holds."""
    allowed = _kinds(task)
    if source.kind not in allowed:
        hint = closest(source.kind, allowed)
        raise DataError(
            f'data.source: "{source.kind}" is not allowed for task "{task.name}"; {quoted(allowed)}.{hint}'
        )
    if source.kind == "folder" and not source.path:
        raise DataError(
            "data.path: missing; the folder to read from, with `data: {source: folder, path: ...}`."
        )
    for word, label in source.labels:
        if label is not None and label not in task.labels:
            hint = closest(label, task.labels)
            raise DataError(
                f'data.labels: "{word}" means "{label}", no label of the task; {quoted(task.labels)}.{hint}'
            )
    for language in languages:
        if language not in task.everywhere:
            hint = closest(language, task.languages)
            raise DataError(
                f'task "{task.name}" has no language "{language}"; {quoted(task.languages)}.{hint}'
            )


def _kinds(task: Task) -> tuple[str, ...]:
    """The kinds of source that a task can be read from; a folder always."""
    return ("folder",) + ("hub",) * (task.hub is not None) + ("embedded",) * task.embedded


def _read_embedded(task: Task, split: Split, language: str) -> Sentences:
    from xrt.mini import generate, topics  # here, so that reading files never pays for the generator

    examples = topics(split) if task.sentences == 1 else generate(split)
    if any(language not in example.sentences for example in examples):
        raise DataError(
            f'task "{task.name}": {split} has no "{language}"; its training data are in "{task.source}" only.'
        )
    columns = Columns(
        origin=f"{task.name} {split} {language}",
        place=lambda row: f"{task.name} {split}, example {examples[row].id}",
        first=[example.sentences[language][0] for example in examples],
        second=[example.sentences[language][1] for example in examples],
        labels=[task.labels[example.label] for example in examples],
        ids=[example.id for example in examples],
    )
    return sentences_of(task, language, columns)

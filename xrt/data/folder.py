"""Files on disk: in a folder in XTREME's layout or Google's, by a pattern, or one file for all.

XTREME: `{split}-{language}.tsv`. Google (PAWS-X): `{language}/{train,dev_2k,test_2k}.tsv`. A pattern is any path with
`{split}` and `{language}`, or with one of them, or with neither: then a column of the file says it. formats.py reads a
file, columns.py finds its columns.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xrt.data.columns import SPLIT_NAMES, Wanted, columns_of
from xrt.data.formats import SUFFIXES, Table, TextTable, file_problem, read_table
from xrt.data.problems import FileError, Found
from xrt.data.sentences import Sentences, Source, sentences_of
from xrt.data.tasks import SPLITS, Split, Task
from xrt.errors import DataError


def _xtreme(task: Task, split: Split, language: str, name: str) -> str:
    return f"{name}-{language}"


def _google(task: Task, split: Split, language: str, name: str) -> str:
    train = "train" if language == task.source else "translated_train"
    return f"{language}/{({'train': train, 'dev': 'dev_2k', 'test': 'test_2k'})[split]}"


Layout = Callable[[Task, Split, str, str], str]  # the last: how the study calls the split
LAYOUTS: dict[str, Layout] = {"XTREME's": _xtreme, "Google's": _google}
_ENDS = tuple(f"{suffix}{packed}" for suffix in SUFFIXES for packed in ("", ".gz"))


def read_folder(task: Task, source: Source, split: Split, language: str) -> Sentences:
    """One language of one split from the files of `source`."""
    found = _files(task, source, split)
    file = found.file(language)
    if problems := found.problems(file, language):
        raise FileError(problems)
    meanings = dict(source.labels)
    wanted = Wanted(
        language=language,
        split=split,
        columns=dict(source.columns),
        labels=frozenset((*task.labels, *meanings)),
        shared=found.all_languages,
        split_shared=found.all_splits,
        splits=split_names(source, split),
        sentences=task.sentences,
    )
    table = _kept(file, _stamp(file)) if found.all_languages else read_table(file)
    return sentences_of(task, language, columns_of(table, wanted), meanings)


def check_folder(task: Task, source: Source, wanted: Iterable[tuple[Split, str]]) -> None:
    """Whether every wanted (split, language) has a file that is not empty; all that are missing at once."""
    found = {split: _files(task, source, split) for split in SPLITS if source.path_of(split)}
    problems = [one for split, language in wanted for one in _missing(found.get(split), split, language)]
    if problems:
        raise FileError(problems)


def split_names(source: Source, split: Split) -> tuple[str, ...]:
    """What a split may be called in file names and columns: what the study says, else the usual names."""
    name = dict(source.splits).get(split)
    return SPLIT_NAMES[split] if name is None else (name,)


@dataclass(frozen=True)
class _Files:
    """The files of one split: which holds a language, and whether it holds other languages and splits too.

    Attributes:
        options: the paths that may hold a language, the likeliest first.
        remark: makes the end of a message about a missing file.
    """

    options: Callable[[str], Sequence[Path]]
    task: Task
    split: Split
    remark: Callable[[], str] = str
    all_languages: bool = False
    all_splits: bool = False

    def file(self, language: str) -> Path:
        """The first that exists, else the likeliest."""
        options = self.options(language)
        # Path.exists would raise for a name that is too long, instead of saying no.
        return next((path for path in options if os.path.exists(path)), options[0])

    def problems(self, file: Path, language: str) -> list[Found]:
        """At most one: what keeps the file from being read at all."""
        hint = ""
        if (
            self.split != "train"
            and language in self.task.sources
            and not os.path.exists(file)
            and not self.all_languages
        ):
            hint = f' If "{language}" is trained on only, leave it out of task.languages.'
        text = file_problem(file)
        return [Found(str(file), f"{text}{self.remark()}{hint}")] if text else []


def _missing(found: _Files | None, split: Split, language: str) -> list[Found]:
    if found is None:
        return [Found("data.path", _no_path(split))]
    return found.problems(found.file(language), language)


def _no_path(split: Split) -> str:
    return f"no path for {split}; data.path: {{{split}: …}}."


def _files(task: Task, source: Source, split: Split) -> _Files:
    path = source.path_of(split)
    if path is None:
        raise FileError([Found("data.path", _no_path(split))])
    place = Path(os.path.expanduser(path))  # Path's own raises for an account that there is not
    if "{" in path or "}" in path or os.path.isfile(place):
        return _pattern(task, source, split, str(place))
    return _layout(task, source, split, place)


def _pattern(task: Task, source: Source, split: Split, pattern: str) -> _Files:
    other = [part for part in re.findall(r"\{.*?\}|[{}]", pattern) if part not in ("{split}", "{language}")]
    if other:
        raise DataError(
            f'data.path: "{other[0]}" is not allowed in "{pattern}"; {{split}} and {{language}} are.'
        )

    def options(language: str) -> list[Path]:
        names = split_names(source, split)
        return [Path(pattern.replace("{split}", name).replace("{language}", language)) for name in names]

    own_path = isinstance(source.path, tuple)  # each split has its own
    several = len(task.everywhere) > 1
    alone = split == "train" and own_path and len(task.sources) == 1
    return _Files(
        options,
        task,
        split,
        all_languages=several and "{language}" not in pattern and not alone,
        all_splits="{split}" not in pattern and not own_path,
    )


def _layout(task: Task, source: Source, split: Split, folder: Path) -> _Files:
    """The layout of which most files are there; also one folder down, where the archives unpack."""
    if not os.path.isdir(folder):
        problem = "not a folder" if os.path.exists(folder) else "no such file or folder"
        raise DataError(
            f"{folder}: {problem}; data.path names a folder, a file, or files: data/{{split}}/{{language}}.tsv."
        )
    name_of = {one: dict(source.splits).get(one, one) for one in SPLITS}
    languages = task.everywhere
    best: tuple[Path, str] | None = None
    most = 0
    for root in (folder, folder / task.name, folder / "x-final"):
        present = _stems(root, languages)
        for name, layout in LAYOUTS.items():
            expected = {layout(task, one, language, name_of[one]) for one in SPLITS for language in languages}
            if len(expected & present) > most:
                best, most = (root, name), len(expected & present)
    if best is None:
        raise DataError(_nothing_found(task, folder))
    root, name = best

    def options(language: str) -> list[Path]:
        stem = LAYOUTS[name](task, split, language, name_of[split])
        return [root / f"{stem}{end}" for end in _ENDS]

    def remark() -> str:
        there = ", ".join(sorted(_languages(task, root, name, name_of)))
        return (
            f" The folder is in {name} layout and has files of {there}; task.languages says which are read."
        )

    return _Files(options, task, split, remark=remark)


def _languages(task: Task, root: Path, layout: str, name_of: Mapping[Split, str]) -> set[str]:
    """The languages of which a folder in this layout has files."""
    found = set[str]()
    for split in SPLITS:
        before, after = LAYOUTS[layout](task, split, "*", name_of[split]).split("*")
        for file in root.glob(f"{before}*{after}.*"):
            stems = _without_end(file.relative_to(root).as_posix())
            found |= {stem[len(before) :].removesuffix(after) for stem in stems}
    return found


def _stems(root: Path, languages: Sequence[str]) -> set[str]:
    """The names in the folder and in its language folders, without their ends: few calls, for slow shared disks."""
    if not root.is_dir():
        return set()
    try:
        names = set(os.listdir(root))
        inner = {
            f"{sub}/{name}"
            for sub in names & set(languages)
            if (root / sub).is_dir()
            for name in os.listdir(root / sub)
        }
    except OSError as error:
        raise DataError(f"{root}: cannot be listed ({error.strerror}); make it readable.") from error
    return {stem for name in names | inner for stem in _without_end(name)}


def _without_end(name: str) -> Iterator[str]:
    yield from (name.removesuffix(end) for end in _ENDS if name.endswith(end))


def _nothing_found(task: Task, folder: Path) -> str:
    expected = " or ".join(
        f"{layout(task, 'train', task.source, 'train')}.tsv, "
        f"{layout(task, 'dev', task.languages[0], 'dev')}.tsv, … ({name} layout)"
        for name, layout in LAYOUTS.items()
    )
    there = sorted(os.listdir(folder))
    holds = _listed(there) if there else "nothing"
    return (
        f'{folder}: no files of task "{task.name}"; expected {expected}, or say how they are called, such as '
        f"data.path: {folder}/{{split}}.{{language}}.tsv; the folder holds {holds}."
    )


def _listed(names: Sequence[str]) -> str:
    """The first names, and whether there are more."""
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _stamp(file: Path) -> tuple[int, int]:
    about = file.stat()
    return about.st_mtime_ns, about.st_size


@lru_cache(maxsize=1)
def _kept(file: Path, stamp: tuple[int, int]) -> Table | TextTable:
    """A file that holds many languages is read once, not once a language."""
    return read_table(file)

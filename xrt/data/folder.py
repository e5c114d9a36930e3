"""TSV files in a folder, in XTREME's layout or in Google's, whichever is found there.

XTREME: `{split}-{language}.tsv`, no header. Google (PAWS-X): `{language}/{train,dev_2k,test_2k}.tsv` with a
header and ids. In either, a file that opens with a header is read by it, any other as sentence 1, sentence 2
and, unless its rows have two cells, the label. UTF-8, one row a line, tabs between cells; a `"` is text.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xrt.data.sentences import SPLITS, Columns, Sentences, Split, sentences_of, shortened
from xrt.data.tasks import Task
from xrt.errors import DataError


def _xtreme(task: Task, split: Split, language: str) -> str:
    return f"{split}-{language}.tsv"


def _google(task: Task, split: Split, language: str) -> str:
    train = "train" if language == task.source else "translated_train"
    return f"{language}/{({'train': train, 'dev': 'dev_2k', 'test': 'test_2k'})[split]}.tsv"


Layout = Callable[[Task, Split, str], str]
LAYOUTS: dict[str, Layout] = {"XTREME's": _xtreme, "Google's": _google}


def read_folder(task: Task, path: str, split: Split, language: str) -> Sentences:
    """One language of one split from the folder `path`."""
    file = _find_layout(task, path).file(split, language)
    return sentences_of(task, language, read_tsv(file))


def check_folder(task: Task, path: str, wanted: Iterable[tuple[Split, str]]) -> None:
    """Whether every wanted (split, language) has a file that is not empty; all that are missing at once."""
    found = _find_layout(task, path)
    problems = [
        problem for split, language in wanted for problem in _file_problems(found.file(split, language))
    ]
    if problems:
        raise DataError([f"{problem} The folder is in {found.name} layout." for problem in problems])


@dataclass(frozen=True)
class _Found:
    """A task's files: the folder that holds them, and how they are named there."""

    task: Task
    root: Path
    name: str

    def file(self, split: Split, language: str) -> Path:
        return self.root / LAYOUTS[self.name](self.task, split, language)


def _find_layout(task: Task, path: str) -> _Found:
    """The layout of which most files are there; also one folder down, where the archives unpack."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; data.path names the folder with the TSV files.")
    best, most = None, 0
    for root in (folder, folder / task.name, folder / "x-final"):
        present = _listing(root, task.languages)
        for name, layout in LAYOUTS.items():
            expected = {layout(task, split, language) for split in SPLITS for language in task.languages}
            if len(expected & present) > most:
                best, most = _Found(task, root, name), len(expected & present)
    if best is None:
        raise DataError(_nothing_found(task, folder))
    return best


def _listing(root: Path, languages: Sequence[str]) -> set[str]:
    """The names in the folder and in its language folders: few calls, for folders on slow shared disks."""
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
    return names | inner


def _nothing_found(task: Task, folder: Path) -> str:
    expected = " or ".join(
        f"{layout(task, 'train', task.source)}, {layout(task, 'dev', task.source)}, … ({name} layout)"
        for name, layout in LAYOUTS.items()
    )
    there = sorted(os.listdir(folder))
    holds = ", ".join(there[:5]) + (", …" if len(there) > 5 else "") if there else "nothing"
    return f'{folder}: no files of task "{task.name}"; expected {expected}; the folder holds {holds}.'


def _file_problems(file: Path) -> list[str]:
    """At most one line: what keeps `file` from being read at all."""
    if file.is_dir():
        return [f"{file}: a folder; a TSV file is expected."]
    if not file.exists():
        return [f"{file}: missing."]
    if not os.access(file, os.R_OK):
        return [f"{file}: not readable; change its permissions."]
    return [f"{file}: empty; a row for each example is expected."] if file.stat().st_size == 0 else []


def read_tsv(file: Path) -> Columns:
    """The columns of a TSV file.

    Raises:
        DataError: missing, empty, not UTF-8, or rows with the wrong number of columns (each with its line).
    """
    rows = [line.split("\t") for line in _lines(file)]
    names, start = _header(rows[0])
    rows = rows[start:]
    if not rows:
        raise DataError(f"{file}, line 1: a header without rows; a row for each example is expected.")
    if not names:
        labelled = sum(len(row) == 2 for row in rows) * 2 <= len(
            rows
        )  # what most rows say; the others are wrong
        names = ["first", "second", "label"] if labelled else ["first", "second"]
    _require_width(file, rows, names, start)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return Columns(
        origin=str(file),
        place=lambda row: f"{file}, line {row + start + 1}",
        first=columns["first"],
        second=columns["second"],
        labels=columns.get("label"),
        ids=columns.get("id"),
    )


def _lines(file: Path) -> list[str]:
    problems = _file_problems(file)
    if problems:
        raise DataError(problems)
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); convert the file to UTF-8."
        ) from error
    # Not splitlines(): it would also break at characters that may stand inside a sentence (U+2028, U+0085).
    lines = [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
    if lines == [""]:
        raise DataError(f"{file}: empty; a row for each example is expected.")
    return lines


_HEADER = {
    "id": "id",
    "sentence1": "first",
    "premise": "first",
    "sentence2": "second",
    "hypothesis": "second",
    "label": "label",
}


def _header(cells: list[str]) -> tuple[list[str], int]:
    """The columns that the first line names and how many lines that takes; ([], 0) when it is a row."""
    names = [_HEADER.get(cell.strip().lower(), "") for cell in cells]
    is_header = {"first", "second"} <= set(names) and "" not in names and len(set(names)) == len(names)
    return (names, 1) if is_header else ([], 0)


def _require_width(file: Path, rows: list[list[str]], names: list[str], start: int) -> None:
    title = {"id": "id", "first": "sentence 1", "second": "sentence 2", "label": "label"}
    expected = f"{len(names)} are expected ({', '.join(title[name] for name in names)}), separated by tabs"
    problems = [
        f"{file}, line {number}: {len(row)} column{'s' * (len(row) != 1)}; {expected}."
        for number, row in enumerate(rows, start + 1)
        if len(row) != len(names)
    ]
    if problems:
        raise DataError(shortened(problems))

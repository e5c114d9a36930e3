"""What a task is: one value per data set of sentence pairs, and one table of those that ship.

A task knows its languages, its labels and where the hub keeps it. It does not know how files are read
(reading.py), nor what is trained on them. A new task is one entry in `TASKS`; a user's own data set is a
`Task` made from a study file, without `hub`, read from a folder.
"""

import re
from dataclasses import dataclass

from xrt.errors import SpecError, closest
from xrt.mini import LANGUAGES as MINI_LANGUAGES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # names become parts of file names and of metric names


@dataclass(frozen=True)
class Hub:
    """Where the Hugging Face hub keeps a task, and how its columns are called.

    Attributes:
        repo: the data set's repository.
        config: the configuration that holds a language; `{language}` stands for its code. A configuration
            that holds every language has columns of translations, from which one language is picked.
        id: the column by which languages align; None where they align by row.
    """

    repo: str
    config: str = "{language}"
    first: str = "sentence1"
    second: str = "sentence2"
    label: str = "label"
    id: str | None = None


@dataclass(frozen=True)
class Task:
    """A sentence-pair classification data set in several languages, with aligned examples.

    Attributes:
        labels: the label words as they stand in files; a label's number is its place here.
        source: the language trained on; all others are targets.
        embedded: whether the examples come with the package (`mini`).

    Raises:
        SpecError: for a name, languages, labels or source that cannot be a task, every problem at once.
    """

    name: str
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    source: str = "en"
    hub: Hub | None = None
    embedded: bool = False

    def __post_init__(self) -> None:
        problems = _name_problems("name", (self.name,)) + _name_problems("languages", self.languages)
        problems += _set_problems("languages", self.languages, least=1)
        problems += _set_problems("labels", self.labels, least=2)
        problems += [
            f"task.labels: {label!r} is not allowed; a word without tabs or spaces at its ends."
            for label in self.labels
            if not label or label != label.strip() or re.search(r"[\t\r\n]", label)
        ]
        if self.languages and self.source not in self.languages:
            allowed = f"one of {quoted(self.languages)}.{closest(self.source, self.languages)}"
            problems.append(f'task.source: "{self.source}" is not allowed; {allowed}')
        if problems:
            raise SpecError(problems)

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages that are evaluated and never trained on."""
        return tuple(language for language in self.languages if language != self.source)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All ordered pairs (language of sentence 1, of sentence 2), the diagonal included."""
        return tuple((a, b) for a in self.languages for b in self.languages)


def quoted(words: tuple[str, ...]) -> str:
    """The words as a message shows them: "en", "de"."""
    return ", ".join(f'"{word}"' for word in words)


def task_named(name: str) -> Task:
    """The task of that name in `TASKS`.

    Raises:
        SpecError: when there is none; says which there are.
    """
    if name not in TASKS:
        hint = closest(name, TASKS)
        raise SpecError(f'task: "{name}" is not known; one of {quoted(tuple(TASKS))}.{hint}')
    return TASKS[name]


def _name_problems(field: str, names: tuple[str, ...]) -> list[str]:
    """One line for each name that could not be part of a file name."""
    rule = 'letters, digits, "-" and "_", a letter or digit first'
    return [f'task.{field}: "{name}" is not allowed; {rule}.' for name in names if not _NAME.fullmatch(name)]


def _set_problems(field: str, words: tuple[str, ...], least: int) -> list[str]:
    """One line when there are too few words, one when a word stands twice."""
    problems = []
    if len(words) < least:
        problems.append(f"task.{field}: {len(words)} given; at least {least}.")
    twice = tuple(dict.fromkeys(word for word in words if words.count(word) > 1))
    if twice:
        problems.append(f"task.{field}: {quoted(twice)} given more than once; name each once.")
    return problems


PAWSX = Task(
    name="pawsx",
    languages=("en", "de", "es", "fr", "ja", "ko", "zh"),
    labels=("0", "1"),  # 1: the two sentences are paraphrases
    hub=Hub("google-research-datasets/paws-x", id="id"),
)
XNLI = Task(
    name="xnli",
    languages=("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=("entailment", "neutral", "contradiction"),
    hub=Hub("facebook/xnli", config="all_languages", first="premise", second="hypothesis"),
)
MINI = Task(name="mini", languages=tuple(MINI_LANGUAGES), labels=("0", "1"), embedded=True)

TASKS: dict[str, Task] = {task.name: task for task in (PAWSX, XNLI, MINI)}

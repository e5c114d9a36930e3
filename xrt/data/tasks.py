"""What a task is: one value per data set of sentence pairs or single sentences, and one table of those that ship.

A task knows its languages, its labels and where the hub keeps it. It does not know how files are read
(reading.py), nor what is trained on them. A new task is one entry in `TASKS`; a user's own data set is a
`Task` made from a study file, read from files or from the hub.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xrt.errors import SpecError, closest
from xrt.mini import LANGUAGES as MINI_LANGUAGES
from xrt.mini import TOPICS

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
Named = tuple[tuple[str, str | int], ...]  # (role, name or number of a column)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # names become parts of file names and of metric names
MOST_LABELS = 1000  # a head of more is another kind of task, and predictions are recorded as 16-bit numbers
MOST_LANGUAGES = 100  # 10,000 pairs


@dataclass(frozen=True)
class Hub:
    """Where the Hugging Face hub keeps a task, and how its columns are called.

    Attributes:
        repo: the data set's repository; `{language}` stands for a language's code where each has its own.
        config: the configuration that holds a language, likewise; None: the repository's only one. A
            configuration that holds every language has a column of languages, a column for each, or columns of
            translations, from which one language is picked.
        columns: (role, name); roles that are not named here are found by the usual names.
        splits: (split, its name there) where that is neither train, validation nor test.
    """

    repo: str
    config: str | None = "{language}"
    columns: Named = ()
    splits: tuple[tuple[Split, str], ...] = ()


@dataclass(frozen=True)
class Task:
    """A text classification data set in several languages: of aligned sentence pairs, or of single sentences.

    Attributes:
        languages: those that are evaluated.
        labels: the label words as they stand in files; a label's number is its place here.
        sources: the languages trained on; all others are targets. One that is not among the languages has training
            data alone: no dev, no test.
        sentences: of an example. Single sentences make no mixed pairs.
        embedded: whether the examples come with the package (`mini`, `mini-topics`).

    Raises:
        SpecError: for a name, languages, labels or source that cannot be a task, every problem at once.
    """

    name: str
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...] = ("en",)
    hub: Hub | None = None
    embedded: bool = False
    sentences: Literal[1, 2] = 2

    def __post_init__(self) -> None:
        problems = _name_problems("name", (self.name,)) + _name_problems("languages", self.languages)
        problems += _name_problems("source", tuple(s for s in self.sources if s not in self.languages))
        problems += _set_problems("languages", self.languages, least=1, most=MOST_LANGUAGES)
        problems += _set_problems("source", self.sources, least=1, most=MOST_LANGUAGES)
        problems += _set_problems("labels", self.labels, least=2, most=MOST_LABELS)
        problems += _alike(self.everywhere)
        problems += [
            f"task.labels: {label!r} is not allowed; a word without tabs or spaces at its ends."
            for label in self.labels
            if not label or label != label.strip() or re.search(r"[\t\r\n]", label)
        ]
        if problems:
            raise SpecError(problems)

    @property
    def source(self) -> str:
        """The first of the sources: the language that the others are compared with, where one is needed for that."""
        return self.sources[0]

    @property
    def everywhere(self) -> tuple[str, ...]:
        """All languages, those that are only trained on included."""
        return tuple(dict.fromkeys((*self.languages, *self.sources)))

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages that are evaluated and never trained on."""
        return tuple(language for language in self.languages if language not in self.sources)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All ordered pairs (language of sentence 1, of sentence 2); of single sentences the diagonal alone."""
        return tuple((a, b) for a in self.languages for b in self.languages if a == b or self.sentences == 2)


def quoted(words: Sequence[str]) -> str:
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


def _set_problems(field: str, words: tuple[str, ...], least: int, most: int) -> list[str]:
    """One line when there are too few or too many words, one when a word stands twice."""
    problems = []
    if len(words) < least:
        problems.append(f"task.{field}: {len(words)} given; at least {least}.")
    if len(words) > most:
        problems.append(f"task.{field}: {len(words)} given; at most {most}.")
    twice = tuple(dict.fromkeys(word for word in words if words.count(word) > 1))
    if twice:
        problems.append(f"task.{field}: {quoted(twice)} given more than once; name each once.")
    return problems


def _alike(languages: tuple[str, ...]) -> list[str]:
    """A line for each two languages, or pairs of languages, that files or metrics could not tell apart."""
    written: dict[str, str] = {}
    problems = []
    for language in languages:
        before = written.setdefault(language.casefold().replace("_", "-"), language)
        if before != language:
            problems.append(
                f"task.languages: {quoted((before, language))} are too alike; name them further apart."
            )
    pairs: dict[str, tuple[str, str]] = {}
    for a in languages if not problems else ():
        for b in languages:
            before_pair = pairs.setdefault(f"{a}-{b}".casefold(), (a, b))
            if before_pair != (a, b):
                both = f"the pairs ({before_pair[0]}, {before_pair[1]}) and ({a}, {b})"
                problems.append(
                    f'task.languages: {both} would both be recorded as "{a}-{b}"; use "_" in the codes.'
                )
    return problems


PAWSX = Task(
    name="pawsx",
    languages=("en", "de", "es", "fr", "ja", "ko", "zh"),
    labels=("0", "1"),  # 1: the two sentences are paraphrases
    hub=Hub("google-research-datasets/paws-x"),
)
XNLI = Task(
    name="xnli",
    languages=("en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=("entailment", "neutral", "contradiction"),
    hub=Hub("facebook/xnli", config="all_languages"),
)
MINI = Task(name="mini", languages=tuple(MINI_LANGUAGES), labels=("0", "1"), embedded=True)

MINI_TOPICS = Task("mini-topics", tuple(MINI_LANGUAGES), TOPICS, embedded=True, sentences=1)

TASKS: dict[str, Task] = {task.name: task for task in (PAWSX, XNLI, MINI, MINI_TOPICS)}

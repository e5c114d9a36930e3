"""Several source languages: each has its own training files; dev and test are as with one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xrt.data import Source, Task, check, load
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]
TASK = Task("two", ("en", "de", "fr"), ("no", "yes"), ("en", "de"))


def rows(language: str, count: int) -> str:
    return "".join(f"{language} a{i}\t{language} b{i}\t{('no', 'yes')[i % 2]}\n" for i in range(count))


def test_all_training_files_are_read_whatever_their_lengths_and_take_turns(
    folder: Path, write: Write
) -> None:
    write("train-en.tsv", rows("en", 5))
    write("train-de.tsv", rows("de", 3))
    train = load(TASK, Source("folder", str(folder)), "train")
    assert (train.languages, len(train)) == (("en", "de"), 8)
    taken = [
        (language, train.sentences(language).first[row])
        for language, row, _ in train.labelled(TASK.sources, None)
    ]
    assert [text for _, text in taken] == [
        "en a0",
        "de a0",
        "en a1",
        "de a1",
        "en a2",
        "de a2",
        "en a3",
        "en a4",
    ]
    assert [language for language, _, _ in train.labelled(TASK.sources, 4)] == ["en", "de", "en", "de"]
    assert [label for _, _, label in train.labelled(("de",), None)] == [0, 1, 0]


def test_the_training_file_of_each_source_must_be_there(folder: Path, write: Write) -> None:
    write("train-en.tsv", rows("en", 3))
    for language in TASK.languages:
        write(f"dev-{language}.tsv", rows(language, 3))
    with pytest.raises(DataError, match=r"train-de\.tsv"):
        check(TASK, Source("folder", str(folder)))


def test_translate_train_is_the_layout_of_paws_x(folder: Path, write: Write) -> None:
    write("en/train.tsv", rows("en", 3))
    write("de/translated_train.tsv", rows("de", 3))
    assert len(load(TASK, Source("folder", str(folder)), "train")) == 6


def test_a_training_file_of_all_sources_needs_a_column_that_says_which(folder: Path, write: Write) -> None:
    lines = [f"{a}\t{a} x{i}\t{a} y{i}\tno" for i in range(3) for a in ("en", "de")]
    write("train.tsv", "\n".join(["language\tsentence1\tsentence2\tlabel", *lines]) + "\n")
    train = load(TASK, Source("folder", (("train", f"{folder}/train.tsv"),)), "train")
    assert train.sentences("de").first[3:] == ("de x0", "de x1", "de x2") and len(train) == 6


def test_groups_join_examples_that_share_a_sentence_in_any_source(folder: Path, write: Write) -> None:
    texts = {
        "en": ["a\tb", "c\td", "e\tf", "NS\tNS"],
        "de": ["p\tq", "p\tr", "s\tt", "s\tu"],  # 0 and 1 share one, 2 and 3 another
        "fr": ["x\ty", "z\tv", "x\tw", "m\tn"],  # not a source: it joins nothing
    }
    for language, lines in texts.items():
        write(f"dev-{language}.tsv", "".join(f"{line}\tno\n" for line in lines))
    source = Source("folder", str(folder))
    assert load(TASK, source, "dev").groups.tolist() == [0, 0, 1, 1]
    alone = Task("one", TASK.languages, TASK.labels, ("en",))
    assert load(alone, source, "dev").groups.tolist() == [0, 1, 2, 3]

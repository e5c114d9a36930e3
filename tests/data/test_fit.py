from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xrt.data import Sentences, Source, Task, load
from xrt.data.fit import written_apart
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]
Row = tuple[str, str, str, str]  # id, sentence 1, sentence 2, label
HEADER = "id\tsentence1\tsentence2\tlabel\n"


@pytest.fixture
def three() -> Task:
    return Task("three", ("en", "de", "fr"), ("no", "yes"))


@pytest.fixture
def put(write: Write) -> Callable[[str, list[Row]], Path]:
    """Writes a language's dev file."""

    def written(language: str, rows: list[Row]) -> Path:
        return write(f"dev-{language}.tsv", HEADER + "".join("\t".join(row) + "\n" for row in rows))

    return written


def rows(language: str, ids: list[str], labels: list[str] | None = None) -> list[Row]:
    words = labels or ["no" if i % 2 else "yes" for i in range(len(ids))]
    return [
        (key, f"{language} a{key}", f"{language} b{key}", word) for key, word in zip(ids, words, strict=True)
    ]


def refusals(task: Task, folder: Path, **reading: str) -> list[str]:
    with pytest.raises(DataError) as refused:
        load(task, Source("folder", str(folder), **reading), "dev")  # type: ignore[arg-type]
    return [line.replace(f"{folder}/", "") for line in refused.value.problems]


@pytest.mark.parametrize(
    ("here", "count"),
    [
        (lambda i: f"{i:04d}", 999),  # of 2,000 zero-padded ids half are the same as without zeros
        (lambda i: f"de-{i}", 2000),
        (lambda i: f"DE_{i}", 2000),
        (lambda i: f"{i}.0", 2000),
        (lambda i: f"dev:{i}", 2000),
        (lambda i: f"de{i}", 2000),
    ],
)
def test_ids_that_differ_by_their_writing_show_both(
    two: Task, folder: Path, put: Callable[..., Path], here: Callable[[int], str], count: int
) -> None:
    put("en", rows("en", [str(i) for i in range(1, 2001)]))
    put("de", rows("de", [here(i) for i in range(1, 2001)]))
    assert refusals(two, folder) == [
        f'dev-de.tsv: ids are written differently from those in dev-en.tsv: "{here(1)}" here, "1" there '
        f"({count:,} of 2,000 ids); write them alike."
    ]


def test_ids_that_are_merely_missing_are_not_written_otherwise() -> None:
    one = Sentences("en", ("1", "2", "10"), ("a",) * 3, ("b",) * 3, (0, 1, 0), True)
    assert written_apart([one, replace(one, language="de", ids=("1", "20", "100"))], "en") == []


def test_languages_without_a_common_example_are_refused_with_their_ids(
    three: Task, folder: Path, put: Callable[..., Path]
) -> None:
    put("en", rows("en", ["a", "b", "c"]))
    put("fr", rows("fr", ["a", "b", "c"]))
    put("de", rows("de", ["x", "y", "z"]))
    assert refusals(three, folder) == [
        'dev: "de" has no example in common with any other language (its ids begin "x", "y", those of "en" "a", "b"); '
        "write ids alike."
    ]


def test_a_pair_of_partly_aligned_languages_without_a_common_example_is_refused(
    three: Task, folder: Path, put: Callable[..., Path]
) -> None:
    put("en", rows("en", list("abcdef")))
    put("de", rows("de", list("abc")))
    put("fr", rows("fr", list("def"), ["no", "yes", "no"]))
    assert refusals(three, folder) == [
        'dev: "de" and "fr" have no example in common, so the pair cannot be evaluated; take one of them out of '
        "task.languages."
    ]


def test_two_languages_without_a_common_example_are_one_line(
    two: Task, folder: Path, put: Callable[..., Path]
) -> None:
    put("en", rows("en", list("abc")))
    put("de", rows("de", list("xyz")))
    assert len(refusals(two, folder)) == 1


def test_a_language_of_which_every_row_lacks_a_sentence_is_refused(
    two: Task, folder: Path, put: Callable[..., Path]
) -> None:
    put("en", rows("en", list("abc")))
    put("de", [(key, "NS", "b", "no") for key in "abc"])
    assert refusals(two, folder)[0] == 'dev: "de" has no example with both sentences, so nothing to evaluate.'


def shifted(language: str, count: int, by: int, seed: int = 0) -> list[Row]:
    """90 rows with the labels of the rows beside them."""
    words = np.random.default_rng(seed).permutation(["no", "yes"] * (count // 2)).tolist()
    return rows(language, [str(i) for i in range(count)], words[by:] + words[:by])


def test_a_file_that_is_shifted_by_a_row_is_refused_unless_one_insists(
    three: Task, folder: Path, put: Callable[..., Path]
) -> None:
    for language in ("en", "fr"):
        put(language, shifted(language, 90, 0))
    put("de", shifted("de", 90, 1))
    (problem,) = refusals(three, folder)
    assert problem.startswith("dev: labels differ from those of en in de (")
    assert problem.endswith(
        "of 90): are these the same examples, row by row? If so, set data.conflicts: allow."
    )
    insisted = load(three, Source("folder", str(folder), conflicts="allow"), "dev")
    (warning,) = insisted.warnings
    assert "labels differ from those of en in de" in warning
    assert insisted.drops["en", "de"].conflict > 30


def test_a_tenth_of_conflicts_is_a_warning_and_less_is_none(
    three: Task, folder: Path, put: Callable[..., Path]
) -> None:
    words = ["no"] * 100
    put("en", rows("en", [str(i) for i in range(100)], words))
    put("de", rows("de", [str(i) for i in range(100)], ["yes"] * 13 + words[13:]))
    put("fr", rows("fr", [str(i) for i in range(100)], ["yes"] * 10 + words[10:]))
    assert load(three, Source("folder", str(folder)), "dev").warnings == (
        "dev: labels differ from those of en in de (13%: 13 of 100); these examples are left out of mixed pairs.",
    )


def test_few_examples_in_common_are_a_warning(two: Task, folder: Path, put: Callable[..., Path]) -> None:
    put("en", rows("en", [str(i) for i in range(100)]))
    put("de", rows("de", [str(i) for i in range(80, 180)]))
    assert load(two, Source("folder", str(folder)), "dev").warnings == (
        "dev: de has only 20 examples in common with en, of 100.",
    )


def test_a_sample_is_of_examples_that_all_languages_have(
    three: Task, folder: Path, put: Callable[..., Path]
) -> None:
    for start, language in ((0, "en"), (40, "de"), (80, "fr")):
        put(language, rows(language, [str(i) for i in range(start, start + 200)]))
    aligned = load(three, Source("folder", str(folder)), "dev")
    sample = aligned.sample(20, 1)
    assert len(sample) == 20
    assert all(len(sample.pair(a, b).rows) == 20 for a, b in sample.pairs)
    with pytest.raises(DataError, match="only 120 examples of dev are there in all languages"):
        aligned.sample(150, 1)


def test_languages_apart_are_sampled_by_themselves(folder: Path, write: Write, three: Task) -> None:
    for language, count in (("en", 60), ("de", 60), ("fr", 45)):
        lines = [f"{language} a{i}\t{language} b{i}\t{('no', 'yes')[i % 2]}\n" for i in range(count)]
        write(f"dev-{language}.tsv", "".join(lines))
    aligned = load(three, Source("folder", str(folder), align="own"), "dev")
    assert (aligned.apart, aligned.drops["en", "de"].missing, aligned.drops["fr", "fr"].missing) == (
        ("fr",),
        0,
        0,
    )
    sample = aligned.sample(10, 0)
    assert {pair: len(sample.pair(*pair).rows) for pair in sample.pairs} == dict.fromkeys(aligned.pairs, 10)
    assert sorted(np.bincount(sample.pair("fr", "fr").labels)) == [5, 5]
    spread = aligned.spread(dict.fromkeys(aligned.pairs, 30), 0)
    assert [len(one.rows) for one in spread.values()] == [30] * 5

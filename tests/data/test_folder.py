import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from xrt.data import Source, Task, check, load, read
from xrt.data.tasks import PAWSX, XNLI
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]


def read_dev(task: Task, folder: Path, language: str = "en"):  # type: ignore[no-untyped-def]
    return read(task, Source("folder", str(folder)), "dev", language)


def test_rows_are_read_as_they_stand_quotes_and_line_separators_included(
    two: Task, folder: Path, write: Write
) -> None:
    write("dev-en.tsv", '"He said\tshe\u2028said ""no"\u0085\tyes\n\'a\t b \tno\n')
    found = read_dev(two, folder)
    assert found.first == ('"He said', "'a")
    assert found.second == ('she\u2028said ""no"\u0085', " b ")
    assert (found.labels, found.ids, found.has_ids) == ((1, 0), ("0", "1"), False)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", ""])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_any_line_end_change_nothing(
    two: Task, folder: Path, write: Write, mark: bytes, ending: str
) -> None:
    between = ending if ending.strip("\n") else "\n"
    write("dev-en.tsv", mark + f"one\ttwo\tno{between}three\tfour\tyes{ending}".encode())
    found = read_dev(two, folder)
    assert (found.first, found.second, found.labels) == (("one", "three"), ("two", "four"), (0, 1))


@pytest.mark.parametrize("missing", ["", " ", "\u3000", "NS", " NS "])
def test_a_missing_sentence_becomes_empty(two: Task, folder: Path, write: Write, missing: str) -> None:
    write("dev-en.tsv", f"{missing}\tNSA\tno\nNS.\t{missing}\tno\n")
    found = read_dev(two, folder)
    assert (found.first, found.second) == (("", "NS."), ("NSA", ""))


def test_a_header_gives_ids_and_the_order_of_columns(two: Task, folder: Path, write: Write) -> None:
    write("dev-en.tsv", "label\tid\tsentence2\tsentence1\nyes\t17\ttwo\tone\n")
    found = read_dev(two, folder)
    assert (found.ids, found.first, found.second, found.labels) == (("17",), ("one",), ("two",), (1,))
    assert found.has_ids


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_file_of_two_columns_has_no_labels(two: Task, folder: Path, write: Write, ending: str) -> None:
    write("test-en.tsv", f"a\tb{ending}c\td{ending}")
    found = read(two, Source("folder", str(folder)), "test", "en")
    assert (found.second, found.labels) == (("b", "d"), None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a\tb\tno\nc\td\n", "line 2: 2 columns; 3 are expected (sentence 1, sentence 2, label)"),
        ("a\tb\tno\nc\td\tyes\te\n", "line 2: 4 columns; 3 are expected"),
        ("a\tb\nc\td\ne\tf\tg\n", "line 3: 3 columns; 2 are expected"),
        ("a\tb\tno\n\nc\td\tyes\n", "line 2: 1 column; 3 are expected"),
        ("a,b,no\n", "line 1: 1 column; 3 are expected"),
        (
            "id\tsentence1\tsentence2\tlabel\n1\ta\tb\n",
            "line 2: 3 columns; 4 are expected (id, sentence1, sentence2, label)",
        ),
        ("a\tb\tno\nc\td\t\n", 'line 2: the label is missing; one of "no", "yes".'),
        (
            "a\tb\tno\nc\td\t1\n",
            'line 2: label "1" is not one of the task "two"; "no", "yes", or say what it means: data.labels: {"1": …}',
        ),
        ("a\tb\tno\nc\td\tyess\n", 'Did you mean "yes"?'),
        ("id\tsentence1\tsentence2\tlabel\n1\ta\tb\tno\n2\ta\tb\tmaybe\n", 'line 3: label "maybe"'),
        ("s1\ts2\tlabel\na\tb\tno\n", 'line 1: looks like a header ("s1", "s2", "label")'),
        ("", "empty"),
        ("\n\n", "empty"),
        ("id\tsentence1\tsentence2\tlabel\n", "line 1: a header without rows"),
        (b"a\tb\tno\nc\xe9\td\tno\n", "line 2: not UTF-8 (byte 0xe9)"),
        ("a\tb\tno\n".encode("utf-16"), "line 1: not UTF-8 (byte 0xff: it begins as UTF-16)"),
        (
            gzip.compress(b"a\tb\tno\n", mtime=0),
            "line 1: not UTF-8 (byte 0x1f: it begins as gzip data, whose name must end",
        ),
        (
            "a\tb\tno\n\ufeffc\td\tno\n".encode(),
            "line 2: a byte order mark (U+FEFF), as where files were joined",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_file_and_line(
    two: Task, folder: Path, write: Write, content: str | bytes, problem: str
) -> None:
    file = write("dev-en.tsv", content)
    with pytest.raises(DataError) as refused:
        read_dev(two, folder)
    (line,) = refused.value.problems
    assert line.startswith(str(file))
    assert problem in line


def test_a_file_that_is_wrong_throughout_prints_a_few_lines(two: Task, folder: Path, write: Write) -> None:
    write("dev-en.tsv", "a\tb\tmaybe\n" * 5000)
    with pytest.raises(DataError) as refused:
        read_dev(two, folder)
    (problem,) = refused.value.problems
    assert 'dev-en.tsv, line 1 and 4,999 more rows: label "maybe" is not one of' in problem


def test_many_things_that_are_wrong_print_ten_lines_and_how_many_more(
    two: Task, folder: Path, write: Write
) -> None:
    write("dev-en.tsv", "".join(f"a\tb\tmaybe{i}\n" for i in range(5000)))
    with pytest.raises(DataError) as refused:
        read_dev(two, folder)
    assert len(refused.value.problems) == 11
    assert refused.value.problems[-1] == "… and 4990 more of this kind."


def test_problems_of_all_languages_are_told_at_once(two: Task, folder: Path, write: Write) -> None:
    write("dev-en.tsv", "a\tb\tmaybe\n")
    write("dev-de.tsv", "a\tb\n")
    with pytest.raises(DataError) as refused:
        load(two, Source("folder", str(folder)), "dev")
    assert len(refused.value.problems) == 2
    assert "no labels" in refused.value.problems[1]


def test_label_words_may_change_places(folder: Path, write: Write) -> None:
    """As between MultiNLI's numbers and others: 2 for 0, 0 for 2."""
    write("dev-en.tsv", "a\tb\t0\nc\td\t1\ne\tf\t2\n")
    source = Source("folder", str(folder), labels=(("0", "2"), ("2", "0")))
    assert read(Task("nli", ("en",), ("0", "1", "2")), source, "dev", "en").labels == (2, 1, 0)


def google(write: Write, task: Task, root: str = "") -> None:
    header = "id\tsentence1\tsentence2\tlabel\n"
    for language in task.languages:
        train = "train" if language == task.source else "translated_train"
        for name in (train, "dev_2k", "test_2k"):
            write(f"{root}{language}/{name}.tsv", f"{header}5\t{language} {name} 1\tb\t0\n3\tc\td\t1\n")


@pytest.mark.parametrize("root", ["", "x-final/"])
def test_googles_layout_is_found_by_looking(folder: Path, write: Write, root: str) -> None:
    google(write, PAWSX, root)
    source = Source("folder", str(folder))
    check(PAWSX, source, ("train", "dev", "test"))
    assert read(PAWSX, source, "train", "en").first[0] == "en train 1"
    assert read(PAWSX, source, "train", "de").first[0] == "de translated_train 1"
    dev = load(PAWSX, source, "dev")
    assert (dev.ids, dev.sentences("ko").first[0]) == (("5", "3"), "ko dev_2k 1")


def test_multinlis_own_word_for_contradiction_is_refused_with_the_published_one(
    folder: Path, write: Write
) -> None:
    write("train-en.tsv", "premise\thypothesis\tlabel\na\tb\tcontradictory\n")
    with pytest.raises(DataError) as refused:
        read(XNLI, Source("folder", str(folder)), "train", "en")
    (problem,) = refused.value.problems
    assert problem.endswith(
        'train-en.tsv, line 2: label "contradictory" is not one of the task "xnli"; '
        '"entailment", "neutral", "contradiction", or say what it means: '
        'data.labels: {"contradictory": …}. Did you mean "contradiction"?'
    )


@pytest.mark.parametrize("root", ["", "xnli/"])
def test_xtremes_layout_is_found_by_looking(folder: Path, write: Write, root: str) -> None:
    for name in ["train-en", *(f"{split}-{a}" for split in ("dev", "test") for a in XNLI.languages)]:
        write(f"{root}{name}.tsv", "premise of a row\thypothesis\tcontradiction\r\nx\ty\tentailment\r\n")
    source = Source("folder", str(folder))
    check(XNLI, source, ("train", "dev", "test"))
    dev = load(XNLI, source, "dev")
    assert dev.labels.tolist() == [[2] * 15, [0] * 15]
    assert len(dev.drops) == 225


def test_all_missing_files_are_told_at_once(two: Task, folder: Path, write: Write) -> None:
    write("test-en.tsv", "a\tb\n")
    write("dev-de.tsv", "")
    (folder / "train-en.tsv").mkdir()
    with pytest.raises(DataError) as refused:
        check(two, Source("folder", str(folder)), ("train", "dev", "test"))
    problems = [problem.replace(f"{folder}/", "") for problem in refused.value.problems]
    expected = ["train-en.tsv: a folder", "dev-en.tsv: missing", "dev-de.tsv: empty", "test-de.tsv: missing"]
    assert [problem.startswith(begin) for problem, begin in zip(problems, expected, strict=True)] == [
        True
    ] * 4
    assert problems[1].endswith('If "en" is trained on only, leave it out of task.languages.')


def test_many_missing_files_are_one_line(folder: Path, write: Write) -> None:
    write("train-en.tsv", "a\tb\t0\n")
    with pytest.raises(DataError) as refused:
        check(PAWSX, Source("folder", str(folder)), ("train", "dev", "test"))
    english, others = (problem.replace(f"{folder}/", "") for problem in refused.value.problems)
    assert english.startswith("dev-en.tsv, test-en.tsv: missing.")
    assert others.startswith(
        "dev-de.tsv, dev-es.tsv, dev-fr.tsv, dev-ja.tsv, dev-ko.tsv and 7 more: missing."
    )
    assert "in XTREME's layout and has files of en; task.languages says which are read." in others


def test_a_missing_language_is_answered_with_those_that_are_there(folder: Path, write: Write) -> None:
    for name in ("en/train", "en/dev_2k", "de/dev_2k", "zh/test_2k"):
        write(f"{name}.tsv", "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n")
    with pytest.raises(DataError, match=r"in Google's layout and has files of de, en, zh; task\.languages"):
        check(PAWSX, Source("folder", str(folder)), ("train", "dev"))


def test_checking_before_a_study_needs_no_target_training_data(two: Task, folder: Path, write: Write) -> None:
    for name in ("train-en", "dev-en", "dev-de"):
        write(f"{name}.tsv", "a\tb\tno\n")
    check(two, Source("folder", str(folder)))


def test_a_folder_without_the_files_says_what_was_looked_for_and_what_is_there(
    two: Task, folder: Path, write: Write
) -> None:
    write("notes.txt", "hello")
    with pytest.raises(DataError) as refused:
        check(two, Source("folder", str(folder)))
    message = str(refused.value)
    assert "train-en.tsv, dev-en.tsv" in message and "en/train.tsv, en/dev_2k.tsv" in message
    assert message.endswith("the folder holds notes.txt.")


@pytest.mark.parametrize("path", ["nowhere", "~no-such-account/data", "x" * 300])
def test_a_path_that_is_not_there_is_refused(two: Task, path: str) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        check(two, Source("folder", path))
    with pytest.raises(DataError, match="missing"):
        check(two, Source("folder", f"{path}/{{split}}-{{language}}.tsv"))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (Source("hub"), '"hub" is not allowed for task "two"; "folder".'),
        (Source("embedded"), '"embedded" is not allowed'),
        (Source("foldr", "x"), 'Did you mean "folder"?'),  # type: ignore[arg-type]
        (Source("folder"), "data.path: missing"),
    ],
)
def test_a_source_that_the_task_lacks_is_refused(two: Task, source: Source, problem: str) -> None:
    with pytest.raises(DataError) as refused:
        check(two, source)
    assert problem in str(refused.value)


def test_an_unknown_language_is_refused_with_the_nearest_one(folder: Path) -> None:
    with pytest.raises(DataError, match=r'no language "eng"; .*Did you mean "en"\?'):
        read_dev(PAWSX, folder, "eng")

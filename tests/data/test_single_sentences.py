"""Examples of one sentence: the families that people have, made up in the real shape, and how they are aligned."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xrt.data import TASKS, Source, Task, load
from xrt.errors import DataError

Write = Callable[[str, str | bytes], Path]
TOPICS = Task("topics", ("en", "de"), ("sport", "art"), sentences=1)


def table(*rows: str) -> str:
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


def refused(task: Task, source: Source) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(task, source, "dev")
    return list(caught.value.problems)


def test_sib200_is_read_by_its_own_header(folder: Path, write: Write) -> None:
    for language in ("en", "de"):
        rows = [f"{i}|{('art', 'sport')[i % 2]}|{language} {i}" for i in range(6)]
        write(f"{language}/dev.tsv", table("index_id|category|text", *rows))
    found = load(TOPICS, Source("folder", f"{folder}/{{language}}/{{split}}.tsv"), "dev")
    assert found.sentences("de").first == tuple(f"de {i}" for i in range(6))
    assert found.pairs == (("en", "en"), ("de", "de")) == tuple(found.drops)
    assert found.pair("de", "de").labels.tolist() == [1, 0] * 3
    assert all(one.missing == one.conflict == 0 for one in found.drops.values())


def test_massive_is_one_file_a_locale_with_its_partitions(folder: Path, write: Write) -> None:
    task = Task("massive", ("en-US", "de-DE"), ("alarm_set", "play_music"), ("en-US",), sentences=1)
    for locale in task.languages:
        rows = [
            {"id": str(i), "locale": locale, "partition": part, "scenario": "x", "intent": task.labels[i % 2],
             "utt": f"{locale} {i}", "annot_utt": "x", "worker_id": "0"}
            for i, part in enumerate(("train", "train", "dev", "dev", "dev", "test"))
        ]  # fmt: skip
        write(f"{locale}.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    found = load(task, Source("folder", f"{folder}/{{language}}.jsonl"), "dev")
    assert found.ids == ("2", "3", "4") and found.sentences("de-DE").first[0] == "de-DE 2"


def test_reviews_that_are_other_ones_in_each_language_are_read_with_align_own(
    folder: Path, write: Write
) -> None:
    task = Task("marc", ("en", "de"), ("1", "5"), sentences=1)
    header = "review_id,product_id,reviewer_id,stars,review_body,review_title,language,product_category"
    for language, rows in (("en", 12), ("de", 8)):
        lines = [
            f'{language}_{i},p,r,{(1, 5)[i % 2]},"{language}, ""{i}""",title,{language},toy'
            for i in range(rows)
        ]
        write(f"dev/{language}.csv", "\n".join([header, *lines]) + "\n")
    path = f"{folder}/{{split}}/{{language}}.csv"
    assert "ids are written differently" in refused(task, Source("folder", path))[0]
    found = load(task, Source("folder", path, align="own"), "dev")
    assert (found.apart, len(found), len(set(found.groups.tolist()))) == (("en", "de"), 20, 20)
    assert found.sentences("de").first[-1] == 'de, "7"'
    few = found.sample(6, seed=0)
    assert [len(few.pair(a, a).rows) for a in few.languages] == [6, 6]


def test_a_column_of_ids_is_no_indonesian_sentence(folder: Path, write: Write) -> None:
    task = Task("tweets", ("en", "id"), ("sport", "art"), sentences=1)
    for language in task.languages:
        write(
            f"dev-{language}.tsv",
            table("tweet_id|text|label", f"1|{language} one|art", f"2|{language} two|sport"),
        )
    assert load(task, Source("folder", str(folder)), "dev").sentences("id").first == ("id one", "id two")
    write("dev.tsv", table("label|text_en|text_id", "art|one|satu", "sport|two|dua"))
    wide = load(task, Source("folder", f"{folder}/{{split}}.tsv"), "dev")
    assert wide.sentences("id").first == ("satu", "dua")


def test_without_a_header_a_row_is_the_sentence_and_its_label(folder: Path, write: Write) -> None:
    for language in ("en", "de"):
        write(f"dev-{language}.tsv", table(f"{language} one|art", f"{language} two|sport"))
        write(f"test-{language}.tsv", f"{language} one\n{language} two\n")
    assert load(TOPICS, Source("folder", str(folder)), "dev").sentences("en").first == ("en one", "en two")
    assert load(TOPICS, Source("folder", str(folder)), "test").unlabelled == ("en", "de")


def test_a_header_that_is_not_known_is_no_example(folder: Path, write: Write) -> None:
    for language in ("en", "de"):
        write(f"dev-{language}.tsv", table("satz|thema", "ein Satz hier|art", "noch ein Satz|sport"))
    line = refused(TOPICS, Source("folder", str(folder)))[0]
    assert 'looks like a header ("satz", "thema")' in line
    assert "data.columns: {first: satz, label: thema}" in line
    named = Source("folder", str(folder), columns=(("first", "satz"), ("label", "thema")))
    assert load(TOPICS, named, "dev").sentences("en").first == ("ein Satz hier", "noch ein Satz")


def test_one_sentence_where_a_pair_is_wanted_says_how_such_a_task_is_written(
    folder: Path, write: Write
) -> None:
    pairs = Task("topics", ("en", "de"), ("sport", "art"))
    for language in ("en", "de"):
        write(f"dev-{language}.csv", "text,topic\nhere it is,art\n")
    assert refused(pairs, Source("folder", str(folder)))[0].endswith(
        "An example of a single sentence is task.sentences: 1."
    )


def test_labels_that_differ_in_most_rows_are_refused_unless_languages_are_on_their_own(
    folder: Path, write: Write
) -> None:
    for language, shift in (("en", 0), ("de", 1)):
        rows = [f"{language} {i}|{('art', 'sport')[(i + shift) % 2]}" for i in range(20)]
        write(f"dev-{language}.tsv", table("text|topic", *rows))
    (line,) = refused(TOPICS, Source("folder", str(folder)))
    assert (
        "labels differ from those of en in de (100%: 20 of 20)" in line and "if not, data.align: own" in line
    )
    own = load(TOPICS, Source("folder", str(folder), align="own"), "dev")
    assert own.apart == ("en", "de") and len(own) == 40


def test_groups_are_of_examples_that_are_the_same_text(folder: Path, write: Write) -> None:
    for language in ("en", "de"):
        write(
            f"dev-{language}.tsv",
            table("text|topic", *(f"{language} {i // 2}|art" for i in range(5)), f"{language} 9|sport"),
        )
    assert load(TOPICS, Source("folder", str(folder)), "dev").groups.tolist() == [0, 0, 1, 1, 2, 3]


def test_mini_topics_are_the_sentences_of_mini_with_every_kind_as_often() -> None:
    task = TASKS["mini-topics"]
    for split in ("train", "dev", "test"):
        own = load(task, Source("embedded"), split)
        pairs = load(TASKS["mini"], Source("embedded"), split)
        assert own.sentences("en").first == pairs.sentences("en").first
        assert set(own.sentences("en").second) == {""}
        labels = own.pair("en", "en").labels.tolist()
        counts = [labels.count(k) for k in range(len(task.labels))]
        assert max(counts) - min(counts) <= 2 and len(counts) == 7
    assert [task.labels[k] for k in labels[:1]] == [own.ids[0].split("-")[1]]

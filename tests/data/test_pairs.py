import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from xrt.data import TASKS, Drops, Sentences, Source, Task, align, check, load, read
from xrt.errors import DataError

PAWSX = TASKS["pawsx"]


def column(language: str, rows: list[tuple[str, str, str, int]], ids: bool = True) -> Sentences:
    keys, first, second, labels = zip(*rows, strict=True)
    return Sentences(language, keys, first, second, labels, ids)


EN = column("en", [("a", "e1", "e2", 1), ("b", "e3", "e4", 0), ("c", "e5", "e6", 1), ("d", "e7", "e8", 0)])
DE = column("de", [("d", "d7", "d8", 1), ("a", "d1", "d2", 1), ("b", "", "d4", 0)])


def test_languages_align_by_id_whatever_their_order(two: Task) -> None:
    aligned = align(two, [EN, DE])
    assert aligned.ids == ("a", "b", "c", "d")
    assert aligned.sentences("de").first == ("d1", "", "", "d7")
    assert aligned.sentences("de").second == ("d2", "d4", "", "d8")
    assert aligned.labels.tolist() == [[1, 1], [0, 0], [1, -1], [0, 1]]


def test_a_pair_takes_sentence_1_from_one_language_and_sentence_2_from_the_other(two: Task) -> None:
    aligned = align(two, [EN, DE])
    pair = aligned.pair("en", "de")  # b stays: only its first German sentence is missing
    assert (pair.rows.tolist(), pair.labels.tolist()) == ([0, 1], [1, 0])
    assert aligned.pair("de", "en").rows.tolist() == [0]
    assert aligned.pair("en", "en").rows.tolist() == [0, 1, 2, 3]
    assert aligned.pair("de", "de").rows.tolist() == [0, 3]


def test_drops_count_what_each_pair_lost_and_why(two: Task) -> None:
    assert align(two, [EN, DE]).drops == {
        ("en", "en"): Drops(0, 0),
        ("en", "de"): Drops(missing=1, conflict=1),
        ("de", "en"): Drops(missing=2, conflict=1),
        ("de", "de"): Drops(missing=2, conflict=0),
    }


def test_an_example_that_the_source_lacks_serves_the_other_languages(two: Task) -> None:
    german = column("de", [("z", "d1", "d2", 1)])
    aligned = align(two, [EN, german])
    assert aligned.ids == ("a", "b", "c", "d", "z")
    assert aligned.pair("de", "de").rows.tolist() == [4]
    assert aligned.pair("en", "de").rows.tolist() == []


def test_without_ids_languages_of_different_length_are_not_aligned() -> None:
    rows = [(str(i), "a", "b", 0) for i in range(5)]
    columns = [column(a, rows[: 4 if a == "ko" else 5], ids=False) for a in PAWSX.languages]
    with pytest.raises(DataError) as refused:
        align(PAWSX, columns)
    (problem,) = refused.value.problems
    assert problem.startswith("ko: 4 rows, other languages of pawsx dev have 5; without ids")


def test_the_digest_follows_the_content_not_its_place(two: Task) -> None:
    moved = replace(DE, origin="elsewhere")
    changed = replace(DE, second=("d8", "d2", "D4"))
    assert align(two, [EN, DE]).digest == align(two, [EN, moved]).digest != align(two, [EN, changed]).digest


def test_languages_with_and_without_ids_are_not_aligned(two: Task) -> None:
    with pytest.raises(DataError, match="en: has ids, and other languages have none"):
        align(two, [EN, column("de", [("0", "a", "b", 0)] * 1, ids=False)])


def test_ids_that_stand_twice_are_refused_with_their_rows(two: Task) -> None:
    twice = column("de", [("a", "x", "y", 0), ("b", "x", "y", 0), ("a", "x", "y", 0)])
    with pytest.raises(DataError, match=r'de: id "a" occurs 2 times \(rows 1, 3\)'):
        align(two, [EN, twice])


def test_only_what_needs_missing_labels_is_refused(two: Task) -> None:
    unlabelled = Sentences("de", EN.ids, EN.first, EN.second, None, True)
    aligned = align(two, [EN, unlabelled], "test")
    assert len(aligned.pair("en", "en").rows) == 4
    assert aligned.drops["en", "de"] == Drops(0, 0)
    for a, b in [("en", "de"), ("de", "en"), ("de", "de")]:
        with pytest.raises(DataError, match="de: no labels, and test needs them"):
            aligned.pair(a, b)


def test_an_unknown_language_is_refused(two: Task) -> None:
    with pytest.raises(DataError, match='no language "fr"; "en", "de"'):
        align(two, [EN, DE]).pair("en", "fr")


def many(count: int, broken: set[int], share: float = 0.3) -> tuple[Sentences, Sentences]:
    """English and German; German lacks sentence 2 of the examples in `broken`."""
    label = [int(i < share * count) for i in range(count)]
    english = column("en", [(str(i), f"e{i}", f"f{i}", label[i]) for i in range(count)])
    german = [(str(i), f"d{i}", "" if i in broken else f"g{i}", label[i]) for i in range(count)]
    return english, column("de", german)


def test_a_sample_is_usable_in_all_pairs_and_keeps_the_shares_of_labels(two: Task) -> None:
    aligned = align(two, list(many(1000, broken=set(range(0, 1000, 7)))))
    sample = aligned.sample(100, seed=7)
    assert len(sample) == 100
    assert set(sample.drops.values()) == {Drops(0, 0)}
    assert abs(sample.labels[:, 0].sum() - 30) <= 1
    assert sample.ids == tuple(sorted(sample.ids, key=int))
    for row, key in enumerate(sample.ids):
        assert sample.sentences("de").first[row] == f"d{key}"


def test_a_sample_is_a_function_of_its_seed(two: Task) -> None:
    aligned = align(two, list(many(500, broken=set())))
    assert aligned.sample(50, 1).ids == aligned.sample(50, 1).ids
    assert aligned.sample(50, 1).ids != aligned.sample(50, 2).ids


def test_every_example_is_drawn_equally_often(two: Task) -> None:
    aligned = align(two, list(many(20, broken=set(), share=0.5)))
    drawn = np.bincount([int(key) for seed in range(2000) for key in aligned.sample(8, seed).ids])
    assert abs(drawn - 800).max() < 5 * np.sqrt(2000 * 0.4 * 0.6)


def test_a_sample_of_more_than_all_languages_have_is_refused(two: Task) -> None:
    aligned = align(two, list(many(100, broken=set(range(60)))))
    assert len(aligned.sample(40, 0)) == 40
    with pytest.raises(
        DataError, match=r"data.dev_rows: 50, and only 40 examples of dev .* at most 40, or null"
    ):
        aligned.sample(50, 0)


@pytest.mark.parametrize("count", [100, 101])
def test_a_sample_of_everything_is_everything(two: Task, count: int) -> None:
    aligned = align(two, list(many(100, broken={3})))
    assert aligned.sample(count, 0) is aligned


def test_a_spread_sample_asks_all_examples_equally_often_and_balances_every_pair(two: Task) -> None:
    aligned = align(two, list(many(40, broken=set())))
    counts = dict.fromkeys([("en", "de"), ("de", "en"), ("de", "de"), ("en", "en")], 30)
    spread = aligned.spread(counts, seed=3)
    assert np.bincount(np.concatenate([one.rows for one in spread.values()])).tolist() == [3] * 40
    for one in spread.values():
        assert len(set(one.rows.tolist())) == 30 and one.rows.tolist() == sorted(one.rows.tolist())
        assert one.labels.tolist() == aligned.labels[one.rows, 0].tolist()
        assert abs(one.labels.sum() - 9) <= 1  # 30 % are of label 1


def test_a_spread_sample_asks_an_examples_sentences_in_turn(two: Task) -> None:
    aligned = align(two, list(many(40, broken=set())))
    pairs = [("en", "de"), ("en", "en"), ("de", "en"), ("de", "de")]
    spread = aligned.spread(dict.fromkeys(pairs, 20), seed=3)
    assert len(set(np.concatenate([spread[pair].rows for pair in pairs[:2]]).tolist())) == 40
    # each example was asked once, with English first; now all with German first, and the other second sentence
    assert set(spread["de", "en"].rows) == set(spread["en", "de"].rows)
    assert set(spread["de", "de"].rows) == set(spread["en", "en"].rows)


def test_a_spread_sample_is_a_function_of_its_seed(two: Task) -> None:
    aligned = align(two, list(many(100, broken=set())))
    first, again, other = (aligned.spread({("en", "de"): 20}, seed)["en", "de"].rows for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_spread_sample_takes_what_each_pair_can_use_and_no_more(two: Task) -> None:
    aligned = align(two, list(many(50, broken=set(range(0, 50, 2)))))
    spread = aligned.spread({("en", "de"): 20, ("de", "de"): 60, ("de", "en"): 50}, seed=0)
    assert len(spread["en", "de"].rows) == 20 and all(spread["en", "de"].rows % 2)
    assert spread["de", "de"].rows.tolist() == aligned.pair("de", "de").rows.tolist()
    assert spread["de", "en"].rows.tolist() == list(range(50))


COUNT = r"""
NR == FNR { first[FNR] = $1; label[FNR] = $3; next }
first[FNR] == "NS" || $2 == "NS" { missing++; next }
label[FNR] != $3 { conflict++ }
END { print missing + 0, conflict + 0 }
"""


@pytest.mark.parametrize("split", ["dev", "test"])
def test_drops_on_the_real_files_equal_an_independent_count(real_pawsx: Path, split: str) -> None:
    source = Source("folder", str(real_pawsx))
    check(PAWSX, source, ("train", "dev", "test"))
    drops = load(PAWSX, source, split).drops  # type: ignore[arg-type]
    for a, b in product(PAWSX.languages, repeat=2):
        files = [str(real_pawsx / f"{split}-{language}.tsv") for language in (a, b)]
        counted = subprocess.run(["awk", "-F\t", COUNT, *files], capture_output=True, text=True, check=True)
        assert counted.stdout.split() == [str(drops[a, b].missing), str(drops[a, b].conflict)], (a, b)
    assert sum(drop.missing for drop in drops.values()) > 0
    assert sum(drop.conflict for drop in drops.values()) > 0


BY_ID = r"""
FNR == 1 { next }
NR == FNR { label[$1] = $4; next }
label[$1] != $4 { conflict++ }
END { print conflict + 0 }
"""


def test_japanese_sick_was_annotated_anew_and_its_conflicts_are_dropped_and_counted(real_sick: Path) -> None:
    task = Task("sick", ("en", "nl", "pt", "ja"), ("entailment", "neutral", "contradiction"))
    found = {"train": 4439, "dev": 495, "test": 4906}
    for split, rows in found.items():
        columns = [read(task, Source("folder", str(real_sick)), split, a) for a in task.languages]  # type: ignore[arg-type]
        aligned = align(task, columns, "dev")
        files = [str(real_sick / f"{split}-{a}.tsv") for a in ("en", "ja")]
        counted = subprocess.run(["awk", "-F\t", BY_ID, *files], capture_output=True, text=True, check=True)
        conflicts = int(counted.stdout)
        assert 0.1 < conflicts / rows < 0.2
        assert {aligned.drops[a, "ja"].conflict for a in ("en", "nl", "pt")} == {conflicts}
        assert len(aligned.pair("ja", "en").rows) == rows - conflicts
        assert len(aligned.pair("ja", "ja").rows) == len(aligned.pair("en", "pt").rows) == rows
    warned = load(task, Source("folder", str(real_sick)), "dev").warnings
    assert len(warned) == 1 and "labels differ from those of en in ja (1" in warned[0]


def test_the_real_training_data_have_1400_rows_and_cells_that_begin_with_a_quote(real_pawsx: Path) -> None:
    train = load(PAWSX, Source("folder", str(real_pawsx)), "train")
    assert (len(train), train.languages) == (1400, ("en",))
    begins = subprocess.run(
        ["awk", "-F\t", '$1 ~ /^"/ { n++ } END { print n + 0 }', str(real_pawsx / "train-en.tsv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sum(s.startswith('"') for s in train.sentences("en").first) == int(begins.stdout)

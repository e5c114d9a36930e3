from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xrt.data import TASKS, Sentences, Source, Task, align, load
from xrt.data.groups import groups_of

TEXTS = st.lists(st.tuples(*[st.sampled_from(["", "a", "b", "c", "d", "e", "f", " a "])] * 2), max_size=12)


def by_hand(first: list[str], second: list[str]) -> list[int]:
    """Merges groups until none share a sentence: slow, and another way than the graph."""
    groups = [
        ({row}, {t.strip() for t in pair} - {""}) for row, pair in enumerate(zip(first, second, strict=True))
    ]
    while True:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a) if groups[a][1] & groups[b][1]]
        if not pairs:
            break
        a, b = pairs[0]
        groups[b] = (groups[b][0] | groups[a][0], groups[b][1] | groups[a][1])
        del groups[a]
    groups.sort(key=lambda group: min(group[0]))
    return [next(k for k, (rows, _) in enumerate(groups) if row in rows) for row in range(len(first))]


@given(TEXTS)
@settings(deadline=None)
def test_groups_are_what_merging_by_hand_gives(pairs: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert groups_of(first, second).tolist() == by_hand(first, second)


def test_three_hypotheses_of_a_premise_are_one_group() -> None:
    premises = [f"premise {i}" for i in range(4) for _ in range(3)]
    assert groups_of(premises, [f"h{i}" for i in range(12)]).tolist() == [
        i for i in range(4) for _ in range(3)
    ]


def test_examples_share_a_sentence_on_either_side_and_through_others() -> None:
    assert groups_of(["a", "b", "x", "c"], ["b", "c", "y", " x "]).tolist() == [0, 0, 0, 0]


def test_missing_sentences_join_nothing() -> None:
    assert groups_of(["", "", "a"], ["", "b", ""]).tolist() == [0, 1, 2]
    assert groups_of([], []).tolist() == []


def test_groups_follow_the_source_and_where_it_lacks_an_example_another_language(two: Task) -> None:
    english = Sentences("en", ("1", "2"), ("same", "same"), ("x", "y"), (0, 1), True)
    german = Sentences(
        "de", ("1", "2", "3", "4"), ("p", "q", "r", "r"), ("s", "t", "u", "v"), (0, 1, 0, 1), True
    )
    assert align(two, [german, english]).groups.tolist() == [0, 0, 1, 1]


def test_samples_keep_their_groups(two: Task) -> None:
    firsts = tuple(f"s{i // 3}" for i in range(90))
    ids, labels = tuple(map(str, range(90))), (0, 1) * 45
    aligned = align(two, [Sentences(a, ids, firsts, ids, labels, True) for a in ("en", "de")])
    sample = aligned.sample(40, 1)
    expected = np.unique([int(key) // 3 for key in sample.ids], return_inverse=True)[1]
    assert sample.groups.tolist() == expected.tolist()


def test_real_paws_rows_share_sentences(real_pawsx: Path) -> None:
    source = Source("folder", str(real_pawsx))
    sizes = {
        split: np.bincount(load(TASKS["pawsx"], source, split).groups) for split in ("train", "dev", "test")
    }
    for split, rows in {"train": 1400, "dev": 200, "test": 400}.items():
        assert sizes[split].sum() == rows and 1 < sizes[split].max() <= 7, split
        assert len(sizes[split]) < rows

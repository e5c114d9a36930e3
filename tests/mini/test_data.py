"""The generated data: balanced, leak-free, deterministic, and useless without word order."""

import re
import subprocess
import sys
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from xrt.mini import LANGUAGES, AlignedExample, generate
from xrt.mini.grammar import LEFT_OUT, SIZES, Split
from xrt.mini.meaning import KINDS

FUNCTION_WORDS = set(re.findall(r"\w+", "a an the it is was who to by from than compared with and as works"))
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
KEPT = set(KINDS) - {LEFT_OUT}


def kind_of(example: AlignedExample) -> str:
    return example.id.split("-")[1]


def texts(split: Split) -> set[str]:
    return {text for example in generate(split) for pair in example.sentences.values() for text in pair}


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_size_and_both_labels_equally_often(split: Split) -> None:
    labels = [example.label for example in generate(split)]
    assert len(labels) == pytest.approx(SIZES[split] * (1 - 1 / len(KINDS)), abs=1)
    assert sum(labels) * 2 == len(labels)


@pytest.mark.parametrize("split", SPLITS)
def test_every_kind_comes_with_both_labels_almost_equally_often(split: Split) -> None:
    counts = Counter((kind_of(example), example.label) for example in generate(split))
    assert {kind for kind, _ in counts} == KEPT
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("split", SPLITS)
def test_ids_are_unique_and_the_two_sentences_differ(split: Split) -> None:
    examples = generate(split)
    assert len({example.id for example in examples}) == len(examples)
    assert all(one != two for example in examples for one, two in example.sentences.values())


@pytest.mark.parametrize(
    ("split", "languages"), [("train", ("en",)), ("dev", LANGUAGES), ("test", LANGUAGES)]
)
def test_train_is_english_only_and_the_others_are_aligned_in_all_languages(
    split: Split, languages: tuple[str, ...]
) -> None:
    assert all(tuple(example.sentences) == languages for example in generate(split))
    assert all(all(pair) for example in generate(split) for pair in example.sentences.values())


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_no_sentence_is_in_two_splits(one: Split, other: Split) -> None:
    assert not texts(one) & texts(other)


def test_another_process_generates_the_same_examples() -> None:
    code = "from xrt.mini import generate; print(generate('dev'))"
    other = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True)
    assert other.stdout.decode().strip() == str(generate("dev"))


def test_pairs_of_both_labels_use_exactly_the_same_content_words() -> None:
    same: Counter[tuple[str, int]] = Counter()
    for example in generate("train"):
        one, two = (set(words(text)) - FUNCTION_WORDS for text in example.sentences["en"])
        same[kind_of(example), example.label] += one == two
    for kind in KEPT:
        assert same[kind, 0] > 10 and same[kind, 1] > 10, kind


def test_label_and_length_are_unrelated() -> None:
    for split in SPLITS:
        gaps: dict[int, list[int]] = {0: [], 1: []}
        for example in generate(split):
            one, two = example.sentences["en"]
            gaps[example.label].append(len(one.split()) - len(two.split()))
        assert abs(np.mean(np.abs(gaps[0])) - np.mean(np.abs(gaps[1]))) < 0.25


def pair_features(split: Split, vectorizer: CountVectorizer, combine: str) -> np.ndarray:
    pairs = [example.sentences["en"] for example in generate(split)]
    one, two = (vectorizer.transform([pair[side] for pair in pairs]).toarray() for side in (0, 1))
    parts = {"counts": [one, two], "overlap": [one, two, np.abs(one - two), np.minimum(one, two)]}
    return np.hstack(parts[combine])


def first_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())[:2]


@pytest.mark.parametrize("combine", ["counts", "overlap"])
@pytest.mark.parametrize("seen", ["all words", "first words"])
def test_a_classifier_without_word_order_is_within_three_points_of_chance(combine: str, seen: str) -> None:
    analyzer = first_words if seen == "first words" else "word"
    vectorizer = CountVectorizer(analyzer=analyzer)
    vectorizer.fit([text for example in generate("train") for text in example.sentences["en"]])
    model = LogisticRegression(C=0.1, max_iter=500)
    model.fit(pair_features("train", vectorizer, combine), [example.label for example in generate("train")])
    labels = [example.label for split in ("dev", "test") for example in generate(split)]
    features = np.vstack([pair_features(split, vectorizer, combine) for split in ("dev", "test")])
    assert abs(model.score(features, labels) - 0.5) < 0.03

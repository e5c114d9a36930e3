from dataclasses import replace

import numpy as np
import pytest
import torch

from xrt.data import Sentences, Task, align
from xrt.robust.evaluation import predict
from xrt.robust.predictions import NOT_EVALUATED, Predictions

LANGUAGES = ("en", "de", "fr")
TASK = Task("toy", LANGUAGES, ("no", "yes"))
PAIRS = (("en", "de"), ("de", "en"))
WORDS = [
    "Anna",
    "saw",
    "the",
    "small",
    "house",
    "Peter",
    "gave",
    "Maria",
    "a",
    "red",
    "book",
    "yesterday",
    "doctor",
    "met",
    "judge",
    "before",
    "storm",
]


def aligned(count: int = 12):
    """Sentences of 1 to 30 words; one is missing in German, one label differs in French."""
    columns = []
    for k, language in enumerate(LANGUAGES):
        draw = np.random.default_rng(k)
        sides = [
            [" ".join(draw.choice(WORDS, int(draw.integers(1, 31)))) for _ in range(count)] for _ in range(2)
        ]
        labels = [i % 2 for i in range(count)]
        if language == "de":
            sides[1][3] = ""
        if language == "fr":
            labels[5] = 0
        ids = tuple(map(str, range(count)))
        columns.append(
            Sentences(language, ids, tuple(sides[0]), tuple(sides[1]), tuple(labels), has_ids=True)
        )
    return align(TASK, columns)


@pytest.mark.parametrize("kind", ["bert", "xlmr", "distilbert", "modernbert"])
@pytest.mark.parametrize("max_tokens", [16, 64])
def test_the_matrix_equals_one_pair_at_a_time_without_padding(load, kind, max_tokens):
    encoder, split = load(kind), aligned()
    found = predict(encoder, split, TASK.pairs(), max_tokens).counts
    for a, b in TASK.pairs():
        correct = total = 0
        for i in range(12):
            if (b == "de" and i == 3) or ("fr" in (a, b) and i == 5 and a != b):
                continue
            first, second = split.sentences(a).first[i], split.sentences(b).second[i]
            encoded = encoder.tokenizer(
                first, second, truncation=True, max_length=max_tokens, return_tensors="pt"
            )
            with torch.inference_mode():
                answer = int(encoder.model(**encoded).logits.argmax())
            label = 0 if (a, b, i) == ("fr", "fr", 5) else i % 2
            correct, total = correct + (answer == label), total + 1
        assert found[a, b] == (correct, total), (a, b)


def made(predicted, labels, pairs=PAIRS, groups=None) -> Predictions:
    """Predictions by hand; every example is a group of its own unless said otherwise."""
    predicted, labels = np.array(predicted, np.int16), np.array(labels, np.int16)
    count = labels.shape[1]
    groups = np.arange(count) if groups is None else np.array(groups)
    return Predictions(("en",), pairs, tuple(map(str, range(count))), groups, predicted, labels)


def test_a_mean_weighs_its_cells_equally_however_many_examples_they_have():
    found = made([[0, 0, 0, 0], [0, 1, -1, -1]], [[0, 0, 0, 1], [0, 0, -1, -1]])
    assert found.counts == {("en", "de"): (3, 4), ("de", "en"): (1, 2)}
    assert found.mean([0, 1]) == pytest.approx((0.75 + 0.5) / 2) and found.mean([1]) == 0.5


def test_a_cell_without_examples_is_no_number_and_makes_its_mean_none():
    found = made([[-1, -1], [0, 1]], [[-1, -1], [0, 0]])
    assert np.isnan(found.accuracies[0]) and np.isnan(found.mean([0, 1])) and found.mean([1]) == 0.5
    assert np.isnan(found.mean([]))


def test_a_constant_predictor_is_seen_by_the_share_of_its_commonest_prediction():
    constant = made([[1, 1, 1], [1, 1, -1]], [[1, 1, 0], [0, 1, -1]])
    assert constant.commonest() == (0.6, 1.0)
    assert np.isnan(made([[-1], [-1]], [[-1], [-1]]).commonest()).all()


def test_a_constant_reaches_by_a_mean_what_its_cells_have_of_one_label_and_not_their_pooled_share():
    found = made([[1, 1, 1, 1], [1, 1, -1, -1]], [[1, 1, 1, 0], [0, 1, -1, -1]])
    assert found.constant([0]) == 0.75 and found.constant([1]) == 0.5
    assert found.constant([0, 1]) == found.mean([0, 1]) == 0.625 and found.commonest()[0] == pytest.approx(
        4 / 6
    )
    assert np.isnan(found.constant([])) and np.isnan(made([[-1], [-1]], [[-1], [-1]]).constant([0]))


@pytest.mark.parametrize("sampled", [False, True])
def test_predictions_survive_their_file(load, tmp_path, sampled):
    wanted = aligned().spread(dict.fromkeys(TASK.pairs(), 5), 0) if sampled else TASK.pairs()
    predictions = predict(load("bert"), aligned(), wanted, 32)
    predictions.save(tmp_path / "p.arrow")
    again = Predictions.open(tmp_path / "p.arrow")
    assert (again.sources, again.pairs, again.ids) == (("en",), TASK.pairs(), predictions.ids)
    assert np.array_equal(again.predicted, predictions.predicted)
    assert np.array_equal(again.labels, predictions.labels)
    assert np.array_equal(again.groups, predictions.groups) and again.comparable(predictions)


def test_a_thousand_labels_are_counted_right_and_come_back_from_their_file(tmp_path):
    labels = np.arange(1000)[None, :].repeat(2, 0)
    wrong = labels.copy()
    wrong[1, ::4] = (wrong[1, ::4] + 256) % 1000  # what is alike in eight bits is another label
    made(wrong, labels).save(tmp_path / "p.arrow")
    found = Predictions.open(tmp_path / "p.arrow")
    assert found.counts == {("en", "de"): (1000, 1000), ("de", "en"): (750, 1000)}
    assert found.by_group([0])[0].sum() == 1000 and found.labels.max() == 999


def test_predictions_of_several_sources_say_which(tmp_path):
    two = replace(made([[0], [1]], [[0], [0]]), sources=("en", "zh-Hant"))
    two.save(tmp_path / "p.arrow")
    assert Predictions.open(tmp_path / "p.arrow").sources == ("en", "zh-Hant")


def test_languages_whose_codes_have_a_hyphen_survive_the_file_too(tmp_path):
    pairs = (("en", "zh-Hant"), ("zh-Hant", "en"))
    predicted = np.array([[0, 1, -1], [1, 1, 0]])
    made(predicted, np.abs(predicted) * predicted, pairs).save(tmp_path / "p.arrow")
    assert Predictions.open(tmp_path / "p.arrow").pairs == pairs


def test_the_file_of_225_pairs_takes_less_than_a_fifth_of_its_predictions_and_labels(tmp_path):
    languages = [f"l{i}" for i in range(15)]
    rng, pairs = np.random.default_rng(0), tuple((a, b) for a in languages for b in languages)
    labels = np.tile(rng.integers(0, 3, 1000).astype(np.int8), (225, 1))
    predicted = np.where(rng.random(labels.shape) < 0.8, labels, (labels + 1) % 3).astype(np.int8)
    file = tmp_path / "p.arrow"
    found = made(predicted, labels, pairs)
    found.save(file)
    assert file.stat().st_size < (found.predicted.nbytes + found.labels.nbytes) / 5


def test_progress_counts_every_example_once(load):
    told = []
    predict(load("bert"), aligned(), TASK.pairs(), 32, lambda done, total: told.append((done, total)))
    # every pair but those with a German second sentence has all rows; French disagrees in four of its cells
    assert told[-1] == (9 * 12 - 3 - 4, 9 * 12 - 3 - 4)


def test_a_sample_is_the_same_whether_evaluated_alone_or_cut_out_of_the_whole(load):
    encoder, split = load("bert"), aligned()
    wanted = split.spread(dict.fromkeys(TASK.pairs(), 5), seed=1)
    alone, cut = predict(encoder, split, wanted, 32), predict(encoder, split, TASK.pairs(), 32).only(wanted)
    assert np.array_equal(alone.predicted, cut.predicted[[cut.pairs.index(p) for p in alone.pairs]])
    assert np.array_equal(alone.labels, cut.labels[[cut.pairs.index(p) for p in alone.pairs]])
    assert (alone.labels != NOT_EVALUATED).sum(1).tolist() == [5] * 9


def test_the_standard_error_respects_which_pairs_evaluate_which_examples():
    """Cells with equal predictions count once; cells with examples of their own count for themselves."""
    n = 400
    right = np.arange(n) % 2
    alike = made([right, right], np.ones((2, n)))
    halves = np.ones((2, n))
    halves[0, : n // 2], halves[1, n // 2 :] = NOT_EVALUATED, NOT_EVALUATED
    apart = made([right, right], halves)
    assert alike.error([0, 1], 2000) == pytest.approx(0.5 / n**0.5, rel=0.1)
    assert apart.error([0, 1], 2000) == pytest.approx(0.5 / n**0.5, rel=0.1)
    assert np.isnan(apart.error([]))


def test_the_standard_error_is_over_groups_of_examples_that_share_a_sentence():
    n = 400
    right = np.repeat(np.arange(n // 4) % 2, 4)  # the four examples of a group share their fate
    alone, grouped = (
        made([right], np.ones((1, n)), PAIRS[:1], groups).error([0], 2000)
        for groups in (None, np.arange(n) // 4)
    )
    assert grouped == pytest.approx(2 * alone, rel=0.1)

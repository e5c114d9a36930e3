import math

import numpy as np
import pytest
import torch

from xrt.data import Sentences, Task, align
from xrt.robust.evaluation import NOT_ASKED, AccuracyMatrix, Predictions, predict

LANGUAGES = ("en", "de", "fr")
TASK = Task("toy", LANGUAGES, ("no", "yes"))
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
    found = predict(encoder, split, TASK.pairs(), max_tokens).matrix.counts
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


def test_means_are_those_of_the_design():
    counts = {("en", "en"): (9, 10), ("de", "de"): (8, 10), ("en", "de"): (6, 10), ("de", "en"): (1, 2)}
    matrix = AccuracyMatrix("en", counts)
    assert matrix.mean("languages") == pytest.approx(0.85)
    assert matrix.mean("targets") == pytest.approx(0.8)
    assert matrix.mean("mixed") == pytest.approx(0.55)
    assert matrix.mean("all") == pytest.approx(0.7)
    assert matrix.metrics("dev")["dev/pair/de-en"] == 0.5 and matrix.metrics("dev")["dev/acc/en"] == 0.9


def test_a_cell_without_examples_is_no_number_and_enters_no_mean():
    matrix = AccuracyMatrix("en", {("en", "en"): (9, 10), ("en", "de"): (0, 0), ("de", "en"): (1, 2)})
    assert math.isnan(matrix.accuracy(("en", "de"))) and matrix.mean("mixed") == 0.5


@pytest.mark.parametrize("sampled", [False, True])
def test_predictions_survive_their_file(load, tmp_path, sampled):
    asked = aligned().spread(dict.fromkeys(TASK.pairs(), 5), 0) if sampled else TASK.pairs()
    predictions = predict(load("bert"), aligned(), asked, 32)
    predictions.save(tmp_path / "p.arrow")
    again = Predictions.open(tmp_path / "p.arrow")
    assert (again.source, again.pairs, again.ids) == ("en", TASK.pairs(), predictions.ids)
    assert np.array_equal(again.predicted, predictions.predicted)
    assert np.array_equal(again.labels, predictions.labels)


def test_languages_whose_codes_have_a_hyphen_survive_the_file_too(tmp_path):
    pairs = (("en", "zh-Hant"), ("zh-Hant", "en"))
    answers = np.array([[0, 1, -1], [1, 1, 0]], np.int8)
    Predictions("en", pairs, ("a", "b", "c"), answers, np.abs(answers) * answers).save(tmp_path / "p.arrow")
    assert Predictions.open(tmp_path / "p.arrow").pairs == pairs


def test_the_file_of_225_pairs_takes_less_than_a_third_of_its_answers_and_labels(tmp_path):
    languages = [f"l{i}" for i in range(15)]
    rng, pairs = np.random.default_rng(0), tuple((a, b) for a in languages for b in languages)
    labels = np.tile(rng.integers(0, 3, 1000).astype(np.int8), (225, 1))
    answers = np.where(rng.random(labels.shape) < 0.8, labels, (labels + 1) % 3).astype(np.int8)
    file = tmp_path / "p.arrow"
    Predictions("l0", pairs, tuple(map(str, range(1000))), answers, labels).save(file)
    assert file.stat().st_size < (answers.nbytes + labels.nbytes) / 3


def test_progress_counts_every_example_once(load):
    told = []
    predict(load("bert"), aligned(), TASK.pairs(), 32, lambda done, total: told.append((done, total)))
    # every pair but those with a German second sentence has all rows; French disagrees in four of its cells
    assert told[-1] == (9 * 12 - 3 - 4, 9 * 12 - 3 - 4)


def test_a_sample_is_the_same_whether_asked_alone_or_cut_out_of_the_whole(load):
    encoder, split = load("bert"), aligned()
    asked = split.spread(dict.fromkeys(TASK.pairs(), 5), seed=1)
    alone, cut = predict(encoder, split, asked, 32), predict(encoder, split, TASK.pairs(), 32).only(asked)
    assert np.array_equal(alone.predicted, cut.predicted[[cut.pairs.index(p) for p in alone.pairs]])
    assert np.array_equal(alone.labels, cut.labels[[cut.pairs.index(p) for p in alone.pairs]])
    assert (alone.labels != NOT_ASKED).sum(1).tolist() == [5] * 9


def test_the_standard_error_respects_which_pairs_asked_which_examples():
    """Cells with equal answers count once; cells with examples of their own count for themselves."""
    pairs, n = (("en", "de"), ("de", "en")), 400
    right = np.arange(n) % 2
    alike = Predictions(
        "en", pairs, tuple(map(str, range(n))), np.array([right, right], np.int8), np.ones((2, n), np.int8)
    )
    halves = np.ones((2, n), np.int8)
    halves[0, : n // 2], halves[1, n // 2 :] = NOT_ASKED, NOT_ASKED
    apart = Predictions("en", pairs, alike.ids, alike.predicted, halves)
    assert alike.errors("dev", 2000)["dev/se/mixed"] == pytest.approx(0.5 / n**0.5, rel=0.1)
    assert apart.errors("dev", 2000)["dev/se/mixed"] == pytest.approx(0.5 / n**0.5, rel=0.1)
    assert "dev/se/targets" not in apart.errors("dev")

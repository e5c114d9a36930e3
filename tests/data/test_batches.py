import itertools

import numpy as np
import pytest

from tests.robust.conftest import SENTENCES, tokenizer
from xrt.data.batches import FixedPairs, PairTemplate, SynonymPairs, TrainingStream, collate, epoch_batches
from xrt.data.synonyms import Neighbours, substitute
from xrt.data.tokens import tokenize, tokenize_cached, tokenizer_digest

FIRST, SECOND = ([pair[side] for pair in SENTENCES] * 10 for side in (0, 1))


def fixed(words):
    return FixedPairs(tokenize(words, FIRST), tokenize(words, SECOND), np.arange(40) % 2)


@pytest.mark.parametrize("bert_like", [True, False])
@pytest.mark.parametrize("max_tokens", [8, 9, 13, 20, 64])
def test_pairs_are_joined_and_cut_as_the_tokenizer_does_it(bert_like, max_tokens):
    words = tokenizer(bert_like)
    template = PairTemplate.of(words)
    for first, second in itertools.product(FIRST[:4], SECOND[:4]):
        whole = words(first, second, truncation=True, max_length=max_tokens)
        batch = collate(template, *([tokenize(words, [s])[0]] for s in (first, second)), [0], max_tokens)
        assert batch.input_ids[0].tolist() == whole["input_ids"]
        if bert_like:
            assert batch.token_type_ids[0].tolist() == whole["token_type_ids"]
        else:
            assert batch.token_type_ids is None


def test_padding_reaches_the_longest_pair_rounded_up():
    words = tokenizer(True)
    template, pairs = PairTemplate.of(words), fixed(words)
    sides = pairs.tokens(np.arange(4), 0)
    plain, rounded = (collate(template, *sides, [0] * 4, 64, multiple) for multiple in (1, 8))
    assert plain.input_ids.shape[1] == int(plain.attention_mask.sum(1).max())
    assert rounded.input_ids.shape[1] % 8 == 0
    assert (rounded.input_ids[rounded.attention_mask == 0] == words.pad_token_id).all()


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own():
    lengths = np.random.default_rng(0).integers(5, 60, 1003)
    epochs = [epoch_batches(lengths, 16, seed=1, epoch=e) for e in (0, 1)]
    for batches in epochs:
        assert sorted(np.concatenate(batches)) == list(range(1003))
        assert len(batches) == 63 and sorted(map(len, batches))[-2] == 16
    assert not np.array_equal(epochs[0][0], epochs[1][0])


def test_batches_hold_pairs_of_similar_length():
    lengths = np.random.default_rng(0).integers(5, 60, 1600)
    padded = sum(len(b) * lengths[b].max() for b in epoch_batches(lengths, 16, seed=1, epoch=0))
    assert padded < 1.1 * lengths.sum()


@pytest.mark.parametrize("step", [0, 1, 9, 10, 25])
def test_a_stream_continues_anywhere_as_if_it_had_never_stopped(step):
    words = tokenizer(True)
    stream = TrainingStream(fixed(words), PairTemplate.of(words), 4, 32, seed=3)
    whole = list(itertools.islice(stream(0), step + 3))
    for one, other in zip(whole[step:], stream(step), strict=False):
        assert one.input_ids.tolist() == other.input_ids.tolist()
        assert one.labels.tolist() == other.labels.tolist()


def test_synonyms_are_drawn_afresh_each_epoch_and_the_same_after_a_resumption():
    words = tokenizer(True)
    table = Neighbours.of({"house": ["book", "storm"], "saw": ["met"], "red": ["small"]})
    pairs = SynonymPairs(fixed(words), (FIRST, SECOND), table, words, seed=3)
    rows = np.arange(40)
    first, again, other = (pairs.tokens(rows, epoch)[0] for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    alone = pairs.tokens(rows[7:8], 0)[0]
    assert np.array_equal(alone[0], first[7]), "a row's draw does not depend on its batch"


def test_the_draws_of_a_pass_are_those_of_its_first_and_then_its_second_sentences_with_one_generator():
    words = tokenizer(True)
    table = Neighbours.of({"house": ["book", "storm"], "saw": ["met"], "red": ["small"]})
    drawn = SynonymPairs(fixed(words), (FIRST, SECOND), table, words, seed=3).tokens(np.arange(40), 5)
    rng = np.random.default_rng([3, 5])
    for texts, ours in zip((FIRST, SECOND), drawn, strict=True):
        expected = tokenize(words, [substitute(text, table, rng) for text in texts])
        assert all(np.array_equal(expected[i], ours[i]) for i in range(40))


def test_sentences_without_a_word_that_has_neighbours_stay():
    words = tokenizer(True)
    pairs = SynonymPairs(fixed(words), (FIRST, SECOND), Neighbours.of({"absent": ["away"]}), words, seed=3)
    first, second = pairs.tokens(np.arange(40), 0)
    assert all(np.array_equal(first[i], pairs.fixed.first[i]) for i in range(40))
    assert all(np.array_equal(second[i], pairs.fixed.second[i]) for i in range(40))


def test_synonyms_drawn_once_come_back_after_so_many_copies():
    words = tokenizer(True)
    table = Neighbours.of({"house": ["book", "storm"], "saw": ["met"], "red": ["small"]})
    once = SynonymPairs(fixed(words), (FIRST, SECOND), table, words, seed=3, copies=2)
    passes = [np.concatenate(once.tokens(np.arange(40), epoch)[0]).tolist() for epoch in range(5)]
    assert passes[0] == passes[2] == passes[4] != passes[1] == passes[3]


def test_the_cache_holds_the_same_tokens_and_is_mapped_not_copied(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = tokenizer(True)
    digest = tokenizer_digest(words)
    plain = tokenize(words, FIRST)
    for _ in range(2):
        cached = tokenize_cached(words, digest, FIRST)
        assert np.array_equal(cached.values, plain.values) and np.array_equal(cached.offsets, plain.offsets)
    assert len(list(tmp_path.rglob("*.arrow"))) == 1
    assert not cached.values.flags.owndata and not cached.values.flags.writeable


def test_another_tokenizer_or_other_sentences_have_another_cache_entry(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one, other = tokenizer(True), tokenizer(False)
    assert tokenizer_digest(one) != tokenizer_digest(other)
    tokenize_cached(one, tokenizer_digest(one), FIRST)
    tokenize_cached(one, tokenizer_digest(one), SECOND)
    tokenize_cached(other, tokenizer_digest(other), FIRST)
    assert len(list(tmp_path.rglob("*.arrow"))) == 3

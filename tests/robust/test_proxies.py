import numpy as np
import pytest
import torch

from tests.robust.conftest import batch_for
from tests.robust.test_evaluation import TASK, aligned
from xrt.data.synonyms import Neighbours
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import predict
from xrt.robust.proxies import Proxies

SYNONYMS = Neighbours.of({"small": ["red"], "doctor": ["judge"], "saw": ["met"]})


def own(split):
    return {("en", "en"): split.pair("en", "en")}


def test_without_noise_and_synonyms_the_proxies_are_plain_accuracy(load):
    encoder, split = load("xlmr"), aligned(60)
    plain = predict(encoder, split, [("en", "en")], 32)
    found = Proxies(0.0, Neighbours.of({}), 32).predictions(encoder, split, own(split))
    assert set(found) == {"noise", "synonyms"}
    for one in found.values():
        assert np.array_equal(one.predicted, plain.predicted) and np.array_equal(one.labels, plain.labels)


def test_without_a_table_there_are_no_synonyms(load):
    assert set(Proxies(1.0, None, 32).predictions(load("xlmr"), aligned(), own(aligned()))) == {"noise"}


@pytest.mark.parametrize("name", ["noise", "synonyms"])
def test_proxies_disturb_and_repeat_themselves_whatever_was_drawn_before(load, name):
    encoder, split = load("xlmr"), aligned(200)
    norm = encoder.site_norm(np.arange(encoder.model.config.vocab_size), [])
    score = Proxies(3 * norm, SYNONYMS, 32)
    first = score.predictions(encoder, split, own(split))[name]
    torch.rand(7)
    again = score.predictions(encoder, split, own(split))[name]
    assert np.array_equal(first.predicted, again.predicted)
    assert not np.array_equal(first.predicted, predict(encoder, split, [("en", "en")], 32).predicted)


def test_noise_is_at_the_words_whatever_the_site_of_the_trial(load):
    encoder, split = load("xlmr"), aligned(60)
    above = Encoder(encoder.model, encoder.tokenizer, 2)
    found = [Proxies(1.0, None, 32).predictions(e, split, own(split))["noise"] for e in (encoder, above)]
    assert np.array_equal(found[0].predicted, found[1].predicted)


def test_only_the_rows_that_are_wanted_are_predicted(load):
    split = aligned(40)
    sample = split.spread({("en", "en"): 15}, 0)
    found = Proxies(1.0, SYNONYMS, 32).predictions(load("xlmr"), split, sample)
    assert [one.counts["en", "en"][1] for one in found.values()] == [15, 15]


def test_of_several_votes_the_commonest_class_counts_and_of_equal_ones_the_more_probable(load):
    encoder = load("xlmr")
    norm = encoder.site_norm(np.arange(encoder.model.config.vocab_size), [])
    proxies = Proxies(norm, None, 32)
    batch = batch_for(encoder, 8)
    same, drawn = proxies.noisily(2.0, 1), []

    class Spied(Encoder):
        def logits(self, batch, states):
            drawn.append(super().logits(batch, states))
            return drawn[-1]

    voted = proxies.noisily(2.0, 4)(Spied(encoder.model, encoder.tokenizer), batch)
    assert len(drawn) == 4
    single = [same(encoder, batch) for _ in range(4)]
    assert all(torch.equal(one, logits.argmax(-1)) for one, logits in zip(single, drawn, strict=True))
    ones, probable = torch.stack(single).sum(0), torch.stack(drawn).softmax(-1).mean(0)[:, 1]
    assert (ones == 2).any() and (ones > 2).any(), "ties and majorities"
    expected = torch.where(ones == 2, (probable > 0.5).long(), (ones > 2).long())
    assert torch.equal(voted, expected)


def test_votes_without_noise_are_the_answer_itself(load):
    encoder, split = load("xlmr"), aligned(60)
    pairs = TASK.pairs()
    alone = predict(encoder, split, pairs, 32)
    voted = predict(encoder, split, pairs, 32, classify=Proxies(0.0, None, 32).noisily(1.0, 3))
    assert np.array_equal(alone.predicted, voted.predicted)

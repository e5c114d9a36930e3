"""Only the word embeddings in use are trained, and all weights are the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.robust.conftest import SENTENCES, batch_for
from tests.robust.test_training import RECIPE, equal, method, stream
from xrt.data.tokens import tokenize
from xrt.errors import RecordError
from xrt.robust import checkpoint
from xrt.robust.encoder import Encoder
from xrt.robust.keeping import Kept
from xrt.robust.training import Recipe, TrainingState, start, train

PIECES = 1001  # in the vocabulary; the sentences use a tenth
CLIPPED = replace(RECIPE, clip=0.1, learning_rate=1e-2)


@pytest.fixture
def wide(load):
    """An encoder with a vocabulary that its training data use a small part of."""

    def opened(kind: str = "bert", layer: int = 0, dropout: float = 0.1, seed: int = 1) -> Encoder:
        encoder = load(kind, layer, dropout, seed)
        torch.manual_seed(8)
        encoder.model.resize_token_embeddings(PIECES, mean_resizing=False)
        return encoder

    return opened


def table(encoder) -> nn.Embedding:
    return encoder.model.get_input_embeddings()


def used(encoder) -> np.ndarray:
    return np.unique(tokenize(encoder.tokenizer, [text for pair in SENTENCES for text in pair]).values)


def started(encoder, rows: bool = True, recipe: Recipe = CLIPPED) -> TrainingState:
    return start(encoder, recipe, used(encoder) if rows else None)


def steps(state, how="plain", recipe: Recipe = CLIPPED, stops=(10,), pause=lambda step: False):
    return train(state, method(how), recipe, stream(state.encoder), stops, pause)


def ended(state, how="plain") -> dict[str, torch.Tensor]:
    list(steps(state, how))
    return state.encoder.model.state_dict()


@pytest.mark.parametrize(
    ("kind", "name", "layer"),
    [("bert", "plain", 0), ("bert", "plain", 1), ("bert", "adversarial", 0), ("bert", "adversarial", 1),
     ("xlmr", "adversarial kl", 0), ("xlmr", "free", 1), ("deberta", "noise", 0), ("electra", "plain", 0)],
)  # fmt: skip
def test_weights_equal_those_of_the_whole_table_to_the_bit(wide, kind, name, layer):
    own, whole = started(wide(kind, layer)), started(wide(kind, layer), rows=False)
    assert len(own.words.weight) < PIECES / 4 and len(whole.words.weight) == PIECES
    before = table(own.encoder).weight.clone()
    assert equal(ended(own, name), ended(whole, name))
    moved = (table(own.encoder).weight != before).any(1).nonzero().flatten().tolist()
    assert set(used(own.encoder)) <= set(moved) and len(moved) < PIECES / 4


@pytest.mark.parametrize("padding", [None, "usual", "a word"])
def test_a_row_of_padding_is_not_trained_whichever_it_is(wide, padding):
    found = []
    for rows in (True, False):
        encoder = wide()
        words = table(encoder)
        words.padding_idx = {None: None, "usual": 1, "a word": int(used(encoder)[5])}[padding]
        before = words.weight[used(encoder)].clone()
        found.append(ended(started(encoder, rows)))
        still = (words.weight[used(encoder)] == before).all(1)
        assert still.tolist() == [i == 5 and padding == "a word" for i in range(len(before))]
        assert words.padding_idx is None or words.padding_idx in (1, used(encoder)[5])
    assert equal(*found)


def test_the_norm_is_that_of_all_gradients(wide):
    for rows in (True, False):
        state = started(wide(), rows)
        state.begin_steps()
        method("plain").backward(state.encoder, batch_for(state.encoder), 1.0, torch.Generator())
        whole = torch.cat([p.grad.flatten() for p in state.trained if p.grad is not None]).double().norm()
        assert float(state.words.clip(state.trained, 0.01)) == pytest.approx(float(whole), rel=1e-6)
        clipped = torch.cat([p.grad.flatten() for p in state.trained if p.grad is not None])
        assert float(clipped.double().norm()) == pytest.approx(0.01, rel=1e-4)


def decayed(encoder):
    return replace(RECIPE, weight_decay=0.01)


def frozen(encoder):
    return replace(RECIPE, freeze_word_embeddings=True)


def tied(encoder):
    encoder.model.decoder = nn.Linear(32, PIECES)
    encoder.model.decoder.weight = table(encoder).weight


def with_a_bound(encoder):
    table(encoder).max_norm = 1.0


def of_another_kind(encoder):
    class Scaled(nn.Embedding):
        pass

    table(encoder).__class__ = Scaled


@pytest.mark.parametrize("change", [decayed, frozen, tied, with_a_bound, of_another_kind])
def test_the_whole_table_is_trained_where_rows_cannot_be_left_out(wide, change):
    encoder = wide()
    recipe = change(encoder) or RECIPE
    state = started(encoder, recipe=recipe)
    assert state.words.weight is table(encoder).weight
    assert (change is frozen) != any(p is table(encoder).weight for p in state.trained)


def test_the_whole_table_is_trained_where_most_rows_are_in_use_or_nobody_knows(wide):
    for state in (start(wide(), RECIPE, np.arange(PIECES // 2 + 1)), started(wide(), rows=False)):
        assert state.words.weight is table(state.encoder).weight


def test_the_whole_table_decays_row_by_row(wide):
    recipe, encoder = replace(RECIPE, weight_decay=0.5), wide()
    before = table(encoder).weight.clone()
    list(steps(started(encoder, recipe=recipe), recipe=recipe))
    moved = (table(encoder).weight != before).any(1)
    assert moved.sum() == PIECES - 1 and not moved[1]  # the row of padding is zero


def test_who_looks_in_between_sees_the_rows_as_they_are_trained(wide):
    seen = []
    for rows in (True, False):
        state = started(wide(), rows)
        batch, own = batch_for(state.encoder), table(state.encoder).weight
        for _ in steps(state, "adversarial", stops=(4, 10), pause=lambda step: step in (2, 7)):
            assert table(state.encoder).weight is own
            kept = Kept()
            kept.add(state.encoder.model)
            state.encoder.model.eval()
            with torch.no_grad():
                seen.append([state.encoder.scores(batch), *kept.weights.values()])
    own, whole = seen[:4], seen[4:]
    assert all(torch.equal(a, b) for i in range(4) for a, b in zip(own[i], whole[i], strict=True))
    assert not torch.equal(own[0][0], own[1][0])


def test_weights_that_are_put_in_between_are_trained_on(wide):
    found = []
    for rows in (True, False):
        state = started(wide(), rows)
        walk = steps(state, stops=(4, 10))
        next(walk)
        state.encoder.model.load_state_dict(wide(seed=9).model.state_dict())
        list(walk)
        found.append(state.encoder.model.state_dict())
    assert equal(*found)


@pytest.mark.parametrize("at", [3, 5])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_kill_changes_nothing_and_the_moments_of_a_checkpoint_are_of_used_rows(wide, tmp_path, layer, at):
    def walk(state):
        return steps(state, "adversarial", stops=(3, 10), pause=lambda step: step == 5)

    whole = started(wide(layer=layer), rows=False)
    list(walk(whole))
    state = started(wide(layer=layer))
    next(reached for reached in walk(state) if reached.step == at)
    checkpoint.save(state, tmp_path)
    unused = 4 * 32 * (PIECES - len(state.words.weight))
    sizes = {name: (tmp_path / name).stat().st_size for name in (checkpoint.WEIGHTS, checkpoint.OPTIMIZER)}
    assert sizes[checkpoint.OPTIMIZER] < 2 * (sizes[checkpoint.WEIGHTS] - unused) + 20_000
    again = started(wide(layer=layer, seed=99))
    checkpoint.restore(again, tmp_path)
    list(walk(again))
    assert equal(whole.encoder.model.state_dict(), again.encoder.model.state_dict())


def test_a_checkpoint_with_the_moments_of_the_whole_table_is_refused_before_it_is_read(wide, tmp_path):
    state = started(wide(), rows=False)
    list(steps(state))
    checkpoint.save(state, tmp_path)
    other = started(wide(seed=99))
    before = {name: value.clone() for name, value in other.encoder.model.state_dict().items()}
    with pytest.raises(
        RecordError, match=r"not a whole checkpoint of this trial .*earlier version.*delete it"
    ):
        checkpoint.restore(other, tmp_path)
    assert equal(before, other.encoder.model.state_dict()) and other.step == 0


def test_a_piece_that_is_not_in_use_is_an_error_and_not_another_piece(wide):
    encoder = wide()
    state = start(encoder, RECIPE, used(encoder)[:-1])
    with pytest.raises(IndexError):
        list(steps(state))


def test_tensors_stay_where_they_are(wide):
    state = started(wide())
    own = [t.data_ptr() for t in (*state.trained, *state.encoder.model.parameters())]
    for _ in steps(state, stops=(2, 4)):
        assert own == [t.data_ptr() for t in (*state.trained, *state.encoder.model.parameters())]

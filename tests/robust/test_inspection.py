"""The problems that the check before a run finds; the sweep over all families is `tests/bench/families.py`."""

import json
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import BertConfig, BertModel, DebertaV2Config, DebertaV2Model

from tests.bench import families
from tests.robust.conftest import KINDS, LAYERED, SENTENCES, SMALL, batch_for, tokenizer
from xrt.errors import EncoderError
from xrt.robust.encoder import load_encoder
from xrt.robust.inspection import check_encoder


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny sums: a second thread only waits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def problems(name: object, **demands) -> list[str]:
    try:
        check_encoder(str(name), **demands)
    except EncoderError as error:
        assert all(line.startswith(f"encoder: {name}: ") and "\n" not in line for line in error.problems)
        return [line.removeprefix(f"encoder: {name}: ") for line in error.problems]
    return []


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory):
    """Maps a family to the folder of a tiny encoder."""
    return lambda name: families.build(name, tmp_path_factory.mktemp(name))


@pytest.mark.parametrize("kind", KINDS)
def test_sound_encoders_pass_with_all_that_a_study_may_ask(encoder_folder, kind):
    layers = (1, 2) if kind in LAYERED else ()
    assert problems(encoder_folder(kind), max_tokens=64, dropout=True, layers=layers) == []


FEW = ("llama", "gpt2", "t5", "canine", "ibert", "xmod", "fnet", "xlnet")


@pytest.mark.parametrize("name", FEW)
def test_a_family_trains_as_it_is_evaluated_or_is_refused(family, name):
    well, line = families.row(name)
    assert well, line


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in (*families.USABLE, *families.REFUSED) if n not in FEW])
def test_every_family_trains_as_it_is_evaluated_or_is_refused(name):
    well, line = families.row(name)
    assert well, line


def test_the_sweep_is_wide():
    assert len(families.USABLE) + len(families.REFUSED) >= 70


@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "opt"])
def test_decoders_read_the_last_word_in_training_and_in_evaluation(family, name):
    """Not the last column: overfitted, they predict what they were trained on, in a padded batch and alone."""
    encoder = families.trained(family(name), steps=60)
    encoder.model.eval()
    batch = batch_for(encoder)
    assert (batch.attention_mask == 0).any()
    alone = torch.cat([encoder.predict(one) for one in batch.parts(1)])
    assert encoder.predict(batch).tolist() == alone.tolist() == batch.labels.tolist()


def test_a_tokenizer_without_padding_is_lent_its_end_of_text(family):
    folder = family("gpt2")
    words = tokenizer(bert_like=False)
    words.pad_token = None
    words.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": None}))
    assert problems(folder) == []
    assert load_encoder(str(folder), ("a", "b")).template.pad == 2


def test_an_encoder_may_lie_in_the_home_of_an_account(tmp_path, monkeypatch):
    families.build("bert", tmp_path / "e")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert problems("~/e") == []
    for nowhere in ("~no-such-account/e", "x" * 300):
        assert len(problems(nowhere)) == 1


@pytest.mark.parametrize(
    ("name", "file"), [("bert", "vocab.txt"), ("xlm-roberta", "sentencepiece.bpe.model")]
)
def test_an_encoder_saved_without_its_tokenizer_is_refused(tmp_path, name, file):
    folder = families.build(name, tmp_path / "e")
    for one in folder.glob("*token*"):
        one.unlink()
    (line,) = problems(folder)
    assert line.startswith("its tokenizer knows no words, only 5 special pieces; are its files missing (")
    assert file in line and "tokenizer.json" in line


@pytest.mark.parametrize(("kind", "room"), [("bert", 40), ("xlmr", 38)])
def test_pairs_longer_than_the_table_of_positions_are_refused_with_what_fits(tmp_path, kind, room):
    """RoBERTa counts its positions from the padding id on, here 1."""
    folder = families.build(
        "bert" if kind == "bert" else "xlm-roberta", tmp_path / "e", max_position_embeddings=40
    )
    assert problems(folder, max_tokens=room) == []
    (line,) = problems(folder, max_tokens=room + 1)
    assert line.startswith(f"training.max_tokens: {room + 1} is more than ")
    assert line.endswith(f" has positions for; at most {room}.")


@pytest.mark.parametrize(
    ("name", "layer", "told"),
    [("xlm", 1, "Use the site word"), ("funnel", 1, "Use the site word"), ("albert", 1, "use the site word"),
     ("squeezebert", 1, "Use the site word"), ("modernbert-decoder", 1, "gives different scores from its states"),
     ("bert", 2, "layer 2 is not inside the encoder; 1 to 1 are")],
)  # fmt: skip
def test_a_site_that_a_family_does_not_have_is_refused(family, name, layer, told):
    folder = family(name)
    assert problems(folder) == []
    (line,) = problems(folder, layers=[layer])
    assert line.startswith("site: ") and told in line


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo", "xlm", "funnel", "opt", "distilbert"])
def test_dropout_reaches_all_dropouts_whatever_their_names(family, name):
    folder = family(name)
    assert problems(folder, dropout=True) == []
    encoder = load_encoder(str(folder), ("a", "b"), dropout=0.3)
    rates = {m.p for m in encoder.model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates <= {0.3}  # OPT calls the function, and has no modules
    encoder.model.train()
    batch = batch_for(encoder)
    assert not torch.equal(encoder.scores(batch), encoder.scores(batch))


def test_randomness_that_is_no_dropout_is_refused_where_dropout_is_set(tmp_path):
    folder = families.build("opt", tmp_path, layerdrop=0.99)
    assert problems(folder) == []
    (line,) = problems(folder, dropout=True)
    assert line.startswith("training.dropout: ") and "leave it null" in line


def test_a_family_that_cannot_recompute_its_layers_is_refused_where_it_should(family):
    folder = family("flaubert")
    assert problems(folder) == []
    with pytest.raises(
        EncoderError, match=r"training.gradient_checkpointing: .* cannot compute its layers again"
    ):
        check_encoder(str(folder), gradient_checkpointing=True)


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    words = tokenizer(bert_like=True)
    model = BertModel(BertConfig(**SMALL, vocab_size=len(words), pad_token_id=1))
    with torch.no_grad():
        model.encoder.layer[1].output.dense.bias[3] = float("nan")
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    assert problems(tmp_path) == [
        "BertForSequenceClassification gives scores that are not numbers. Choose another encoder."
    ]


@pytest.fixture(scope="session")
def sentencepiece_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny mDeBERTa as the hub has it: `spm.model`, no `tokenizer.json`."""
    folder = tmp_path_factory.mktemp("mdeberta")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for pair in SENTENCES for text in pair]), model_prefix=str(folder / "spm"),
        vocab_size=160, model_type="bpe", hard_vocab_limit=False, minloglevel=2, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
    )  # fmt: skip
    (folder / "spm.vocab").unlink()
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    config = DebertaV2Config(
        **SMALL, vocab_size=200, relative_attention=True, position_buckets=8, pos_att_type="p2c|c2p",
        position_biased_input=False, type_vocab_size=0, initializer_range=0.2,
    )  # fmt: skip
    DebertaV2Model(config).save_pretrained(folder)
    return folder


def test_an_encoder_with_a_sentencepiece_model_alone_loads_and_trains(sentencepiece_only):
    assert not (sentencepiece_only / "tokenizer.json").exists()
    assert problems(sentencepiece_only, max_tokens=64, dropout=True, layers=[1]) == []
    encoder = families.trained(sentencepiece_only)
    assert families.apart(encoder) < 1e-5
    pieces = encoder.tokenizer.tokenize("Peter gave Maria a red book")
    assert encoder.tokenizer.unk_token not in pieces and pieces[0].startswith("▁")

"""Tiny real encoders of many architectures, with real tokenizers, made on the spot."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from xrt.data.batches import Batch, PairTemplate, collate
from xrt.data.tokens import tokenize
from xrt.robust import checkpoint
from xrt.robust.encoder import Encoder, load_encoder

SENTENCES = [
    ("Anna saw the small house .", "The small house was seen by Anna ."),
    ("Peter gave Maria a red book yesterday .", "Maria gave Peter a red book yesterday ."),
    ("He goes .", "In the evening he goes from Rome to Paris by train ."),
    ("The doctor met the judge before the storm .", "Before the storm the judge met the doctor ."),
]
LABELS = [1, 0, 0, 0]
SMALL = {"num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}


def tokenizer(bert_like: bool) -> PreTrainedTokenizerFast:
    """WordPiece with [CLS] a [SEP] b [SEP] and token types, or XLM-R's <s> a </s></s> b </s> without."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=160, special_tokens=special)
    backend.train_from_iterator([text for pair in SENTENCES for text in pair], trainer)
    pair = "<s> $A </s> $B:1 </s>:1" if bert_like else "<s> $A </s> </s> $B </s>"
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * bert_like
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", model_input_names=names,
    )  # fmt: skip


def build(kind: str, folder: Path) -> Path:
    """Write a tiny encoder of an architecture: mBERT's, XLM-R's, DistilBERT's, mDeBERTa's, ModernBERT's, e5's; also
    of those whose word embeddings are narrower than their layers (ALBERT, ELECTRA)."""
    bert_like = kind in ("bert", "distilbert", "deberta", "albert", "electra")
    words = tokenizer(bert_like)
    sizes = {"vocab_size": len(words), "pad_token_id": 1, "initializer_range": 0.2}
    torch.manual_seed(3)
    model = {
        "bert": lambda: BertModel(BertConfig(**SMALL, **sizes)),
        "bert-with-xlmr-tokenizer": lambda: BertModel(BertConfig(**SMALL, **sizes)),
        "xlmr": lambda: XLMRobertaModel(XLMRobertaConfig(**SMALL, **sizes, type_vocab_size=1)),
        "distilbert": lambda: DistilBertModel(
            DistilBertConfig(n_layers=3, dim=32, n_heads=4, hidden_dim=64, **sizes)
        ),
        "deberta": lambda: DebertaV2Model(
            DebertaV2Config(
                **SMALL, **sizes, relative_attention=True, position_buckets=8, pos_att_type="p2c|c2p"
            )
        ),
        "modernbert": lambda: ModernBertModel(
            ModernBertConfig(**SMALL, **sizes, cls_token_id=0, sep_token_id=2, classifier_pooling="mean")
        ),
        "electra": lambda: ElectraModel(ElectraConfig(**SMALL, **sizes, embedding_size=16)),
        "albert": lambda: AlbertModel(AlbertConfig(**SMALL, **sizes, embedding_size=16)),
        "mpnet": lambda: MPNetModel(MPNetConfig(**SMALL, **sizes)),
    }[kind]()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


LAYERED = (
    "bert",
    "bert-with-xlmr-tokenizer",
    "xlmr",
    "distilbert",
    "deberta",
    "modernbert",
    "electra",
    "mpnet",
)
KINDS = (*LAYERED, "albert")  # its layers are one


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory):
    """Maps an architecture to the folder of a tiny encoder."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = build(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return folder


@pytest.fixture
def load(encoder_folder):
    """Maps architecture and options to a fresh encoder, by default without dropout."""

    def loaded(kind: str = "bert", layer: int = 0, dropout: float = 0.0, seed: int = 1) -> Encoder:
        encoder = load_encoder(
            str(encoder_folder(kind)), ("no", "yes"), layer=layer, dropout=dropout, seed=seed
        )
        encoder.model.eval()
        return encoder

    return loaded


def batch_for(encoder: Encoder, repeat: int = 1, max_tokens: int = 64) -> Batch:
    """The example sentences as one batch, `repeat` times over."""
    first, second = (tokenize(encoder.tokenizer, side) for side in zip(*SENTENCES, strict=True))
    rows = list(range(len(SENTENCES))) * repeat
    template = PairTemplate.of(encoder.tokenizer)
    return collate(template, [first[i] for i in rows], [second[i] for i in rows], LABELS * repeat, max_tokens)


def step_of(folder: Path) -> int | None:
    """The step of the whole checkpoint in a folder; None if there is none."""
    if not (folder / checkpoint.PROGRESS).exists():
        return None
    lengths = {path.name: path.stat().st_size for path in folder.iterdir()}
    return checkpoint.step_in((folder / checkpoint.PROGRESS).read_bytes(), lengths)

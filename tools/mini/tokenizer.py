"""The subword tokenizer of the `mini` encoders, trained on generated text.

One byte-pair vocabulary (Sennrich et al. 2016) for all languages. Han, kana and Hangul runs are split
from each other first, as Japanese needs; within a run, and so between a Korean noun and its particle,
the vocabulary decides.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from xrt.mini.grammar import draw_pair, draw_within, is_held_out, sentence
from xrt.mini.lexicon import LANGUAGES
from xrt.mini.meaning import KINDS, Meaning, Style

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)


def train_tokenizer(sentences: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary` pieces; a pair becomes [CLS] one [SEP] two [SEP]."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    scripts = Regex(r"\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="never"),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split(scripts, behavior="isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer


def build_tokenizer(seed: int, vocabulary: int, meanings: int) -> PreTrainedTokenizerFast:
    """Trained on `meanings` generated meanings, each said in every language."""
    stream = islice(sentence_stream(np.random.default_rng([seed, 1])), meanings)
    texts = [text for said in stream for text in said.values()]
    return PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(texts, vocabulary),
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
        model_max_length=128, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.save_pretrained(folder)


def text_pairs(
    rng: np.random.Generator, label: int | None = None
) -> Iterator[tuple[tuple[Meaning, Style], ...]]:
    """Pre-training meanings without end: pairs as `draw_pair` gives them, from the share "text" only."""
    kinds = list(KINDS)
    while True:
        meaning = draw_within("text", kinds[rng.integers(len(kinds))], rng)
        yield draw_pair(meaning, int(rng.integers(2)) if label is None else label, rng)


def sentence_stream(rng: np.random.Generator) -> Iterator[dict[str, str]]:
    """Aligned plain sentences without end, language -> sentence; none of them occurs in dev or test."""
    for (meaning, style), _ in text_pairs(rng):
        said = {language: sentence(language, meaning, style) for language in LANGUAGES}
        if not any(map(is_held_out, said.values())):
            yield said

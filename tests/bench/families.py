"""Families of encoders, tiny and random: which pass the check before a run and then train, and why the rest does not.

    python -m tests.bench.families

Prints a row a family. Exits 1 if one passes the check and then fails in training or is evaluated otherwise than it was
trained, or if one is refused that ought to pass, or the other way round.
"""

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModel

from tests.robust.conftest import LABELS, SENTENCES, batch_for, tokenizer
from xrt.data.batches import FixedPairs, TrainingStream
from xrt.data.tokens import tokenize
from xrt.errors import EncoderError
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.inspection import TOLERANCE, check_encoder
from xrt.robust.methods import METHODS
from xrt.robust.training import Recipe, start, train

# Whatever of these a family's configuration has.
SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "embedding_size": 32, "d_ff": 64, "d_kv": 8,
    "n_positions": 64, "ffn_dim": 64, "encoder_layers": 1, "decoder_layers": 1, "num_decoder_layers": 1,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "moe_intermediate_size": 16, "num_experts": 2,
    "num_local_experts": 2, "initializer_range": 0.2,
}  # fmt: skip
OWN: dict[str, dict[str, object]] = {
    "bart": {"encoder_attention_heads": 4, "decoder_attention_heads": 4},
    "ctrl": {"dff": 64},
    "distilbert": {"hidden_dim": 64},
    "falcon": {"head_dim": None},
    "funnel": {"num_hidden_layers": None, "block_sizes": [1, 1], "d_inner": 64, "d_head": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_layers": 2},
    "gptj": {"rotary_dim": 8},
    "layoutlm": {"max_2d_position_embeddings": 16},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 8, "entity_emb_size": 8},
    "mbart": {"encoder_attention_heads": 4, "decoder_attention_heads": 4},
    "mobilebert": {"true_hidden_size": 32, "intra_bottleneck_size": 32},
    "reformer": {
        "axial_pos_embds": False, "attn_layers": ["local", "local"], "attention_head_size": 8, "feed_forward_size": 64,
    },
    "roc_bert": {
        "pronunciation_vocab_size": 8, "shape_vocab_size": 8, "pronunciation_embed_dim": 8, "shape_embed_dim": 8,
    },
    "squeezebert": {"embedding_size": 32},
    "xlnet": {"max_position_embeddings": None, "d_inner": 64, "d_head": 8},
}  # fmt: skip
USABLE = (
    "albert", "arcee", "bert", "big_bird", "biogpt", "bloom", "camembert", "data2vec-text", "deberta",
    "deberta-v2", "distilbert", "electra", "ernie", "esm", "eurobert", "falcon", "flaubert", "funnel", "gemma",
    "gemma2", "gemma3_text", "glm", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "gte",
    "jina_embeddings_v3", "layoutlm", "llama", "longformer", "luke", "megatron-bert", "mistral", "mixtral",
    "mobilebert", "modernbert", "modernbert-decoder", "mpnet", "mpt", "nomic_bert", "olmo2", "openai-gpt", "opt",
    "phi3", "qwen2", "qwen3", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "smollm3",
    "squeezebert", "stablelm", "starcoder2", "xlm", "xlm-roberta", "xlm-roberta-xl",
)  # fmt: skip
TWICE, TABLE, ALONE = (
    "reads a pair twice",
    "no plain table of word embeddings",
    "other scores than the pair alone",
)
REFUSED = {
    "bart": TWICE, "mbart": TWICE, "mt5": TWICE, "t5": TWICE, "umt5": TWICE,
    "canine": TABLE, "ibert": TABLE,
    "convbert": ALONE, "fnet": ALONE, "nystromformer": ALONE, "yoso": ALONE,
    "ctrl": "cannot be trained here", "xmod": "Input language unknown", "mra": "do not depend on the sentences",
    "reformer": "make sure to use `model.train()`", "xlnet": "does not look up its words pair by pair",
}  # fmt: skip


def build(family: str, folder: Path, **own: object) -> Path:
    """Write a tiny random encoder of a family, without a head, and a tokenizer."""
    words = tokenizer(bert_like=True)
    known = AutoConfig.for_model(family)
    sizes = {name: value for name, value in SMALL.items() if hasattr(known, name)} | OWN.get(family, {})
    ids = {"vocab_size": len(words), "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    given = {name: value for name, value in (sizes | ids | own).items() if value is not None}
    config = AutoConfig.for_model(family, **given)
    config.architectures = []
    torch.manual_seed(3)
    AutoModel.from_config(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def refusal(folder: Path) -> str | None:
    """The check's problem of an encoder at the word embeddings, without its path; None if it passes."""
    try:
        check_encoder(str(folder), max_tokens=32, dropout=True)
    except EncoderError as error:
        (line,) = error.problems
        return line.removeprefix(f"encoder: {folder}: ")
    return None


def trained(folder: Path, steps: int = 3) -> Encoder:
    """The encoder after some steps of adversarial training."""
    encoder = load_encoder(str(folder), ("no", "yes"), dropout=0.1, seed=1)
    first, second = (tokenize(encoder.tokenizer, side) for side in zip(*SENTENCES, strict=True))
    stream = TrainingStream(FixedPairs(first, second, np.array(LABELS)), encoder.template, 4, 32, seed=1)
    recipe = Recipe(learning_rate=1e-3, steps=steps, seed=1)
    method = METHODS["adversarial"].build({"radius": 0.1, "steps": 2}, encoder.site_norm(first.values, []))
    list(train(start(encoder, recipe), method, recipe, stream, (steps,)))
    return encoder


def apart(encoder: Encoder) -> float:
    """The largest difference of a score: a padded batch against each pair alone as transformers reads it, and token ids
    against embeddings; relative to the largest score where that is above 1. In double precision, as in the check, where
    rounding alone could set them apart."""
    distance = _apart(encoder)
    if distance > TOLERANCE:
        with suppress(Exception):  # some families compute in single precision only
            encoder.model.double()
            distance = _apart(encoder)
        encoder.model.float()
    return distance


@torch.no_grad()
def _apart(encoder: Encoder) -> float:
    encoder.model.eval()
    batch = batch_for(encoder, max_tokens=64)
    scores, inside = encoder.scores(batch), encoder.logits(batch, encoder.embed(batch))
    typed = getattr(encoder.model.config, "type_vocab_size", 0) > 1
    asked = {"return_tensors": "pt", "return_token_type_ids": typed, "truncation": True, "max_length": 64}
    ids = [encoder.tokenizer(*pair, **asked) for pair in SENTENCES]
    alone = torch.cat([encoder.model(**one).logits for one in ids])
    furthest = max(float((scores - other).abs().max()) for other in (inside, alone))
    return furthest / max(1.0, float(scores.abs().max()))


def row(family: str) -> tuple[bool, str]:
    """Whether the result is as expected, and its line of the table."""
    with tempfile.TemporaryDirectory() as place:
        folder, began = build(family, Path(place)), time.perf_counter()
        said = refusal(folder)
        took = time.perf_counter() - began
        if said is not None:
            return REFUSED.get(family, "\0") in said, f"{took:6.2f}  refused: {said}"
        try:
            distance = apart(trained(folder))
        except Exception as error:
            return False, f"{took:6.2f}  passes, then fails: {type(error).__name__} {error}"
        return (
            family in USABLE and distance <= TOLERANCE,
            f"{took:6.2f}  passes, trained: {distance:.0e} apart",
        )


def main() -> int:
    sound = 0
    torch.set_num_threads(1)  # tiny sums: a second thread only waits
    families = sys.argv[1:] or [*USABLE, *REFUSED]
    print(f"{'family':22}{'check, s':>6}")
    for family in families:
        well, line = row(family)
        sound += well
        print(f"{family:22}{line}{'' if well else '   <- not as it should be'}", flush=True)
    print(f"{len(families)} families, {sound} as they should be.")
    return 0 if sound == len(families) else 1


if __name__ == "__main__":
    sys.exit(main())

"""How far apart an encoder puts translations before fine-tuning: the gap that robust training has to bridge.

For a language a, the source language s and aligned sentences i:

    distance(a) = mean over i of ‖m(a, i) - m(s, i)‖₂ / n̄

m(a, i) is the mean over the word pieces of sentence i in language a, special tokens left out; n̄ is the mean L2 norm
of a single word piece. So the unit is that of a radius or noise scale at the same site: the mean norm there. Two
sites: `words`, the input word embeddings (n̄ over the vocabulary that the source sentences use), and `states`, the
last layer's hidden states (n̄ over all word pieces of the source sentences). `unrelated` is the same distance
between one source sentence and the next; the distance of a recognisable translation is well below it.

After figure 1 of Huang et al. (2021), which draws this gap; the formula is ours.

Letters: N sentences, T tokens, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from xrt.data.pairs import Aligned
from xrt.robust.encoder import Encoder

EXAMPLES = 200
SENTENCES, SEED = 32, 0  # per batch; of the sample


@dataclass(frozen=True)
class Misalignment:
    """Distance to the source, by language, without unit; `norm` is n̄, in the encoder's own units."""

    distance: dict[str, float]
    unrelated: float
    norm: float


def misalignment(encoder: Encoder, aligned: Aligned, max_tokens: int) -> dict[str, Misalignment]:
    """The misalignment of the first sentences of at most `EXAMPLES` aligned examples, at both sites."""
    sample = aligned.sample(EXAMPLES, SEED)
    encoder.model.eval()
    means, norms = {}, {}
    for language in sample.languages:
        sentences = sample.sentences(language).first
        means[language], norms[language] = _mean_states(encoder, sentences, max_tokens)
    source = sample.task.source
    there = {a: torch.tensor([s != "" for s in sample.sentences(a).first]) for a in sample.languages}
    found = {}
    for site in ("words", "states"):
        own, unit = means[source][site], norms[source][site]
        distance = {
            a: _mean_distance(means[a][site] - own, there[a] & there[source]) / unit
            for a in sample.languages
            if a != source and bool((there[a] & there[source]).any())  # else their examples differ
        }
        unrelated = _mean_distance(own - own.roll(1, 0), there[source] & there[source].roll(1)) / unit
        found[site] = Misalignment(distance, unrelated, unit)
    return found


def as_plain(found: dict[str, Misalignment]) -> dict[str, Any]:
    """As plain JSON values, for the record."""
    return {site: asdict(one) for site, one in found.items()}


def _mean_distance(difference: torch.Tensor, there: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(difference[there], dim=-1).mean())


@torch.inference_mode()
def _mean_states(
    encoder: Encoder, sentences: Sequence[str], max_tokens: int
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """By site: each sentence's mean over its word pieces (N, D), and the mean norm of a word piece."""
    means: dict[str, list[torch.Tensor]] = {"words": [], "states": []}
    norms: list[torch.Tensor] = []
    pieces: list[torch.Tensor] = []
    for ids, mask, words in _batches(encoder, sentences, max_tokens):
        embedded = encoder.model.get_input_embeddings()(ids).float()
        states = encoder.model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weight = words / words.sum(1, keepdim=True).clamp(min=1)  # (N, T)
        for site, values in (("words", embedded), ("states", states)):
            means[site].append(torch.einsum("nt,ntd->nd", weight, values).cpu())
        norms.append(torch.linalg.vector_norm(states, dim=-1)[words > 0].cpu())
        pieces.append(ids[words > 0].cpu())
    words_norm = Encoder(encoder.model, encoder.tokenizer).site_norm(torch.cat(pieces).numpy(), [])
    return (
        {site: torch.cat(parts) for site, parts in means.items()},
        {"words": words_norm, "states": float(torch.cat(norms).mean())},
    )


def _batches(
    encoder: Encoder, sentences: Sequence[str], max_tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ids, attention mask and word-piece mask (N, T) of `SENTENCES` sentences at a time."""
    for start in range(0, len(sentences), SENTENCES):
        encoded = encoder.tokenizer(
            list(sentences[start : start + SENTENCES]),
            padding=True,
            truncation=True,
            max_length=max_tokens,
            return_tensors="pt",
            return_special_tokens_mask=True,
        ).to(encoder.device)
        mask = encoded["attention_mask"]
        yield encoded["input_ids"], mask, (mask * (1 - encoded["special_tokens_mask"])).float()

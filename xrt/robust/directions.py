"""Where a fine-tuned encoder puts translations: along the perturbation that it was trained against, or not.

The picture behind robust training (Huang et al. 2021, figure 1) is a translation inside the ball in which the encoder
was made robust. For a language a and examples i of the source language s:

    distance(a) = mean over i of ‖m(a, i) - m(s, i)‖₂ / n̄
    along(a)    = mean over i of ⟨m(a, i) - m(s, i), δ(i)/‖δ(i)‖⟩ / n̄
    inside(a)   = share of the i with ‖m(a, i) - m(s, i)‖₂ ≤ the radius

m is the mean of the states at the site over the word pieces of an example, δ(i) the mean of the attack on it; n̄ is the
unit of the radius. If each piece's δ is in its ball, so is their mean, so what is not inside was out of reach.

Letters: B examples, T tokens, D width.
"""

from dataclasses import replace

import numpy as np
import torch

from xrt.data.batches import Batch
from xrt.data.pairs import Aligned, PairRows
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import Inputs, tokens_of
from xrt.robust.objective import Method, attack

EXAMPLES, SEED = 64, 0  # the first examples; of the attack's start


def directions(
    encoder: Encoder, aligned: Aligned, method: Method, norm: float, max_tokens: int
) -> dict[str, dict[str, float]]:
    """`distance`, `along` and `inside` of each target language that is aligned with the (first) source.

    Leaves the encoder in evaluation mode.

    Args:
        norm: n̄ of the site.
    """
    task, apart = aligned.task, aligned.apart
    if task.source not in aligned.languages or task.source in apart:
        return {}
    targets = [a for a in aligned.languages if a not in (*task.sources, *apart)]
    firsts, seconds = tokens_of(encoder, aligned, [(a, a) for a in (task.source, *targets)])
    usual = aligned.pair(task.source, task.source)
    usual = PairRows(usual.rows[:EXAMPLES], usual.labels[:EXAMPLES])

    def batch_of(language: str) -> Batch:
        inputs = Inputs.of({(language, language): usual}, firsts, seconds, max_tokens)
        batch = inputs.batch(encoder.template, np.arange(len(usual.rows)))
        return replace(batch, labels=torch.from_numpy(usual.labels)).to(encoder.device)

    encoder.model.eval()
    batch = batch_of(task.source)
    states = _states(encoder, batch)
    delta = attack(encoder, batch, states, method, torch.Generator(encoder.device).manual_seed(SEED))
    encoder.model.eval()
    here, along = _mean(states, batch), torch.nn.functional.normalize(_mean(delta, batch), dim=-1, eps=1e-30)
    found = {}
    for a in targets:
        there = np.flatnonzero(np.isin(usual.rows, aligned.pair(a, a).rows))
        if there.size:
            rows = torch.from_numpy(there).to(encoder.device)
            batch = batch_of(a)
            moved = (_mean(_states(encoder, batch), batch) - here)[rows]
            far = torch.linalg.vector_norm(moved, dim=-1)
            found[a] = {
                "distance": float(far.mean()) / norm,
                "along": float((moved * along[rows]).sum(-1).mean()) / norm,
                "inside": float((far <= method.perturbation.size).float().mean()),
            }
    return found


@torch.no_grad()
def _states(encoder: Encoder, batch: Batch) -> torch.Tensor:
    return encoder.embed(batch).float()


def _mean(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean over the word pieces (B, D)."""
    weight = batch.perturbable.unsqueeze(-1).float()
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)

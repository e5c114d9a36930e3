"""Should the attack see dropout? `python -m tests.bench.inner_dropout [SEEDS] [JOBS]`, about 4 CPU minutes.

`none` is what xrt does: the K inner passes run without dropout. `one mask` is the other reading of a step: all its
passes, the outer one included, see one dropout mask. Adversarial trainings on `mini` with the same seeds in both,
scored on the whole dev split; printed are mean and standard deviation over seeds, and the paired differences.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

from xrt.data.batches import Batch
from xrt.robust import objective
from xrt.robust.encoder import Encoder
from xrt.robust.objective import Method
from xrt.search.trial import RungReport, run_trial, use_threads
from xrt.spec import build, load_study

SETTING = {
    "learning_rate": 1.5e-3,
    "method": "adversarial",
    "adversarial.radius": 0.05,
    "adversarial.steps": 3,
}
SHOWN = ("final/acc/en", "final/mean/targets", "final/mean/mixed")
FIRST = 301  # of the seeds


def attack_under_the_mask(
    encoder: Encoder,
    batch: Batch,
    states: torch.Tensor,
    method: Method,
    generator: torch.Generator,
) -> torch.Tensor:
    """δ (B, T, D) against the network that the outer pass will see: its dropout mask in every pass."""
    before = torch.get_rng_state()

    def loss_of(moved: torch.Tensor) -> torch.Tensor:
        torch.set_rng_state(before)
        return encoder.loss(batch, moved)

    delta = method.perturbation(states, batch.perturbable, loss_of, generator)
    torch.set_rng_state(before)
    return delta


def scores(masked: bool, encoder: str, seed: int) -> list[float]:
    """Accuracies of one training."""
    usual, reports = objective.attack, list[RungReport]()
    objective.attack = attack_under_the_mask if masked else usual
    try:
        spec = load_study("mini", ["pruning=null"])
        run_trial(build(spec, {"encoder": encoder, **SETTING}, seed), reports.append)
    finally:
        objective.attack = usual
    return [100 * reports[-1].metrics[name] for name in SHOWN]


def main(seeds: int = 5, jobs: int = 2) -> None:
    wanted = [(e, FIRST + s) for e in ("mini-a", "mini-b") for s in range(seeds)]
    with ProcessPoolExecutor(jobs, get_context("spawn"), use_threads, (1,)) as pool:
        ways = {way: [pool.submit(scores, way, *one) for one in wanted] for way in (False, True)}
        found = {way: np.array([one.result() for one in those]) for way, those in ways.items()}
    print(f"{len(wanted)} trainings each; English, targets, mixed pairs")
    for way, values in (
        ("none", found[False]),
        ("one mask", found[True]),
        ("difference", found[True] - found[False]),
    ):
        cells = (f"{m:6.2f} ± {sd:.2f}" for m, sd in zip(values.mean(0), values.std(0, ddof=1), strict=True))
        print(f"{way:11} {'   '.join(cells)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

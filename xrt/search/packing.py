"""What a trial occupies of a machine, so that as many trials run on it as fit. Knows no Ray.

The machines are those of the cluster now, or those that XRT_WORKERS describes where they are still to be started:
an autoscaler that begins with nothing but a head has no GPU to show when the study asks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from xrt.errors import SpecError
from xrt.robust.memory import shape_of, step_gib
from xrt.spec.study import StudySpec
from xrt.spec.values import Choice

WORKERS = "XRT_WORKERS"
EXAMPLE = f"{WORKERS}=count=8,cpus=8,gpus=1,gpu_gib=24"


@dataclass(frozen=True)
class Workers:
    """Machines of one kind: how many at most (0: nobody said), and what one of them has."""

    count: int
    cpus: int
    gpus: float
    gpu_gib: float = 0.0  # memory of one GPU; 0: nobody said

    def slots(self, trial: Mapping[str, float]) -> int:
        """How many trials of such resources run at once; 0 where the number of machines is not known."""
        cpus = self.cpus // trial["CPU"]
        gpus = self.gpus / trial["GPU"] if trial["GPU"] else cpus
        return int(self.count * min(cpus, gpus))


def described(text: str) -> Workers:
    """What XRT_WORKERS says: `count=8,cpus=8,gpus=1,gpu_gib=24`, the last two where there are GPUs.

    Raises:
        SpecError: it says something else.
    """
    parts = dict(re.findall(r"(\w+)=(\d+(?:\.\d+)?)", text))
    written = ",".join(f"{key}={value}" for key, value in parts.items())
    if written != text.replace(" ", "") or not {"count", "cpus"} <= parts.keys() <= KEYS:
        raise SpecError(f"{WORKERS}: {text!r} is not allowed; for example {EXAMPLE}.")
    gpus, gib = float(parts.get("gpus", 0)), float(parts.get("gpu_gib", 0))
    return Workers(int(float(parts["count"])), int(float(parts["cpus"])), gpus, gib)


KEYS = {"count", "cpus", "gpus", "gpu_gib"}


def present(nodes: Sequence[Mapping[str, float]]) -> Workers:
    """The largest machine of those that are there, by GPUs and then CPUs; unless it is alone their number may change.

    The memory of a GPU is that of this machine's: Ray does not tell that of others.
    """
    gpus, cpus = max(((n.get("GPU", 0.0), n.get("CPU", 0.0)) for n in nodes), default=(0.0, 0.0))
    here = torch.cuda.is_available() and torch.cuda.get_device_properties(0).total_memory
    return Workers(int(len(nodes) == 1), int(cpus), gpus, here / 2**30)


def trial_resources(spec: StudySpec, workers: Workers, encoder: str) -> dict[str, float]:
    """CPUs and GPUs of one trial, in Ray's words; never more CPUs than a machine has for each.

    Raises:
        SpecError: no machine can run such a trial, so the study would wait for ever.
    """
    asked = spec.resources.gpu
    gpu = _share(spec, workers, encoder) if asked == "auto" else float(asked)
    if workers.cpus < 1 or gpu > workers.gpus:
        what = f"gpu {asked}" if workers.cpus else "cpu 1"
        raise SpecError(
            f"resources: no machine of the cluster has what a trial needs ({what}); ask for less, or say what the "
            f"machines will have that are still to be started: {EXAMPLE}"
        )
    together = int(workers.gpus / gpu) if gpu else 1
    return {"CPU": min(spec.resources.cpu, max(1, workers.cpus // together)), "GPU": gpu}


def _share(spec: StudySpec, workers: Workers, encoder: str) -> float:
    """As many trials on a GPU as the memory model lets fit, none where there are no GPUs."""
    if workers.gpus < 1 or not workers.gpu_gib:
        return min(1.0, workers.gpus)
    training = spec.training
    need = step_gib(
        shape_of(encoder),
        (training.micro_batch or training.batch_size) * _outer_passes(spec),
        training.max_tokens,
        frozen_embeddings=training.freeze_word_embeddings,
    )
    fitting = max(1, min(MOST, int(workers.gpu_gib / need)))
    return int(1e4 / fitting) / 1e4  # rounded down, so that the shares of one GPU never exceed it


def _outer_passes(spec: StudySpec) -> int:
    """Passes whose activations a step keeps at once: two where an objective has the clean loss beside the perturbed."""
    opened, none, loss = spec.space.method.values(), Choice((0.0,)), Choice(("loss",))
    return 1 + any(o.get("clean", none) != none or o.get("objective", loss) != loss for o in opened)


MOST = 4  # trials on one GPU: more of them wait for each other

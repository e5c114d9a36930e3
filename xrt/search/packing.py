"""The share of a machine that a trial gets: all GPUs have work, and each runs as many trials as fit. Knows no Ray.

The machines are those of the cluster now, or those that XRT_WORKERS describes: a cluster with an autoscaler may begin
with only a head, which shows no GPU. Ray fills one GPU before it takes the next, so a trial's share decides how far
trials spread.
"""

import math
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xrt.errors import SpecError
from xrt.robust.memory import evaluation_gib, shape_of, step_gib
from xrt.spec.study import StudySpec
from xrt.spec.values import Choice, ends

WORKERS, SHOWN = "XRT_WORKERS", "CUDA_VISIBLE_DEVICES"
EXAMPLE = f"{WORKERS}=count=8,cpus=8,gpus=1,gpu_gib=24"


@dataclass(frozen=True)
class Workers:
    """Machines of one kind: their largest number (0: unknown), and what one of them has."""

    count: int
    cpus: int
    gpus: float
    gpu_gib: float = 0.0  # memory of the smallest GPU; 0: unknown
    there: float = 0.0  # GPUs of all present machines

    def slots(self, trial: Mapping[str, float]) -> int:
        """How many trials with these resources run at once; 0 if the number of machines is not known."""
        cpus = self.cpus // trial["CPU"]
        # 1 / 3 is rounded down to 0.3333
        gpus = int(self.gpus) * int(1 / trial["GPU"]) if trial["GPU"] else cpus
        return int(self.count * min(cpus, gpus))

    @property
    def all_gpus(self) -> int:
        """The GPUs of the largest number of machines; if that is unknown, of those present."""
        return max(1, int(self.count * self.gpus or self.there or self.gpus))


def here() -> Workers:
    """The machines that XRT_WORKERS describes; else this machine, as a Ray started here will find it."""
    if text := os.environ.get(WORKERS):
        return described(text)
    shown = os.environ.get(SHOWN)
    return present([{"CPU": cores(), "GPU": len(gpus_here(shown))}], gpu_gib(shown))


def cores() -> int:
    """The cores that this process may use: fewer than the machine's in a batch system's job."""
    allowed = len(os.sched_getaffinity(0))
    job = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(allowed, int(job)) if job.isdigit() else allowed


def gpu_gib(shown: str | None = None) -> float:
    """GiB of this machine's smallest GPU; 0 if NVIDIA's driver knows none."""
    return min(gpus_here(shown), default=0) / 1024


def gpus_here(shown: str | None = None) -> list[int]:
    """MiB of each GPU of this machine, without starting CUDA, which would take GPU memory.

    Args:
        shown: the GPUs, as in CUDA_VISIBLE_DEVICES; None: all.
    """
    words = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    words += [] if shown is None else [f"--id={shown}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) for line in done.stdout.split() if line.isdigit()]


def described(text: str) -> Workers:
    """Parse XRT_WORKERS: `count=8,cpus=8,gpus=1,gpu_gib=24`, the last two for machines with GPUs.

    Raises:
        SpecError: it is not of this form.
    """
    parts = dict(re.findall(r"(\w+)=(\d+(?:\.\d+)?)", text))
    written = ",".join(f"{key}={value}" for key, value in parts.items())
    if written != text.replace(" ", "") or not {"count", "cpus"} <= parts.keys() <= KEYS:
        raise SpecError(f"{WORKERS}: {text!r} is not allowed; for example {EXAMPLE}.")
    gpus, gib = float(parts.get("gpus", 0)), float(parts.get("gpu_gib", 0))
    return Workers(int(float(parts["count"])), int(float(parts["cpus"])), gpus, gib)


KEYS = {"count", "cpus", "gpus", "gpu_gib"}


def present(nodes: Sequence[Mapping[str, float]], gib: float = 0.0) -> Workers:
    """The largest present machine, by GPUs and then CPUs; unless it is the only one, their number may change.

    Args:
        gib: memory of the smallest GPU of all machines, because a trial may run on any.
    """
    gpus, cpus = max(((n.get("GPU", 0.0), n.get("CPU", 0.0)) for n in nodes), default=(0.0, 0.0))
    there = sum(n.get("GPU", 0.0) for n in nodes)
    return Workers(int(len(nodes) == 1), int(cpus), gpus, gib, there)


def trial_resources(spec: StudySpec, workers: Workers, encoder: str, waiting: int) -> dict[str, float]:
    """CPUs and GPUs of one trial, in Ray's words; never more CPUs than a machine has for each.

    Args:
        waiting: trials still to be trained. If they are few, each gets a larger share.

    Raises:
        SpecError: no machine can run such a trial; the study would wait for ever.
    """
    share = spec.resources.gpu
    gpu = _share(spec, workers, encoder, waiting) if share == "auto" else float(share)
    if workers.cpus < 1 or gpu > workers.gpus:
        needs = f"gpu {share}" if workers.cpus else "cpu 1"
        raise SpecError(
            f"resources: no machine of the cluster has what a trial needs ({needs}); ask for less, or "
            f"describe the machines that are still to be started: {EXAMPLE}"
        )
    together = int(workers.gpus) * int(1 / gpu) if gpu else 1
    return {"CPU": min(spec.resources.cpu, max(1, workers.cpus // max(1, together))), "GPU": gpu}


def _share(spec: StudySpec, workers: Workers, encoder: str, waiting: int) -> float:
    """The share of a GPU: as many trials share one as are needed and fit, by the memory model; 0 without GPUs."""
    if workers.gpus < 1 or not workers.gpu_gib:
        return min(1.0, workers.gpus)
    training, shape = spec.training, shape_of(encoder)
    tokens, frozen = int(ends(training.max_tokens)[1]), bool(ends(training.freeze_word_embeddings)[0])
    single = isinstance(training.precision, Choice) and "float32" in training.precision.options
    need = max(
        step_gib(
            shape,
            training.pairs_at_once * _outer_passes(spec),
            tokens,
            frozen_embeddings=frozen,
            compiled=bool(ends(training.compile)[1]),
            single=single,
        ),
        evaluation_gib(shape, tokens, frozen_embeddings=frozen, single=single),
    )
    at_once = max(1, min(waiting, spec.search.concurrent or waiting))
    crowd = math.ceil(at_once / workers.all_gpus)
    together = max(1, min(MOST, crowd, int(workers.gpu_gib / need)))
    return int(1e4 / together) / 1e4  # rounded down, so that the shares of one GPU never exceed it


def _outer_passes(spec: StudySpec) -> int:
    """Passes whose activations a step keeps at once: two if an objective adds the clean loss to the perturbed one."""
    opened, none, loss = spec.space.method.values(), Choice((0.0,)), Choice(("loss",))
    return 1 + any(o.get("clean", none) != none or o.get("objective", loss) != loss for o in opened)


MOST = 4  # trials on one GPU: more would wait for each other

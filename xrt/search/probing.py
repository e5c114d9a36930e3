"""Probes each encoder during the search: a Ray task with a trial's resources, whose result goes into the record.

The probe runs where trials run, because the driver may be a small machine without the encoders' weights. A study does
not depend on it: a failed probe is a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from xrt.errors import XrtError
from xrt.record.run import Run
from xrt.robust.encoder import load_encoder
from xrt.robust.probe import as_plain, misalignment
from xrt.search.cluster import connect
from xrt.search.packing import trial_resources
from xrt.search.scoring import evaluation_data
from xrt.search.trial import device, use_gpu, use_threads
from xrt.spec.study import StudySpec
from xrt.spec.values import ends


@dataclass(frozen=True)
class Probing:
    """Running probes; `collect` waits for them."""

    run: Run
    tasks: dict[str, Any]  # encoder -> Ray's reference to the result

    @classmethod
    def begin(cls, run: Run, spec: StudySpec, encoders: Sequence[str]) -> "Probing":
        """Probe the encoders that the record has no probe of."""
        wanted = [name for name in encoders if name not in run.meta.misalignment]
        workers, tasks = connect(), {}
        for name in wanted:
            resources = trial_resources(spec, workers, name, len(wanted))
            probe = ray.remote(_probe).options(
                num_cpus=resources["CPU"], num_gpus=resources["GPU"], max_retries=1
            )
            tasks[name] = probe.remote(spec, name, int(resources["CPU"]), resources["GPU"])
        return cls(run, tasks)

    def collect(self) -> list[str]:
        """Write the results into the record; returns one line for each encoder that failed."""
        known, problems = dict(self.run.meta.misalignment), []
        for name, task in self.tasks.items():
            try:
                known[name] = ray.get(task)
            except (ray.exceptions.RayError, XrtError) as error:
                problems.append(
                    f"{name}: its misalignment was not measured ({str(error).strip().splitlines()[-1]})"
                )
        self.run.update_meta(misalignment=known)
        return problems


def _probe(spec: StudySpec, name: str, threads: int, gpu: float) -> dict[str, Any]:
    """Probe an encoder, on a Ray worker."""
    use_threads(threads)
    use_gpu(gpu)
    aligned = evaluation_data(spec.task, spec.data.origin, "dev", spec.data.dev_rows)
    encoder = load_encoder(name, spec.task.labels, sentences=spec.task.sentences)
    encoder.model.to(device())
    return as_plain(misalignment(encoder, aligned, int(ends(spec.training.max_tokens)[1])))

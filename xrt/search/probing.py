"""The probe of each encoder, beside the search: a Ray task with a trial's resources, its result in the record.

The driver may be a small machine without the encoders' weights: so the probe runs where trials run. A study does not
depend on it: what goes wrong is said and left out.
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
    """Probes under way; `collect` waits for them."""

    run: Run
    tasks: dict[str, Any]  # encoder -> what Ray will return

    @classmethod
    def begin(cls, run: Run, spec: StudySpec, encoders: Sequence[str]) -> "Probing":
        """Probe the encoders that the record does not know yet."""
        wanted = [name for name in encoders if name not in run.meta.misalignment]
        workers, tasks = connect(), {}
        for name in wanted:
            given = trial_resources(spec, workers, name, len(wanted))
            probe = ray.remote(_probe).options(num_cpus=given["CPU"], num_gpus=given["GPU"], max_retries=1)
            tasks[name] = probe.remote(spec, name, int(given["CPU"]), given["GPU"])
        return cls(run, tasks)

    def collect(self) -> list[str]:
        """Write what was measured into the record; returns what could not be, one line each."""
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
    """What a Ray worker does."""
    use_threads(threads)
    use_gpu(gpu)
    aligned = evaluation_data(spec.task, spec.data.origin, "dev", spec.data.dev_rows)
    encoder = load_encoder(name, spec.task.labels, sentences=spec.task.sentences)
    encoder.model.to(device())
    return as_plain(misalignment(encoder, aligned, int(ends(spec.training.max_tokens)[1])))

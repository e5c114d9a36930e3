"""Times the encoders of a study on this machine: some steps of each method and an evaluation, with their memory.

A method is timed at the middle of its parameters, on the first batches of its own stream. Their widths differ, so what
counts is the time of a token. Timing ends early where a step takes long.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

import torch

from xrt.data.batches import TrainingStream
from xrt.data.sampling import steps_per_epoch
from xrt.robust.encoder import Encoder
from xrt.robust.evaluation import predict
from xrt.robust.graphs import EAGER
from xrt.robust.methods import METHODS
from xrt.robust.objective import Method
from xrt.robust.progress import Progress, peak_memory
from xrt.robust.training import Recipe, TrainingState, train
from xrt.search.packing import here, trial_resources
from xrt.search.sampler import OfArm, Unit
from xrt.search.scoring import SAMPLE_SEED, evaluation_data
from xrt.search.trial import device, open_encoder, started, training_stream
from xrt.spec.arms import PLAIN
from xrt.spec.study import StudySpec
from xrt.spec.trial import TrialConfig, build

TIMED, SECONDS = 12, 2.0  # steps; seconds after which no other step begins
INPUTS = {"cpu": 64, "cuda": 1024}  # evaluated
Watch = Callable[[str], None]  # called with what is timed next


class Step(NamedTuple):
    """One step of a method: its seconds, and its cost in plain steps of the study's largest batch."""

    seconds: float
    cost: float

    @property
    def pace(self) -> float:
        """Seconds per unit of cost, which is a plain step."""
        return self.seconds / self.cost


@dataclass(frozen=True)
class Timing:
    """The times of one encoder on this machine.

    Attributes:
        steps: by method, `plain` always among them; of an average batch, at the middle of the method's parameters.
        evaluation: seconds of one input.
        peak: peak bytes: on a GPU of this encoder, without CUDA's own; on a CPU of this process so far.
        room: GiB of a GPU that packing gives a trial; 0 without a GPU.
    """

    layers: int
    steps: dict[str, Step]
    evaluation: float
    peak: int
    room: float


def timings(spec: StudySpec, watch: Watch = lambda what: None) -> dict[str, Timing]:
    """Each encoder of the study, on the device and with the threads of this process.

    Args:
        watch: called with what is timed next.

    Raises:
        XrtError: data or encoder cannot be used.
    """
    return {name: _timing(spec, name, watch) for name in spec.space.encoders}


def _timing(spec: StudySpec, name: str, watch: Watch) -> Timing:
    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    watch(f"{name}: opening it")
    encoder = open_encoder(_middle(spec, name, PLAIN))
    steps = {}
    state = None  # kept during the evaluation: a trial keeps its optimizer too
    for method in dict.fromkeys([PLAIN, *spec.space.method]):
        watch(f"{name}: steps of {method}")
        state = None  # freed before the next encoder is loaded
        state, steps[method] = _step(_middle(spec, name, method), encoder)
    watch(f"{name}: evaluation")
    evaluation = _evaluation(spec, encoder, _middle(spec, name, PLAIN).max_tokens)
    peak = peak_memory(encoder.device)
    del state
    return Timing(encoder.layers, steps, evaluation, peak, _room(spec, name))


def _middle(spec: StudySpec, encoder: str, method: str) -> TrialConfig:
    """A trial at the middle of all that varies; also of plain fine-tuning if that is no arm."""
    arm = next((arm for arm in spec.arms if arm.method == method), None)
    halfway = Unit(lambda name: 0.5)
    sample = spec.sample(OfArm(arm or spec.arms[0], halfway, halfway)) | {"encoder": encoder}
    if arm is None:
        sample = {key: value for key, value in sample.items() if "." not in key} | {"method": method}
    return build(spec, sample, spec.search.seed)


def _step(config: TrialConfig, opened: Encoder) -> tuple[TrainingState, Step]:
    encoder = replace(opened, layer=config.layer)
    stream, used = training_stream(config, encoder)
    # The norm at the site changes what a step does, not how long it takes.
    method = METHODS[config.method].build(config.parameters, 1.0)
    recipe, state = started(config, encoder, stream, used)
    # On a GPU every width must occur until its step is recorded.
    for count in [1] if encoder.device.type == "cpu" else [TIMED] * (EAGER + 1):
        _some(state, method, recipe, stream, count)
    rate = _some(state, method, recipe, stream, TIMED).tokens_per_second
    tokens = stream.lengths.sum() / steps_per_epoch(stream.rows, stream.batch_size)
    cost = method.cost(encoder.layers, encoder.layer) * config.plain_step
    return state, Step(float(tokens) / rate, cost)


def _some(
    state: TrainingState, method: Method, recipe: Recipe, stream: TrainingStream, count: int
) -> Progress:
    """The first steps of the stream, as many as the time allows; at least one."""
    state.step, until = 0, time.perf_counter() + SECONDS
    state.meter.clear()

    def enough(step: int) -> bool:
        return step >= count or time.perf_counter() > until

    # Paused, not stopped, because at a stop the attack would be measured too.
    return next(train(state, method, recipe, stream, [count + 1], enough))


def _evaluation(spec: StudySpec, encoder: Encoder, max_tokens: int) -> float:
    """Seconds per input, after a first evaluation that tokenizes the split."""
    dev = evaluation_data(spec.task, spec.data.origin, "dev", spec.data.dev_rows)
    count = INPUTS[encoder.device.type]
    pairs = Random(SAMPLE_SEED).sample(dev.pairs, min(count, len(dev.pairs)))
    sample = dev.spread(dict.fromkeys(pairs, max(1, count // len(pairs))), SAMPLE_SEED)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        predict(encoder, dev, sample, max_tokens)
        seconds = time.perf_counter() - began
    return seconds / max(1, sum(len(one.rows) for one in sample.values()))


def _room(spec: StudySpec, encoder: str) -> float:
    if device().type == "cpu":
        return 0.0
    workers = here()
    return workers.gpu_gib * trial_resources(spec, workers, encoder, spec.search.trials)["GPU"]

"""One whole trial: data, encoder, method, training, evaluation. Knows no Ray, so any trial can run in a debugger.

A trial is a generator. It yields a report at every rung, and its caller continues or drops it. Test data are read
only if the configuration says so (in the confirmation of a finished search).
"""

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xrt.data.batches import FixedPairs, SynonymPairs, TrainingPairs, TrainingStream
from xrt.data.loading import load
from xrt.data.sentences import Source
from xrt.data.synonyms import load_neighbours
from xrt.data.tasks import Task
from xrt.data.tokens import tokenize_cached, tokenizer_digest
from xrt.errors import RecordError, TrainingError
from xrt.record.values import Pace
from xrt.robust import checkpoint
from xrt.robust.encoder import Encoder, load_encoder
from xrt.robust.keeping import Kept
from xrt.robust.memory import OVERHEAD
from xrt.robust.methods import METHODS
from xrt.robust.progress import Attacked, Progress
from xrt.robust.training import Recipe, TrainingState, progress, start, train
from xrt.search.pauses import Pauses
from xrt.search.scoring import Scoring, Watch, neighbours_at_hand
from xrt.spec.trial import TrialConfig

_log = logging.getLogger("xrt")


@dataclass(frozen=True)
class Saving:
    """A checkpoint is due, between two rungs or after a rung that the trial survived.

    `take`, called before the trial continues, copies the state to the host, and returns a function that writes the copy
    into a folder, at any time and in any thread.
    """

    step: int
    take: Callable[[], Callable[[Path], None]]

    def save(self, folder: Path) -> None:
        """Write the checkpoint before the trial continues."""
        self.take()(folder)


@dataclass(frozen=True)
class RungReport:
    """A trial at a rung. `save`, at the end alone, writes weights and predictions into a folder.

    Before the end it is None, because most trials are pruned at a rung and their checkpoints never read. A trial that
    continues yields a `Saving`.
    """

    step: int
    save: Callable[[Path], None] | None
    rung: int
    share: float
    metrics: dict[str, float]


def begin(
    config: TrialConfig,
    resume: Sequence[Path] = (),
    known: int = 0,
    seconds: float = math.inf,
    watch: Watch = lambda split, done, total: None,
    about: Mapping[str, Any] | None = None,
) -> Iterator[RungReport | Saving | Pace]:
    """Train and evaluate as `config` says, from rung to rung; in between, yield its progress from time to time.

    Args:
        resume: checkpoints of an earlier, interrupted run of the same trial, best first; damaged ones are skipped.
        known: number of rungs whose reports have arrived. A checkpoint at a later rung, the last, is evaluated
            again: it was saved, and then its report was lost.
        seconds: between checkpoints that lie between rungs.
        watch: called with the progress of an evaluation.
        about: the identity (run and trial) written into all its files. Checkpoints of other trials are skipped.

    Raises:
        XrtError: data or encoder cannot be used, or the training diverged.
    """
    encoder = open_encoder(config)
    stream, used = training_stream(config, encoder)
    scoring = Scoring.of(config, encoder, stream, used, watch)
    method = METHODS[config.method].build(config.parameters, scoring.site_norm)
    stops = config.stops(stream.rows)
    looks = config.kept.looks(stops[-1])
    recipe, state = started(config, encoder, stream, used)
    state.kept = Kept() if looks else None
    _restore_first(state, resume, about)
    report = partial(_report, config, state, stops, scoring, about or {})
    take = partial(checkpoint.snapshot, state, about=about)
    pauses = Pauses(looks, seconds)

    with _naming(config):
        if state.step in stops[known:]:
            yield report(progress(state, method, recipe, stream))
        for reached in train(state, method, recipe, stream, stops, pauses):
            if reached.step in looks:
                _look(config, state, scoring)
            if reached.step == stops[-1] and state.kept:
                _end_with(state, state.kept)
                # The attack on the final weights, which is what a resumed trial would measure.
                reached = progress(state, method, recipe, stream)
            at_rung = reached.step in stops
            if at_rung:
                yield report(reached)
            if reached.step in stops[:-1] or (pauses.saves and not at_rung):
                yield Saving(reached.step, take)
            elif pauses.reports and not at_rung:
                yield _pace(config, reached, stops[-1])


def _pace(config: TrialConfig, reached: Progress, steps: int) -> Pace:
    pairs = reached.examples_per_second
    return Pace(reached.step, steps, reached.loss, pairs, pairs / config.batch_size)


def _look(config: TrialConfig, state: TrainingState, scoring: Scoring) -> None:
    """Consider the present weights as final ones."""
    assert state.kept is not None
    if config.kept.how == "best":
        state.kept.take_if_better(state.encoder.model, scoring.look(state.encoder))
    else:
        state.kept.add(state.encoder.model)


def _end_with(state: TrainingState, kept: Kept) -> None:
    """Replace the last weights by the kept ones."""
    state.encoder.model.load_state_dict(kept.weights)
    state.kept = None
    state.meter.start_clock()  # the last evaluation was no training


@contextmanager
def _naming(config: TrialConfig) -> Iterator[None]:
    """Add the configuration to errors of the training."""
    try:
        yield
    except TrainingError as error:
        own = [f"{n} {v:.4g}" if isinstance(v, float) else f"{n} {v}" for n, v in config.params]
        parts = [config.encoder, config.method, *own, f"learning_rate {config.learning_rate:.4g}"]
        raise TrainingError(f"{error} The configuration: {', '.join(parts)}.") from error


def _restore_first(state: TrainingState, folders: Sequence[Path], about: Mapping[str, Any] | None) -> None:
    """Continue from the first whole checkpoint; from the start if none is whole."""
    for folder in folders:
        try:
            checkpoint.restore(state, folder, about)
            return
        except RecordError as error:
            _log.warning("%s", error)


def open_encoder(config: TrialConfig) -> Encoder:
    """The encoder of a trial, with a fresh head, on the device that this process may use."""
    encoder = load_encoder(
        config.encoder,
        config.task.labels,
        sentences=config.task.sentences,
        layer=config.layer,
        dropout=config.dropout,
        gradient_checkpointing=config.gradient_checkpointing,
        seed=config.seed,
    )
    if config.precision != "auto":
        encoder.mixed = config.precision == "bfloat16"
    if device().type == "cuda":
        # "high" is TF32, which rounds the factors to 10 bits; processes are used for many trials.
        torch.set_float32_matmul_precision("highest" if config.precision == "float32" else "high")
        torch.use_deterministic_algorithms(config.deterministic)
    encoder.model.to(device())
    return encoder


@dataclass(frozen=True)
class TrainingData:
    """Labelled examples of the source languages; of single sentences all `second` are ""."""

    first: list[str]
    second: list[str]
    labels: npt.NDArray[np.int64]


@lru_cache(maxsize=2)
def training_data(task: Task, source: Source, rows: int | None) -> TrainingData:
    """The complete examples of the source languages; the first `rows` of them if that is set."""
    read_in = load(task, source, "train")
    chosen = read_in.labelled(task.sources, rows)
    sides = [(read_in.sentences(a).first[row], read_in.sentences(a).second[row]) for a, row, _ in chosen]
    labels = np.array([label for _, _, label in chosen], np.int64)
    return TrainingData([first for first, _ in sides], [second for _, second in sides], labels)


def training_stream(config: TrialConfig, encoder: Encoder) -> tuple[TrainingStream, npt.NDArray[np.int32]]:
    """The training batches, and the token ids that occur in the training data."""
    sentences = training_data(config.task, config.source, config.train_rows)
    digest = tokenizer_digest(encoder.tokenizer)
    first = tokenize_cached(encoder.tokenizer, digest, sentences.first)
    second = tokenize_cached(encoder.tokenizer, digest, sentences.second)
    pairs: TrainingPairs = FixedPairs(first, second, sentences.labels)
    if config.method == "synonyms":
        # The published table may have to be downloaded.
        table = neighbours_at_hand(config) or load_neighbours(None)
        settings = METHODS["synonyms"].resolved(config.parameters)
        pairs = SynonymPairs(
            FixedPairs(first, second, sentences.labels),
            (sentences.first, sentences.second),
            table,
            encoder.tokenizer,
            config.seed,
            settings["match"],
            settings["copies"] if settings["draw"] == "once" else None,
        )
    multiple = 8 if encoder.device.type == "cuda" else 1
    stream = TrainingStream(
        pairs, encoder.template, config.batch_size, config.max_tokens, config.seed, multiple
    )
    return stream, np.union1d(np.unique(first.values), np.unique(second.values))


def recipe_of(config: TrialConfig, rows: int) -> Recipe:
    """The recipe for so many training examples."""
    return Recipe(
        learning_rate=config.learning_rate,
        steps=config.length.steps(rows),
        seed=config.seed,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        clip=config.clip,
        freeze_word_embeddings=config.freeze_word_embeddings,
        micro_batch=config.micro_batch,
        compile=config.compile and not config.gradient_checkpointing,
    )


def started(
    config: TrialConfig, encoder: Encoder, stream: TrainingStream, used: npt.NDArray[np.int32]
) -> tuple[Recipe, TrainingState]:
    """The recipe, and the state before the first step; `stream` and `used` are those of `training_stream`."""
    recipe = recipe_of(config, stream.rows)
    # If words are replaced, the pieces are not known before they are drawn.
    return recipe, start(encoder, recipe, used if isinstance(stream.pairs, FixedPairs) else None)


def _report(
    config: TrialConfig,
    state: TrainingState,
    stops: Sequence[int],
    scoring: Scoring,
    about: Mapping[str, Any],
    reached: Progress,
) -> RungReport:
    rung, last = stops.index(reached.step), reached.step == stops[-1]
    looks = sum(step <= reached.step for step in config.kept.looks(stops[-1]))
    metrics = {
        "train/loss": reached.loss,
        "train/examples_per_second": reached.examples_per_second,
        "train/tokens_per_second": reached.tokens_per_second,
        "train/cost": reached.cost * config.plain_step + looks * scoring.cost_of_look,
        "train/micro_batch": float(reached.micro_batch or config.batch_size),
        "train/peak_gib": reached.peak_memory / 2**30,  # to compare with the share of a GPU from `packing`
        "train/site_norm": scoring.site_norm,
    }
    metrics |= _attack_metrics(reached.attack)
    scored = scoring.whole(state.encoder) if last else scoring.sampled(state.encoder)

    def save(folder: Path) -> None:
        for split, predictions in scored.predictions.items():
            predictions.save(folder / f"predictions-{split}.arrow", **about, split=split, step=reached.step)
        checkpoint.save(state, folder, optimizer=False, about=about)

    share = reached.step / stops[-1]
    return RungReport(reached.step, save if last else None, rung, share, metrics | scored.metrics)


def _attack_metrics(attack: Attacked | None) -> dict[str, float]:
    """The effect of the perturbation and its absolute radius; `reached` is the mean ‖δ_i‖ as a share of the radius."""
    if attack is None:
        return {}
    metrics = {"train/delta_reached": attack.norm / attack.radius} if attack.radius else {}
    if attack.passes:
        metrics["train/attack_gain"] = attack.after - attack.before
    return metrics | {
        "train/radius": attack.radius,
        "train/loss_before_attack": attack.before,
        "train/loss_after_attack": attack.after,
    }


_gpu = {"share": 1.0}  # that this process may use; by default a whole one


def use_gpu(share: float) -> None:
    """Limit this process to its share of a GPU's memory: a trial that needs more fails, not its neighbour.

    Args:
        share: 0: it uses none, although Ray may show it all GPUs of the machine.
    """
    _gpu["share"] = share
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        # The context lies outside of torch's allocations.
        context = OVERHEAD / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(max(0.0, min(1.0, share) - context))


def device() -> torch.device:
    """The device that this process trains on: a GPU only if it has a share of one."""
    return torch.device("cuda" if _gpu["share"] and torch.cuda.is_available() else "cpu")


def device_name() -> str:
    """What this process trains on: the name of its GPU, or "CPU"."""
    return torch.cuda.get_device_name() if device().type == "cuda" else "CPU"


def use_threads(count: int) -> None:
    """Bind this process's arithmetic to `count` threads: two trials of two threads on two cores are far slower."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if count < 2 else "true"
    torch.set_num_threads(max(1, count))

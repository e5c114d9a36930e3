"""Gradients of a step as CUDA graphs: recorded once for each shape of batch, then replayed in one launch.

In small steps launching the kernels takes longer than running them. A replay launches the same kernels in the same
order, with random numbers of the same seeds, so switching this on changes no number of a study.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from xrt.data.batches import Batch
from xrt.errors import TrainingError
from xrt.robust.encoder import Encoder
from xrt.robust.memory import out_of_memory
from xrt.robust.objective import Method, Perturbed

_log = logging.getLogger("xrt")
EAGER = 3  # steps of a shape before it is recorded: libraries choose their kernels in the first ones


@dataclass
class _Shape:
    """One shape of batch: how often it occurred and, once recorded, its graph with input and output."""

    met: int = 0
    graph: Any = None
    batch: Batch | None = None
    loss: torch.Tensor | None = None


@dataclass
class Graphs:
    """The graphs of one training. They share their memory, because none of them reads what another wrote.

    Gradients must keep their addresses between steps (`zero_grad(set_to_none=False)`), because a graph writes where it
    wrote when it was recorded. All steps are eager for `Free`, which resets the random numbers between its passes, and
    for an encoder that reads numbers back from the GPU.
    """

    shapes: dict[tuple[int, int, float], _Shape] = field(default_factory=dict)
    pool: Any = None
    refused: bool = False  # this encoder cannot be recorded

    def backward(
        self, encoder: Encoder, method: Method, batch: Batch, weight: float, generator: torch.Generator
    ) -> torch.Tensor:
        """As `method.backward`, replayed from the fourth batch of a shape on.

        Raises:
            TrainingError: the encoder cannot be recorded, and `_watched` did not notice.
        """
        rows, tokens = batch.input_ids.shape
        shape = self.shapes.setdefault((rows, tokens, weight), _Shape())
        shape.met += 1
        if self.refused or shape.met < EAGER or not isinstance(method, Perturbed):
            return method.backward(encoder, batch, weight, generator)
        if shape.met == EAGER:
            with self._watched():
                return method.backward(encoder, batch, weight, generator)
        if shape.graph is None:
            self._record(shape, encoder, method, batch, weight, generator)
        assert shape.batch is not None and shape.loss is not None
        shape.batch.copy_(batch)
        shape.graph.replay()
        return shape.loss.clone()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Find out whether a step waits for the GPU: recording one would fail, and leave the GPU unusable."""
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
        if any("synchroniz" in str(one.message) for one in seen):
            self.refused = True
            _log.warning(
                "training.compile: this encoder waits for the GPU in every step; its steps stay as they are."
            )

    def _record(
        self,
        shape: _Shape,
        encoder: Encoder,
        method: Method,
        batch: Batch,
        weight: float,
        generator: torch.Generator,
    ) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        shape.batch = batch.clone()
        # The graph must not reuse casts of eager steps, nor they those of the graph.
        torch.clear_autocast_cache()
        # Meanwhile another thread may use the GPU: one makes the next batches.
        try:
            with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
                shape.loss = method.backward(encoder, shape.batch, weight, generator)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            raise TrainingError(
                f"training.compile: the steps of this encoder cannot be recorded ({str(error).splitlines()[0]}); "
                "set it to false."
            ) from error
        torch.clear_autocast_cache()
        shape.graph = graph

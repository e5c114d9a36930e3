"""Sentence pairs in many languages: read, aligned, sampled. A library of its own, without Ray or MLflow.

aligned = load(TASKS["pawsx"], Source("folder", "data/pawsx"), "dev")
rows = aligned.pair("de", "zh").rows  # sentence 1 in German, sentence 2 in Chinese
"""

from xrt.data.loading import align, load
from xrt.data.pairs import Aligned, Drops, PairRows
from xrt.data.reading import check, read
from xrt.data.sentences import Sentences, Source
from xrt.data.synonyms import Neighbours, load_neighbours, substitute
from xrt.data.tasks import TASKS, Hub, Split, Task, task_named

__all__ = [
    "TASKS",
    "Aligned",
    "Drops",
    "Hub",
    "Neighbours",
    "PairRows",
    "Sentences",
    "Source",
    "Split",
    "Task",
    "align",
    "check",
    "load",
    "load_neighbours",
    "read",
    "substitute",
    "task_named",
]

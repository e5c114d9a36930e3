"""`mini`: a paraphrase task in seven languages that fits in a package, with encoders small enough to ship
with it.

A model organism: the code paths of PAWS-X in seconds per trial. No result on it is a claim about PAWS-X. With single
sentences, as `mini-topics`, it is a topic classification task.
"""

from pathlib import Path

from xrt.mini.grammar import TOPICS, AlignedExample, generate, topics
from xrt.mini.lexicon import LANGUAGES, neighbours

# Shipped encoders, made by `python -m tools.mini.pretrain NAME`.
ENCODERS: dict[str, Path] = {name: Path(__file__).parent / "encoders" / name for name in ("mini-a", "mini-b")}

__all__ = ["ENCODERS", "LANGUAGES", "TOPICS", "AlignedExample", "generate", "neighbours", "topics"]

"""XNLI's 225 cells against a naive reference: `python -m tests.bench.matrix_225 ENCODER [ROWS] [MAX_TOKENS]`

ENCODER: a folder or hub name, or a shipped one. Its head is random, scaled so that its answers vary. Fails if any of
the 225 counts differs from that of transformers alone, one pair at a time (tests/bench/naive_matrix.py).
"""

import sys
import tempfile
from pathlib import Path

import torch

from tests.bench import naive_matrix, xnli_folder
from xrt.data import TASKS, Source, load
from xrt.robust.encoder import load_encoder
from xrt.robust.evaluation import predict


def main(name: str = "mini-a", rows: str = "24", max_tokens: str = "96") -> int:
    task = TASKS["xnli"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = str(xnli_folder.write(root / "xnli", int(rows)))
        dev = load(task, Source("folder", data), "dev")
        encoder = load_encoder(name, task.labels)
        centre_head(encoder.model, dev.sentences("en").first[:16], encoder.tokenizer)
        found = predict(encoder, dev, task.pairs(), int(max_tokens))
        print(f"classes answered: {sorted(set(found.predicted[found.labels >= 0].tolist()))}")
        found.save(root / "predictions-dev.arrow")
        encoder.model.save_pretrained(root / "model")
        encoder.tokenizer.save_pretrained(root / "model")
        return naive_matrix.main(str(root / "model"), data, str(root / "predictions-dev.arrow"), max_tokens)


@torch.no_grad()
def centre_head(model: torch.nn.Module, sentences: tuple[str, ...], tokenizer: object) -> None:
    """Shift the last bias so that the classes are about equally likely: a random head answers one class only."""
    model.eval()
    encoded = tokenizer(list(sentences), list(reversed(sentences)), padding=True, return_tensors="pt")  # type: ignore[operator]
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.bias -= model(**encoded).logits.mean(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

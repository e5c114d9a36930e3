"""Whole matrices against a naive reference: `python -m tests.bench.matrix_naive TASK [ENCODER] [ROWS] [DATA]`

TASK: xnli, its 15 languages and 225 cells, or forty languages and 1,600 cells, both of generated sentences; or sick, 16
cells of the real sentences in the folder DATA, of which the first ROWS are taken. ENCODER: a folder or hub name, or a
shipped one. Its head is random, scaled so that its answers vary. Fails if any count differs from that of transformers
alone, one pair at a time (tests/bench/naive_matrix.py).
"""

import sys
import tempfile
from pathlib import Path

import torch

from tests.bench import generated_folder, naive_matrix
from xrt.data import TASKS, Source, Task, load
from xrt.mini import LANGUAGES
from xrt.robust.encoder import load_encoder
from xrt.robust.evaluation import predict

NLI = TASKS["xnli"].labels
KNOWN = {
    "xnli": TASKS["xnli"],
    "forty": Task("forty", (*LANGUAGES, *(f"x{n:02d}" for n in range(len(LANGUAGES), 40))), NLI),
    "sick": Task("sick", ("en", "nl", "pt", "ja"), NLI),
}
MAX_TOKENS = 64  # less than the longest pair


def main(name: str, encoder_name: str = "mini-a", rows: str = "24", data: str = "") -> int:
    task = KNOWN[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = root / "data"
        if data:
            first_rows(Path(data), files, int(rows))
        else:
            generated_folder.write(files, int(rows), task.languages)
        dev = load(task, Source("folder", str(files)), "dev")
        encoder = load_encoder(encoder_name, task.labels)
        centre_head(encoder.model, dev.sentences("en").first[:16], encoder.tokenizer)
        found = predict(encoder, dev, task.pairs(), MAX_TOKENS)
        print(f"classes answered: {sorted(set(found.predicted[found.labels >= 0].tolist()))}")
        print(f"left out of a pair, most: {max(one.conflict for one in dev.drops.values())} for their labels")
        found.save(root / "predictions-dev.arrow")
        encoder.model.save_pretrained(root / "model")
        encoder.tokenizer.save_pretrained(root / "model")
        return naive_matrix.main(
            str(root / "model"), str(files), str(root / "predictions-dev.arrow"), MAX_TOKENS
        )


def first_rows(data: Path, folder: Path, count: int) -> None:
    """The first rows of each file, and its header."""
    folder.mkdir()
    for file in (*data.glob("dev-*.tsv"), *data.glob("train-en.tsv")):
        lines = file.read_text(encoding="utf-8").split("\n")[: count + 1]
        (folder / file.name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@torch.no_grad()
def centre_head(model: torch.nn.Module, sentences: tuple[str, ...], tokenizer: object) -> None:
    """Shift the last bias so that the classes are about equally likely: a random head answers one class only."""
    model.eval()
    encoded = tokenizer(list(sentences), list(reversed(sentences)), padding=True, return_tensors="pt")  # type: ignore[operator]
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.bias.sub_(model(**encoded).logits.mean(0))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

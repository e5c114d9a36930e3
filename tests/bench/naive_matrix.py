"""Recompute a trial's accuracy matrix the plain way: `python tests/bench/naive_matrix.py MODEL DATA PREDICTIONS`.

MODEL is a folder made by `export`, DATA a folder in XTREME's layout, PREDICTIONS the trial's `predictions-dev.arrow`
(for its pairs and rows, and to compare with). Uses transformers alone: one pair at a time, no padding, no cache.
Prints both counts for every pair of languages and fails if any differs.
"""

import sys
from pathlib import Path

import torch
from pyarrow import feather
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def read(path: Path) -> list[list[str]]:
    """The rows of a TSV file, without any quoting rules."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]


def main(model_folder: str, data: str, predictions: str, max_tokens: int | str = 128) -> int:
    model = AutoModelForSequenceClassification.from_pretrained(model_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    table = feather.read_table(predictions).to_pydict()
    pairs = [tuple(name.split("-")) for name in table if name != "id" and not name.startswith("label ")]
    rows = [int(i) for i in table["id"]]
    texts = {a: read(Path(data) / f"dev-{a}.tsv") for a in {language for pair in pairs for language in pair}}
    differing = 0
    for a, b in pairs:
        correct = total = 0
        for i in rows:
            first, second, gold = texts[a][i][0], texts[b][i][1], texts[a][i][2]
            missing = any(sentence.strip() in ("", "NS") for sentence in (first, second))
            if missing or texts[b][i][2] != gold:
                continue
            encoded = tokenizer(
                first, second, truncation=True, max_length=int(max_tokens), return_tensors="pt"
            )
            with torch.inference_mode():
                answer = int(model(**encoded).logits.argmax())
            correct, total = correct + (model.config.id2label[answer] == gold), total + 1
        answers, labels = table[f"{a}-{b}"], table[f"label {a}-{b}"]
        ours = (
            sum(x == y for x, y in zip(answers, labels, strict=True) if y >= 0),
            sum(y >= 0 for y in labels),
        )
        differing += (correct, total) != ours
        print(f"{a}-{b}: naive {correct}/{total}, recorded {ours[0]}/{ours[1]}", flush=True)
    print(f"{len(pairs)} pairs, {differing} differ")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Recompute an accuracy matrix the plain way: `python tests/bench/naive_matrix.py MODEL DATA PREDICTIONS [MAX_TOKENS]`.

MODEL is a transformers folder (as `export` makes it), DATA a folder in XTREME's layout, of PAWS-X, XNLI or any other
task (a header `id sentence1 sentence2 label` may be there), PREDICTIONS a `predictions-dev.arrow` or
`predictions-test.arrow` (for its pairs and rows, and to compare with).
Uses transformers alone: one pair at a time, no padding, no cache. Prints both counts for every pair of languages and
fails if any differs.
"""

import json
import sys
from pathlib import Path

import torch
from pyarrow import feather
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def read(path: Path) -> dict[str, list[str]]:
    """The rows of a TSV file by id, without any quoting rules; without a header they are numbered."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    if rows[0][0] == "id":
        return {row[0]: row[1:] for row in rows[1:]}
    return {str(number): row for number, row in enumerate(rows)}


def main(model_folder: str, data: str, predictions: str, max_tokens: int | str = 128) -> int:
    model = AutoModelForSequenceClassification.from_pretrained(model_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    recorded = feather.read_table(predictions)
    pairs, table = json.loads(recorded.schema.metadata[b"pairs"]), recorded.to_pydict()
    rows = table["id"]
    split = "test" if Path(predictions).stem.endswith("test") else "dev"
    languages = {language for pair in pairs for language in pair}
    texts = {a: read(Path(data) / f"{split}-{a}.tsv") for a in languages}
    differing = asked = 0
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
        answers, labels = table[f"{a}-{b}"], table[f"label {a}"]
        ours = (
            sum(x == y for x, y in zip(answers, labels, strict=True) if x >= 0),
            sum(x >= 0 for x in answers),
        )
        differing, asked = differing + ((correct, total) != ours), asked + total
        print(f"{a}-{b}: naive {correct}/{total}, recorded {ours[0]}/{ours[1]}", flush=True)
    print(f"{len(pairs)} pairs, {asked} questions, {differing} pairs differ")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

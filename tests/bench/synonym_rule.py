"""Is `synonyms` the published rule? `python -m tests.bench.synonym_rule FOLDER TABLE`, seconds; exit code 1 if not.

FOLDER: PAWS-X in TSV files; TABLE: counterfitted_neighbors.json. On the English training sentences: the share of
blank-separated words that are replaced; of the paraphrase pairs those in which a name (a word with a capital, not the
first) that both sentences had is no longer in both; and whether the draws are those of the rule written out from the
authors' code (github uclanlp/Robust-XLT, perturb.py), with the same generator. Beside it the same counts of
`match: any-case`.
"""

import json
import sys
from pathlib import Path
from typing import get_args

import numpy as np

from xrt.data import TASKS, Source, load
from xrt.data.synonyms import Match, Neighbours, substitute

REPLACED = (0.20, 0.21)  # share of the words
COMPARED = 1000  # sentences


def published(sentence: str, table: dict[str, list[str]], rng: np.random.Generator) -> str:
    """One copy of a sentence, word by word."""
    words = []
    for word in sentence.split(" "):
        if word in table and len(table[word]) > 0:
            choices = [word, *table[word]]
            words.append(choices[int(rng.integers(0, len(choices)))])
        else:
            words.append(word)
    return " ".join(words)


def same_draws(sentences: list[str], table: dict[str, list[str]], neighbours: Neighbours) -> int:
    """How many of the sentences become the same by the published rule and by ours."""
    one, other = np.random.default_rng(7), np.random.default_rng(7)
    return sum(published(s, table, one) == substitute(s, neighbours, other) for s in sentences)


def share_replaced(before: list[str], after: list[str]) -> float:
    """Of all words between blanks, those that changed."""
    changed = [
        a != b
        for old, new in zip(before, after, strict=True)
        for a, b in zip(old.split(" "), new.split(" "), strict=True)
    ]
    return float(np.mean(changed))


def names(sentence: str) -> set[str]:
    return {word for word in sentence.split(" ")[1:] if word[:1].isupper()}


def broken(before: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether a name that both sentences had is no longer in both."""
    shared = names(before[0]) & names(before[1])
    return not shared <= names(after[0]) & names(after[1])


def main(folder: str, table: str) -> int:
    read_in = load(TASKS["pawsx"], Source("folder", folder), "train")
    complete = read_in.pair("en", "en")
    both = read_in.sentences("en")
    pairs = [(both.first[i], both.second[i]) for i in complete.rows]
    sentences = [sentence for pair in pairs for sentence in pair]
    neighbours = Neighbours.from_file(table)
    alike = complete.labels == 1
    print(f"{len(pairs)} pairs, {int(alike.sum())} of them paraphrases")
    found = {}
    for match in get_args(Match):
        rng = np.random.default_rng(0)
        after = [substitute(sentence, neighbours, rng, match) for sentence in sentences]
        moved = list(zip(after[::2], after[1::2], strict=True))
        lost = sum(broken(old, new) for old, new, same in zip(pairs, moved, alike, strict=True) if same)
        found[match] = (share_replaced(sentences, after), lost)
        print(
            f"{match:9} {found[match][0]:6.1%} of the words replaced, a shared name broken in {lost} paraphrase pairs"
        )
    some = sentences[:COMPARED]
    same = same_draws(some, json.loads(Path(table).read_bytes()), neighbours)
    print(f"{same} of {len(some)} sentences as by the published rule with the same generator")
    share, lost = found["exact"]
    held = {
        f"{REPLACED[0]:.0%} to {REPLACED[1]:.0%} of the words": REPLACED[0] <= share <= REPLACED[1],
        "no shared name broken": lost == 0,
        "the published draws": same == len(some) == COMPARED,
    }
    for bound, met in held.items():
        print(f"{bound}: {'yes' if met else 'NO'}")
    return int(not all(held.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""XNLI's 15 languages in XTREME's layout, from generated sentences: `python -m tests.bench.xnli_folder FOLDER [ROWS]`

Five of the languages are those of `mini`; the other ten are its English in other scripts, letter by letter. Not
the real thing: it tries the code on 15 languages, 225 pairs and 3 label words, with sentences that are missing, labels
that disagree and pairs that are too long, as in real files.
"""

import sys
from pathlib import Path

from xrt.data import TASKS
from xrt.mini import LANGUAGES, generate

LATIN = "abcdefghijklmnopqrstuvwxyz"
SCRIPTS = {
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنه",
    "bg": "абвгдежзийклмнопрстуфхцчшщ",
    "el": "αβγδεζηθικλμνξοπρστυφχψωάέ",
    "hi": "अआइईउऊएऐओऔकखगघचछजझटठडढतथदध",
    "ru": "абвгдеёжзийклмнопрстуфхцчш",
    "sw": "wabizukanemotihulyrsdgpfjv",
    "th": "กขคฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผ",
    "tr": "abcçdefgğhıijklmnoöprsştuü",
    "ur": "ابپتٹثجچحخدڈذرڑزژسشصضطظعغف",
    "vi": "aăâbcdđeêghiklmnoôơpqrstuư",
}


def said(sentences: dict[str, tuple[str, str]], language: str, side: int) -> str:
    """One side of an example, in any of the fifteen languages."""
    if language in LANGUAGES:
        return sentences[language][side]
    return sentences["en"][side].lower().translate(str.maketrans(LATIN, SCRIPTS[language]))


def rows(language: str, count: int, split: str) -> list[str]:
    """Lines of a file: a third of each label; the neutral hypotheses belong to other premises."""
    examples = generate("dev" if split == "dev" else "test")
    lines = []
    for i in range(count):
        first, other = examples[i % len(examples)], examples[(i + 1) % len(examples)]
        neutral = i % 3 == 2
        label = "neutral" if neutral else ("contradiction", "entailment")[first.label]
        premise, hypothesis = (
            said(first.sentences, language, 0),
            said((other if neutral else first).sentences, language, 1),
        )
        if i == 3 and language in ("th", "sw"):
            hypothesis = ""  # a translation that is missing
        if i == 4 and language == "ur":
            label = "neutral" if label != "neutral" else "entailment"  # translators disagree
        if i == 5:
            premise = " ".join([premise] * 12)  # longer than any encoder reads here
        lines.append("\t".join([premise, hypothesis, label]))
    return lines


def write(folder: Path, count: int) -> Path:
    """train-en.tsv, and dev and test in all languages."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in TASKS["xnli"].languages:
        for split in ("dev", "test"):
            text = "\n".join(rows(language, count, split))
            (folder / f"{split}-{language}.tsv").write_text(text + "\n", encoding="utf-8")
    (folder / "train-en.tsv").write_text("\n".join(rows("en", count, "train")) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    write(Path(sys.argv[1]), int([*sys.argv, "200"][2]))

"""XNLI's 15 languages in XTREME's layout, generated: `python -m tests.bench.generated_folder FOLDER [ROWS]`

Five of the languages are those of `mini`; the other ten are its English in other scripts, letter by letter, and any
more (of another task) in letters of their own. Not the real thing: it tries the code on many languages and pairs and 3
label words, with sentences that are missing, labels that disagree and pairs that are too long, as in real files.
"""

import random
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
    """One side of an example, in any language."""
    if language in LANGUAGES:
        return sentences[language][side]
    script = SCRIPTS.get(language) or "".join(random.Random(language).sample(LATIN, len(LATIN)))
    return sentences["en"][side].lower().translate(str.maketrans(LATIN, script))


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
        if i == 3 and language in ("th", "sw", "x09"):
            hypothesis = ""  # a translation that is missing
        if i == 4 and language in ("ur", "x39"):
            label = "neutral" if label != "neutral" else "entailment"  # translators disagree
        if i == 5:
            premise = " ".join([premise] * 12)  # longer than any encoder reads here
        lines.append("\t".join([premise, hypothesis, label]))
    return lines


def write(folder: Path, count: int, languages: tuple[str, ...] = TASKS["xnli"].languages) -> Path:
    """train-en.tsv, and dev and test in all languages."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in languages:
        for split in ("dev", "test"):
            text = "\n".join(rows(language, count, split))
            (folder / f"{split}-{language}.tsv").write_text(text + "\n", encoding="utf-8")
    (folder / "train-en.tsv").write_text("\n".join(rows("en", count, "train")) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    write(Path(sys.argv[1]), int([*sys.argv, "200"][2]))

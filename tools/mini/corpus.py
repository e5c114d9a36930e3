"""Pre-training examples of the `mini` encoders: text, its masks, and which words were swapped.

An example is a pair of sentences from the share "text" of the meanings, of which no sentence is in dev
or test:

    detect      both in one language; half of them with two roles swapped in the second, and the swapped
    words marked, in the manner of ELECTRA (Clark et al. 2020)
    denoise     a paraphrase pair in one language, for masked-token prediction
    translate   the same, the second sentence in another language

In a share of the examples (`Recipe.switched`) content words are replaced by their translations ("Der
teacher lobte ..."): that is what aligns the languages' words, as loosely as the share says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.mini.curriculum import Curriculum
from xrt.mini.grammar import draw_pair, draw_within, is_held_out, sentence
from xrt.mini.lexicon import LANGUAGES, Concept
from xrt.mini.meaning import KINDS, Meaning, Style

Span = tuple[int, int]
Task = Literal["detect", "denoise", "translate"]
TASKS: dict[str, Task] = {"denoise": "denoise", "translate": "translate"}


@dataclass(frozen=True)
class Mixture:
    """Shares of the examples. The knobs: what is told in which language, how loosely aligned."""

    detect_source: float = 0.45  # of all examples: swap detection in English
    detect_other: float = 0.09  # of all examples: swap detection in one of the six others
    translate: float = 0.06  # of all examples: translation pairs
    switched: float = 0.3  # of all examples: with code-switching
    switched_words: float = 0.3  # of the content words in such an example


@dataclass(frozen=True)
class Example:
    """Two sentences, and where the second's swappable words stand."""

    task: Task
    kind: str
    language: str  # of the first sentence
    first: str
    second: str
    roles: tuple[Span, ...]  # characters of `second`
    swapped: bool


def _found(text: str, concept: Concept, language: str) -> Span | None:
    """Where the concept's longest form stands in the text, in whichever synonym."""
    forms = {form.split("~")[0] for word in concept.words[language] for form in word.forms}
    for form in sorted(forms, key=len, reverse=True):
        place = text.find(form)
        if place >= 0:
            return place, place + len(form)
    return None


def _switch(text: str, meaning: Meaning, language: str, share: float, rng: np.random.Generator) -> str:
    """Each concept's word replaced, with probability `share`, by that of a random language."""
    for concept in meaning.concepts:
        if rng.random() < share and (span := _found(text, concept, language)):
            other = concept.words[LANGUAGES[rng.integers(len(LANGUAGES))]][0].base.split("~")[0]
            text = text[: span[0]] + other + text[span[1] :]
    return text


def _role_spans(text: str, meaning: Meaning, language: str) -> tuple[Span, ...]:
    concepts = [meaning.concepts[slot] for slot in KINDS[meaning.kind].swap]
    return tuple(span for concept in concepts if (span := _found(text, concept, language)))


def _languages(task: str, rng: np.random.Generator) -> tuple[str, str]:
    if task == "detect source":
        return "en", "en"
    others = LANGUAGES[1:] if task == "detect other" else LANGUAGES
    first = others[rng.integers(len(others))]
    if task != "translate":
        return first, first
    rest = [language for language in LANGUAGES if language != first]
    return first, rest[rng.integers(len(rest))]


def _draw_task(mixture: Mixture, rng: np.random.Generator) -> str:
    draw = rng.random()
    for task, share in (
        ("detect source", mixture.detect_source),
        ("detect other", mixture.detect_other),
        ("translate", mixture.translate),
    ):
        if draw < share:
            return task
        draw -= share
    return "denoise"


def _said(
    pair: tuple[tuple[Meaning, Style], ...],
    languages: tuple[str, str],
    mixture: Mixture,
    rng: np.random.Generator,
) -> tuple[str, str]:
    texts = [sentence(language, *side) for language, side in zip(languages, pair, strict=True)]
    if rng.random() < mixture.switched:
        for place, (meaning, _) in enumerate(pair):
            texts[place] = _switch(texts[place], meaning, languages[place], mixture.switched_words, rng)
    return texts[0], texts[1]


def examples(mixture: Mixture, curriculum: Curriculum, rng: np.random.Generator) -> Iterator[Example]:
    """Pre-training examples without end, of the kinds and languages that are open at the time."""
    while True:
        task = _draw_task(mixture, rng)
        languages = _languages(task, rng) if curriculum.all_languages else ("en", "en")
        paraphrase = not task.startswith("detect") or rng.random() < 0.5
        pair = draw_pair(draw_within("text", curriculum.draw_kind(rng), rng), int(paraphrase), rng)
        first, second = _said(pair, languages, mixture, rng)
        if not is_held_out(first) and not is_held_out(second):
            roles = _role_spans(second, pair[1][0], languages[1])
            yield Example(
                TASKS.get(task, "detect"),
                pair[0][0].kind,
                languages[0],
                first,
                second,
                roles,
                swapped=not paraphrase,
            )

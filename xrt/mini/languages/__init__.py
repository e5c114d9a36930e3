"""One file per language: its word order, particles and agreement, as one function per sentence kind.

Each file offers, for every kind, a function of that name (from the kind's words to its variants), and
`finish` (a clause made into a sentence). The variants, in every language:

    event     active, active with the time in front, passive, passive with the time in front, agent cleft
    transfer  plain, object or recipient moved, passive, giver cleft, converse verb (sold/bought)
    travel    plain, time in front, traveller cleft, destination before origin
    job       "is", "works as", "the doctor is Anna"; each in both orders
    number    plain, the two reversed, time in front, both, buyer cleft       (colour: the same)
    compare   "taller than", its converse, "compared with ...", its converse
    order     "before", "after", each again with the time in front
"""

from types import ModuleType

from xrt.mini.languages import de, en, es, fr, ja, ko, zh
from xrt.mini.lexicon import Word

GRAMMARS: dict[str, ModuleType] = {"en": en, "de": de, "es": es, "fr": fr, "ja": ja, "ko": ko, "zh": zh}


def say(language: str, kind: str, words: tuple[Word, ...], variant: int) -> str:
    """The sentence that these words, in the order of the kind's slots, make in this variant."""
    grammar = GRAMMARS[language]
    clauses: tuple[str, ...] = getattr(grammar, kind)(*words)
    sentence: str = grammar.finish(clauses[variant])
    return sentence

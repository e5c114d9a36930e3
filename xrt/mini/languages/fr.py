"""French. Gender agreement, elision (l', d', qu') and the contractions `au` and `du`.

Forms: people and colours (man, woman); deeds (participle); transfers (participle, converse participle
with its preposition `à` or `de`); travels (participle, preposition of the goal); things (singular,
plural); qualities (more m, more f, less m, less f); steps (man, woman), auxiliary included. The passé
composé is the past throughout.
"""

from xrt.mini.lexicon import Word

# No word of the lexicon has an aspirated h ("l'horloge").
VOWELS = "aeiouyhéèêâîôûAEIOUÉ"


def finish(clause: str) -> str:
    return clause[0].upper() + clause[1:] + "."


def elide(word: str, following: str) -> str:
    """`le`, `la`, `de` or `que` before another word: "l'avocat", "d'Anna", but "le médecin"."""
    return f"{word[:-1]}'{following}" if following[0] in VOWELS else f"{word} {following}"


def article(gender: str, noun: str) -> str:
    return elide("la" if gender == "f" else "le", noun)


def the(who: Word) -> str:
    if who.named:
        return who.base
    return article(who.gender, who.of(who.gender) if who.category == "role" else who.base)


def after(preposition: str, who: Word) -> str:
    """`à` or `de` before a noun: au médecin, du médecin, à la juge, de l'avocat, d'Anna."""
    phrase = the(who)
    if phrase.startswith("le "):
        return ("au" if preposition == "à" else "du") + phrase[2:]
    return elide("de", phrase) if preposition == "de" else f"à {phrase}"


def agree(participle: str, gender: str) -> str:
    return participle + ("e" if gender == "f" else "")


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    done = deed.base
    x, y, when = the(agent), the(patient), time.base
    return (
        f"{x} a {done} {y} {when}",
        f"{when}, {x} a {done} {y}",
        f"{y} a été {agree(done, patient.gender)} par {x} {when}",
        f"{when}, {y} a été {agree(done, patient.gender)} par {x}",
        f"c'est {x} qui a {done} {y} {when}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    done, converse = deed.forms
    x, it, to_y = the(giver), the(thing), after("à", taker)
    got, _, preposition = converse.partition(" ")
    return (
        f"{x} a {done} {it} {to_y}",
        f"c'est {to_y} {elide('que', x)} a {done} {it}",
        f"{it} a été {agree(done, thing.gender)} {to_y} par {x}",
        f"c'est {x} qui a {done} {it} {to_y}",
        f"{the(taker)} a {got} {it} {after(preposition, giver)}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    went, preposition = deed.forms
    x, when = the(who), time.base
    way = f"{elide('de', origin.base)} à {goal.base}"
    there = f"jusqu'à {goal.base}" if preposition == "jusqu'à" else f"{preposition} {goal.base}"
    return (
        f"{x} a {went} {way} {when}",
        f"{when}, {x} a {went} {way}",
        f"c'est {x} qui a {went} {way} {when}",
        f"{x} a {went} {there} depuis {origin.base} {when}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, y = one.base, two.base
    p, q = first.of(one.gender), second.of(two.gender)
    the_p, the_q = article(one.gender, p), article(two.gender, q)
    return (
        f"{x} est {p} et {y} est {q}",
        f"{y} est {q} et {x} est {p}",
        f"{x} travaille comme {p} et {y} travaille comme {q}",
        f"{y} travaille comme {q} et {x} travaille comme {p}",
        f"{the_p} est {x} et {the_q} est {y}",
        f"{the_q} est {y} et {the_p} est {x}",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, done, when = the(who), deed.base, time.base
    return (
        f"{x} a {done} {one} et {two} {when}",
        f"{x} a {done} {two} et {one} {when}",
        f"{when}, {x} a {done} {one} et {two}",
        f"{when}, {x} a {done} {two} et {one}",
        f"c'est {x} qui a {done} {one} et {two} {when}",
    )


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"{n.base} {thing.forms[1]}", f"{m.base} {other.forms[1]}", time)


def _coloured(colour: Word, thing: Word) -> str:
    return f"{'une' if thing.gender == 'f' else 'un'} {thing.base} {colour.of(thing.gender)}"


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _coloured(c, thing), _coloured(d, other), time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = quality.forms[one.gender == "f"], quality.forms[2 + (two.gender == "f")]
    x, y = the(one), the(two)
    return (
        f"{x} est {more} {elide('que', y)}",
        f"{y} est {less} {elide('que', x)}",
        f"par rapport {after('à', two)}, {x} est {more}",
        f"par rapport {after('à', one)}, {y} est {less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, when = the(one), the(two), time.base
    return (
        f"{x} {step.of(one.gender)} avant {y} {when}",
        f"{y} {step.of(two.gender)} après {x} {when}",
        f"{when}, {x} {step.of(one.gender)} avant {y}",
        f"{when}, {y} {step.of(two.gender)} après {x}",
    )

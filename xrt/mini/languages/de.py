"""German. Verb second, participles and separable prefixes last; articles and adjectives agree.

Forms: people (man, woman), where `Bauer~n` marks a weak noun; deeds (past, participle), a separable past
being two words (`lud ein`); transfers (past, participle, converse); things (singular, plural).
"""

from xrt.mini.lexicon import Word

ARTICLES = {
    "m": {"nom": "der", "acc": "den", "dat": "dem"},
    "f": {"nom": "die", "acc": "die", "dat": "der"},
    "n": {"nom": "das", "acc": "das", "dat": "dem"},
}
# Accusative after the indefinite article: einen roten Stuhl, eine rote Tasse, ein rotes Buch.
ENDINGS = {"m": ("einen", "en"), "f": ("eine", "e"), "n": ("ein", "es")}


def finish(clause: str) -> str:
    return clause[0].upper() + clause[1:] + "."


def noun(who: Word, case: str, gender: str) -> str:
    """A person's role without article; weak masculines take an ending outside the nominative."""
    stem, _, weak = who.of(gender).partition("~")
    return stem + (weak if case != "nom" else "")


def the(who: Word, case: str) -> str:
    if who.named:
        return who.base
    bare = noun(who, case, who.gender) if who.category == "role" else who.base
    return f"{ARTICLES[who.gender][case]} {bare}"


def _dative_after(preposition: str, contracted: str, who: Word) -> str:
    if who.named:
        return f"{preposition} {who.base}"
    article = the(who, "dat")
    return article.replace("dem", contracted, 1) if who.gender == "m" else f"{preposition} {article}"


def by(who: Word) -> str:
    return _dative_after("von", "vom", who)


def than_to(who: Word) -> str:
    """`zu` before a person: "zum Arzt", but "zur Lehrerin"."""
    return _dative_after("zu", "zum", who).replace("zu der", "zur")


def relative(who: Word) -> str:
    return "die" if who.gender == "f" else "der"


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    verb, _, prefix = deed.base.partition(" ")
    participle = deed.forms[1]
    x, y, when = the(agent, "nom"), the(patient, "acc"), time.base
    tail = f" {prefix}" if prefix else ""
    return (
        f"{x} {verb} {when} {y}{tail}",
        f"{when} {verb} {x} {y}{tail}",
        f"{the(patient, 'nom')} wurde {when} {by(agent)} {participle}",
        f"{when} wurde {the(patient, 'nom')} {by(agent)} {participle}",
        f"es war {x}, {relative(agent)} {when} {y} {prefix}{verb}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    past, participle, converse = deed.forms
    x, y, it = the(giver, "nom"), the(taker, "dat"), the(thing, "acc")
    return (
        f"{x} {past} {y} {it}",
        f"{it} {past} {x} {y}",
        f"{the(thing, 'nom')} wurde {y} {by(giver)} {participle}",
        f"es war {x}, {relative(giver)} {y} {it} {past}",
        f"{the(taker, 'nom')} {converse} {it} {by(giver)}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    x, went, when = the(who, "nom"), deed.base, time.base
    way = f"von {origin.base} nach {goal.base}"
    return (
        f"{x} {went} {when} {way}",
        f"{when} {went} {x} {way}",
        f"es war {x}, {relative(who)} {when} {way} {went}",
        f"nach {goal.base} {went} {x} {when} von {origin.base} aus",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, y = one.base, two.base
    p, q = noun(first, "nom", one.gender), noun(second, "nom", two.gender)
    the_p, the_q = f"{relative(one)} {p}", f"{relative(two)} {q}"
    return (
        f"{x} ist {p} und {y} ist {q}",
        f"{y} ist {q} und {x} ist {p}",
        f"{x} arbeitet als {p} und {y} arbeitet als {q}",
        f"{y} arbeitet als {q} und {x} arbeitet als {p}",
        f"{the_p} ist {x} und {the_q} ist {y}",
        f"{the_q} ist {y} und {the_p} ist {x}",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, did, when = the(who, "nom"), deed.base, time.base
    return (
        f"{x} {did} {when} {one} und {two}",
        f"{x} {did} {when} {two} und {one}",
        f"{when} {did} {x} {one} und {two}",
        f"{when} {did} {x} {two} und {one}",
        f"es war {x}, {relative(who)} {when} {one} und {two} {did}",
    )


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"{n.base} {thing.forms[1]}", f"{m.base} {other.forms[1]}", time)


def _coloured(colour: Word, thing: Word) -> str:
    article, ending = ENDINGS[thing.gender]
    return f"{article} {colour.base}{ending} {thing.base}"


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _coloured(c, thing), _coloured(d, other), time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = quality.forms
    x, y = the(one, "nom"), the(two, "nom")
    return (
        f"{x} ist {more} als {y}",
        f"{y} ist {less} als {x}",
        f"im Vergleich {than_to(two)} ist {x} {more}",
        f"im Vergleich {than_to(one)} ist {y} {less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    verb, _, prefix = step.base.partition(" ")
    x, y, when = the(one, "nom"), the(two, "nom"), time.base
    before, after = f"vor {the(two, 'dat')}", f"nach {the(one, 'dat')}"
    tail = f" {prefix}" if prefix else ""
    return (
        f"{x} {verb} {when} {before}{tail}",
        f"{y} {verb} {when} {after}{tail}",
        f"{when} {verb} {x} {before}{tail}",
        f"{when} {verb} {y} {after}{tail}",
    )

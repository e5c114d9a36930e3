"""Spanish. Gender agreement, the personal `a`, the contractions `al` and `del`, doubled `le`.

Forms: people and colours (man, woman); deeds (past, participle); transfers (past, participle, converse
with its preposition `a` or `de`); things (singular, plural); qualities (more m, more f, less m, less f)
or (more, less).
"""

from xrt.mini.lexicon import Word


def finish(clause: str) -> str:
    return clause[0].upper() + clause[1:] + "."


def the(who: Word) -> str:
    if who.named:
        return who.base
    bare = who.of(who.gender) if who.category == "role" else who.base
    return f"{'la' if who.gender == 'f' else 'el'} {bare}"


def after(preposition: str, who: Word) -> str:
    """`a` or `de` before a noun: al médico, del médico, a la maestra."""
    phrase = the(who)
    if phrase.startswith("el "):
        return preposition + ("l" if preposition == "a" else "el") + phrase[2:]
    return f"{preposition} {phrase}"


def agree(participle: str, gender: str) -> str:
    return participle[:-1] + ("a" if gender == "f" else "o")


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    past, participle = deed.base, agree(deed.forms[1], patient.gender)
    x, y, when = the(agent), the(patient), time.base
    return (
        f"{x} {past} {after('a', patient)} {when}",
        f"{when}, {x} {past} {after('a', patient)}",
        f"{y} fue {participle} por {x} {when}",
        f"{when}, {y} fue {participle} por {x}",
        f"fue {x} quien {past} {after('a', patient)} {when}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    past, participle, converse = deed.forms
    x, it, to_y = the(giver), the(thing), after("a", taker)
    verb, _, preposition = converse.rpartition(" ")
    doubled = "le " if preposition == "a" else ""
    return (
        f"{x} le {past} {it} {to_y}",
        f"fue {to_y} a quien {x} le {past} {it}",
        f"{it} fue {agree(participle, thing.gender)} {to_y} por {x}",
        f"fue {x} quien le {past} {it} {to_y}",
        f"{the(taker)} {doubled}{verb} {it} {after(preposition, giver)}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    x, went, when = the(who), deed.base, time.base
    way = f"de {origin.base} a {goal.base}"
    return (
        f"{x} {went} {way} {when}",
        f"{when}, {x} {went} {way}",
        f"fue {x} quien {went} {way} {when}",
        f"{x} {went} a {goal.base} desde {origin.base} {when}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, y = one.base, two.base
    p, q = first.of(one.gender), second.of(two.gender)
    article = "la" if one.gender == "f" else "el"
    return (
        f"{x} es {p} y {y} es {q}",
        f"{y} es {q} y {x} es {p}",
        f"{x} trabaja como {p} y {y} trabaja como {q}",
        f"{y} trabaja como {q} y {x} trabaja como {p}",
        f"{article} {p} es {x} y {article} {q} es {y}",
        f"{article} {q} es {y} y {article} {p} es {x}",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, did, when = the(who), deed.base, time.base
    return (
        f"{x} {did} {one} y {two} {when}",
        f"{x} {did} {two} y {one} {when}",
        f"{when}, {x} {did} {one} y {two}",
        f"{when}, {x} {did} {two} y {one}",
        f"fue {x} quien {did} {one} y {two} {when}",
    )


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"{n.base} {thing.forms[1]}", f"{m.base} {other.forms[1]}", time)


def _coloured(colour: Word, thing: Word) -> str:
    return f"{'una' if thing.gender == 'f' else 'un'} {thing.base} {colour.of(thing.gender)}"


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _coloured(c, thing), _coloured(d, other), time)


def _degrees(quality: Word, one: Word, two: Word) -> tuple[str, str]:
    """("más alta", "más bajo"): the first agrees with `one`, the second, its converse, with `two`."""
    if len(quality.forms) == 2:
        return quality.forms[0], quality.forms[1]
    return quality.forms[one.gender == "f"], quality.forms[2 + (two.gender == "f")]


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = _degrees(quality, one, two)
    x, y = the(one), the(two)
    return (
        f"{x} es {more} que {y}",
        f"{y} es {less} que {x}",
        f"en comparación con {y}, {x} es {more}",
        f"en comparación con {x}, {y} es {less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, did, when = the(one), the(two), step.base, time.base
    return (
        f"{x} {did} antes que {y} {when}",
        f"{y} {did} después que {x} {when}",
        f"{when}, {x} {did} antes que {y}",
        f"{when}, {y} {did} después que {x}",
    )

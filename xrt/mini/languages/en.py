"""English.

Forms: deeds (past, participle); transfers (past, participle, converse); things (singular, plural).
"""

from xrt.mini.lexicon import Word


def finish(clause: str) -> str:
    return clause[0].upper() + clause[1:] + "."


def the(who: Word) -> str:
    return who.base if who.named else f"the {who.base}"


def a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    past, participle = deed.forms
    x, y, when = the(agent), the(patient), time.base
    return (
        f"{x} {past} {y} {when}",
        f"{when}, {x} {past} {y}",
        f"{y} was {participle} by {x} {when}",
        f"{when}, {y} was {participle} by {x}",
        f"it was {x} who {past} {y} {when}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    past, participle, converse = deed.forms
    x, y, it = the(giver), the(taker), the(thing)
    return (
        f"{x} {past} {y} {it}",
        f"{x} {past} {it} to {y}",
        f"{it} was {participle} to {y} by {x}",
        f"it was {x} who {past} {it} to {y}",
        f"{y} {converse} {it} from {x}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    x, went, when = the(who), deed.base, time.base
    way = f"from {origin.base} to {goal.base}"
    return (
        f"{x} {went} {way} {when}",
        f"{when}, {x} {went} {way}",
        f"it was {x} who {went} {way} {when}",
        f"{x} {went} to {goal.base} from {origin.base} {when}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, y = one.base, two.base
    p, q = a(first.base), a(second.base)
    return (
        f"{x} is {p} and {y} is {q}",
        f"{y} is {q} and {x} is {p}",
        f"{x} works as {p} and {y} works as {q}",
        f"{y} works as {q} and {x} works as {p}",
        f"{the(first)} is {x} and {the(second)} is {y}",
        f"{the(second)} is {y} and {the(first)} is {x}",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, did, when = the(who), deed.base, time.base
    return (
        f"{x} {did} {one} and {two} {when}",
        f"{x} {did} {two} and {one} {when}",
        f"{when}, {x} {did} {one} and {two}",
        f"{when}, {x} {did} {two} and {one}",
        f"it was {x} who {did} {one} and {two} {when}",
    )


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"{n.base} {thing.forms[1]}", f"{m.base} {other.forms[1]}", time)


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"a {c.base} {thing.base}", f"a {d.base} {other.base}", time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = quality.forms
    x, y = the(one), the(two)
    return (
        f"{x} is {more} than {y}",
        f"{y} is {less} than {x}",
        f"compared with {y}, {x} is {more}",
        f"compared with {x}, {y} is {less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, did, when = the(one), the(two), step.base, time.base
    return (
        f"{x} {did} before {y} {when}",
        f"{y} {did} after {x} {when}",
        f"{when}, {x} {did} before {y}",
        f"{when}, {y} {did} after {x}",
    )

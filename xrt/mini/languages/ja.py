"""Japanese. Verb last, particles は が を に から へ より, counters, no spaces.

Forms: deeds (past, passive past); transfers (past, passive past, converse past); things (noun, counter);
qualities (more, less) as predicates. The plain past is also the form before a noun, as clefts need it.
"""

from xrt.mini.lexicon import Word


def finish(clause: str) -> str:
    return clause + "。"


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    did, was_done = deed.forms
    x, y, when = agent.base, patient.base, time.base
    return (
        f"{x}は{when}、{y}を{did}",
        f"{when}、{x}は{y}を{did}",
        f"{y}は{when}、{x}に{was_done}",
        f"{when}、{y}は{x}に{was_done}",
        f"{when}{y}を{did}のは{x}だった",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    did, was_done, converse = deed.forms
    x, y, it = giver.base, taker.base, f"その{thing.base}"
    return (
        f"{x}は{y}に{it}を{did}",
        f"{x}は{it}を{y}に{did}",
        f"{it}は{x}によって{y}に{was_done}",
        f"{y}に{it}を{did}のは{x}だった",
        f"{y}は{x}から{it}を{converse}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    x, went, when = who.base, deed.base, time.base
    source, target = f"{origin.base}から", f"{goal.base}へ"
    return (
        f"{x}は{when}、{source}{target}{went}",
        f"{when}、{x}は{source}{target}{went}",
        f"{when}{source}{target}{went}のは{x}だった",
        f"{x}は{when}、{target}{source}{went}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, p, y, q = one.base, first.base, two.base, second.base
    return (
        f"{x}は{p}で、{y}は{q}だ",
        f"{y}は{q}で、{x}は{p}だ",
        f"{x}は{p}として働き、{y}は{q}として働いている",
        f"{y}は{q}として働き、{x}は{p}として働いている",
        f"{p}は{x}で、{q}は{y}だ",
        f"{q}は{y}で、{p}は{x}だ",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, did, when = who.base, deed.base, time.base
    return (
        f"{x}は{when}、{one}と{two}を{did}",
        f"{x}は{when}、{two}と{one}を{did}",
        f"{when}、{x}は{one}と{two}を{did}",
        f"{when}、{x}は{two}と{one}を{did}",
        f"{when}{one}と{two}を{did}のは{x}だった",
    )


def _counted(number: Word, thing: Word) -> str:
    return f"{number.base}{thing.forms[1]}の{thing.base}"


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _counted(n, thing), _counted(m, other), time)


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, c.base + thing.base, d.base + other.base, time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = quality.forms
    x, y = one.base, two.base
    return (
        f"{x}は{y}より{more}",
        f"{y}は{x}より{less}",
        f"{y}に比べて、{x}は{more}",
        f"{x}に比べて、{y}は{less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, did, when = one.base, two.base, step.base, time.base
    return (
        f"{x}は{when}、{y}より先に{did}",
        f"{y}は{when}、{x}より後に{did}",
        f"{when}、{x}は{y}より先に{did}",
        f"{when}、{y}は{x}より後に{did}",
    )

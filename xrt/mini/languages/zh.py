"""Chinese (simplified). 把, 被, 比, the cleft with 的是, measure words, no spaces.

Forms: deeds (verb); transfers (verb before 给, converse verb); travels (verb with its 往 or 到); things
(noun, measure word); qualities (more after 比, more alone, less after 比, less alone); handlings carry
their 了.
"""

from xrt.mini.lexicon import Word


def finish(clause: str) -> str:
    return clause + "。"


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    x, did, y, when = agent.base, deed.base, patient.base, time.base
    return (
        f"{x}{when}{did}了{y}",
        f"{when}{x}{did}了{y}",
        f"{y}{when}被{x}{did}了",
        f"{when}{y}被{x}{did}了",
        f"{when}{did}{y}的是{x}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    give, converse = deed.forms
    x, y, it = giver.base, taker.base, f"那{thing.forms[1]}{thing.base}"
    return (
        f"{x}把{it}{give}给了{y}",
        f"{it}，{x}{give}给了{y}",
        f"{it}被{x}{give}给了{y}",
        f"把{it}{give}给{y}的是{x}",
        f"{y}从{x}那里{converse}了{it}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    x, go, when = who.base, deed.base, time.base
    way = f"从{origin.base}{go}{goal.base}"
    return (
        f"{x}{when}{way}",
        f"{when}{x}{way}",
        f"{when}{way}的是{x}",
        f"{x}{when}{go}{goal.base}，出发地是{origin.base}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, p, y, q = one.base, first.base, two.base, second.base
    return (
        f"{x}是{p}，{y}是{q}",
        f"{y}是{q}，{x}是{p}",
        f"{x}的职业是{p}，{y}的职业是{q}",
        f"{y}的职业是{q}，{x}的职业是{p}",
        f"{p}是{x}，{q}是{y}",
        f"{q}是{y}，{p}是{x}",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    x, did, when = who.base, deed.base, time.base
    return (
        f"{x}{when}{did}{one}和{two}",
        f"{x}{when}{did}{two}和{one}",
        f"{when}{x}{did}{one}和{two}",
        f"{when}{x}{did}{two}和{one}",
        f"{when}{did}{one}和{two}的是{x}",
    )


def _counted(number: Word, thing: Word) -> str:
    return f"{number.base}{thing.forms[1]}{thing.base}"


def _coloured(colour: Word, thing: Word) -> str:
    return f"一{thing.forms[1]}{colour.base}的{thing.base}"


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _counted(n, thing), _counted(m, other), time)


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _coloured(c, thing), _coloured(d, other), time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, more_alone, less, less_alone = quality.forms
    x, y = one.base, two.base
    return (
        f"{x}比{y}{more}",
        f"{y}比{x}{less}",
        f"跟{y}相比，{x}{more_alone}",
        f"跟{x}相比，{y}{less_alone}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, did, when = one.base, two.base, step.base, time.base
    return (
        f"{x}{when}比{y}先{did}",
        f"{y}{when}比{x}晚{did}",
        f"{when}{x}比{y}先{did}",
        f"{when}{y}比{x}晚{did}",
    )

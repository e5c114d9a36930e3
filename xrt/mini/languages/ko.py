"""Korean. Verb last; particles attach to the noun and follow its last syllable; counters; spaces.

Forms: deeds (past, passive past, adnominal past); transfers (past, passive past, adnominal past,
converse past); travels and handlings (past, adnominal past); things (noun, counter); qualities (more,
less) as predicates.
"""

from xrt.mini.lexicon import Word

FIRST_SYLLABLE = ord("가")
RIEUL = 8  # the number of ㄹ among the 28 finals


def finish(clause: str) -> str:
    return clause + "."


def final(noun: str) -> int:
    """The number of the last syllable's final consonant (batchim), 0 if there is none."""
    return (ord(noun[-1]) - FIRST_SYLLABLE) % 28


def topic(noun: str) -> str:
    return noun + ("은" if final(noun) else "는")


def subject(noun: str) -> str:
    return noun + ("이" if final(noun) else "가")


def direct(noun: str) -> str:
    return noun + ("을" if final(noun) else "를")


def joined(noun: str) -> str:
    return noun + ("과" if final(noun) else "와")


def toward(noun: str) -> str:
    """The direction: 파리로, 서울로 (ㄹ counts as open), 베를린으로."""
    return noun + ("로" if final(noun) in (0, RIEUL) else "으로")


def was(noun: str) -> str:
    return noun + ("이었다" if final(noun) else "였다")


def event(agent: Word, deed: Word, patient: Word, time: Word) -> tuple[str, ...]:
    did, was_done, who_did = deed.forms
    x, y, when = agent.base, patient.base, time.base
    return (
        f"{topic(x)} {when} {direct(y)} {did}",
        f"{when} {subject(x)} {direct(y)} {did}",
        f"{topic(y)} {when} {x}에게 {was_done}",
        f"{when} {subject(y)} {x}에게 {was_done}",
        f"{when} {direct(y)} {who_did} 사람은 {was(x)}",
    )


def transfer(giver: Word, deed: Word, taker: Word, thing: Word) -> tuple[str, ...]:
    did, was_done, who_did, converse = deed.forms
    x, y, it = giver.base, taker.base, f"그 {thing.base}"
    return (
        f"{topic(x)} {y}에게 {direct(it)} {did}",
        f"{topic(x)} {direct(it)} {y}에게 {did}",
        f"{topic(it)} {x}에 의해 {y}에게 {was_done}",
        f"{y}에게 {direct(it)} {who_did} 사람은 {was(x)}",
        f"{topic(y)} {x}에게서 {direct(it)} {converse}",
    )


def travel(who: Word, deed: Word, origin: Word, goal: Word, time: Word) -> tuple[str, ...]:
    went, who_went = deed.forms
    x, when = who.base, time.base
    source, target = f"{origin.base}에서", toward(goal.base)
    return (
        f"{topic(x)} {when} {source} {target} {went}",
        f"{when} {subject(x)} {source} {target} {went}",
        f"{when} {source} {target} {who_went} 사람은 {was(x)}",
        f"{topic(x)} {when} {target} {source} {went}",
    )


def job(one: Word, first: Word, two: Word, second: Word) -> tuple[str, ...]:
    x, p, y, q = one.base, first.base, two.base, second.base
    return (
        f"{topic(x)} {p}이고 {topic(y)} {q}이다",
        f"{topic(y)} {q}이고 {topic(x)} {p}이다",
        f"{topic(x)} {toward(p)} 일하고 {topic(y)} {toward(q)} 일한다",
        f"{topic(y)} {toward(q)} 일하고 {topic(x)} {toward(p)} 일한다",
        f"{topic(p)} {x}이고 {topic(q)} {y}이다",
        f"{topic(q)} {y}이고 {topic(p)} {x}이다",
    )


def _items(who: Word, deed: Word, one: str, two: str, time: Word) -> tuple[str, ...]:
    did, who_did = deed.forms
    x, when = who.base, time.base
    return (
        f"{topic(x)} {when} {joined(one)} {direct(two)} {did}",
        f"{topic(x)} {when} {joined(two)} {direct(one)} {did}",
        f"{when} {subject(x)} {joined(one)} {direct(two)} {did}",
        f"{when} {subject(x)} {joined(two)} {direct(one)} {did}",
        f"{when} {joined(one)} {direct(two)} {who_did} 사람은 {was(x)}",
    )


def _counted(number: Word, thing: Word) -> str:
    return f"{thing.base} {number.base} {thing.forms[1]}"


def number(who: Word, deed: Word, n: Word, thing: Word, m: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, _counted(n, thing), _counted(m, other), time)


def colour(who: Word, deed: Word, c: Word, thing: Word, d: Word, other: Word, time: Word) -> tuple[str, ...]:
    return _items(who, deed, f"{c.base} {thing.base}", f"{d.base} {other.base}", time)


def compare(one: Word, quality: Word, two: Word) -> tuple[str, ...]:
    more, less = quality.forms
    x, y = one.base, two.base
    return (
        f"{topic(x)} {y}보다 {more}",
        f"{topic(y)} {x}보다 {less}",
        f"{y}에 비해 {topic(x)} {more}",
        f"{x}에 비해 {topic(y)} {less}",
    )


def order(one: Word, step: Word, two: Word, time: Word) -> tuple[str, ...]:
    x, y, did, when = one.base, two.base, step.base, time.base
    return (
        f"{topic(x)} {when} {y}보다 먼저 {did}",
        f"{topic(y)} {when} {x}보다 나중에 {did}",
        f"{when} {subject(x)} {y}보다 먼저 {did}",
        f"{when} {subject(y)} {x}보다 나중에 {did}",
    )

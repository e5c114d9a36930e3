"""The answer of a run in words: one sentence, a line an arm, and what it rests on. Knows no page and no file."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from xrt.findings.statistics import NAN
from xrt.findings.verdicts import Claim
from xrt.findings.words import (
    NOTHING,
    capital,
    count,
    describe,
    difference_interval,
    percent,
    points,
)
from xrt.record.values import TrialRecord
from xrt.spec.arms import PLAIN, Arm

if TYPE_CHECKING:
    from xrt.findings.findings import Confirmation, Findings

Tone = Literal["better", "worse", "none", "open"]


class Answer(NamedTuple):
    """What a run says.

    Attributes:
        arms: one line an arm.
        evidence: what it rests on, and what a reader must know to believe it.
    """

    tone: Tone
    sentence: str
    arms: tuple[str, ...]
    evidence: tuple[str, ...]


def answer(found: "Findings") -> Answer:
    """The answer of a run as it stands. Where there is no reliable difference, or nothing is known, it says so."""
    confirmed = found.confirmation
    if confirmed is None:
        return _searched_only(found)
    evidence = tuple(_evidence(found, confirmed))
    lines = tuple(_arm_line(confirmed, arm) for arm in confirmed.candidates.best)
    if not confirmed.learned:
        text = (
            "Nothing was learned: no confirmed configuration is reliably above a constant prediction of the commonest "
            f"label ({percent(confirmed.commonest_label)})."
        )
        return Answer("none", text, lines, evidence)
    if confirmed.winner is None:
        return Answer(
            "open", "No answer yet: the best of the search has no finished confirmation.", lines, evidence
        )
    tone, sentence = _sentence(confirmed, confirmed.winner)
    return Answer(tone, sentence, lines, evidence)


def in_short(found: "Findings") -> str:
    """The answer as a cell of a table: `adversarial (radius 0.1): 90.1 % on target languages, +5.2 points (better)`."""
    confirmed = found.confirmation
    if confirmed is None or confirmed.winner is None:
        if not found.ranking:
            return NOTHING
        first = found.ranking[0]
        score = percent(first.score(found.meta.metric))
        return f"{describe(first.params)}: {score} on {found.spec.metric.words} of dev, not confirmed"
    claims = confirmed.claims_of(confirmed.winner)
    claim = next((c for c in claims if c.verdict in ("better", "worse")), claims[0] if claims else None)
    metric = claim.metric if claim else confirmed.metrics[0]
    text = f"{confirmed.best(confirmed.winner).label}: {percent(confirmed.accuracy(confirmed.winner, metric).mean)}"
    gain = f", {points(claim.difference.mean)} points ({claim.verdict})" if claim else ""
    return f"{text} on {metric.words}{gain}"


def weak_attack(trial: TrialRecord) -> str | None:
    """A warning about an adversarial trial whose attack did not raise the loss at its last rung."""
    gain = trial.score("train/attack_gain")
    if math.isnan(gain) or gain > 0:
        return None
    return (
        f"{trial.id}: the attack does not raise the loss ({gain:+.2g}), so this is almost plain fine-tuning. "
        "Try a larger radius, or more steps."
    )


def constant(trial: TrialRecord) -> str | None:
    """A warning about a trial that predicts a single label for every dev example."""
    if trial.score("dev/commonest/prediction") < 1:
        return None
    share = percent(trial.score("dev/commonest/label"))
    if trial.score("dev/commonest/prediction") != 1:
        return None
    return f"{trial.id}: predicts the same label for every dev example; the commonest label has {share}."


def _sentence(confirmed: "Confirmation", arm: Arm) -> tuple[Tone, str]:
    """What the search chose, and whether it is better than plain fine-tuning."""
    best = confirmed.best(arm)
    name = f"{best.label} with {best.encoder}"
    if arm.method == PLAIN:
        return "none", _plain_first(confirmed, name, arm)
    claims = confirmed.claims_of(arm)
    parts = [_part(confirmed, claim) for claim in claims]
    better = [c for c in claims if c.verdict == "better"]
    worse = [c for c in claims if c.verdict == "worse"]
    unstable = next((c for c in claims if c.verdict == "unstable"), None)
    said = "; ".join(parts)
    if unstable:
        seeds = count(len(unstable.failed), "seed")
        return "none", f"{capital(name)} is unstable: {seeds} failed, so it is not called better ({said})."
    if better:
        where = " and ".join(c.metric.words for c in better)
        return "better", f"{capital(name)} is better than plain fine-tuning on {where}: {said}."
    if worse:
        where = " and ".join(c.metric.words for c in worse)
        return "worse", f"{capital(name)} is worse than plain fine-tuning on {where}: {said}."
    if any(c.verdict == "unknown" for c in claims):
        return "open", f"How sure is unknown: {name} has no interval yet ({said})."
    return "none", f"No reliable difference between {name} and plain fine-tuning: {said}."


def _plain_first(confirmed: "Confirmation", name: str, arm: Arm) -> str:
    reached = ", ".join(f"{percent(confirmed.accuracy(arm, m).mean)} on {m.words}" for m in confirmed.metrics)
    better = [c for c in confirmed.claims if c.verdict == "better"]
    if better:
        names = "; ".join(f"{confirmed.best(c.arm).label} {_part(confirmed, c)}" for c in better)
        return f"Plain fine-tuning won the search ({name}: {reached}), but reliably better when confirmed: {names}."
    return f"Plain fine-tuning won the search: {name} reaches {reached}. No robust method is reliably better."


def _part(confirmed: "Confirmation", claim: Claim) -> str:
    """`on mixed pairs 74.0 %, +1.9 points (-0.5 to +4.3)`."""
    reached = percent(confirmed.accuracy(claim.arm, claim.metric).mean)
    gain = f"{points(claim.difference.mean)} points ({difference_interval(claim.interval)})"
    return f"on {claim.metric.words} {reached}, {gain}"


def _arm_line(confirmed: "Confirmation", arm: Arm) -> str:
    """`noise, scale 0.5 with mini-b: on mixed pairs ... no reliable difference; ...`."""
    best = confirmed.best(arm)
    failed = f"; {count(len(best.failed), 'seed')} failed" if best.failed else ""
    head = f"{best.label} with {best.encoder} ({count(len(best.seeds), 'seed')}{failed})"
    if arm.method == PLAIN:
        reached = (f"{percent(confirmed.accuracy(arm, m).mean)} on {m.words}" for m in confirmed.metrics)
        return f"{head}: {', '.join(reached)}."
    parts = [f"{_part(confirmed, claim)}, {claim.verdict}" for claim in confirmed.claims_of(arm)]
    return f"{head}: {'; '.join(parts)}."


def _searched_only(found: "Findings") -> Answer:
    if not found.ranking:
        running = found.meta.status == "running"
        state = "the run is still going" if running else f"the run is {found.meta.status}"
        return Answer("open", f"No answer: no trial of the search has finished; {state}.", (), ())
    first, metric = found.ranking[0], found.spec.metric
    text = f"Not confirmed: trial {first.id} ({describe(first.params)} with {first.params['encoder']}) is best on dev, "
    text += f"{percent(first.score(str(metric)))} on {metric.words}"
    plain = next((t for t in found.ranking if t.method == PLAIN), None)
    if plain and plain is not first:
        text += f"; the best plain trial {plain.id} reaches {percent(plain.score(str(metric)))}"
    evidence = (
        f"One seed, and the best of {count(len(found.ranking), 'finished trial')}: its score is likely too high.",
        "A confirmation with several seeds (`confirm` in the study) would tell.",
    )
    return Answer("open", f"{text}.", (), evidence)


def _evidence(found: "Findings", confirmed: "Confirmation") -> Iterator[str]:
    yield _basis(confirmed)
    yield from _rules(confirmed)
    yield from _power(confirmed)
    missing = [arm.name for arm in found.spec.arms if arm not in confirmed.candidates.best]
    if missing:
        yield f"No trial finished in: {'; '.join(missing)}. The study cannot say whether they help."
    if confirmed.split == "dev":
        yield "Test has no labels. Dev also chose the configurations, so differences on it are flattered."
    for configuration in confirmed.configurations.values():
        if configuration.failed:
            failed, all_seeds = (
                len(configuration.failed),
                len(configuration.failed) + len(configuration.seeds),
            )
            yield (
                f"{configuration.label} with {configuration.encoder}: {failed} of {count(all_seeds, 'seed')} failed. "
                "A configuration that fails is not called better by its other seeds."
            )
    yield from filter(None, (constant(t) for c in confirmed.configurations.values() for t in c.trials))
    if found.added:
        verb = "was" if found.added == 1 else "were"
        yield f"{count(found.added, 'training')} {verb} added after the verdicts had been seen; each look counts."
    if found.meta.status == "running":
        yield "The run is still going: this will change."


def _basis(confirmed: "Confirmation") -> str:
    """How much the verdicts rest on, and how they are corrected."""
    claims = [c for c in confirmed.claims if c.judged]
    groups = max((c.difference.groups for c in claims), default=0)
    seeds = sorted({c.difference.seeds for c in claims})
    over = f"{confirmed.examples:,} examples in {groups:,} groups that share no sentence"
    if not groups:
        over = "one set of examples (predictions are gone, so the intervals are over seeds only)"
    at = "" if len(confirmed.at) == 1 else f" and {len(confirmed.at)} looks"
    corrected = f"95 % intervals, corrected for {count(len(claims), 'comparison')}{at}"
    spread = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0] if seeds else 0, "seed")
    cell = "language" if confirmed.spec.task.sentences == 1 else "pair"
    cells = ", ".join(f"{m.words} {count(n, cell)}" for m, n in confirmed.cells.items())
    return f"On {confirmed.split}, {spread}, {over}; {cells}. {corrected}. Configurations were chosen on dev."


def _rules(confirmed: "Confirmation") -> Iterator[str]:
    """What selection without labelled target sentences would have chosen, beside what target dev chose."""
    metric = confirmed.metrics[0]
    for rule in confirmed.candidates.rules[:2]:
        configuration = confirmed.of_trial(rule.trial)
        reached = percent(configuration.accuracy(metric).mean) if configuration else NOTHING
        ties = f" (one of {len(rule.ties)} of {rule.among} that are equal)" if len(rule.ties) > 1 else ""
        yield (
            f"Chosen by {rule.rule}: {describe(rule.trial.params)} with {rule.trial.params['encoder']}{ties}, "
            f"{reached} on {metric.words}."
        )


def _power(confirmed: "Confirmation") -> Iterator[str]:
    """What could be seen, and what more seeds would make of it."""
    open_claims = [c for c in confirmed.claims if c.verdict == "no reliable difference"]
    if not open_claims:
        return
    seen = max((c.detectable() for c in open_claims), default=NAN)
    if math.isnan(seen):
        return
    if seen > 1:
        yield "With so few seeds no difference could have been found."
        return
    text = f"A true difference of {100 * seen:.1f} points would have been found in 80 % of such studies"
    claim = max(open_claims, key=lambda c: c.detectable())
    more = 2 * max(c.difference.seeds for c in open_claims)
    narrower = claim.difference.quantile(
        claim.judged.level if claim.judged else 0.05
    ) * claim.difference.error_at(more)
    what = f"the interval of {claim.arm.name} on {claim.metric.words}"
    yield f"{text}. With {more} seeds {what} would be ± {100 * narrower:.1f}."

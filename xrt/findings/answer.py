"""The answer of a run in words: one sentence, one line per arm, and the evidence. Knows no page and no file."""

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

NOT_ENDED = "The run has not ended: these results will change."
Tone = Literal["better", "worse", "none", "open"]


class Answer(NamedTuple):
    """The answer of a run.

    Attributes:
        arms: one line per arm.
        evidence: what the answer rests on, and what weakens it, one sentence each.
    """

    tone: Tone
    sentence: str
    arms: tuple[str, ...]
    evidence: tuple[str, ...]


def answer(found: "Findings") -> Answer:
    """The answer of a run as it stands, also if no difference is reliable or nothing is known."""
    confirmed = found.confirmation
    if confirmed is None:
        return _searched_only(found)
    if _too_early(found, confirmed):
        return Answer("open", f"No verdict yet: {_begun(found)}.", (), (*_constants(confirmed), NOT_ENDED))
    evidence = tuple(_evidence(found, confirmed))
    lines = tuple(_arm_line(confirmed, arm) for arm in confirmed.candidates.best)
    if not confirmed.learned:
        text = (
            "Nothing was learned: no confirmed configuration is reliably above a constant prediction "
            f"({confirmed.constants}). Longer training, more rows or another encoder may change that."
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
    if confirmed and _too_early(found, confirmed):
        return _begun(found)
    if confirmed is None or confirmed.winner is None:
        if not found.ranking:
            return NOTHING
        first = found.ranking[0]
        score = percent(first.score(found.meta.metric))
        return f"{describe(first.params)}: {score} on {found.spec.metric.words} of dev, not confirmed"
    if not confirmed.learned:
        return f"nothing was learned: a constant prediction reaches {confirmed.constants}"
    claims = confirmed.claims_of(confirmed.winner)
    claim = next((c for c in claims if c.verdict in ("better", "worse")), claims[0] if claims else None)
    metric = claim.metric if claim else confirmed.metrics[0]
    text = f"{confirmed.best(confirmed.winner).label}: {percent(confirmed.accuracy(confirmed.winner, metric).mean)}"
    gain = f", {points(claim.difference.mean)} points ({claim.verdict})" if claim else ""
    return f"{text} on {metric.words}{gain}"


def _too_early(found: "Findings", confirmed: "Confirmation") -> bool:
    """Whether the run has yet to train what its first verdicts need."""
    return found.meta.status in ("running", "stopped") and not confirmed.begun


def _begun(found: "Findings") -> str:
    finished = sum(t.phase == "confirm" and t.state == "finished" for t in found.trials)
    return f"the confirmation has begun ({count(finished, 'training')} finished)"


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
    # NaN, where the share is unknown, is not 1 either.
    if trial.score("dev/commonest/prediction") != 1:
        return None
    share = percent(trial.score("dev/commonest/label"))
    return f"{trial.id}: predicts the same label for every dev example; the most common label has {share}."


def _sentence(confirmed: "Confirmation", arm: Arm) -> tuple[Tone, str]:
    """The configuration that the search chose, and whether it is better than plain fine-tuning."""
    best = confirmed.best(arm)
    name = f"{best.label} with {best.encoder}"
    if arm.method == PLAIN:
        return "none", _plain_first(confirmed, name, arm)
    claims = confirmed.claims_of(arm)
    parts = [_part(confirmed, claim) for claim in claims]
    better = [c for c in claims if c.verdict == "better"]
    worse = [c for c in claims if c.verdict == "worse"]
    unstable = next((c for c in claims if c.verdict == "unstable"), None)
    details = "; ".join(parts)
    if unstable:
        seeds = count(len(unstable.failed), "seed")
        return "none", f"{capital(name)} is unstable: {seeds} failed, so it is not called better ({details})."
    if better:
        where = " and ".join(c.metric.words for c in better)
        return "better", f"{capital(name)} is better than plain fine-tuning on {where}: {details}."
    if worse:
        where = " and ".join(c.metric.words for c in worse)
        return "worse", f"{capital(name)} is worse than plain fine-tuning on {where}: {details}."
    if any(c.verdict == "unknown" for c in claims):
        return "open", f"No verdict yet: {name} has no interval ({details})."
    return "none", f"No reliable difference between {name} and plain fine-tuning: {details}."


def _plain_first(confirmed: "Confirmation", name: str, arm: Arm) -> str:
    reached = ", ".join(f"{percent(confirmed.accuracy(arm, m).mean)} on {m.words}" for m in confirmed.metrics)
    better = [c for c in confirmed.claims if c.verdict == "better"]
    if better:
        names = "; ".join(f"{confirmed.best(c.arm).label} {_part(confirmed, c)}" for c in better)
        return (
            f"Plain fine-tuning won the search ({name}: {reached}), "
            f"but the confirmation found reliably better: {names}."
        )
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
        state = "the run has not ended" if running else f"the run is {found.meta.status}"
        return Answer("open", f"No answer: no trial of the search has finished; {state}.", (), ())
    first, metric = found.ranking[0], found.spec.metric
    text = f"Not confirmed: trial {first.id} ({describe(first.params)} with {first.params['encoder']}) is best on dev, "
    text += f"{percent(first.score(str(metric)))} on {metric.words}"
    plain = next((t for t in found.ranking if t.method == PLAIN), None)
    if plain and plain is not first:
        text += f"; the best plain trial {plain.id} reaches {percent(plain.score(str(metric)))}"
    evidence = (
        f"One seed, and the best of {count(len(found.ranking), 'finished trial')}: its score is likely too high.",
        "A confirmation with several seeds (`confirm` in the study) would correct that.",
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
        yield "Test has no labels. Dev, which also chose the configurations, replaces it: differences are too large."
    for configuration in confirmed.configurations.values():
        if configuration.failed:
            failed, all_seeds = (
                len(configuration.failed),
                len(configuration.failed) + len(configuration.seeds),
            )
            yield (
                f"{configuration.label} with {configuration.encoder}: {failed} of {count(all_seeds, 'seed')} failed. "
                "A configuration with failed seeds is never called better."
            )
    yield from _constants(confirmed)
    if found.added:
        added = f"{count(found.added, 'training')} {'was' if found.added == 1 else 'were'} added"
        yield f"{added} after the verdicts had been seen, which makes false verdicts more likely."
    if found.meta.status == "running":
        yield NOT_ENDED


def _constants(confirmed: "Confirmation") -> Iterator[str]:
    """One line for all confirmed trainings that predict a single label."""
    trials = [t for c in confirmed.configurations.values() for t in c.trials]
    lines = {t.id: line for t in trials if (line := constant(t))}
    if len(lines) == 1:
        yield from lines.values()
    elif lines:
        ids = ", ".join(list(lines)[:3]) + (", …" if len(lines) > 3 else "")
        yield f"{len(lines)} of {len(trials)} trainings predict the same label for every dev example ({ids})."


def _basis(confirmed: "Confirmation") -> str:
    """The seeds and examples behind the verdicts, and the correction of their intervals."""
    claims = [c for c in confirmed.claims if c.judged]
    cell = "language" if confirmed.spec.task.sentences == 1 else "pair"
    cells = ", ".join(f"{m.words} {count(n, cell)}" for m, n in confirmed.cells.items())
    if not claims:
        return f"On {confirmed.split}; {cells}. There is no interval yet. Configurations were chosen on dev."
    groups = max((c.difference.groups for c in claims), default=0)
    seeds = sorted({c.difference.seeds for c in claims})
    examples = f"{confirmed.examples:,} examples in {groups:,} groups that share no sentence"
    if not groups:
        examples = "one set of examples (predictions are missing, so the intervals are over seeds only)"
    at = "" if len(confirmed.at) == 1 else f" and {len(confirmed.at)} looks"
    corrected = f"95 % intervals, corrected for {count(len(claims), 'comparison')}{at}"
    spread = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    return f"On {confirmed.split}, {spread}, {examples}; {cells}. {corrected}. Configurations were chosen on dev."


def _rules(confirmed: "Confirmation") -> Iterator[str]:
    """What the study's metric chose, and the first rule without labelled target sentences."""
    metric = confirmed.metrics[0]
    for rule in confirmed.candidates.rules[:2]:
        configuration = confirmed.of_trial(rule.trial)
        reached = percent(configuration.accuracy(metric).mean) if configuration else NOTHING
        ties = f" (one of {len(rule.ties)} tied trials among {rule.among})" if len(rule.ties) > 1 else ""
        yield (
            f"Chosen by {rule.rule}: {describe(rule.trial.params)} with {rule.trial.params['encoder']}{ties}, "
            f"{reached} on {metric.words}."
        )


def _power(confirmed: "Confirmation") -> Iterator[str]:
    """The smallest difference that could have been found, and the interval to expect with more seeds."""
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
    level = claim.judged.level if claim.judged else 0.05
    narrower = max(d.quantile(level) * d.error_at(more) for d in claim.shown)
    interval = f"the interval of {claim.arm.name} on {claim.metric.words}"
    yield f"{text}. With {more} seeds {interval} would be ± {100 * narrower:.1f}."

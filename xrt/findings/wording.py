"""Numbers as readers want them, and a run's answer in a sentence. It knows what was confirmed, no page and no file."""

import math
from typing import Literal, NamedTuple

from xrt.answers.confirmed import (
    Confirmation,
    Line,
    describe,
    headline,
    number,
    ranked,
    source_language,
)
from xrt.answers.statistics import Estimate, chosen
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.spec.tasks import whole_dev

Tone = Literal["better", "worse", "none", "open"]
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


class Answer(NamedTuple):
    """What the run says: one sentence, and what it rests on."""

    tone: Tone
    sentence: str
    evidence: tuple[str, ...]


def percent(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """With its sign: `+1.2`, and a real minus."""
    if math.isnan(difference):
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def spread(estimate: Estimate) -> str:
    """Mean ± standard deviation between seeds, in percent."""
    sd = "" if math.isnan(estimate.sd) else f" ± {100 * estimate.sd:.1f}"
    return NOTHING if math.isnan(estimate.mean) else f"{100 * estimate.mean:.1f}{sd}"


def interval(estimate: Estimate | None, signed: bool = False) -> str:
    """The 95 % interval, of an accuracy in percent or (`signed`) of a difference in points."""
    if estimate is None or not estimate.known:
        return NOTHING
    if signed:
        return f"{points(estimate.low)} to {points(estimate.high)}"
    return f"{100 * max(0.0, estimate.low):.1f} to {100 * min(1.0, estimate.high):.1f}"


def probability(p: float) -> str:
    return NOTHING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def words(metric: str) -> str:
    """What a metric measures: `mean/mixed` is "mixed pairs", `acc/de` is "de"."""
    *_, kind, name = metric.split("/")
    means = {"mixed": "mixed pairs", "targets": "target languages", "languages": "all languages"}
    return means.get(name, "all pairs") if kind == "mean" else name


def count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def answer(run: Run, confirmed: Confirmation | None) -> Answer:
    """The run in one sentence. Where there is no reliable difference it says so; where nothing is known too."""
    if confirmed is None:
        return _searched_only(run)
    line = confirmed.winner
    if line is None:
        best = ranked(run.trials(), run.meta.metric)
        name = f"trial {best[0].id} ({describe(best[0].params)})" if best else "none"
        text = (
            f"No answer yet: the configuration that the search chose, {name}, has no finished confirmation."
        )
        return Answer("open", text, _evidence(run, confirmed, None))
    if line.verdict == "baseline":
        return Answer("none", _plain_won(confirmed, line), _evidence(run, confirmed, line))
    if line.verdict == "unknown" or line.gain is None:
        return Answer("open", _unsure(confirmed, line), _evidence(run, confirmed, line))
    tone: dict[str, Tone] = {"better": "better", "worse": "worse"}
    return Answer(tone.get(line.verdict, "none"), _compared(confirmed, line), _evidence(run, confirmed, line))


def in_short(run: Run, confirmed: Confirmation | None) -> str:
    """The answer as one cell of a table: `adversarial (radius 0.1): 76.2 % on mixed pairs, +4.1 points (better)`."""
    line = confirmed.winner if confirmed else None
    if confirmed is None or line is None:
        best = ranked(run.trials(), run.meta.metric)
        if not best:
            return NOTHING
        name = headline(run.meta.metric, source_language(run.trials()))
        return f"{describe(best[0].params)}: {_dev(best[0], name)} on {words(name)} of dev, not confirmed"
    text = f"{line.configuration.label}: {percent(line.accuracy.mean)} on {words(confirmed.metric)}"
    gain = f", {points(line.gain.mean)} points" if line.gain else ""
    return f"{text}{gain} ({line.verdict})"


def _compared(confirmed: Confirmation, line: Line) -> str:
    assert line.gain is not None
    where = f"on {words(confirmed.metric)} of the {confirmed.split} split"
    tests = sum(other.gain is not None and not math.isnan(other.p) for other in confirmed.lines)
    holm = f", corrected for {tests} configurations" if tests > 1 else ""
    p = probability(line.p)
    sure = f"95 % interval {interval(line.gain, signed=True)}; p {p if p[0] == '<' else '= ' + p}{holm}"
    reached = f"{_capital(line.configuration.label)} reaches {percent(line.accuracy.mean)} {where}"
    if line.verdict == "no reliable difference":
        plain = next(
            (percent(other.accuracy.mean) for other in confirmed.lines if other.verdict == "baseline"),
            NOTHING,
        )
        return (
            f"No reliable difference: {reached[0].lower()}{reached[1:]}, plain fine-tuning {plain} "
            f"(difference {points(line.gain.mean)} points, {sure})."
        )
    more = "more" if line.verdict == "better" else "less"
    return f"{reached}: {abs(100 * line.gain.mean):.1f} points {more} than plain fine-tuning ({sure})."


def _plain_won(confirmed: Confirmation, line: Line) -> str:
    where = f"{percent(line.accuracy.mean)} on {words(confirmed.metric)} of the {confirmed.split} split"
    others = [other for other in confirmed.lines if other.verdict == "better"]
    if others:
        names = ", ".join(
            f"{other.configuration.label} ({points(other.gain.mean)})" for other in others if other.gain
        )
        return f"Plain fine-tuning won the search ({where}), but {names} is reliably better when confirmed."
    if len(confirmed.lines) == 1:
        return f"Plain fine-tuning won the search: {where}. No robust configuration was confirmed beside it."
    return f"Plain fine-tuning won the search: {where}. No robust configuration is reliably better."


def _unsure(confirmed: Confirmation, line: Line) -> str:
    reached = f"{line.configuration.label} reaches {percent(line.accuracy.mean)} on {words(confirmed.metric)}"
    if line.gain is None or math.isnan(line.gain.mean):
        return f"Nothing to compare with: {reached}, but no plain baseline has finished with the same seeds."
    gain = f"{points(line.gain.mean)} points against plain fine-tuning"
    return f"How sure is unknown: {reached}, {gain}, but with {count(line.gain.seeds, 'seed')} there is no interval."


def _searched_only(run: Run) -> Answer:
    trials = run.trials()
    best = ranked(trials, run.meta.metric)
    if not best:
        state = "the run is still going" if run.meta.status == "running" else f"the run is {run.meta.status}"
        return Answer("open", f"No answer: no trial of the search has finished; {state}.", ())
    name = headline(run.meta.metric, source_language(trials))
    first, plain = best[0], next((t for t in best if t.method == "plain"), None)
    text = (
        f"Not confirmed: on dev, trial {first.id} ({describe(first.params)}) is best with {_dev(first, name)}"
    )
    text += f" on {words(name)}"
    if plain and plain is not first:
        text += f", the best plain trial {plain.id} has {_dev(plain, name)}"
    evidence = (
        f"One seed, and the best of {count(len(best), 'finished trial')}: its value is likely too high."
    )
    return Answer(
        "open", f"{text}.", (evidence, "A confirmation with several seeds (confirm in the study) would tell.")
    )


def _dev(trial: TrialRecord, name: str) -> str:
    whole = number(trial, whole_dev(f"dev/{name}"))
    return percent(number(trial, f"dev/{name}") if math.isnan(whole) else whole)


def _evidence(run: Run, confirmed: Confirmation, line: Line | None) -> tuple[str, ...]:
    """How much it rests on, and what a reader must know to believe it."""
    found: list[str] = []
    if line:
        found.append(_basis(run, confirmed, line))
    others = [o for o in confirmed.lines if o is not line and o.verdict == "better"]
    if others and line and line.verdict not in ("better", "baseline"):
        found.append("Reliably better than plain: " + ", ".join(o.configuration.label for o in others) + ".")
    found += caveats(confirmed, line)
    if run.meta.status == "running":
        found.append("The run is still going: this will change.")
    return tuple(found)


def _basis(run: Run, confirmed: Confirmation, line: Line) -> str:
    estimate = line.gain or line.accuracy
    cells = _cells(run, confirmed.metric)
    over = f"{count(estimate.examples, 'aligned example')} in {count(cells, 'pair')} of languages"
    over = (
        over
        if estimate.examples
        else "one set of examples (predictions are gone: the interval is over seeds only)"
    )
    chosen_by = f"Chosen on dev by {run.meta.metric}"
    tested = "; test chose nothing" if confirmed.split == "test" else ""
    return f"{count(estimate.seeds, 'seed')} each, {over}. {chosen_by}{tested}."


def _cells(run: Run, metric: str) -> int:
    languages = run.meta.languages
    pairs = [(a, b) for a in languages for b in languages]
    return len(chosen(metric, pairs, source_language(run.trials())))


def caveats(confirmed: Confirmation, line: Line | None) -> list[str]:
    """What makes the comparison weaker than it looks."""
    found: list[str] = []
    baseline = confirmed.baseline
    if confirmed.split == "dev":
        found.append("Test has no labels; dev also chose the configuration, so its difference is flattered.")
    if line and baseline and line.configuration is not baseline:
        ours, theirs = (c.params.get("encoder") for c in (line.configuration, baseline))
        if ours != theirs:
            found.append(
                f"The baseline has another encoder ({theirs}, not {ours}): the difference is of both."
            )
    failed = [(o.configuration.id, o.configuration.failed) for o in confirmed.lines if o.configuration.failed]
    found += [f"{count(number, 'seed')} of {id} failed and is missing." for id, number in failed]
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def weak_attack(trial: TrialRecord) -> str | None:
    """A warning about an adversarial trial whose attack did not raise the loss at its last rung."""
    gain = trial.metrics.get("train/attack_gain")
    if gain is None or gain > 0:
        return None
    return (
        f"{trial.id}: its attack does not raise the loss ({gain:+.2g}): it trains almost as plain fine-tuning does. "
        "Try a larger radius, or more steps."
    )

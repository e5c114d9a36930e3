"""The report of a run: one self-contained HTML file and the same as Markdown, in the run's folder.

It says what was asked, what was found, how sure that is, and how to do it again. It is a function of the record:
the same record gives the same bytes. What a run does not have (a confirmation, a second method, a second rung) is
left out.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from xrt.answers import drawing, figures
from xrt.answers.confirmed import (
    Confirmation,
    Line,
    confirmation,
    describe,
    headline,
    number,
    ranked,
    show,
    source_language,
)
from xrt.answers.rendering import (
    Answer,
    Block,
    Code,
    Heading,
    Paragraph,
    Picture,
    Table,
    as_html,
    as_markdown,
)
from xrt.answers.wording import (
    NOTHING,
    answer,
    count,
    interval,
    percent,
    points,
    probability,
    spread,
    weak_attack,
    words,
)
from xrt.record.files import write_text
from xrt.record.run import Run
from xrt.record.values import TrialRecord
from xrt.spec.tasks import whole_dev

TOP = 10  # trials of the search that are listed


class ReportPaths(NamedTuple):
    """The files of a report."""

    html: Path
    markdown: Path
    figures: Path


def report_paths(run: Run) -> ReportPaths:
    """In the run's folder: report.html, report.md, and the figures of the latter."""
    root = run.paths.root
    return ReportPaths(root / "report.html", root / "report.md", root / "figures")


def write_report(run: Run) -> Path:
    """Write the report of a run as it stands now, finished or not; returns the HTML file.

    Raises:
        RecordError: the record is damaged, or the folder cannot be written.
    """
    paths, title = report_paths(run), f"{run.study}: {run.name}"
    blocks = list(contents(run))
    paths.figures.mkdir(exist_ok=True)
    for block in blocks:
        if isinstance(block, Picture):
            write_text(paths.figures / f"{block.name}.svg", block.svg)
    subtitle = _subtitle(run)
    write_text(paths.markdown, as_markdown(title, subtitle, blocks, paths.figures.name))
    write_text(paths.html, as_html(title, subtitle, blocks))
    return paths.html


def contents(run: Run) -> Iterator[Block]:
    """The blocks of the report, in order."""
    confirmed = confirmation(run)
    yield Answer(*answer(run, confirmed))
    if confirmed:
        yield from _confirmed(run, confirmed)
    yield from _languages(run, confirmed)
    yield from _rules(run, confirmed)
    yield from _search(run)
    yield from _failures(run)
    yield from _again(run)


def _subtitle(run: Run) -> str:
    meta, trials = run.meta, run.trials()
    states = ("finished", "pruned", "failed", "running", "stopped")
    counts = {state: sum(t.state == state and t.phase == "search" for t in trials) for state in states}
    searched = ", ".join(f"{n} {state}" for state, n in counts.items() if n) or "no trial yet"
    confirming = [t for t in trials if t.phase == "confirm"]
    parts = [f"Task {meta.task}" if meta.task else "", f"{meta.status}", f"search: {searched}"]
    if confirming:
        parts.append(
            f"confirmation: {sum(t.state == 'finished' for t in confirming)} of {len(confirming)} finished"
        )
    moments = [moment for t in trials for moment in (t.started, t.ended) if moment]
    end = meta.ended or max(moments, default=meta.started)
    parts.append(
        f"{datetime.fromtimestamp(meta.started, UTC):%Y-%m-%d %H:%M} UTC, {_duration(end - meta.started)}"
    )
    return " · ".join(part for part in parts if part)


def _confirmed(run: Run, confirmed: Confirmation) -> Iterator[Block]:
    yield Heading("Confirmed configurations")
    what = words(confirmed.metric)
    head = (
        *("trial", "configuration", "encoder", "learning rate", "seeds", f"{what}, %", "95 % interval"),
        *("gain, points", "95 % interval", "p (Holm)", "against plain"),
    )
    rows = tuple(_line(line) for line in confirmed.lines)
    bold = confirmed.lines.index(confirmed.winner) if confirmed.winner else None
    yield Table(head, rows, frozenset({3, 4, 5, 6, 7, 8, 9}), bold)
    yield Paragraph(
        f"Accuracy on {what} of the {confirmed.split} split, mean ± standard deviation between seeds. Intervals and p "
        "take seeds and examples for random draws (two-way random model; the difference to plain is paired over "
        "both) and p is corrected for the number of configurations. In bold: what the search chose on dev."
    )


def _line(line: Line) -> tuple[str, ...]:
    params = line.configuration.params
    gain = line.gain
    return (
        line.configuration.id,
        line.configuration.label,
        str(params.get("encoder", NOTHING)),
        show(params.get("learning_rate", NOTHING)),
        str(len(line.configuration.trials)),
        spread(line.accuracy),
        interval(line.accuracy),
        points(gain.mean) if gain else "",
        interval(gain, signed=True) if gain else "",
        probability(line.p) if gain else "",
        line.verdict,
    )


def _languages(run: Run, confirmed: Confirmation | None) -> Iterator[Block]:
    """Per language: table, figure, matrices; of the winner on test, or of the search's best on dev."""
    languages = run.meta.languages
    if confirmed and confirmed.winner:
        yield Heading("Where it helps")
        yield from _language_table(confirmed, confirmed.winner, languages)
        rows = figures.gains(confirmed, languages)
        caption = "Gain over plain by language, each with its own interval (not corrected for their number)."
        yield from _drawn("gains", caption, rows and (lambda: drawing.draw_gains(rows)))
        apart = figures.gaps(run, confirmed)
        yield from _drawn("misalignment", _apart(apart), apart and (lambda: drawing.draw_gaps(apart)))
        split = "test" if confirmed.split == "test" else "final"
        ours = confirmed.winner.configuration.trials
        theirs = confirmed.baseline.trials if confirmed.baseline else ()
        what = "mean over seeds"
    else:
        done = ranked(run.trials(), run.meta.metric)
        ours, split, what = tuple(done[:1]), "final", "dev, one seed"
        theirs = tuple(t for t in done if t.method == "plain")[:1]
        if ours:
            yield Heading("Where it helps")
    yield from _matrices(ours, theirs if theirs != ours else (), languages, split, what)


def _apart(rows: tuple[figures.Gaps, ...] | None) -> str:
    encoder = rows[0].encoder if rows else ""
    return (
        f"Gain over plain against the misalignment of {encoder} before fine-tuning: the mean distance of a translation "
        "from its source sentence (means of word pieces), in mean norms of a word piece there, the unit of a radius. "
        "Dotted: the distance of unrelated source sentences."
    )


def _matrices(
    ours: tuple[TrialRecord, ...],
    theirs: tuple[TrialRecord, ...],
    languages: tuple[str, ...],
    split: str,
    what: str,
) -> Iterator[Block]:
    if not ours:
        return
    title = describe(ours[0].params)
    own = figures.matrix(title, ours, languages, split)
    gain = figures.difference("gain over plain", own, figures.matrix("plain", theirs, languages, split))
    shown = [m for m in (own, gain) if m]
    caption = f"Accuracy by the languages of the two sentences ({what})" + (
        ", and its gain over plain." if gain else "."
    )
    yield from _drawn("matrix", caption, shown and (lambda: drawing.draw_matrices(shown)))


def _language_table(confirmed: Confirmation, line: Line, languages: tuple[str, ...]) -> Iterator[Block]:
    names = [f"acc/{language}" for language in languages]
    names += [f"mean/{which}" for which in ("languages", "targets", "mixed", "all")]
    rows: list[tuple[str, ...]] = []
    own, baseline = line.configuration, confirmed.baseline
    for name in names:
        found = confirmed.score(own, name)
        if math.isnan(found.mean):
            continue
        row = [words(name), spread(found), interval(found)]
        if baseline and baseline is not own:
            gain = confirmed.gain(own, name)
            row[1:1] = [spread(confirmed.score(baseline, name))]
            row += [points(gain.mean), interval(gain, signed=True)] if gain else ["", ""]
        rows.append(tuple(row))
    if not rows:
        return
    head = ["accuracy, %", own.label, "95 % interval"]
    if len(rows[0]) > 3:
        head = ["accuracy, %", "plain", own.label, "95 % interval", "gain, points", "95 % interval"]
    yield Table(tuple(head), tuple(rows), frozenset(range(1, len(head))))


def _rules(run: Run, confirmed: Confirmation | None) -> Iterator[Block]:
    found = figures.rules(run, confirmed)
    if not found:
        return
    yield Heading("Selection rules")
    shown = list(found[0].test)
    head = (
        "winner by",
        "trial",
        "configuration",
        "dev",
        *(f"test: {words(m)}" for m in shown),
        "regret, points",
    )
    if confirmed and confirmed.split == "dev":
        head = tuple(h.replace("test:", "dev, all seeds:") for h in head)
    rows = tuple(
        (
            rule.name + (" (this study)" if rule.used else ""),
            *(rule.trial, rule.label, percent(rule.value)),
            *(percent(rule.test[metric]) for metric in shown),
            NOTHING if math.isnan(rule.regret) else f"{100 * rule.regret:.1f}",
        )
        for rule in found
    )
    yield Table(head, rows, frozenset(range(3, len(head))))
    source = source_language(run.trials())
    yield Paragraph(
        f"What the search would have chosen by other dev metrics. dev/acc/{source} is strict zero-shot; the means use "
        "labelled dev data of the target languages and are oracles in that sense (Keung et al. 2020). Regret: how far "
        f"the rule's winner is below the best confirmed configuration; {NOTHING} where it was not confirmed."
    )


def _search(run: Run) -> Iterator[Block]:
    done = ranked(run.trials(), run.meta.metric)
    rows, pruned = figures.panels(run), figures.pruning(run)
    if not done and not pruned:
        return
    yield Heading("The search")
    if done:
        yield from _best(run, done)
    metric = run.meta.metric
    caption = (
        "Accuracy on dev against what each method is tuned by; one point a finished trial, 95 % interval over the "
        "examples (not over seeds). Grey: the plain trials. Other parameters differ between the points too."
    )
    yield from _drawn("parameters", caption, rows and (lambda: drawing.draw_panels(rows, metric)))
    costs = figures.costs(run)
    caption = "Accuracy on dev against the cost of training. Dashed: the Pareto front, with the trials on it."
    yield from _drawn("costs", caption, costs and (lambda: drawing.draw_costs(costs)))
    shares = figures.importances(run)
    caption = (
        "What the outcome depended on within the space (conditional PED-ANOVA, over finished trials): a hint, not a "
        "finding. A method's effect can show in its own parameters."
    )
    yield from _drawn("importances", caption, shares and (lambda: drawing.draw_importances(shares)))
    caption = f"ASHA: every trial from rung to rung. {_spent(pruned)}" if pruned else ""
    yield from _drawn("rungs", caption, pruned and (lambda: drawing.draw_pruning(pruned)))


def _spent(pruned: figures.Pruning) -> str:
    if math.isnan(pruned.share):
        return ""
    return (
        f"The search cost {pruned.spent:,.0f} plain steps, {100 * pruned.share:.0f} % of the {pruned.exhaustive:,.0f} "
        "that training all its trials to the end would have cost (evaluation not counted)."
    )


def _best(run: Run, done: list[TrialRecord]) -> Iterator[Block]:
    source = source_language(run.trials())
    name = headline(run.meta.metric, source)
    names = list(dict.fromkeys([name, "mean/targets", f"acc/{source}"]))
    head = (
        "trial",
        "configuration",
        "encoder",
        "learning rate",
        *(words(n) for n in names),
        "cost, plain steps",
    )
    rows = tuple(
        (
            *(t.id, describe(t.params), str(t.params.get("encoder", NOTHING))),
            show(t.params.get("learning_rate", NOTHING)),
            *(percent(_whole(t, n)) for n in names),
            f"{number(t, 'train/cost'):,.0f}" if number(t, "train/cost") > 0 else NOTHING,
        )
        for t in done[:TOP]
    )
    yield Table(head, rows, frozenset(range(3, len(head))))
    shown = f"The best {TOP} of" if len(done) > TOP else "All"
    yield Paragraph(
        f"{shown} {count(len(done), 'finished trial')}, best first by {run.meta.metric} on the whole dev split."
    )


def _whole(trial: TrialRecord, name: str) -> float:
    value = number(trial, whole_dev(f"dev/{name}"))
    return number(trial, f"dev/{name}") if math.isnan(value) else value


def _failures(run: Run) -> Iterator[Block]:
    failed = [t for t in run.trials() if t.state == "failed"]
    if failed:
        yield Heading("Failed trials")
        rows = tuple((t.id, describe(t.params), (t.reason or NOTHING)[:500]) for t in failed[:50])
        yield Table(("trial", "configuration", "reason"), rows)
        if len(failed) > 50:
            yield Paragraph(f"And {len(failed) - 50} more.")
    if weak := [told for t in run.trials() if (told := weak_attack(t))]:
        yield Heading("Attacks without effect")
        yield from map(Paragraph, weak[:50])


def _again(run: Run) -> Iterator[Block]:
    meta = run.meta
    yield Heading("To do it again")
    if meta.command:
        yield Code(meta.command, "The command of this run:")
    yield Code(f"python -m xrt.study run --from {run.name}", "Again from its record:")
    yield Code(
        f"python -m xrt.study run {run.study}.yaml",
        "Or without the record: save the study below in a file of its own and run it:",
    )
    yield Code(run.spec_yaml, f"{run.study}.yaml: the study, everything resolved", folded=True)
    rows = [*meta.versions.items()]
    if meta.git:
        changed = ", with changes" if meta.git.get("dirty") else ""
        rows.append(("commit", f"{meta.git.get('commit')}{changed}"))
    rows += [(name.replace("_", " "), str(value)) for name, value in meta.hardware.items()]
    nodes = sorted({t.node for t in run.trials() if t.node})
    rows += [("nodes", ", ".join(nodes))] if nodes else []
    yield Table(("environment", ""), tuple((name, str(value)) for name, value in rows))
    if meta.data:
        head = ("data", "split", "used for", "rows", "from", "digest")
        yield Table(
            head,
            tuple(
                (d.name, d.split, d.context, f"{d.rows:,}", d.source or "", d.digest[:16]) for d in meta.data
            ),
            frozenset({3}),
        )


def _drawn(name: str, caption: str, draw: Callable[[], Figure] | object) -> Iterator[Block]:
    """The figure, where there is something to draw."""
    if callable(draw):
        yield Picture(name, drawing.svg(draw), caption)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min"
        if minutes
        else f"{seconds:.0f} s"
    )

"""The report of a run: one self-contained HTML file, the same as Markdown, its figures and the table for a paper.

It is a function of the findings: the same record gives the same bytes. What a run does not have (a confirmation, a
second method, a second rung) is left out.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from xrt.findings.answer import constant, weak_attack
from xrt.findings.findings import Confirmation, Findings, findings
from xrt.findings.statistics import Estimate
from xrt.findings.table import confirmed_rows, voted_rows
from xrt.findings.words import (
    NOTHING,
    accuracy_interval,
    count,
    describe,
    difference_interval,
    percent,
    points,
    show,
    spread,
)
from xrt.record.files import refuse_closed, write_text
from xrt.record.run import Run
from xrt.report import drawing, gallery
from xrt.report.pairs import cells
from xrt.report.paper import PaperTable, as_csv, as_latex, paper_table
from xrt.report.rendering import (
    Block,
    Box,
    Code,
    Folded,
    Heading,
    Paragraph,
    Picture,
    Table,
    as_html,
    as_markdown,
)
from xrt.report.trials import sections
from xrt.spec.metric import Metric, means_of, zero_shot

TOP = 10  # trials of the search that are listed


def write_report(run: Run, found: Findings | None = None) -> Path:
    """Write the report of a run as it stands now, finished or not; returns the HTML file.

    Raises:
        RecordError: the record is damaged, or the folder cannot be written.
    """
    paths, title = run.paths, f"{run.study}: {run.name}"
    refuse_closed(paths.report.parent)
    found = found or findings(run)
    blocks = list(contents(found, run.spec_yaml))
    paths.figures.mkdir(exist_ok=True)
    for block in blocks:
        if isinstance(block, Picture):
            write_text(paths.figures / f"{block.name}.svg", drawing.without_links(block.svg))
    if table := paper_table(found):
        write_text(paths.table_csv, as_csv(table))
        write_text(paths.table_latex, as_latex(table))
    subtitle = _subtitle(found)
    write_text(paths.report_markdown, as_markdown(title, subtitle, blocks, paths.figures.name))
    write_text(paths.report, as_html(title, subtitle, [*blocks, *sections(found)]))
    return paths.report


def contents(found: Findings, study: str) -> Iterator[Block]:
    """The blocks of the report, in order.

    Args:
        study: the text of the resolved study file.
    """
    yield Box(*found.answer)
    if found.note:
        yield Paragraph(f"Note: {found.note}")
    if found.confirmation:
        yield from _confirmed(found, found.confirmation)
    yield from _languages(found)
    yield from _rules(found)
    yield from _search(found)
    yield from _problems(found)
    yield from _again(found, study)


def _subtitle(found: Findings) -> str:
    meta = found.meta
    states = ("finished", "pruned", "failed", "running", "stopped")
    counts = {state: sum(t.state == state for t in found.searched) for state in states}
    searched = ", ".join(f"{n} {state}" for state, n in counts.items() if n) or "no trial yet"
    confirming = [t for t in found.trials if t.phase == "confirm"]
    parts = [f"Task {meta.task}", meta.status, f"search: {searched}"]
    if confirming:
        finished = sum(t.state == "finished" for t in confirming)
        parts.append(f"confirmation: {finished} of {len(confirming)} finished")
    moments = [moment for t in found.trials for moment in (t.started, t.ended) if moment]
    end = meta.ended or max(moments, default=meta.started)
    began = datetime.fromtimestamp(meta.started, UTC)
    how = "ended {} later" if meta.ended else "{} so far"
    parts.append(f"began {began:%Y-%m-%d %H:%M} UTC, {how.format(_duration(end - meta.started))}")
    return " · ".join(parts)


def _confirmed(found: Findings, confirmed: Confirmation) -> Iterator[Block]:
    if table := confirmed_rows(found):
        yield Heading("Confirmed configurations")
        bold = next((i for i, row in enumerate(table.rows) if row.chosen), None)
        yield Table(table.head, tuple(row.cells for row in table.rows), table.numbers, bold)
        yield Paragraph(
            "Mean ± standard deviation between seeds. A gain is the less certain of two differences: to the ablation "
            "(plain fine-tuning at the same encoder, learning rate and training settings) and to the best plain "
            "configuration; better needs both. If their signs differ, it is the lower one, and the interval "
            "covers both. Intervals and p treat seeds and groups of examples as random draws (two-way random model, "
            "paired over both). They are corrected for all comparisons and looks, so an interval excludes 0 exactly "
            f"where the verdict is reliable. A constant prediction reaches {confirmed.constants}. Bold: what the "
            "search chose on dev."
        )
    if (voted := voted_rows(found)) and (votes := found.spec.evaluation):
        yield Heading("Votes under noise")
        yield Table(voted.head, tuple(row.cells for row in voted.rows), voted.numbers)
        yield Paragraph(
            f"Test predicted again: the most common of {votes.votes} predictions of an example, each under noise of "
            f"scale {show(votes.scale)} on its word embeddings (Cohen et al. 2019). Change: paired by seed, 95 % "
            "intervals over seeds alone, not corrected. Verdicts use the predictions without votes."
        )
    if paper := paper_table(found):
        yield Heading("The table for a paper")
        yield _paper(paper)
        yield Paragraph(
            f"Accuracy on {paper.split}, %, mean ± standard deviation over seeds; *: reliably different from plain. "
            "Beside this page as table.csv and table.tex (booktabs)."
        )


def _paper(table: PaperTable) -> Table:
    rows = tuple((row.encoder, row.configuration, *(cell.text for cell in row.cells)) for row in table.rows)
    head = ("encoder", "method", *table.columns)
    return Table(head, rows, frozenset(range(2, len(head))))


def _languages(found: Findings) -> Iterator[Block]:
    """By language: table, figures, and cells of the matrix; of the winner on test, or of the search's best on dev."""
    confirmed, plates = found.confirmation, list(gallery.of_languages(found))
    if not plates:
        return
    yield Heading("Where it helps")
    if confirmed and confirmed.winner:
        yield from _language_table(found, confirmed)
    yield from map(_picture, plates)
    yield _cells(found)


def _cells(found: Findings) -> Folded:
    """The cells of the matrix as rows, which the matrix leads to."""
    rows, anchors = [], []
    for cell in cells(found):
        counts = f"{cell.correct:,} of {cell.total:,}" if cell.total else NOTHING
        reached = (percent(cell.accuracy), difference_interval((cell.low, cell.high)).replace("+", ""))
        gain = (points(cell.gain), difference_interval((cell.gain_low, cell.gain_high)))
        rows.append((cell.name, counts, *reached, *gain))
        anchors.append(f"pair-{cell.sentence_1}-{cell.sentence_2}")
    head = ("languages", "correct", "accuracy", "95 % interval", "gain, points", "95 % interval")
    table = Table(head, tuple(rows), frozenset(range(1, len(head))), anchors=tuple(anchors))
    about = "Counts are over all seeds. Intervals are over seeds and example groups, not corrected."
    return Folded("cells", "Counts and intervals of every cell", (table, Paragraph(about)))


def _language_table(found: Findings, confirmed: Confirmation) -> Iterator[Block]:
    arm = confirmed.winner
    assert arm is not None
    best, other = confirmed.best(arm), confirmed.reference(arm)
    rows: list[tuple[str, ...]] = []
    for metric in (*(Metric("acc", a) for a in found.meta.languages), *means_of(found.spec.task)):
        reached = confirmed.accuracy(arm, metric)
        if math.isnan(reached.mean):
            continue
        row = [metric.words, spread(reached), accuracy_interval(reached)]
        if other:
            gain = confirmed.gain(arm, metric) or Estimate(math.nan)
            row[1:1] = [spread(other.accuracy(metric.on(confirmed.split)))]
            row += [points(gain.mean), difference_interval(gain.interval())]
        rows.append(tuple(row))
    head = ["accuracy, %", best.label, "95 % interval"]
    if other:
        head = ["accuracy, %", f"{other.label} ({other.id})", *head[1:], "gain, points", "95 % interval"]
    yield Table(tuple(head), tuple(rows), frozenset(range(1, len(head))))


def _rules(found: Findings) -> Iterator[Block]:
    if not found.rules:
        return
    confirmed, source_dev = found.confirmation, zero_shot(found.spec.task.sources)[0]
    metrics = confirmed.metrics if confirmed else ()
    yield Heading("Selection rules")
    head = ("best by", "trial", "configuration", "dev", "ties", *(f"{m.split}: {m.words}" for m in metrics))
    rows = []
    for rule in found.rules:
        configuration = confirmed.of_trial(rule.trial) if confirmed else None
        name = f"{rule.rule}{' (this study)' if rule.rule == found.spec.metric else ''}"
        ties = f"one of {len(rule.ties)} of {rule.among}" if len(rule.ties) > 1 else NOTHING
        reached = [percent(configuration.accuracy(m).mean) if configuration else NOTHING for m in metrics]
        about = f"{describe(rule.trial.params)}, {rule.trial.params['encoder']}"
        dev = percent(rule.trial.score(str(rule.rule)))
        rows.append((name, rule.trial.id, about, dev, ties, *reached))
    yield Table(head, tuple(rows), frozenset({3, *range(5, len(head))}))
    yield Paragraph(
        f"What the search would have chosen by other dev metrics. {source_dev} is strict zero-shot; the means use "
        "labelled dev data of the target languages and are oracles in that sense (Keung et al. 2020). Ties are broken "
        f"by the study's metric. {NOTHING}: not confirmed."
    )


def _search(found: Findings) -> Iterator[Block]:
    plates = list(gallery.of_search(found))
    if not found.ranking and not plates:
        return
    yield Heading("The search")
    if after := found.meta.after:
        yield Paragraph(after.sentence)
    if found.ranking:
        yield from _best(found)
    yield from map(_picture, plates)


def _best(found: Findings) -> Iterator[Block]:
    about = [found.spec.metric, Metric("mean", "targets"), zero_shot(found.spec.task.sources)[0]]
    metrics = list(dict.fromkeys(about))
    head = (
        "trial",
        "configuration",
        "encoder",
        "learning rate",
        *(m.words for m in metrics),
        "cost, plain steps",
    )
    rows = tuple(
        (
            *(t.id, describe(t.params), str(t.params["encoder"]), show(t.params["learning_rate"])),
            *(percent(t.score(str(m))) for m in metrics),
            f"{t.score('train/cost'):,.0f}" if t.score("train/cost") > 0 else NOTHING,
        )
        for t in found.ranking[:TOP]
    )
    yield Table(head, rows, frozenset(range(3, len(head))))
    finished = count(len(found.ranking), "finished trial")
    shown = f"The best {TOP} of" if len(found.ranking) > TOP else "All"
    yield Paragraph(f"{shown} {finished}, best first by {found.meta.metric} on the whole dev split.")


def _problems(found: Findings) -> Iterator[Block]:
    failed = [t for t in found.trials if t.state == "failed"]
    if failed:
        yield Heading("Failed trials")
        rows = tuple((t.id, describe(t.params), (t.reason or NOTHING)[:500]) for t in failed[:50])
        yield Table(("trial", "configuration", "reason"), rows)
        if len(failed) > 50:
            yield Paragraph(f"And {len(failed) - 50} more.")
    doubts = [line for t in found.trials for line in (weak_attack(t), constant(t)) if line]
    if lines := (*found.damaged, *found.meta.warnings, *doubts[:50]):
        yield Heading("Warnings")
        yield from map(Paragraph, lines)


def _again(found: Findings, study: str) -> Iterator[Block]:
    meta = found.meta
    yield Heading("To repeat the run")
    if meta.command:
        yield Code(meta.command, "The command of this run:")
    yield Code(f"python -m xrt.study run --from {meta.name}", "Repeat it from its record:")
    yield Code(
        f"python -m xrt.study run {meta.study}.yaml",
        "Or, without the record, save the study below to a file and run it:",
    )
    yield Folded("study", f"{meta.study}.yaml: the study with all defaults", (Code(study),))
    rows = [*meta.versions.items()]
    if meta.git:
        changed = ", with changes" if meta.git.get("dirty") else ""
        rows.append(("commit", f"{meta.git.get('commit')}{changed}"))
    rows += [(name.replace("_", " "), str(value)) for name, value in meta.hardware.items()]
    devices = sorted({t.device for t in found.trials if t.device})
    rows += [("trained on", ", ".join(devices))] if devices else []
    nodes = sorted({t.node for t in found.trials if t.node})
    rows += [("nodes", ", ".join(nodes))] if nodes else []
    yield Table(("environment", ""), tuple((name, str(value)) for name, value in rows))
    if meta.data:
        head = ("data", "split", "used for", "rows", "from", "digest")
        lines = (
            (d.name, d.split, d.context, f"{d.rows:,}", d.origin or "", d.digest[:16]) for d in meta.data
        )
        yield Table(head, tuple(lines), frozenset({3}))


def _picture(plate: gallery.Plate) -> Picture:
    return Picture(plate.name, drawing.svg(plate.draw), plate.caption)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"

"""The report: one file that loads nothing, true to the record, for runs in any state."""

import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.report.page import write_report
from xrt.report.pairs import cells
from xrt.report.rendering import (
    CSS,
    MANY,
    SCRIPT,
    Box,
    Code,
    Curve,
    Folded,
    Heading,
    Paragraph,
    Picture,
    Table,
    as_html,
    as_markdown,
)
from xrt.report.trials import _settings, sections

VOID = {"meta", "img", "br", "link", "wbr"}


class Strict(HTMLParser):
    """Fails on a tag that is not closed in order; keeps tags, text, addresses, and what they can lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.figures: list[str] = []
        self.scripts = ""
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = {name: value or "" for name, value in attrs}
        self.addresses += [found[name] for name in ("src", "href", "xlink:href") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        self.figures += [found["aria-label"]] if found.get("role") == "group" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts += data
        else:
            self.text += data


def page_of(run: Run) -> Strict:
    return Strict(write_report(run).read_text("utf-8"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return worked.make(tmp_path / "results")


def test_a_whole_run_makes_a_whole_report(run: Run) -> None:
    worked.search(run)
    worked.confirm(run)
    page = page_of(run)
    for heading in (
        "Confirmed configurations",
        "The table for a paper",
        "Where it helps",
        "Selection rules",
        "The search",
        "To repeat the run",
    ):
        assert heading in page.text
    assert "Adversarial (radius 0.11, steps 1) with mini-a is better than plain fine-tuning" in page.text
    assert "python -m xrt.study run mini" in page.text and "a" * 16 in page.text
    assert worked.SPEC.to_yaml() in page.text
    names = {path.stem for path in run.paths.figures.iterdir()}
    assert names == {"gains", "matrix", "parameters", "tuning", "costs", "importances", "rungs"}
    assert len(page.figures) == len(names) and all(page.figures)


def test_the_page_loads_nothing_and_its_links_lead_to_places_on_it(run: Run) -> None:
    worked.search(run)
    worked.confirm(run)
    page = page_of(run)
    inside = [address for address in page.addresses if not address.startswith("data:image/png;base64,")]
    assert inside and {address[:1] for address in inside} == {"#"}
    assert {address[1:] for address in inside} <= set(page.ids)
    assert "url(" not in CSS and "@import" not in CSS


def test_a_browser_runs_the_script_of_the_page_and_no_other(run: Run) -> None:
    worked.search(run)
    text = write_report(run).read_text("utf-8")
    page = Strict(text)
    assert page.scripts == SCRIPT and text.count("<script>") == 1
    [allowed] = re.findall("script-src '([^']*)'", text)
    assert allowed == f"sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}"
    assert "default-src 'none'" in text


def test_every_point_and_every_row_of_a_trial_leads_to_its_section_with_its_settings_and_its_course(
    run: Run,
) -> None:
    worked.search(run)
    worked.confirm(run, seeds=2)
    page = page_of(run)
    begun = {trial.id for trial in run.trials() if trial.started}
    assert {id.removeprefix("trial-") for id in page.ids if id.startswith("trial-")} == begun
    linked = {address.removeprefix("#trial-") for address in page.addresses if address.startswith("#trial-")}
    assert linked >= {trial.id for trial in run.trials() if trial.phase == "search" and trial.reports}
    [section] = [f for f in sections(findings(run)) if isinstance(f, Folded) and f.anchor == "trial-0009"]
    assert section.title.startswith("0009: adversarial (radius 0.48") and "pruned" in section.title
    settings, reported = (block for block in section.blocks if isinstance(block, Table))
    assert ("adversarial.radius", "0.48") in settings.rows and ("node", "node-1") in settings.rows
    assert ("device", "NVIDIA T4") in settings.rows
    [score] = [row for row in reported.rows if row[0] == worked.METRIC]
    assert len(score) == 1 + len(run.trial("0009").reports)
    [whole] = [f for f in sections(findings(run)) if isinstance(f, Folded) and f.anchor == "trial-0000"]
    nested = {
        "source": {"kind": "folder", "path": None, "splits": []},
        "params": [["radius", 0.05], ["steps", 2]],
    }
    shown = _settings(replace(run.trial("0000"), config=nested)).rows
    assert ("source", "kind folder") in shown and ("params", "radius 0.05, steps 2") in shown
    curves = [block for block in whole.blocks if isinstance(block, Curve)]
    assert [(curve.title, curve.steps) for curve in curves] == [
        (worked.METRIC, (28, 83, 250)),
        ("train/loss", (28, 83, 250)),
    ]


def test_a_cell_of_the_matrix_leads_to_its_counts_its_interval_and_its_gain(run: Run) -> None:
    worked.search(run)
    worked.confirm(run)
    found, page = findings(run), page_of(run)
    confirmed = found.confirmation
    assert confirmed and confirmed.winner
    best, other = confirmed.best(confirmed.winner), confirmed.reference(confirmed.winner)
    assert other
    [cell] = [cell for cell in cells(found) if cell.name == "de-zh"]
    of_seeds = [best.predictions["test"][seed].counts["de", "zh"] for seed in best.seeds]
    assert (cell.correct, cell.total) == tuple(map(sum, zip(*of_seeds, strict=True)))
    name = "test/pair/de-zh"
    mean, plain = (np.mean([t.score(name) for t in one.trials]) for one in (best, other))
    assert (cell.accuracy, cell.gain) == (pytest.approx(mean), pytest.approx(mean - plain))
    assert cell.low < cell.accuracy < cell.high and cell.gain_low < cell.gain < cell.gain_high
    assert page.addresses.count("#pair-de-zh") == 2, "from its accuracy and from its gain"
    assert f"{cell.correct:,} of {cell.total:,}" in page.text


def test_cells_of_a_search_without_confirmation_are_those_of_its_best_trial(run: Run) -> None:
    worked.search(run)
    found = findings(run)
    best = found.best_trial
    assert best
    known = {cell.name: cell for cell in cells(found)}
    assert len(known) == len(worked.TASK.pairs())
    cell = known["ja"]
    assert (cell.correct, cell.total) == found.predictions[best.id].counts["ja", "ja"]
    assert cell.low <= cell.accuracy == best.score("dev/acc/ja") <= cell.high
    for path in run.paths.tune.rglob("predictions-*.arrow"):
        path.unlink()
    [bare] = [cell for cell in cells(findings(run)) if cell.name == "ja"]
    assert (bare.accuracy, bare.total) == (cell.accuracy, 0) and np.isnan(bare.low)


def test_on_a_small_screen_and_on_paper_every_column_of_a_wide_table_is_named_in_its_row() -> None:
    head = tuple(f"column {i}" for i in range(MANY + 1))
    wide, narrow = Table(head, (head,)), Table(head[1:], (head[1:],))
    text = as_html("", "", [wide])
    assert all(f'data-head="{name}"' in text for name in head) and 'class="many"' in text
    assert 'data-head="' not in as_html("", "", [narrow])


def test_text_of_a_trial_cannot_become_a_part_of_the_page(run: Run) -> None:
    worked.search(run)
    page = page_of(run)
    assert "<script>alert(1)</script>" in page.text, "shown as text"
    assert page.scripts == SCRIPT
    assert "<script" not in run.paths.report_markdown.read_text("utf-8").replace(r"\<script", "")


def test_the_same_record_gives_the_same_bytes(run: Run) -> None:
    worked.search(run)
    worked.confirm(run, seeds=2)
    first = write_report(run).read_bytes(), run.paths.report_markdown.read_bytes()
    again = Run(run.paths)
    assert (write_report(again).read_bytes(), run.paths.report_markdown.read_bytes()) == first


def test_the_markdown_says_the_same_and_its_pictures_are_there(run: Run) -> None:
    worked.search(run)
    worked.confirm(run, seeds=2)
    page = page_of(run)
    text = run.paths.report_markdown.read_text("utf-8")
    pictures = re.findall(r"\]\((figures/\w+\.svg)\)", text)
    assert len(pictures) == len(page.figures)
    assert all((run.paths.root / picture).exists() for picture in pictures)
    plain = re.sub(r"\\(.)", r"\1", text)
    for cell in (
        "Confirmed configurations",
        "radius 0.11, steps 1",
        "ablation of adversarial",
    ):
        assert cell in plain
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("status", ["running", "failed", "stopped"])
def test_a_run_without_any_trial_has_a_report(run: Run, status: str) -> None:
    run.update_meta(status=status)
    page = page_of(run)
    assert "No answer: no trial of the search has finished" in page.text and not page.figures


def test_a_search_without_confirmation_has_a_report(run: Run) -> None:
    worked.search(run)
    page = page_of(run)
    assert "Not confirmed" in page.text and "Confirmed configurations" not in page.text


def test_one_method_alone_has_a_report(run: Run) -> None:
    for trial in worked.search(run):
        if trial.method != "plain":
            run.paths.trial(trial.id).unlink()
    worked.confirm(run, seeds=2)
    page = page_of(run)
    assert "Plain fine-tuning won the search" in page.text and "gain over plain" not in page.text.lower()


def test_failures_only_have_a_report(run: Run) -> None:
    for trial in worked.search(run):
        run.save(replace(trial, state="failed", reason="disk | full\n`x`", reports=(), checkpoint=None))
    page = page_of(run)
    assert "Failed trials" in page.text and "disk | full" in page.text


def test_a_run_in_the_middle_of_its_confirmation_says_so(run: Run) -> None:
    worked.search(run)
    worked.confirm(run, ("0004", "0000"), seeds=2)
    run.update_meta(status="running", ended=None)
    run.save(replace(run.trial("0004-s9"), state="running", reports=(), ended=None))
    page = page_of(run)
    assert "The run has not ended" in page.text and "3 of 4 finished" in page.text


def test_without_rungs_the_figure_of_them_is_left_out(run: Run) -> None:
    for trial in worked.search(run):
        run.save(replace(trial, reports=trial.reports[-1:] if trial.state == "finished" else ()))
    text = page_of(run).text
    assert "ASHA" not in text and "Pareto" in text


def test_the_report_is_a_function_of_the_findings_that_are_at_hand(run: Run) -> None:
    worked.search(run)
    found = findings(run)
    first = write_report(run, found).read_bytes()
    assert write_report(run).read_bytes() == first


def test_a_run_whose_predictions_are_gone_has_a_report_that_says_so(run: Run) -> None:
    worked.search(run)
    worked.confirm(run)
    for path in run.paths.tune.rglob("predictions-*.arrow"):
        path.write_bytes(b"torn")
    assert "predictions are missing, so the intervals are over seeds only" in page_of(run).text


NASTY = "<b>&\"'|`*_[x](y)\n# z"
LINKED = f'<svg><a xlink:href="#{html.escape(NASTY)}" target="_blank"></a></svg>'


def test_every_block_is_escaped_in_both_forms() -> None:
    blocks = [
        Heading(NASTY), Paragraph(NASTY), Box("open", NASTY, (NASTY,), (NASTY,)), Code(NASTY + "\n````", NASTY),
        Table((NASTY, "b"), ((NASTY, "1"),), frozenset({1}), 0, (NASTY,)), Picture("p", LINKED, NASTY),
        Folded(NASTY, NASTY, (Curve(NASTY, (1, 2), (0.5, 0.7)), Table((NASTY,) * 9, ((NASTY,) * 9,)))),
    ]  # fmt: skip
    page = Strict(as_html(NASTY, NASTY, blocks))
    assert "b" not in page.tags
    # Title and subtitle; the blocks; the folded title, the curve and its table; the words of the link.
    assert page.text.count(NASTY) == 2 + 11 + 1 + 1 + 18 + 1
    text = as_markdown(NASTY, NASTY, blocks, "figures")
    from markdown_it import MarkdownIt

    shown = MarkdownIt("commonmark").enable("table").render(text)
    rendered = Strict(shown)
    assert not rendered.tags & {"b", "a"} and rendered.tags >= {"h1", "h2", "table", "pre"}
    assert rendered.text.count("<b>&\"'|`*_[x](y) # z") >= 8

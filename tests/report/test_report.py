"""The report: one file that loads nothing, true to the record, for runs in any state."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.findings import worked
from xrt.findings.findings import findings
from xrt.record import Run
from xrt.report.page import write_report
from xrt.report.rendering import Box, Code, Heading, Paragraph, Picture, Table, as_html, as_markdown

VOID = {"meta", "img", "br", "link"}


class Strict(HTMLParser):
    """Fails on a tag that is not closed in order; keeps tags, text and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.alts += [value or "" for name, value in attrs if name == "alt"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
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
        "To do it again",
    ):
        assert heading in page.text
    assert "Adversarial (radius 0.11, steps 1) with mini-a is better than plain fine-tuning" in page.text
    assert "python -m xrt.study run mini" in page.text and "a" * 16 in page.text
    assert worked.SPEC.to_yaml() in page.text
    names = {path.stem for path in run.paths.figures.iterdir()}
    assert names == {"gains", "matrix", "parameters", "tuning", "costs", "importances", "rungs"}
    assert len(page.addresses) == len(names) and all(page.alts)
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)


def test_text_of_a_trial_cannot_become_a_part_of_the_page(run: Run) -> None:
    worked.search(run)
    page = page_of(run)
    assert "<script>alert(1)</script>" in page.text, "shown as text"
    assert "script" not in page.tags
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
    assert len(pictures) == len(page.addresses)
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
    assert "No answer: no trial of the search has finished" in page.text and not page.addresses


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
    assert "The run is still going" in page.text and "3 of 4 finished" in page.text


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
    assert "predictions are gone, so the intervals are over seeds only" in page_of(run).text


NASTY = "<b>&\"'|`*_[x](y)\n# z"


def test_every_block_is_escaped_in_both_forms() -> None:
    blocks = [
        Heading(NASTY), Paragraph(NASTY), Box("open", NASTY, (NASTY,), (NASTY,)), Code(NASTY + "\n````", NASTY),
        Table((NASTY, "b"), ((NASTY, "1"),), frozenset({1}), 0), Picture("p", "<svg/>", NASTY),
    ]  # fmt: skip
    page = Strict(as_html(NASTY, NASTY, blocks))
    assert "b" not in page.tags and page.text.count(NASTY) == 11 + 2  # title, subtitle
    text = as_markdown(NASTY, NASTY, blocks, "figures")
    from markdown_it import MarkdownIt

    shown = MarkdownIt("commonmark").enable("table").render(text)
    rendered = Strict(shown)
    assert not rendered.tags & {"b", "a"} and rendered.tags >= {"h1", "h2", "table", "pre"}
    assert rendered.text.count("<b>&\"'|`*_[x](y) # z") >= 8

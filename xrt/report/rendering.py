"""A document of few kinds of blocks, as one self-contained HTML page and as Markdown. It knows no runs.

Whatever stands in a block is text and is escaped: a trial's error message cannot become a part of the page.
"""

import base64
import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from xrt.findings.markdown import grid, plain_text


class Heading(NamedTuple):
    text: str


class Paragraph(NamedTuple):
    text: str


class Box(NamedTuple):
    """The box on top: a sentence, a line an arm, what they rest on. `tone` is better, worse, none or open."""

    tone: str
    sentence: str
    arms: tuple[str, ...]
    evidence: tuple[str, ...]


class Table(NamedTuple):
    """`numbers`: the columns that are aligned to the right. `bold`: the row that stands out, if any."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    bold: int | None = None


class Picture(NamedTuple):
    """`name` is that of its file beside the Markdown."""

    name: str
    svg: str
    caption: str


class Code(NamedTuple):
    """`folded` under its title, for what few will read."""

    text: str
    title: str = ""
    folded: bool = False


Block = Heading | Paragraph | Box | Table | Picture | Code

MARKS = {"better": "▲", "worse": "▼", "none": "=", "open": "?"}
CSS = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 66rem;
  margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem;
  border-bottom: 1px solid #ddd; padding-bottom: .25rem; }
p, li { max-width: 48rem; } .sub { color: #555; margin: 0 0 1.5rem; }
.answer { display: grid; grid-template-columns: 2.6rem 1fr; border: 1px solid #bbb; border-left: 6px solid #555;
  border-radius: 6px; padding: 1rem 1.2rem; background: #fafafa; }
.answer .mark { font-size: 1.5rem; line-height: 1.7rem; } .answer strong { font-size: 1.12rem; line-height: 1.45; }
.answer p { margin: .5rem 0 0; color: #444; }
.answer ul { margin: .5rem 0 0; padding-left: 1.1rem; } .answer.better { border-left-color: #00694b; }
.answer.worse { border-left-color: #b34700; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .84rem; margin: .8rem 0; }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid #e3e3e3; vertical-align: top; }
th { border-bottom: 2px solid #999; font-weight: 600; } tr.bold td { font-weight: 600; background: #f4f4f4; }
.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
figure { margin: 1.4rem 0; } figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: .9rem; max-width: 48rem; }
pre { background: #f4f4f4; padding: .8rem 1rem; overflow-x: auto; border-radius: 5px; font-size: .85rem; }
summary { cursor: pointer; } td { overflow-wrap: break-word; max-width: 34rem; }
td:first-child { white-space: nowrap; }
@media (max-width: 44rem) { figure { overflow-x: auto; } figure img { max-width: none; } }
@media print { body { max-width: none; } details > * { display: block; } figure, tr { break-inside: avoid; } }
"""


def as_html(title: str, subtitle: str, blocks: Sequence[Block]) -> str:
    """One page; nothing is loaded from anywhere."""
    body = "\n".join(_html(block) for block in blocks)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<h1>{_e(title)}</h1>\n<p class="sub">{_e(subtitle)}</p>\n{body}\n</body>\n</html>\n'
    )


def as_markdown(title: str, subtitle: str, blocks: Sequence[Block], folder: str) -> str:
    """The same as Markdown; pictures stand as SVG files in `folder` beside it."""
    parts = [f"# {plain_text(title)}", plain_text(subtitle), *(_markdown(block, folder) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_e(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_e(text)}</p>"
        case Box(tone, sentence, arms, evidence):
            listed = "".join(f"<li>{_e(line)}</li>" for line in arms)
            more = (f"<ul>{listed}</ul>" if arms else "") + "".join(f"<p>{_e(line)}</p>" for line in evidence)
            mark = f'<span class="mark" aria-hidden="true">{MARKS[tone]}</span>'
            return f'<div class="answer {tone}">{mark}<div><strong>{_e(sentence)}</strong>{more}</div></div>'
        case Table():
            return _html_table(block)
        case Picture(_, svg, caption):
            data = base64.b64encode(svg.encode()).decode()
            image = f'<img alt="{_e(caption)}" src="data:image/svg+xml;base64,{data}">'
            return f"<figure>{image}<figcaption>{_e(caption)}</figcaption></figure>"
        case Code(text, title, folded):
            code = f"<pre><code>{_e(text)}</code></pre>"
            if folded:
                return f"<details><summary>{_e(title)}</summary>{code}</details>"
            return (f"<p>{_e(title)}</p>" if title else "") + code


def _html_table(table: Table) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        marks = [' class="n"' if i in table.numbers else "" for i in range(len(cells))]
        return "".join(f"<{tag}{mark}>{_e(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=True))

    kinds = [' class="bold"' if i == table.bold else "" for i in range(len(table.rows))]
    rows = "\n".join(f"<tr{kind}>{line(row, 'td')}</tr>" for kind, row in zip(kinds, table.rows, strict=True))
    head = f"<thead><tr>{line(table.head, 'th')}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>\n{rows}\n</tbody></table></div>'


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(text):
            return f"## {plain_text(text)}"
        case Paragraph(text):
            return plain_text(text)
        case Box(_, sentence, arms, evidence):
            listed = ["\n".join(f"- {plain_text(line)}" for line in arms)] if arms else []
            return "\n\n".join([f"**{plain_text(sentence)}**", *listed, *map(plain_text, evidence)])
        case Table(head, rows, numbers, bold):
            return grid(head, rows, numbers, bold)
        case Picture(name, _, caption):
            return f"![{plain_text(caption)}]({folder}/{name}.svg)\n\n*{plain_text(caption)}*"
        case Code(text, title, _):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            return (f"{plain_text(title)}\n\n" if title else "") + f"{fence}\n{text.rstrip()}\n{fence}"


def _e(text: str) -> str:
    return html.escape(text, quote=True)

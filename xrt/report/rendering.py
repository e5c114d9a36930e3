"""A document of few kinds of blocks, as one self-contained HTML page and as Markdown. It knows no runs.

Whatever stands in a block is text and is escaped: a trial's error message cannot become a part of the page. The only
script is `page.js`; the page names its digest, so a browser runs no other.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from xrt.findings.markdown import grid, plain_text


class Heading(NamedTuple):
    text: str


class Paragraph(NamedTuple):
    text: str


class Box(NamedTuple):
    """The box on top: a sentence, one line per arm, what they rest on. `tone` is better, worse, none or open."""

    tone: str
    sentence: str
    arms: tuple[str, ...]
    evidence: tuple[str, ...]


class Table(NamedTuple):
    """A table.

    Attributes:
        numbers: the columns that are aligned to the right.
        bold: the row that stands out, if any.
        anchors: of each row, what links lead to; empty: they have none.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    bold: int | None = None
    anchors: tuple[str, ...] = ()


class Picture(NamedTuple):
    """`name` is that of its file beside the Markdown. Links in `svg` to anchors that the page lacks are dropped."""

    name: str
    svg: str
    caption: str


class Code(NamedTuple):
    text: str
    title: str = ""


class Curve(NamedTuple):
    """A few values against steps, drawn small; only on the page."""

    title: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


class Folded(NamedTuple):
    """Blocks under a title that opens them, by itself or by a link to `anchor`."""

    anchor: str
    title: str
    blocks: "tuple[Heading | Paragraph | Table | Code | Curve, ...]"


Block = Heading | Paragraph | Box | Table | Picture | Code | Curve | Folded

MARKS = {"better": "▲", "worse": "▼", "none": "=", "open": "?"}
MANY = 6  # columns: of more, a row becomes a list on a small screen, and small print on paper
CSS, SCRIPT = (Path(__file__).with_name(name).read_text("utf-8") for name in ("page.css", "page.js"))
_LINK = re.compile(r'<a xlink:href="#([^"]*)" target="_blank">')
_NUMBERED = re.compile(r' id="[A-Za-z0-9.]+_[0-9]+"')  # Matplotlib's names, the same in every figure


def as_html(title: str, subtitle: str, blocks: Sequence[Block]) -> str:
    """One page; nothing is loaded from anywhere."""
    anchors = dict(_anchors(blocks))
    body = "\n".join(_html(block, anchors) for block in blocks)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<h1>{_e(title)}</h1>\n<p class="sub">{_e(subtitle)}</p>\n{body}\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def as_markdown(title: str, subtitle: str, blocks: Sequence[Block], folder: str) -> str:
    """The same as Markdown; pictures stand as SVG files in `folder` beside it."""
    parts = [f"# {plain_text(title)}", plain_text(subtitle), *(_markdown(block, folder) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def _anchors(blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """What a link can lead to, each with the words that a pointer over the link shows."""
    for block in blocks:
        if isinstance(block, Folded):
            yield block.anchor, block.title
            yield from _anchors(block.blocks)
        elif isinstance(block, Table):
            for anchor, row in zip(block.anchors, block.rows, strict=False):
                yield (
                    anchor,
                    "\n".join(f"{name}: {cell}" for name, cell in zip(block.head, row, strict=True) if cell),
                )


def _html(block: Block, anchors: Mapping[str, str]) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_e(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_prose(text)}</p>"
        case Box(tone, sentence, arms, evidence):
            listed = "".join(f"<li>{_prose(line)}</li>" for line in arms)
            more = (f"<ul>{listed}</ul>" if arms else "") + "".join(
                f"<p>{_prose(line)}</p>" for line in evidence
            )
            mark = f'<span class="mark" aria-hidden="true">{MARKS[tone]}</span>'
            return (
                f'<div class="answer {tone}">{mark}<div><strong>{_prose(sentence)}</strong>{more}</div></div>'
            )
        case Table():
            return _html_table(block, anchors)
        case Picture(_, svg, caption):
            return (
                f"<figure>{_inline(svg, caption, anchors)}<figcaption>{_prose(caption)}</figcaption></figure>"
            )
        case Curve():
            return _curve(block)
        case Folded(anchor, title, inner):
            shown = "\n".join(_html(one, anchors) for one in inner)
            # The anchor is inside: browsers open what a link leads into.
            return f'<details><summary>{_e(title)}</summary><div id="{_e(anchor)}">{shown}</div></details>'
        case Code(text, title):
            return (f"<p>{_e(title)}</p>" if title else "") + f"<pre><code>{_e(text)}</code></pre>"


def _inline(svg: str, caption: str, anchors: Mapping[str, str]) -> str:
    """A figure as a part of the page: its points are links that say where they lead."""

    def link(match: re.Match[str]) -> str:
        anchor = html.unescape(match[1])
        return f'<a href="#{match[1]}"><title>{_e(anchors[anchor])}</title>' if anchor in anchors else "<a>"

    drawn = re.sub("(?s)<metadata>.*?</metadata>", "", svg[svg.index("<svg") :])
    drawn = _LINK.sub(link, _NUMBERED.sub("", drawn))
    return drawn.replace(
        "<svg", f'<svg role="group" preserveAspectRatio="xMinYMin" aria-label="{_e(caption)}"', 1
    )


def _curve(curve: Curve) -> str:
    """A line over the steps, from the least to the largest value, with the values at its points."""
    left, width, top, height = 12, 190, 18, 60
    low, high = min(curve.values), max(curve.values)
    spots = [
        (
            round(left + width * step / curve.steps[-1]),
            round(top + height * (1 - (value - low) / ((high - low) or 1))),
        )
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]
    line = " ".join(f"{x},{y}" for x, y in spots)
    marks = "".join(
        f'<circle cx="{x}" cy="{y}" r="2.5"/><text x="{x}" y="{y - 6}" text-anchor="middle">{value:.3g}</text>'
        f'<text x="{x}" y="98" text-anchor="middle">{step:,}</text>'
        for (x, y), step, value in zip(spots, curve.steps, curve.values, strict=True)
    )
    return (
        f'<svg class="curve" role="img" aria-label="{_e(curve.title)}" width="250" height="120" fill="currentColor">'
        f'<polyline points="{line}" fill="none" stroke="currentColor"/>{marks}'
        f'<text x="{left}" y="114">{_e(curve.title)}, by optimizer steps</text></svg>'
    )


def _html_table(table: Table, anchors: Mapping[str, str]) -> str:
    many = len(table.head) > MANY

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{attributes(i, tag)}>{inner(i, cell, tag)}</{tag}>" for i, cell in enumerate(cells)
        )

    def attributes(i: int, tag: str) -> str:
        name = f' data-head="{_e(table.head[i])}"' if many and tag == "td" else ""
        return (' class="n"' if i in table.numbers else "") + name

    def inner(i: int, cell: str, tag: str) -> str:
        if tag == "td" and table.head[i] == "trial" and f"trial-{cell}" in anchors:
            return f'<a href="#trial-{_e(cell)}">{_e(cell)}</a>'
        # Long names break after a slash, a deviation stays with its mean.
        return _e(cell).replace("/", "/<wbr>").replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")

    rows = []
    for i, row in enumerate(table.rows):
        anchor = f' id="{_e(table.anchors[i])}"' if table.anchors else ""
        kind = ' class="bold"' if i == table.bold else ""
        rows.append(f"<tr{anchor}{kind}>{line(row, 'td')}</tr>")
    head, body = f"<thead><tr>{line(table.head, 'th')}</tr></thead>", "\n".join(rows)
    wide = ' class="many"' if many else ""
    return f'<div class="wide"><table{wide}>{head}<tbody>\n{body}\n</tbody></table></div>'


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
        case Curve():
            return ""
        case Folded(_, title, inner):
            return "\n\n".join([plain_text(title), *(_markdown(one, folder) for one in inner)])
        case Picture(name, _, caption):
            return f"![{plain_text(caption)}]({folder}/{name}.svg)\n\n*{plain_text(caption)}*"
        case Code(text, title):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            return (f"{plain_text(title)}\n\n" if title else "") + f"{fence}\n{text.rstrip()}\n{fence}"


def _e(text: str) -> str:
    return html.escape(text, quote=True)


def _prose(text: str) -> str:
    """A line does not break between a number and its %."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", _e(text))

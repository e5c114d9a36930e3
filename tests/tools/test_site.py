"""The docs as a site: whole, every link leads somewhere, each page answers one question."""

import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tools.site import build

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        self.links += [link for name in ("href", "src") if (link := given.get(name))]


def broken(site: Path) -> Iterator[str]:
    pages = {file: Page(file) for file in site.rglob("*.html")}
    assert len(pages) > 20
    for file, page in pages.items():
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            start = site if url.path.startswith("/") else file.parent
            to = (start / urllib.parse.unquote(url.path).lstrip("/")).resolve() if url.path else file
            to = to / "index.html" if to.is_dir() else to
            if not to.exists() or (url.fragment and to in pages and url.fragment not in pages[to].anchors):
                yield f"{file.relative_to(site)}: {link}"


def test_every_link_of_the_site_leads_somewhere(tmp_path: Path) -> None:
    build(tmp_path / "site")
    assert list(broken(tmp_path / "site")) == []
    assert "adversarial" in (tmp_path / "site" / "docs" / "methods" / "index.html").read_text()


def test_a_broken_link_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "checkout"
    (root / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "mkdocs.yml", root)
    (root / "README.md").write_text("# Start\n\n[a page](docs/a.md)\n")
    (root / "docs" / "a.md").write_text("# A\n\n[no page](b.md)\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path / "site", root)
    assert "docs/a.md" in capfd.readouterr().err and not (tmp_path / "site").exists()


def entries(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for what in entry.values():
            yield from [what] if isinstance(what, str) else entries(what)


def test_every_page_of_the_docs_is_in_the_navigation_and_begins_with_a_question() -> None:
    shown = list(entries(CONFIG["nav"]))
    pages = sorted((ROOT / "docs").rglob("*.md"))
    assert all((ROOT / name).is_file() for name in shown) and len(shown) == len(set(shown))
    assert {page.relative_to(ROOT).as_posix() for page in pages} <= set(shown)
    titles = {page: page.read_text(encoding="utf-8").splitlines()[0] for page in pages}
    assert [str(page) for page, title in titles.items() if not title.endswith("?")] == []

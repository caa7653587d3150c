# SPDX-License-Identifier: MIT
"""The documentation as readers get it: the site builds without a warning, and every link and anchor
in it leads somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("mkdocs") is None, reason="mkdocs is in the extra docs"
    ),
    pytest.mark.linux_only("the site is built on Linux"),
    pytest.mark.timeout(600),
]


class Page(HTMLParser):
    """The links and the anchors of a page, and the words outside of code."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.tags: list[str] = []
        self.emphasised: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.anchors.update(value for value in (values.get("id"), values.get("name")) if value)
        link = (
            values.get("href")
            if tag == "a"
            else values.get("src")
            if tag in ("img", "script")
            else None
        )
        if link:
            self.links.append(link)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "em":
            self.emphasised.append(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def _broken(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.exists():
            yield f"{path.parent.name}: {link} leads nowhere"
        elif (
            parts.fragment
            and target in pages
            and unquote(parts.fragment) not in pages[target].anchors
        ):
            yield f"{path.parent.name}: {link}: no such anchor"


def test_every_link_and_anchor_of_the_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 50
    assert not [line for path, page in pages.items() for line in _broken(path, page, pages)]


def test_the_site_has_no_words_that_markup_has_torn(pages: dict[Path, Page]) -> None:
    torn = [
        f"{path.parent.name}: {text}"
        for path, page in pages.items()
        for text in page.emphasised
        if "_" in text
    ]
    assert not torn, torn


def test_the_reference_shows_the_names_that_users_import(pages: dict[Path, Page]) -> None:
    reference = next(path for path in pages if path.parent.name == "api").read_text(
        encoding="utf-8"
    )
    headings = [
        " ".join(re.sub("<[^>]*>", " ", text).split())
        for text in re.findall(r"<h2.*?</h2>", reference, re.DOTALL)
    ]
    assert "memsection.Section" in [heading.split(" ")[0] for heading in headings]
    assert not [heading for heading in headings if heading.startswith("memsection.api")]
    assert "<details" not in reference, "rights look like boxes of advice"

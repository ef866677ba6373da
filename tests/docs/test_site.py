"""The site builds without a warning, leads everywhere, and asks nothing of anybody else."""

import json
import os
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import infinium_integrations

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md"))
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}


class Parsed(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids = [], [], {"", "top"}
        self.from_text = []
        self._within = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids.add(given.get("id") or "")
        self._within += tag == "article"
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
            if self._within:
                self.from_text.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])
        if tag == "link" and given.get("rel") not in {
            "next",
            "prev",
            "search",
            "index",
            "genindex",
            "canonical",
            "author",
        }:
            self.loads.append(given.get("href") or "")

    def handle_endtag(self, tag):
        self._within -= tag == "article"


@pytest.fixture(scope="module")
def site(built_site):
    out, done = built_site
    if done.returncode:
        pytest.fail(done.stderr)
    return {path.relative_to(out).as_posix(): Parsed(path.read_text()) for path in out.rglob("*.html")}


def within(link):
    return link and not re.match(r"[a-z][a-z0-9+.-]*:|//", link)


def target(page, link):
    """The page that a link on another page leads to, and the anchor there."""
    path, anchor = urldefrag(link)
    whole = os.path.normpath(Path(page).parent / unquote(path)) if path else page
    return Path(whole).as_posix(), unquote(anchor)


def test_the_site_builds_without_a_warning(built_site):
    _, done = built_site
    assert (done.returncode, done.stderr) == (0, "")


def test_every_page_is_there(site):
    assert [page for page in PAGES if f"{page}.html" not in site] == []


def test_no_link_within_the_site_is_dead(site, built_site):
    out, _ = built_site
    dead = []
    for page, parsed in site.items():
        for link in filter(within, parsed.links):
            there, anchor = target(page, link)
            known = site.get(there)
            if not (out / there).is_file() or (known is not None and anchor not in known.ids):
                dead.append((page, link))
    assert dead == []


def test_a_page_loads_nothing_from_elsewhere(site, built_site):
    out, _ = built_site
    loaded = {(page, load) for page, parsed in site.items() for load in parsed.loads}
    assert [one for one in sorted(loaded) if not within(one[1]) and not one[1].startswith("data:")] == []
    styles = {path.name: path.read_text() for path in out.rglob("*.css")}
    assert styles
    named = [
        (name, url)
        for name, text in styles.items()
        for url in re.findall(r"""(?:url\(|@import\s)\s*["']?([^"')\s;]+)""", text)
    ]
    assert [one for one in named if not within(one[1]) and not one[1].startswith("data:")] == []


def test_every_page_can_be_searched(built_site):
    out, _ = built_site
    index = (out / "searchindex.js").read_text()
    known = json.loads(index.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    assert set(PAGES) <= set(known["docnames"])


def test_every_page_is_two_clicks_at_most_from_the_start(site):
    """By the links in the text alone: on a phone the list at the side is hidden."""
    first, found = {"index.html"}, {"index.html"}
    for _ in range(2):
        links = ((page, link) for page in first for link in site[page].from_text if within(link))
        first = {there for page, link in links if (there := target(page, link)[0]) in site}
        found |= first
    assert [page for page in PAGES if f"{page}.html" not in found] == []


def test_every_public_name_is_in_the_reference(built_site):
    out, _ = built_site
    lines = zlib.decompress((out / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    told = {line.split(" ", 1)[0] for line in lines}
    assert [name for name in infinium_integrations.__all__ if f"infinium_integrations.{name}" not in told] == []
    handlers = {"langchain.InfiniumCallbackHandler", "llama_index.InfiniumEventHandler", "testing.captured_traces"}
    assert {f"infinium_integrations.{name}" for name in handlers} <= told


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.png")), ids=lambda path: path.name)
def test_a_picture_is_small(picture):
    assert picture.stat().st_size < 150_000

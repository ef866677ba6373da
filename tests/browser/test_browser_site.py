"""The site of `docs/` as a reader has it: on a phone, from a folder, without a network."""

import pytest

SHOWN = ("index", "start/langgraph", "explain/flow", "reference/trace", "reference/settings", "changelog")


@pytest.fixture
def site(built_site):
    return f"file://{built_site[0]}/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone_and_asks_nobody_for_anything(new_tab, site, scheme):
    tab = new_tab(site, width=390, scheme=scheme)
    for name in SHOWN:
        tab.go(f"{name}.html")
        assert not tab.too_wide(), name
    assert tab.faults == []


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("captured_traces", "reference/api.html"),
        ("INFINIUM_IDLE_TIMEOUT", "reference/settings.html"),
        ("resumed_from", "reference/trace.html"),
        ("RateLimitError", "reference/errors.html"),
        ("gzip", "explain/file_format.html"),
    ],
)
def test_the_search_finds_a_page_without_a_network(new_tab, site, words, page):
    tab = new_tab(site)
    found = tab.go(f"search.html?q={words}").locator("#search-results a[href]")
    found.first.wait_for()
    tab.page.get_by_text("Search finished").wait_for()
    links = found.evaluate_all("every => every.map(one => one.getAttribute('href'))")
    assert any(link.startswith(page) for link in links), links

import re

import pytest
import samples

from infinium_integrations.viewer.comparison import compare
from infinium_integrations.viewer.html.render import render_trace
from infinium_integrations.viewer.notebook.trace_list import TraceList

ADDRESS = "file://"


@pytest.fixture
def shown(new_tab, tmp_path):
    """Show HTML as a notebook would, among markup of its own."""

    def show(html, *, before="", attributes="", **options):
        path = tmp_path / "notebook.html"
        head = "<!doctype html><html lang=en><meta charset=utf-8><title>n</title>"
        page = f"{head}<body {attributes}>{before}{html}</body></html>"
        path.write_text(page, "utf-8", "replace")
        tab = new_tab(ADDRESS, **options)
        tab.go(str(path))
        return tab

    return show


@pytest.mark.parametrize("width", [400, 1600])
def test_a_trace_in_a_notebook_is_accessible_and_fits(shown, width):
    tab = shown(f"<main><h1>n</h1><h2>t</h2>{render_trace(samples.agent(), standalone=False)}</main>", width=width)
    assert tab.faults == []
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()


def test_a_saved_document_opens_from_a_file(shown, new_tab, tmp_path):
    path = tmp_path / "saved.html"
    path.write_bytes(render_trace(samples.hostile(), standalone=True).encode("utf-8", "replace"))
    tab = new_tab(ADDRESS)
    tab.go(str(path))
    assert tab.faults == []
    assert tab.accessibility_faults() == []


@pytest.mark.parametrize(("light", "scheme", "dark"), [("true", "dark", False), ("false", "light", True)])
def test_a_notebooks_theme_wins_over_the_systems(shown, light, scheme, dark):
    tab = shown(
        render_trace(samples.single(), standalone=False), attributes=f'data-jp-theme-light="{light}"', scheme=scheme
    )
    ground = tab.page.locator(".ifm").evaluate("one => getComputedStyle(one).backgroundColor")
    assert (ground != "rgb(255, 255, 255)") is dark


def test_a_trace_changes_nothing_else_in_the_notebook(shown):
    mine = "<p id=mine>mine</p><table id=t><tr><td>1</td></tr></table><pre id=pre>x</pre>"
    before = f"<style>p{{margin:7px;color:rgb(1,2,3)}}</style>{mine}"
    look = """() => ["mine", "t", "pre"].map(id => {
        const own = getComputedStyle(document.getElementById(id));
        return [...own].map(name => own.getPropertyValue(name)).join();
    })"""
    alone = shown("", before=before).page.evaluate(look)
    assert shown(render_trace(samples.agent(), standalone=False), before=before).page.evaluate(look) == alone


def test_where_styles_and_drawings_are_taken_away_it_is_still_read(shown):
    html = re.sub(
        r"<style>.*?</style>|<svg.*?</svg>|<input[^>]*>",
        "",
        render_trace(samples.agent(), standalone=False),
        flags=re.DOTALL,
    )
    html = re.sub(r' (class|id|tabindex|role|aria-\w+)="[^"]*"', "", html)
    tab = shown(html, width=1000)
    text = tab.page.locator("body").inner_text()
    for said in ("Refund request", "crm_lookup", "✕ ReadTimeout", "6,722 tokens", "3.42 s", "███"):
        assert said in text
    assert tab.page.locator("details").count() > 11


def test_tables_and_comparisons_of_runs_are_accessible(shown):
    table = TraceList(samples.everything().values())._repr_mimebundle_()["text/html"]
    compared = compare(samples.agent(), samples.failed())._repr_mimebundle_()["text/html"]
    for width in (400, 1600):
        tab = shown(f"<main><h1>n</h1><h2>t</h2>{table}{compared}</main>", width=width)
        assert tab.faults == []
        assert tab.accessibility_faults() == []
        assert not tab.too_wide()

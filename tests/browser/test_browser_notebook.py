import re

import conversations
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


JUPYTERLAB = """
.jp-OutputArea {
  overflow-y: auto;
}
.jp-OutputArea-child {
  display: table; table-layout: fixed; width: 100%; overflow: hidden;
}
.jp-OutputArea-child .jp-OutputArea-output {
  display: table-row; margin-left: 10px;
}
.jp-OutputArea-output pre {
  border: none; margin: 0; padding: 0; overflow-x: auto; word-break: break-all; white-space: pre-wrap;
}
.jp-OutputArea-output dl, .jp-OutputArea-output dt, .jp-OutputArea-output dd {
  display: block;
}
.jp-OutputArea-output dt {
  font-weight: bold; float: left; width: 20%; padding: 0; margin: 0;
}
.jp-OutputArea-output dd {
  float: left; width: 80%; padding: 0; margin: 0;
}
.jp-RenderedHTMLCommon ul:not(.list-inline), .jp-RenderedHTMLCommon ol:not(.list-inline) {
  padding-left: 2em;
}
.jp-RenderedHTMLCommon ul {
  list-style: disc;
}
.jp-RenderedHTMLCommon ol {
  list-style: decimal;
}
.jp-RenderedHTMLCommon ol ol {
  list-style: upper-alpha;
}
.jp-RenderedHTMLCommon ol ol ol {
  list-style: lower-alpha;
}
.jp-RenderedHTMLCommon ol ol ol ol {
  list-style: lower-roman;
}
.jp-RenderedHTMLCommon ol ol ol ol ol {
  list-style: decimal;
}
.jp-RenderedHTMLCommon ol, .jp-RenderedHTMLCommon ul, .jp-RenderedHTMLCommon p {
  margin-bottom: 1em;
}
.jp-RenderedHTMLCommon pre, .jp-RenderedHTMLCommon code {
  border: 0; background-color: #fff; color: #000; font-size: inherit; padding: 0; white-space: pre-wrap;
}
.jp-RenderedHTMLCommon :not(pre) > code {
  background-color: #eee; padding: 1px 5px;
}
.jp-RenderedHTMLCommon table {
  border: none; font-size: 12px; table-layout: fixed; margin: 0 auto 1em;
}
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr {
  padding: 0.5em; text-align: right; border: none;
}
.jp-RenderedHTMLCommon h3 {
  font-size: 30px; margin: 30px 0;
}
.jp-RenderedHTMLCommon svg {
  max-width: 100%; height: auto;
}
"""
"""JupyterLab's rules for what a cell shows, those that meet elements of ours."""

IN_A_CELL = """<style>{}</style><div class="jp-OutputArea"><div class="jp-OutputArea-child">
<div class="jp-OutputArea-output jp-RenderedHTMLCommon">{}</div></div></div>"""

BOXES = """() => [...document.querySelectorAll('.ifm *')]
    .filter(one => one.checkVisibility() && !one.matches('.ifm-plain'))
    .map(one => { const box = one.getBoundingClientRect(), look = getComputedStyle(one);
        return [one.className.baseVal ?? one.className, Math.round(box.width), Math.round(box.height),
                look.listStyleType, look.fontSize, look.color, look.backgroundColor].join(' '); })"""


@pytest.mark.parametrize("width", [900, 1440])
def test_a_notebooks_own_rules_change_nothing(shown, width):
    html = render_trace(conversations.agent(), standalone=False)
    html = re.sub(r"i[0-9a-f]{8}-", "i-", html).replace('<details class="ifm-own"', '<details class="ifm-own" open')
    plain = html.replace(' name="i-step"', "")
    bare = shown(f'<div style="padding: 0 10px 0 0">{plain}</div>', width=width).page
    lab = shown(IN_A_CELL.format(JUPYTERLAB, plain), width=width).page
    size = "getComputedStyle(document.querySelector('.ifm')).width"
    bare.evaluate(f"document.querySelector('.ifm').style.width = '{lab.evaluate(size)}'")
    assert lab.evaluate(BOXES) == bare.evaluate(BOXES)


def test_in_a_cell_labels_stand_in_one_line_and_times_beside_the_bars(shown):
    html = render_trace(conversations.agent(), standalone=False)
    page = shown(IN_A_CELL.format(JUPYTERLAB, html), width=900).page
    for label in ("Duration", "Steps", "Tokens"):
        assert page.locator(".ifm-term", has_text=label).first.bounding_box()["height"] < 24
    row = page.locator(".ifm-own > summary").nth(8)
    time, bar = row.locator(".ifm-dur").bounding_box(), row.locator(".ifm-bar").bounding_box()
    assert time["x"] + time["width"] <= bar["x"] or time["y"] + time["height"] <= bar["y"]
    assert page.locator(".ifm-step").first.evaluate("one => getComputedStyle(one).listStyleType") == "none"

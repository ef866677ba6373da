import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import samples
from memory_source import MemorySource, new_row
from serving import serving

from infinium_integrations.models import DeliveryState
from infinium_integrations.viewer.server.security import Access

VIEWS = [
    "/",
    "/traces/agent",
    "/traces/hostile",
    "/traces/failed",
    "/traces/bare",
    "/traces/single",
    "/traces/deep",
    "/sessions",
    "/overview?since=",
    "/compare?t=agent&t=later",
    "/compare?t=hostile&t=failed",
    "/none",
    "/?q=refund+tol:x&session=chat-4711",
    "/?q=refund&sort=-duration",
]


@pytest.fixture(scope="module")
def source():
    found = samples.everything() | {"ten": samples.run(10_000), "deep": samples.deep(60)}
    found["failed"].with_delivery(DeliveryState(status="rejected", reason="<b>bad</b>"))
    later = samples.agent()
    later.steps[8].output_preview = "The order is 40 days old: not eligible."
    later.steps[1].duration_ms = 2_640
    later.output_summary = (later.output_summary or "").replace("full", "unused")
    return MemorySource({**found, "later": later})


@pytest.fixture(scope="module")
def address(source):
    with serving(source) as found:
        yield found


LOOKS = [(390, "dark"), (1600, "light")]


@pytest.mark.parametrize(
    ("path", "width", "scheme"),
    [
        # each view in one of the looks; in the other where all is tested
        pytest.param(path, *look, marks=[pytest.mark.full] if (row + column) % 2 else [])
        for row, path in enumerate(VIEWS)
        for column, look in enumerate(LOOKS)
    ],
)
def test_every_view_fits_is_accessible_and_asks_for_nothing_elsewhere(new_tab, address, path, width, scheme):
    tab = new_tab(address, width=width, scheme=scheme)
    tab.go(path)
    faults = [fault for fault in tab.faults if path != "/none" or "404" not in fault]
    assert faults == []
    assert not tab.too_wide()
    assert tab.accessibility_faults() == []


@pytest.mark.parametrize(("path", "width"), [("/traces/agent", 400), ("/traces/hostile", 1600)])
def test_unfolded_steps_are_accessible_too(new_tab, address, path, width):
    tab = new_tab(address, width=width)
    page = tab.go(path)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()
    assert tab.faults == []


UNFOLDED = (
    "[...document.querySelectorAll('.ifm-own')].filter(one => !one.parentElement.closest('details:not([open])')).length"
)


@pytest.mark.parametrize("name", ["thousand", pytest.param("ten", marks=pytest.mark.full), "flat"])
def test_of_a_long_run_a_screenful_is_laid_out_and_the_rest_unfolds(new_tab, address, name):
    tab = new_tab(address)
    page = tab.go(f"/traces/{name}")
    before = page.evaluate(UNFOLDED)
    assert 40 <= before <= 150
    page.locator(".ifm-top > .ifm-group > details > summary").last.click()
    page.locator(".ifm-top > .ifm-group > details[open]").last.wait_for()
    assert page.locator(".ifm-top > .ifm-group").last.locator("> details > ol > li").first.is_visible()
    assert tab.faults == []


def test_the_keyboard_unfolds_a_step(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    summary = page.locator(".ifm-own > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator(".ifm-own").first.get_attribute("open") is not None
    assert page.get_by_text("I will look up the policy").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_subtree_folds_away(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    inside = page.locator(".ifm-name", has_text="get_order")
    assert inside.is_visible()
    page.locator("#s5 > .ifm-kids > summary").click()
    assert not inside.is_visible()


def test_a_link_in_the_header_leads_to_a_folded_step(new_tab, address):
    page = new_tab(address).go("/traces/thousand")
    assert not page.locator("#s873").is_visible()
    page.locator('.ifm-notes a[href="#s873"]').click()
    page.locator("#s873").wait_for(state="visible")


def test_bars_stand_where_the_time_says(new_tab, address):
    page = new_tab(address).go("/traces/agent")

    def box(step):
        return page.locator(f"#s{step} > .ifm-own > summary .ifm-b").bounding_box()

    agent, first, second = box(5), box(6), box(7)
    assert first["x"] >= agent["x"] - 2
    assert abs(first["x"] - second["x"]) < 6
    assert second["width"] > 1.8 * first["width"]
    assert box(11)["x"] > agent["x"] + agent["width"] - 2


def test_errors_only_shows_failed_steps_in_folded_groups_too(new_tab, address):
    page = new_tab(address).go("/traces/thousand")
    page.get_by_label("Errors only").check()
    shown = "[...document.querySelectorAll('.ifm-own')].filter(one => one.checkVisibility()).length"
    assert page.evaluate(shown) == 6 * 2
    assert page.locator("#s873").is_visible()


def test_the_critical_path_stands_out_when_asked(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    page.get_by_label("Critical path").check()

    def opacity(step):
        return float(page.locator(f"#s{step} > .ifm-own > .ifm-row").evaluate("row => getComputedStyle(row).opacity"))

    assert opacity(6) < 1 == opacity(8)


def test_a_screen_reader_hears_a_step_in_one_line(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    heard = page.locator("#s9 > .ifm-own > summary").aria_snapshot()
    for said in ("model", "ChatOpenAI", "slow", "most tokens", "on the critical path", "6,722", "3.42 s from 5.46 s"):
        assert said in heard


def test_on_paper_the_tree_is_whole(new_tab, address):
    page = new_tab(address).go("/traces/thousand")
    assert not page.locator("#s990").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#s990").is_visible()
    assert not page.get_by_text("Download JSON").is_visible()


def test_new_traces_appear_by_themselves(new_tab):
    source = MemorySource({"single": samples.single()})
    with serving(source) as address:
        tab = new_tab(address)
        page = tab.go("/")
        source.add("fresh", samples.agent())
        page.get_by_role("link", name="Refund request").wait_for(timeout=15_000)
        assert page.get_by_role("status").inner_text() == "1 new"
        assert tab.faults == []
        tab.page.goto("about:blank")


def test_rows_do_not_move_under_a_ticked_box(new_tab):
    source = MemorySource({"single": samples.single()})
    with serving(source) as address:
        page = new_tab(address).go("/")
        page.get_by_role("checkbox").first.check()
        source.add("fresh", samples.agent())
        page.get_by_text("1 new. They appear when nothing is ticked or selected.").wait_for(timeout=15_000)
        assert page.get_by_role("link", name="Refund request").count() == 0
        page.goto("about:blank")


def test_everything_works_without_a_script(new_tab, source):
    own = MemorySource({"agent": samples.agent(), "single": samples.single()})
    with serving(own) as address:
        page = new_tab(address, java_script_enabled=False).go("/")
        page.get_by_label("Search").fill("annual")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Refund request").click()
        page.locator(".ifm-own > summary").first.click()
        page.get_by_text("Delete…").click()
        page.get_by_role("button", name="Delete this trace").click()
        assert page.get_by_role("link", name="Refund request").count() == 0
        assert own.get("agent", exact=True) is None


def test_a_trace_is_downloaded(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    with page.expect_download() as waiting:
        page.get_by_text("Download JSON").click()
    assert json.loads(waiting.value.path().read_text())["name"] == "Refund request"


def test_two_ticked_traces_are_compared(new_tab, address):
    page = new_tab(address).go("/")
    page.get_by_label("Compare Refund request").nth(0).check()
    page.get_by_label("Compare Refund request").nth(1).check()
    page.get_by_role("button", name="Compare ticked traces").click()
    assert page.get_by_role("heading", level=1).inner_text() == "2 of 11 steps differ"
    page.get_by_label("Differences only").check()
    assert page.locator(".ifm-own > summary:visible").count() == 2
    page.locator(".ifm-diff summary").last.click()
    assert page.locator("ins:visible").count() > 0


@pytest.mark.parametrize("asked", ["tol:x", "nothinglikeit"])
def test_where_nothing_is_listed_nothing_can_be_compared(new_tab, address, asked):
    page = new_tab(address).go(f"/?q={asked}")
    assert not page.get_by_role("button", name="Compare ticked traces").is_visible()


@pytest.mark.parametrize("path", ["/experiments", "/compare?t=agent&t=later", "/traces/single"])
def test_a_slash_leads_to_the_search_from_a_view_that_has_none(new_tab, address, path):
    page = new_tab(address).go(path)
    page.keyboard.press("/")
    page.wait_for_url("**/#search")
    page.wait_for_function("document.activeElement.id === 'search'")


def test_on_a_phone_escape_closes_the_step_and_the_help_says_so(new_tab, address):
    page = new_tab(address, width=390).go("/traces/agent")
    page.keyboard.press("?")
    assert "close the step" in page.locator("dialog").inner_text()
    page.keyboard.press("Escape")
    page.locator("#s1 summary.ifm-row").click()
    page.locator("#s2 summary.ifm-row").first.click()
    page.keyboard.press("Escape")
    assert page.evaluate("[...document.querySelectorAll('.ifm-own[open]')].map(one => one.parentElement.id)") == ["s1"]
    assert page.evaluate("document.activeElement.closest('.ifm-step').id") == "s2"


def test_where_no_step_says_what_is_looked_for_it_is_said(new_tab, address):
    page = new_tab(address).go("/traces/agent")
    said = "getComputedStyle(document.querySelector('.ifm-top'), '::after').content"
    page.get_by_role("searchbox", name="Find in steps").fill("crm")
    assert page.evaluate(said) == "none"
    page.get_by_role("searchbox", name="Find in steps").fill("zzzz")
    assert page.evaluate(said) == '"No step says that."'


LABELS = """[...document.querySelectorAll('.ifm-ruler text')].filter(one => one.checkVisibility())
    .map(one => one.getBoundingClientRect()).map(box => [box.left, box.right])"""


@pytest.mark.parametrize("name", ["agent", "failed", "parallel", "thousand", "deep"])
@pytest.mark.parametrize("width", [390, 1110, 1300, 1440, 1600])
def test_times_above_the_bars_stand_apart_and_are_not_cut(new_tab, address, name, width):
    page = new_tab(address, width=width).go(f"/traces/{name}")
    labels = page.evaluate(LABELS)
    assert all(one[1] + 4 <= other[0] for one, other in pairwise(labels))
    right = page.evaluate("document.querySelector('.ifm-ruler .ifm-bar').getBoundingClientRect().right")
    assert labels[-1][1] <= right


@pytest.mark.full
def test_a_hundred_thousand_traces_are_listed_and_paged(new_tab):
    start = datetime(2026, 11, 20, tzinfo=UTC)
    rows = [
        new_row(f"id-{n}", f"Run {n}", start - timedelta(seconds=n), duration=n / 1e3, session_id=f"s{n % 99}")
        for n in range(100_000)
    ]
    with serving(MemorySource(rows=rows)) as address:
        tab = new_tab(address)
        page = tab.go("/")
        page.get_by_role("link", name="Last").click()
        assert page.get_by_role("link", name="Run 99999").is_visible()
        page.goto(f"{address}/overview?since=")
        assert page.get_by_text("100,000", exact=True).first.is_visible()
        page.goto(f"{address}/sessions")
        assert page.get_by_text("99 sessions").is_visible()
        assert tab.faults == []


PLACES = "found => found.map(one => { const box = one.getBoundingClientRect(); return [box.left, box.right]; })"


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (390, "light"), (1440, "dark"), (1440, "light")])
def test_the_overviews_labels_are_no_larger_than_text_and_a_row_leads_to_its_runs(new_tab, address, width, scheme):
    tab = new_tab(address, width=width, scheme=scheme)
    page = tab.go("/overview?since=")
    text = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.chart p')).fontSize)")
    boxes = page.evaluate("[...document.querySelectorAll('.axis')].map(one => one.getBoundingClientRect().height)")
    assert 0 < max(boxes) <= 1.5 * text
    shown = page.locator(".plot").first.locator(".drawn .axis:visible").evaluate_all(PLACES)
    assert len(shown) >= 2
    assert all(left[1] < right[0] for left, right in pairwise(shown))
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()
    page.get_by_role("link", name="crm_lookup").click()
    assert page.locator("#search").input_value() == "tool:crm_lookup"
    assert page.get_by_role("link", name="Refund request").first.is_visible()
    assert tab.faults == []


def test_an_empty_store_is_accessible(new_tab):
    with serving(MemorySource()) as address:
        tab = new_tab(address, width=400)
        for path in ("/", "/sessions", "/overview"):
            tab.go(path)
            assert tab.accessibility_faults() == []
        assert tab.faults == []
        tab.page.goto("about:blank")


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_a_browser_without_the_token_is_told_where_to_find_it(new_tab, width, scheme):
    with serving(MemorySource({"agent": samples.agent()}), access=Access(token="t-1")) as address:
        tab = new_tab(address, width=width, scheme=scheme)
        page = tab.go("/traces/agent?token=wrong")
        assert "infinium-traces serve" in page.inner_text("main")
        assert [fault for fault in tab.faults if "403" not in fault] == []
        assert tab.accessibility_faults() == []
        assert not tab.too_wide()


WHOLE = """form => {
    const box = form.getBoundingClientRect();
    return box.left >= 0 && box.right <= window.innerWidth && box.width > 200;
}"""


@pytest.mark.parametrize("width", [400, 1400])
def test_with_the_token_a_person_looks_and_deletes_and_it_leaves_the_address(new_tab, width):
    source = MemorySource({"agent": samples.agent(), "parallel": samples.parallel(), "single": samples.single()})
    with serving(source, access=Access(token="t-1")) as address:
        tab = new_tab(address, width=width)
        page = tab.go("/traces/single?token=t-1")
        assert page.url == f"{address}/traces/single"
        delete(page, "Delete this trace")
        assert page.url == f"{address}/"
        tab.go("/?session=chat-4711")
        assert tab.accessibility_faults() == []
        delete(page, "Delete them all")
        assert "2 traces deleted." in page.inner_text("main")
        assert source.all == []
        assert tab.faults == []


def delete(page, button):
    page.click(".confirm > summary")
    assert page.eval_on_selector(".confirm > form", WHOLE)
    page.get_by_role("button", name=button).click()


def test_an_open_page_says_that_the_server_was_started_anew(new_tab):
    access = Access(token="t-1")
    with serving(MemorySource({"agent": samples.agent()}), access=access) as address:
        page = new_tab(address).go("/?token=t-1")
        access.token, access._cookie = "t-2", "another"
        page.wait_for_selector("#news:has-text('started anew')", timeout=20_000)

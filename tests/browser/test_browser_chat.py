"""Reading what was said, in a real browser: two panes, keys, copying, what is loaded when it is asked for."""

import time

import conversations
import pytest
import samples
from memory_source import MemorySource
from serving import serving

from infinium_integrations import TaskData
from infinium_integrations.viewer.terminal.transcript import as_json


@pytest.fixture(scope="module")
def address():
    with serving(MemorySource({**samples.everything(), **conversations.everything()})) as found:
        yield found


LOOKS = [(390, "dark"), (390, "light"), (1440, "dark"), (1440, "light")]
NAMES = ["chat", "talk", "hostile-chat", "interrupted", "repeated", "nodes"]
UNFOLD = "document.querySelectorAll('.ifm-pane details, .ifm-run details').forEach(one => one.open = true)"


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        # each view in one of the looks; in the others where all is tested
        pytest.param(name, *look, marks=[] if (row + column) % 4 == 0 else [pytest.mark.full])
        for row, name in enumerate(NAMES)
        for column, look in enumerate(LOOKS)
    ],
)
def test_every_step_fits_is_accessible_and_asks_for_nothing_elsewhere(new_tab, address, name, width, scheme):
    tab = new_tab(address, width=width, scheme=scheme)
    page = tab.go(f"/traces/{name}")
    assert tab.accessibility_faults() == []
    rows = page.locator(".ifm-own > summary")
    for place in range(min(rows.count(), 8)):
        rows.nth(place).click()
        page.evaluate(UNFOLD)
        if place % 3 == 0:
            assert tab.accessibility_faults() == []
        assert not tab.too_wide()
        assert page.evaluate(TOO_WIDE) == []
    assert tab.faults == []


TOO_WIDE = """[...document.querySelectorAll('.ifm-pane, .ifm-run')]
    .filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
    .map(one => one.innerText.slice(0, 60))"""


def pane(page):
    return page.locator(".ifm-own[open] > .ifm-panel > .ifm-pane")


@pytest.mark.parametrize("width", [1100, 1440])
def test_a_wide_window_shows_a_step_beside_the_tree(new_tab, address, width):
    page = new_tab(address, width=width).go("/traces/chat")
    tree = page.locator(".ifm-fall").bounding_box()
    page.locator("#s9 > .ifm-own > summary").click()
    box = pane(page).bounding_box()
    assert box["x"] > tree["x"] + tree["width"] - 2
    assert box["y"] < page.locator("#s9").bounding_box()["y"]
    assert "3 earlier messages" in pane(page).inner_text()


def test_a_narrow_window_shows_a_step_under_its_row(new_tab, address):
    page = new_tab(address, width=1000).go("/traces/chat")
    page.locator("#s9 > .ifm-own > summary").click()
    row = page.locator("#s9 > .ifm-own > summary").bounding_box()
    assert row["y"] < pane(page).bounding_box()["y"] < row["y"] + row["height"] + 20


def test_in_a_narrow_window_several_steps_may_be_open(new_tab, address):
    page = new_tab(address, width=390).go("/traces/chat")
    for number in (1, 9):
        page.locator(f"#s{number} > .ifm-own > summary").click()
    assert page.locator(".ifm-own[open]").count() == 2


PLACES = "[...document.querySelectorAll('.ifm-row')].map(row => Math.round(row.getBoundingClientRect().top + scrollY))"


def test_from_step_to_step_nothing_jumps(new_tab, address):
    page = new_tab(address, width=1440).go("/traces/chat")
    page.keyboard.press("ArrowDown")
    places, corner = page.evaluate(PLACES), pane(page).bounding_box()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
        assert page.evaluate(PLACES) == places
        assert (pane(page).bounding_box()["x"], pane(page).bounding_box()["width"]) == (corner["x"], corner["width"])
        assert page.locator(".ifm-own[open]").count() == 1
    assert "step 11" in pane(page).inner_text()


def test_keys_lead_through_the_steps(new_tab, address):
    tab = new_tab(address, width=1440)
    page = tab.go("/traces/chat")
    for key, heading in [
        ("j", "Plan"),
        ("ArrowDown", "policy_search"),
        ("j", "text-embedding-3-small"),
        ("k", "policy_search"),
    ]:
        page.keyboard.press(key)
        assert pane(page).locator(".ifm-panel-head strong").inner_text() == heading
    page.keyboard.press("ArrowLeft")
    assert not page.locator("#s3").is_visible()
    page.keyboard.press("ArrowDown")
    assert pane(page).locator(".ifm-panel-head strong").inner_text() == "account_agent"
    page.keyboard.press("Escape")
    assert page.locator(".ifm-own[open]").count() == 0
    assert page.locator(".ifm-run").is_visible()
    assert tab.faults == []


def test_a_question_mark_shows_the_keys(new_tab, address):
    tab = new_tab(address, width=1440)
    page = tab.go("/traces/chat")
    page.keyboard.press("?")
    assert "next step" in page.get_by_role("dialog").inner_text()
    assert tab.accessibility_faults() == []
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0


def test_a_slash_finds_in_the_steps(new_tab, address):
    page = new_tab(address, width=1440).go("/traces/chat")
    page.keyboard.press("/")
    page.keyboard.type("expected purpose nothing")
    assert page.locator(".ifm-own > summary:visible").count() == 0
    page.get_by_label("Find in steps").fill("card on file")
    assert page.locator(".ifm-own > summary:visible .ifm-name").all_inner_texts()[0] == "policy_search"
    page.get_by_label("Find in steps").press("Escape")
    assert page.locator(".ifm-own > summary:visible").count() == 11


def test_a_slash_leads_to_the_lists_search(new_tab, address):
    page = new_tab(address, width=1440).go("/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"


def test_in_a_narrow_window_arrows_scroll_until_a_step_has_the_focus(new_tab, address):
    page = new_tab(address, width=390).go("/traces/chat")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.ifm-step').id") == "s2"
    assert page.locator(".ifm-own[open]").count() == 0


def test_what_was_said_is_copied_as_it_was_said(new_tab, address):
    page = new_tab(address, width=1440, permissions=["clipboard-read", "clipboard-write"]).go("/traces/chat")
    page.locator("#s11 > .ifm-own > summary").click()
    answer = page.locator("#s11 .ifm-msg", has_text="Dear Ada").last
    answer.hover()
    answer.locator(".ifm-role .ifm-copy").click()
    answer.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").strip() == conversations.ANSWER.strip()


def test_a_key_copies_what_the_step_says(new_tab, address):
    page = new_tab(address, width=1440, permissions=["clipboard-read", "clipboard-write"]).go("/traces/chat#s11")
    page.keyboard.press("c")
    page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('**20 days old**'))")


def test_a_folded_value_is_copied_as_json(new_tab, address):
    page = new_tab(address, width=1440, permissions=["clipboard-read", "clipboard-write"]).go("/traces/chat")
    page.locator("#s6 > .ifm-own > summary").click()
    value = page.locator("#s6 .ifm-copyable", has_text="history")
    value.hover()
    value.locator(".ifm-copy").last.click()
    value.get_by_text("Copied").wait_for()
    assert '"event": "login"' in page.evaluate("navigator.clipboard.readText()")


def test_a_link_to_a_step_opens_it(new_tab, address):
    page = new_tab(address, width=1440).go("/traces/chat")
    page.locator('.ifm-notes a[href="#s7"]').click()
    assert "timed out after 2.0 s" in pane(page).inner_text()
    page.goto(f"{address}/traces/chat#s9")
    page.reload()
    assert "step 9" in pane(page).inner_text()


def test_earlier_messages_are_loaded_when_they_are_asked_for(new_tab, address):
    tab = new_tab(address, width=1440)
    page = tab.go("/traces/long-talk#s300")
    assert "(mark-290-end)" not in page.locator("#s300").inner_text()
    page.locator("#s300 .ifm-earlier > summary").click()
    page.locator("#s300 .ifm-earlier .ifm-msg", has_text="(mark-290-end)").wait_for(timeout=15_000)
    assert page.locator("#s300 .ifm-earlier .ifm-msg").count() == 299
    assert tab.faults == []


def test_a_thousand_steps_with_three_hundred_messages_are_there_within_two_seconds(new_tab, address):
    tab = new_tab(address, width=1440)
    best = 99.0
    for _ in range(5):
        started = time.perf_counter()
        tab.go("/traces/long-talk")
        tab.page.locator(".ifm-own > summary").first.wait_for(state="attached")
        best = min(best, time.perf_counter() - started)
    assert best < 2.0


def test_without_a_script_steps_are_read_all_the_same(new_tab, address):
    page = new_tab(address, width=1440, java_script_enabled=False).go("/traces/chat")
    page.locator("#s9 > .ifm-own > summary").click()
    page.locator("#s11 > .ifm-own > summary").click()
    page.get_by_text("7 earlier messages").click()
    assert page.get_by_text("Your access ends on 30 Nov 2026.").is_visible()
    assert page.locator("#s11 .ifm-earlier .ifm-msg").first.is_visible()
    assert not page.get_by_text("3 earlier messages").is_visible()


def test_without_a_script_a_link_leads_to_all_earlier_messages(new_tab, address):
    page = new_tab(address, width=1440, java_script_enabled=False).go("/traces/long-talk")
    page.locator("#s50 > .ifm-own > summary").click()
    page.locator("#s50 .ifm-earlier > summary").click()
    page.locator("#s50").get_by_text("Show them all").click()
    assert page.url.endswith("/steps/50")
    page.locator(".ifm-earlier > summary").click()
    assert page.get_by_text("(mark-40-end)").is_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_a_step_alone_fits_and_is_accessible(new_tab, address, width, scheme):
    tab = new_tab(address, width=width, scheme=scheme)
    tab.go("/traces/chat/steps/9").evaluate(UNFOLD)
    assert tab.faults == []
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()


def test_a_slash_finds_what_the_page_left_out_too(new_tab):
    task = conversations.agent()
    steps, captured = task.steps, as_json(task)
    steps += [steps[-1].model_copy(update={"step_number": 1_000 + n, "metadata": {}}) for n in range(400)]
    long = "word " * 9_000
    for n in range(400):
        text = f"{long} needle-{n} <b>" if n != 399 else f"{long} The Hidden  Needle"
        captured["steps"][str(1_000 + n)] = {"arguments": {"text": text}}
    long_run = TaskData.model_validate(task.to_wire()).with_captured(captured)
    with serving(MemorySource({"long": long_run})) as found:
        page = new_tab(found, width=1440).go("/traces/long")
        last = page.locator("#s1399 > .ifm-own > summary")
        assert "Needle" not in page.content()
        page.get_by_label("Find in steps").fill("hidden needle")
        page.locator("#s1399.ifm-hit").wait_for()
        assert page.locator(".ifm-hit").count() == 1
        last.wait_for()
        page.get_by_label("Find in steps").fill("hidden needle nowhere")
        page.locator("#s1399.ifm-hit").wait_for(state="detached")
        assert page.locator(".ifm-hit").count() == 0

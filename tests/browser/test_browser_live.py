"""Runs of another process that go on, in the page."""

import os
import signal
import socket

import pytest
from children import PATIENCE
from open_traces import recording
from serving import serving

from infinium_integrations import runtime, settings

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs the sockets of a file system")


@pytest.fixture
def process(monkeypatch, tmp_path):
    monkeypatch.setenv("INFINIUM_STORE", str(tmp_path / "kept"))
    settings.reset()
    with recording(tmp_path / "kept") as found:
        yield found


@pytest.fixture
def address(process):
    with serving(runtime.current().delivery.reader) as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_run_appears_by_itself_with_its_open_step_and_ends_in_place(new_tab, address, process, width, scheme):
    tab = new_tab(address, width=width, scheme=scheme)
    page = tab.go("/")
    row = page.locator("tr[data-id]")
    row.get_by_text("running").wait_for()
    process.go_on()
    row.get_by_text("fetch_page").wait_for()
    assert row.locator("input").count() == 0
    looked_at(page, f"live-list-{width}-{scheme}")
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()
    process.go_on()
    process.go_on()
    row.locator(".fine").wait_for()
    assert row.count() == 1
    assert page.get_by_text("running").count() == 0
    assert tab.faults == []


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_its_own_page_follows_it_keeps_what_is_open_and_ends_as_the_stored_one(
    new_tab, address, process, width, scheme
):
    tab = new_tab(address, width=width, scheme=scheme)
    page = tab.go("/")
    page.locator("tr[data-id] a").first.click()
    page.locator("#live").wait_for()
    process.go_on()
    page.locator(".ifm-now", has_text="fetch_page").wait_for()
    step = page.locator("#s2 > .ifm-own")
    step.locator("> summary").click()
    page.get_by_text("page 7").locator("visible=true").first.wait_for()
    before = step.locator(".ifm-dur").inner_text()
    page.wait_for_function("before => document.querySelector('#s2 .ifm-dur').innerText !== before", arg=before)
    assert step.get_attribute("open") is not None
    looked_at(page, f"live-trace-{width}-{scheme}")
    assert tab.accessibility_faults() == []
    assert not tab.too_wide()
    process.go_on()
    process.go_on()
    page.get_by_text("Download JSON").wait_for()
    assert page.locator("#live").count() == 0
    page.get_by_text("Done.").locator("visible=true").first.wait_for()
    assert tab.faults == []


def test_a_run_whose_process_is_killed_goes_from_the_list_and_its_page_says_so(new_tab, address, process):
    tab = new_tab(address)
    page = tab.go("/")
    page.locator("tr[data-id] a").first.click()
    page.locator("#live").wait_for()
    process.process.send_signal(signal.SIGKILL)
    process.process.wait(PATIENCE)
    page.get_by_text("its process may have been killed").wait_for()
    page.get_by_text("All traces").click()
    page.get_by_text("No traces").wait_for()
    assert page.locator("tr[data-id]").count() == 0


def looked_at(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)

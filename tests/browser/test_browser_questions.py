"""The six questions that a person has, each answered from the page's start in at most three clicks.

What did the model see:                     the run, its model's step                   2
Why did it fail:                            the run                                     1
Which runs called tool X and failed:        Overview, the errors of X                   2
What changed between these two prompts:     a tick, a tick, Compare                     3
Which runs cost most:                       Cost (on a phone: Sort, Show)               1 (2)
What happened in this session:              the session                                 1
"""

import json
import time
from datetime import UTC, datetime, timedelta

import conversations
import pytest
from serving import serving

from infinium_integrations import runtime, settings
from infinium_integrations.payload.finalize import build_payload, encode
from infinium_integrations.storage import record as records
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector
from infinium_integrations.viewer.terminal.transcript import as_json

MOST_CLICKS = 3


def put(number, task, status="ok", cost=0.01, session="chat-1", prompt="in few words"):
    """Put a trace with its content into the store, as the writer does."""
    trace_id = f"{number:08x}-0000-4000-8000-000000000000"
    task.current_datetime = (datetime.now(UTC) - timedelta(minutes=number)).isoformat()
    task.environment.custom_tags = {"trace_id": trace_id, "status": status, "session_id": session}
    if task.llm_usage:
        task.llm_usage.estimated_cost_usd = cost
    captured = json.loads(json.dumps(as_json(task)).replace("in few words", prompt))
    wire, now = build_payload(task), time.time_ns()
    record = records.new_record(trace_id, wire, encode(wire), now, {"status": "local"}, captured=captured)
    StoreSelector(DeliveryCounters()).put(settings.current(), f"{now:020d}-{trace_id}", records.pack(record), None)


@pytest.fixture
def address(monkeypatch, tmp_path):
    monkeypatch.setenv("INFINIUM_STORE", str(tmp_path / "kept"))
    settings.reset()
    failed = conversations.repeated_error()
    failed.name = "Failed run"
    cheap, dear = conversations.agent(), conversations.agent()
    cheap.name, dear.name = "Cheap run", "Dear run"
    put(3, failed, "error", cost=0.02, session="chat-2")
    put(2, cheap, cost=0.01)
    put(1, dear, cost=0.93, prompt="at length and warmly")
    with serving(runtime.current().delivery.reader) as found:
        runtime.current().delivery.reader.count(query="tool:get_order")  # the index is made
        yield found


class Hand:
    """Clicks, and counts."""

    def __init__(self, page, address):
        self.page = page
        self.clicks = 0
        page.goto(f"{address}/")

    def click(self, locator):
        self.clicks += 1
        assert self.clicks <= MOST_CLICKS
        locator.click()


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["1440", "390"])
def hand(request, new_tab, address):
    width, scheme = request.param
    tab = new_tab(address, width=width, scheme=scheme)
    yield Hand(tab.page, address)
    assert tab.faults == []


def run(page, name):
    return page.locator("tr[data-id] .run a", has_text=name)


def shows(page, text):
    page.get_by_text(text).locator("visible=true").first.wait_for()


def test_what_did_the_model_see(hand):
    hand.click(run(hand.page, "Cheap run"))
    hand.click(hand.page.locator(".ifm-own > summary", has=hand.page.locator(".ifm-k-model")).first)
    for seen in ("You are the support desk of Northwind Cycles", "I bought the annual plan 20 days ago"):
        shows(hand.page, seen)
    assert hand.clicks == 2


def test_why_did_it_fail(hand):
    hand.click(run(hand.page, "Failed run"))
    told = hand.page.locator(".ifm-head .ifm-notes .ifm-bad").first
    assert "find_order ReadTimeout: the warehouse did not answer × 10" in " ".join(told.inner_text().split())  # noqa: RUF001
    assert hand.clicks == 1


def test_which_runs_called_this_tool_and_failed(hand):
    hand.click(hand.page.get_by_role("link", name="Overview"))
    row = hand.page.locator("tr", has=hand.page.locator("th", has_text="find_order"))
    hand.click(row.locator("a .ifm-bad"))
    run(hand.page, "Failed run").wait_for()
    assert hand.page.locator("tr[data-id]").count() == 1
    assert hand.clicks == 2


def test_what_changed_between_these_two_prompts(hand):
    for name in ("Cheap run", "Dear run"):
        hand.click(hand.page.locator("tr[data-id]", has_text=name).locator("input"))
    hand.click(hand.page.get_by_role("button", name="Compare ticked traces"))
    hand.page.locator("ins").first.wait_for()
    changed = hand.page.locator("ins:visible").all_inner_texts()
    assert any("length" in text for text in changed)
    assert hand.clicks == 3


def test_which_runs_cost_most(hand):
    if hand.page.viewport_size["width"] > 900:
        hand.click(hand.page.get_by_role("link", name="Cost", exact=True))
    else:
        hand.clicks += 1
        hand.page.get_by_label("Sort").select_option("-cost")
        hand.click(hand.page.get_by_role("button", name="Show", exact=True))
    hand.page.wait_for_url("**sort=-cost*")
    assert hand.page.locator("tr[data-id] .run a").all_inner_texts()[0] == "Dear run"
    shows(hand.page, "$0.93")


def test_what_happened_in_this_session(hand):
    hand.click(hand.page.locator("tr[data-id] .labels a", has_text="chat-1").first)
    hand.page.wait_for_url("**session=chat-1*")
    assert hand.page.locator("tr[data-id] .run a").all_inner_texts() == ["Dear run", "Cheap run"]
    shows(hand.page, "I bought the annual plan 20 days ago")
    shows(hand.page, "so we refund the full")
    assert hand.clicks == 1

import re
import threading
import time
import uuid
from dataclasses import replace
from datetime import datetime
from html import unescape

import httpx
import pytest
import samples
from memory_source import MemorySource
from serving import serving

from infinium_integrations import settings
from infinium_integrations.errors import InfiniumError, TimeoutError  # noqa: A004
from infinium_integrations.export.pipeline import Delivery
from infinium_integrations.models import ApiResponse, DeliveryState
from infinium_integrations.payload.finalize import build_payload
from infinium_integrations.storage.index import database
from infinium_integrations.storage.index.database import Index
from infinium_integrations.viewer.formatting import utc
from infinium_integrations.viewer.notebook.interpretation import Interpretation, wait
from infinium_integrations.viewer.server import pages
from infinium_integrations.viewer.server.pages import Search
from infinium_integrations.viewer.server.security import Access
from infinium_integrations.viewer.statistics import overview
from infinium_integrations.viewer.summary import split_tags

REMOTE = str(uuid.uuid4())


@pytest.fixture
def source(tmp_path):
    settings.reset()
    settings.configure(store=str(tmp_path / "store"))
    delivery = Delivery(assemble=lambda _: None)
    yield delivery.reader
    delivery.shutdown(5)
    settings.reset()


def test_a_received_trace_is_stored_once_and_read_back(source):
    task = samples.agent()
    assert source.keep(task.trace_id, build_payload(task))
    assert not source.keep(task.trace_id, build_payload(samples.single()))
    assert source.get(task.trace_id).to_wire() == task.to_wire()
    (row,), total = source.page()
    assert total == 1
    assert (row.name, row.status, row.session_id, split_tags(row.tags), row.tokens) == (
        "Refund request",
        "ok",
        "chat-4711",
        ["support", "production"],
        9930,
    )
    assert row.duration == pytest.approx(11.46)
    assert row.delivery == "local"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, 3),
        ({"q": "annual"}, 1),
        ({"status": "error"}, 1),
        ({"status": "local"}, 3),
        ({"session": "chat-4711"}, 2),
        ({"tag": "nightly"}, 1),
        ({"name": "REFUND"}, 1),
        ({"since": "2026-11-20"}, 3),
        ({"since": "2999-01-01"}, 0),
        ({"until": "2026-11-20T09:45:00"}, 1),
        ({"since": "2026-11-20T09:45", "until": "2026-11-20T10:30"}, 2),
    ],
)
def test_the_pages_questions_reach_the_index(source, asked, found):
    for task in (samples.agent(), samples.failed(), samples.parallel()):
        source.keep(task.trace_id, build_payload(task))
    query = Search.of(asked).query
    rows, total = source.page(**query)
    assert len(rows) == total == found
    assert len(list(source.each(**query))) == found
    assert sum(one.runs for one in source.sums(None, **query)) == found


def test_the_beginning_of_an_id_leads_to_its_page_and_only_the_whole_id_deletes_or_retries(source):
    task = samples.agent()
    source.keep(task.trace_id, build_payload(task))
    half, access = task.trace_id[:8], Access(guarded=False)
    form = {"form_token": access.form_token}
    with serving(source, access=access) as address, httpx.Client(base_url=address, trust_env=False) as page:
        led = page.get(f"/traces/{half}")
        assert (led.status_code, led.headers["location"]) == (303, f"/traces/{task.trace_id}")
        assert page.get("/traces/%25").status_code == page.get(f"/traces/{half}x").status_code == 404
        assert page.get(f"/traces/{half}/json").status_code == 404
        assert page.post(f"/traces/{half}/delete", data=form).status_code == 404
        assert page.post(f"/traces/{half}/retry", data=form).status_code == 409
        assert page.post(f"/traces/{task.trace_id}/retry", data=form).status_code == 409
        assert page.get(f"/traces/{task.trace_id}").status_code == 200
        assert page.post(f"/traces/{task.trace_id}/delete", data=form).status_code == 303
    assert source.page() == ([], 0)


def test_the_store_says_what_the_traces_themselves_say(source):
    tasks = {task.trace_id: task for task in samples.everything().values() if task.trace_id}
    for trace_id, task in tasks.items():
        source.keep(trace_id, build_payload(task))
    lists = MemorySource({trace_id: source.get(trace_id, exact=True) for trace_id in tasks})
    shown = {row.trace_id: row for row in source.page(limit=1_000)[0]}
    for row in lists.page(limit=1_000)[0]:
        assert row.ended == shown[row.trace_id].ended
    assert source.span() == lists.span()
    for size in (None, 15 * 60 * 10**9):
        for one, other in zip(source.sums(size), lists.sums(size), strict=True):
            assert one == replace(other, cost=pytest.approx(other.cost))
    assert [one.session_id for one in source.sessions()[0]] == [one.session_id for one in lists.sessions()[0]]
    assert overview(source, {}).total.runs == len(tasks)


LISTED = re.compile(r"of ([\d,]+) trace")
ROW = re.compile(r"<tr><th scope=\"row\">(.*?)</tr>", re.DOTALL)


def listed(page, link):
    found = LISTED.search(page.get(unescape(link)).text)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("asked", ["", "tool:crm_lookup", "status:ok", "model:gpt-4o status:ok", "annual", "-tool:x"])
def test_a_click_on_the_overview_lists_just_the_runs_that_its_row_counts(source, asked):
    for task in samples.everything().values():
        source.keep(task.trace_id or str(uuid.uuid4()), build_payload(task))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:
        text = page.get("/overview", params={"since": "", "q": asked}).text
        rows = ROW.findall(text.partition("Nodes, models and tools")[2])
        links = [(row, re.findall(r'href="(.*?)"', row)) for row in rows]
        assert len([found for _, found in links if found]) >= 5
        for row, found in [pair for pair in links if pair[1]][:25]:
            runs = int(re.findall(r'ifm-right">(\d+)</td>', row)[0])
            assert runs == listed(page, found[0]), row
            failed = sum(map(int, re.findall(r"(?<=✕ )\d+|\d+(?= recovered)", row)))
            assert failed == (listed(page, found[1]) if len(found) > 1 else 0), row


def test_a_name_that_hides_in_another_query_is_not_asked_for_twice(source):
    source.keep(str(uuid.uuid4()), build_payload(samples.agent()))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:
        asked = {"since": "", "q": "model:gpt-4o", "step": "tool:crm_lookup status:error"}
        text = page.get("/overview", params=asked).text
        table = text.partition("Nodes, models and tools")[2]
        assert "crm_lookup" in table
        assert 'href="/?' not in table
        assert "step <bdi>tool:crm_lookup status:error</bdi>" in text
        assert page.get("/", params=asked).text.count("data-id=") == 1
        assert "did you mean" in page.get("/", params={"step": "tol:x"}).text


def test_lists_show_the_beginning_of_the_output(source):
    task = samples.agent()
    source.keep(task.trace_id, build_payload(task))
    (row,), _ = source.page()
    assert row.preview.startswith("Dear Ada, your annual plan is 20 days old")
    assert utc(row.ended) == datetime.fromisoformat(task.current_datetime)


class Client:
    """Answers as the platform does."""

    def __init__(self, result):
        self.result = result

    def wait_for_interpretation(self, trace_id, timeout):
        assert trace_id == REMOTE
        assert timeout > 0
        return ApiResponse(success=True, status_code=200, data={"interpretedTraceResult": self.result})


@pytest.mark.parametrize(
    ("result", "said"), [("Well <b>done</b>", "Well &lt;b&gt;done&lt;/b&gt;"), ({"grade": 4}, "&#34;grade&#34;: 4")]
)
def test_maestros_result_comes_into_the_cell(result, said):
    task = samples.agent().with_delivery(DeliveryState(status="sent", remote_trace_id=REMOTE))
    found = task.wait_for_interpretation(timeout=5, client=Client(result))
    assert isinstance(found, Interpretation)
    assert found.result == result
    assert said in found._repr_mimebundle_()["text/html"]


def test_a_refused_trace_says_why_it_has_no_result():
    task = samples.agent().with_delivery(DeliveryState(status="rejected", reason="name too long"))
    with pytest.raises(InfiniumError, match="name too long"):
        wait(task, 1)


@pytest.mark.parametrize("task", [samples.bare(), samples.agent().with_delivery(DeliveryState(status="pending"))])
def test_a_trace_that_does_not_get_delivered_times_out(task, source):
    with pytest.raises(TimeoutError, match="not delivered yet"):
        wait(task, 0.01)


def test_the_settings_account_asks_where_no_client_is_given(source, httpserver):
    agent = str(uuid.uuid4())
    httpserver.expect_request(f"/agents/{agent}/interpreted-result/{REMOTE}").respond_with_json(
        {"success": True, "interpretedTraceResult": "Good"}
    )
    settings.configure(agent_id=agent, agent_secret="any-secret", base_url=httpserver.url_for(""))
    task = samples.agent().with_delivery(DeliveryState(status="sent", remote_trace_id=REMOTE))
    assert task.wait_for_interpretation(timeout=10).result == "Good"


def test_the_page_finds_runs_by_their_steps_and_by_what_was_said(source):
    task = samples.agent()
    source.keep(task.trace_id, build_payload(task))
    source.keep("other", build_payload(samples.single()))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:
        for query in [
            "tool:crm_lookup",
            "model:gpt-4o step:ChatOpenAI tokens>9000",
            "annual plan -hello",
            "tag:support",
        ]:
            text = page.get("/", params={"q": query}).text
            assert "1–1 of 1 trace" in text, query  # noqa: RUF001
            assert f"/traces/{task.trace_id}" in text
        assert "1 session" in page.get("/sessions", params={"q": "tool:crm_lookup"}).text
        assert "No traces" in page.get("/", params={"q": "tool:nothing"}).text


def test_while_many_traces_are_read_for_the_first_time_the_page_answers_and_says_so(source, monkeypatch):
    reading = threading.Event()
    monkeypatch.setattr(Index, "read_all", lambda _: reading.wait(30))
    monkeypatch.setattr(database, "FEW", 0)
    monkeypatch.setattr(pages, "MANY", 0)
    source.keep("one", build_payload(samples.single()))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:
        text = page.get("/", params={"q": "hello"}).text
        assert "Still reading what 1 trace says" in text
        assert "No traces" in text
        assert "Still reading" not in (plain := page.get("/").text)
        assert "1–1 of 1 trace" in plain  # noqa: RUF001
        assert [one.name for one in threading.enumerate()].count("infinium-index") == 1
        reading.set()
        monkeypatch.undo()
        for _ in range(100):
            if "1–1 of 1 trace" in (text := page.get("/", params={"q": "hello"}).text):  # noqa: RUF001
                break
            time.sleep(0.05)
        assert "1–1 of 1 trace" in text  # noqa: RUF001


def test_the_overviews_rows_are_sorted_by_what_is_asked_for(source):
    source.keep(str(uuid.uuid4()), build_payload(samples.agent()))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:

        def first(**asked):
            table = page.get("/overview", params={"since": "", **asked}).text.partition("Nodes, models and tools")[2]
            return table, re.findall(r"<bdi>(.*?)</bdi>", table)

        table, by_errors = first()
        assert by_errors == first(sort="-errors")[1] == first(sort="nonsense")[1]
        assert by_errors[0] == "crm_lookup"
        assert 'aria-sort="descending"><a href="/overview?sort=-errors"' in table
        by_name = first(sort="name")[1]
        assert by_name == sorted(by_name, key=str.casefold) != by_errors
        assert first(sort="-tokens")[1][0].startswith("gpt")
        assert "sort=" not in first(sort="-tokens")[0].partition("<tbody>")[2]


def test_the_overview_says_that_steps_are_still_read(source, monkeypatch):
    monkeypatch.setattr(pages, "MANY", 1)
    monkeypatch.setattr(database, "FEW", 0)
    monkeypatch.setattr(Index, "read_all", lambda _: None)
    for _ in range(3):
        source.keep(str(uuid.uuid4()), build_payload(samples.agent()))
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as page:
        text = page.get("/overview", params={"since": ""}).text
        assert "Still reading what 3 traces say" in text
        assert "No steps." in text
        source.step_sums()
        assert "Still reading" not in page.get("/overview", params={"since": ""}).text

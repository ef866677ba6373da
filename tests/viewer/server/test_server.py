import json
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import conversations
import httpx
import pytest
import samples
from children import PATIENCE, child, line
from memory_source import MemorySource, new_row
from serving import serving

from infinium_integrations import settings
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.models import DeliveryState, TaskData
from infinium_integrations.viewer.server import app as server
from infinium_integrations.viewer.server.app import make_app, run
from infinium_integrations.viewer.server.pages import Search
from infinium_integrations.viewer.server.security import Access

AGENT = "0b8f2c1e-6f6e-4a43-9a53-0c4b7a8b1c2d"


@pytest.fixture
def source():
    names = ("agent", "retriever", "single", "failed", "parallel", "hostile", "bare")
    found = {name: getattr(samples, name)() for name in names}
    found["failed"].with_delivery(DeliveryState(status="rejected", reason="bad name"))
    return MemorySource(found)


@pytest.fixture
def page(source):
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def token_of(page: httpx.Client, path: str) -> str:
    return page.get(path).text.partition('name="form_token" value="')[2].partition('"')[0]


def test_the_list_stands_in_the_html_itself(page):
    text = page.get("/").text
    assert "Refund request" in text
    assert 'href="/traces/agent"' in text
    assert "1–7 of 7 traces" in text  # noqa: RUF001


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "annual plan"}, {"agent"}),
        ({"status": "error"}, {"failed"}),
        ({"status": "rejected"}, {"failed"}),
        ({"name": "fan"}, {"parallel"}),
        ({"tag": "nightly"}, {"failed"}),
        ({"session": "chat-4711"}, {"agent", "parallel"}),
        ({"since": "2026-11-20T10:30:00Z", "until": "2026-11-20T10:35"}, {"hostile"}),
        ({"since": "nonsense", "page": "-7", "q": "\0"}, None),
        ({"q": "no such thing"}, set()),
    ],
)
def test_search_and_filters_choose_the_rows(page, asked, found):
    text = page.get("/", params=asked).text
    shown = {part.partition('"')[0] for part in text.split('data-id="')[1:]}
    assert shown == found if found is not None else len(shown) == 7


def test_a_query_that_can_not_be_read_is_told_beside_the_box_with_its_place(page):
    answer = page.get("/", params={"q": "refund tol:a<b> x"})
    assert answer.status_code == 200
    assert "There is no field &#39;tol&#39;; did you mean &#39;tool&#39;?" in answer.text
    assert "refund <mark>tol:</mark>a&lt;b&gt; x" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "data-id" not in answer.text
    assert page.get("/rows", params={"q": "tol:x"}).status_code == 400
    assert "did you mean" in page.get("/sessions", params={"q": "tol:x"}).text
    assert "did you mean" in page.get("/overview", params={"q": "tol:x"}).text


def test_the_list_is_sorted_by_the_columns_and_the_address_says_how(page):
    def shown(sort):
        text = page.get("/", params={"sort": sort, "q": "e"}).text
        return text, [part.partition('"')[0] for part in text.split('data-id="')[1:]]

    text, falling = shown("-duration")
    assert 'aria-sort="descending"' in text
    assert 'href="/?sort=duration&amp;q=e"' in text
    assert '<option value="-duration" selected>slowest first</option>' in text
    rising = shown("duration")[1]
    assert rising == falling[::-1]
    assert falling != shown("")[1] == shown("nonsense")[1]


def test_what_links_ask_for_beside_the_box_is_shown_and_can_be_taken_away(page):
    text = page.get("/", params={"session": "chat-4711", "q": "a"}).text
    assert '<input type="hidden" name="session" value="chat-4711">' in text
    assert 'href="/?q=a"' in text
    assert 'id="search"' in text


def test_input_stands_beside_output(page):
    text = page.get("/").text
    assert "I bought the annual plan" in text
    assert "Hello! How can I help you today?" in text


def test_what_was_asked_stays_in_the_form_escaped(page):
    text = page.get("/", params={"q": '"><script>1</script>', "since": "2026-01-01", "until": "2026-12-31"}).text
    assert 'value="&#34;&gt;&lt;script&gt;1&lt;/script&gt;"' in text
    assert 'value="2026-12-31"' in text


def test_a_hundred_thousand_traces_are_paged_through():
    start = datetime(2026, 11, 20, tzinfo=UTC)
    rows = [new_row(f"id-{n}", f"Run {n}", start - timedelta(seconds=n), duration=n / 1e3) for n in range(100_000)]
    with serving(MemorySource(rows=rows)) as address, httpx.Client(base_url=address, trust_env=False) as page:
        first = page.get("/").text
        assert "1–50 of 100,000 traces" in first  # noqa: RUF001
        assert 'href="/?page=2000"' in first
        last = page.get("/", params={"page": 2000}).text
        assert "id-99999" in last
        assert "Page 2,000 of 2,000" in last
        assert "this page is past the last" in page.get("/", params={"page": 999_999}).text


def test_an_empty_store_says_how_to_begin():
    with serving(MemorySource()) as address:
        text = httpx.get(address, trust_env=False).text
        assert "instrument()" in text
        assert "No traces" in text
        assert "No runs in this time." in httpx.get(f"{address}/overview", trust_env=False).text
        assert "No run here names a session." in httpx.get(f"{address}/sessions", trust_env=False).text


def test_a_trace_has_a_page_and_links_to_its_session(page):
    text = page.get("/traces/agent").text
    assert "crm_lookup" in text
    assert 'href="/?session=chat-4711"' in text


def test_a_trace_that_is_not_there_is_a_404(page):
    for path in ("/traces/none", "/traces/none/json", "/traces/none/html", "/nothing", "/static/none.css"):
        assert page.get(path).status_code == 404, path


def test_a_trace_can_be_saved_as_json_that_reads_back(page, source):
    answer = page.get("/traces/agent/json")
    assert answer.headers["content-disposition"] == 'attachment; filename="trace-agent.json"'
    assert TaskData.model_validate(answer.json()).to_wire() == source.get("agent", exact=True).to_wire()


def test_a_trace_is_saved_with_all_that_was_captured_where_anything_was(page, source):
    task = conversations.agent()
    source.add("chat", task)
    assert 'href="/traces/chat/json?full=1"' in page.get("/traces/chat").text
    answer = page.get("/traces/chat/json?full=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="trace-chat-full.json"'
    told = answer.json()
    assert TaskData.model_validate(told["payload"]).to_wire() == task.to_wire()
    assert told["captured"]["messages"] == task.captured.messages
    assert told["captured"]["steps"].keys() == {str(step.step_number) for step in task.steps if step.captured}
    assert 'href="/traces/bare/json"' in page.get("/traces/bare").text


def test_a_trace_can_be_saved_as_a_document(page):
    answer = page.get("/traces/hostile/html")
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.startswith("<!doctype html>")


def test_sessions_are_grouped(page):
    text = page.get("/sessions").text
    assert "3 sessions" in text
    assert "Fan-out, Refund request" in re.sub(r"<[^>]*>", "", text)


def test_what_no_run_of_a_session_says_is_unknown_and_not_nothing(page, source):
    source.all = [replace(row, session_id="quiet") if row.trace_id == "retriever" else row for row in source.all]
    assert "$0.00" not in page.get("/sessions", params={"session": "quiet"}).text
    text = page.get("/overview", params={"since": "", "session": "quiet"}).text
    assert "$0.00" not in text.partition('class="charts"')[0]
    assert "Cost: known of no run" in text
    assert "$" not in re.sub(r"<style.*?</style>", "", text.partition("<main")[2].partition("Nodes, models")[0])


def test_a_run_without_a_model_has_no_label_for_it(page, source):
    source.all = [row for row in source.all if row.trace_id == "retriever"]
    assert 'data-label="Model"' not in page.get("/").text


def test_the_overview_has_charts_and_the_steps_that_stand_out(page):
    text = page.get("/overview", params={"since": ""}).text
    assert text.count('role="img"') == 4
    table = text.partition("Nodes, models and tools")[2]
    assert '<a href="/?q=tool%3Acrm_lookup"><bdi>crm_lookup</bdi>' in table
    assert 'href="/?q=tool%3Acrm_lookup+status%3Aerror"' in table


def test_two_traces_are_compared(page):
    text = page.get("/compare", params={"t": ["agent", "parallel"]}).text
    assert "steps differ" in text
    assert "only in B" in text


@pytest.mark.parametrize("wanted", [[], ["agent"], ["agent", "none"], ["agent", "single", "none"]])
def test_a_comparison_needs_two(page, wanted):
    answer = page.get("/compare", params={"t": wanted})
    assert answer.status_code == 400
    assert "Choose two traces" in answer.text


def test_a_trace_is_deleted_with_the_pages_own_form(page, source):
    answer = page.post("/traces/agent/delete", data={"form_token": token_of(page, "/traces/agent")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert source.get("agent", exact=True) is None


def test_deleting_what_is_gone_is_a_404(page):
    assert page.post("/traces/none/delete", data={"form_token": token_of(page, "/traces/agent")}).status_code == 404


def test_a_trace_that_was_sent_is_said_to_be_at_infinium_too(page, source):
    source.get("single", exact=True).with_delivery(DeliveryState(status="sent"))
    assert "delete it at Infinium too" in page.get("/traces/single").text
    assert "delete it at Infinium too" not in page.get("/traces/agent").text


def form_of(page: httpx.Client, **asked: str) -> tuple[str, str]:
    """The address and the token of the list's form that deletes all."""
    text = page.get("/", params=asked).text
    address = text.partition('action="/delete?')[2].partition('"')[0].replace("&amp;", "&")
    return f"/delete?{address}", token_of(page, "/traces/single")


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"session": "chat-4711"}, {"retriever", "single", "failed", "hostile", "bare"}),
        ({"user": "ada"}, {"retriever", "single", "failed", "parallel", "hostile", "bare", "other"}),
        ({"user": "ada & co\x07"}, {"agent", "retriever", "single", "failed", "parallel", "hostile", "bare"}),
        ({"session": "chat-4711", "user": "ada"}, {"retriever", "single", "failed", "parallel", "hostile", "bare"}),
        ({"session": "chat-4711", "status": "error", "q": ""}, None),
    ],
)
def test_all_of_a_session_or_user_are_deleted_with_the_lists_own_form(page, source, asked, left):
    of_user(source, "agent", "ada")
    if "ada & co" in asked.get("user", "") or asked == {"user": "ada"}:
        source.add("other", samples.single())
        of_user(source, "other", "ada & co\x07")
    address, token = form_of(page, **asked)
    if left is None:  # nothing is listed, so that there is nothing to be deleted
        assert address == "/delete?"
        return
    answer = page.post(address, data={"form_token": token})
    assert answer.status_code == 200
    assert "deleted." in answer.text
    assert {row.trace_id for row in source.all} == left


def of_user(source: MemorySource, trace_id: str, user: str) -> None:
    source.all = [replace(row, user_id=user) if row.trace_id == trace_id else row for row in source.all]


def test_without_a_session_or_user_all_can_not_be_deleted(page, source):
    assert 'action="/delete' not in page.get("/").text
    answer = page.post("/delete", data={"form_token": token_of(page, "/traces/agent")})
    assert (answer.status_code, len(source.all)) == (400, 7)


@pytest.mark.parametrize("body", [{}, {"form_token": "guess"}])
def test_all_of_a_session_are_not_deleted_without_the_pages_token(page, source, body):
    assert page.post("/delete?session=chat-4711", data=body).status_code == 403
    body = {"form_token": token_of(page, "/traces/agent")}
    headers = {"origin": "http://evil.example"}
    assert page.post("/delete?session=chat-4711", data=body, headers=headers).status_code == 403
    assert len(source.all) == 7


def test_sessions_link_to_the_traces_of_their_users(page, source):
    of_user(source, "agent", "ada & co")
    assert 'href="/?user=ada+%26+co"' in page.get("/sessions").text


def test_a_refused_trace_is_sent_again(page, source):
    token = token_of(page, "/traces/failed")
    assert page.post("/traces/failed/retry", data={"form_token": token}).headers["location"] == "/traces/failed"
    assert source.retried == ["failed"]
    assert page.post("/traces/agent/retry", data={"form_token": token}).status_code == 409


@pytest.mark.parametrize(
    "body", [{}, {"form_token": ""}, {"form_token": "guess"}, {"form_token": "é"}, {"x": "y" * 9000}]
)
@pytest.mark.parametrize("action", ["delete", "retry"])
def test_nothing_changes_without_the_pages_token(page, source, body, action):
    assert page.post(f"/traces/agent/{action}", data=body).status_code == 403
    assert source.get("agent", exact=True) is not None
    assert source.retried == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_nothing_changes_from_another_site(page, source, headers):
    body = {"form_token": token_of(page, "/traces/agent")}
    assert page.post("/traces/agent/delete", data=body, headers=headers).status_code == 403
    task = samples.bare().to_wire()
    assert page.post(f"/api/v1/agents/{AGENT}/trace", json=task, headers=headers).status_code == 403
    assert len(source.all) == 7


def test_nothing_is_changed_by_a_get(page):
    assert page.get("/traces/agent/delete").status_code == 405


@pytest.fixture(scope="module")
def bare_page():
    with (
        serving(MemorySource({"single": samples.single()})) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost:80:80",
        "",
        "8.8.8.8",
        "a b",
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/page.js", "/rows", f"/api/v1/agents/{AGENT}/trace"])
def test_a_foreign_host_is_refused(bare_page, host, path):
    assert bare_page.get(path, headers={"host": host}).status_code in {400, 421}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:8717", "[::1]:8717", "127.8.8.8", "localhost."]
)
def test_this_machines_own_names_are_served(bare_page, host):
    assert bare_page.get("/", headers={"host": host}).status_code == 200


def test_every_answer_has_a_strict_policy(page):
    for path in ("/", "/traces/hostile", "/overview", "/static/trace.css", "/none", "/traces/agent/delete"):
        policy = page.get(path).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert page.get(path).headers["x-content-type-options"] == "nosniff"


def test_the_page_has_no_inline_script_and_no_inline_style(page):
    for path in ("/", "/traces/hostile", "/overview?since=", "/sessions", "/compare?t=agent&t=hostile"):
        text = page.get(path).text
        assert "<style" not in text
        assert " style=" not in text.replace("&#34;", "")
        assert text.count("<script") == text.count('<script src="/static/page.js" defer></script>')


def test_unchanged_rows_are_not_sent_again(page, source):
    first = page.get("/rows")
    assert "<html" not in first.text
    again = page.get("/rows", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    source.add("new", samples.single())
    assert page.get("/rows", headers={"if-none-match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "traces.example"])
def test_beyond_loopback_a_token_can_not_be_switched_off(host):
    with pytest.raises(ConfigurationError, match="a token is needed"):
        Access(host, guarded=False)
    assert Access(host).token


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(token):
    with pytest.raises(ConfigurationError, match="the token is empty"):
        Access("127.0.0.1", token)


def test_a_token_is_made_up_anew_each_time_and_stands_in_the_address():
    first, second = Access(), Access()
    assert first.token != second.token
    assert len(first.token) > 40
    assert first.address(8717) == f"http://127.0.0.1:8717/?token={first.token}"
    assert Access("::1", "a b&c").address(1) == "http://[::1]:1/?token=a+b%26c"
    assert Access(guarded=False).address(80) == "http://127.0.0.1:80/"


@pytest.fixture
def locked(source):
    """Serve on loopback with a token; each client is a browser of its own."""
    with serving(source, access=Access(token="s3cret-token")) as address:
        yield address


READ = ["/", "/rows", "/sessions", "/overview", "/compare?t=agent&t=failed", "/traces/agent", "/traces/agent/json"]
READ += ["/traces/agent/html", "/traces/none", "/none", "/api/v2"]


@pytest.mark.parametrize("path", READ)
def test_without_the_token_nothing_is_read_on_loopback_either(locked, path):
    headers = {"cookie": "a@b=1; infinium_traces=guess", "authorization": "Bearer wrong"}
    for given in ({}, {"headers": headers}, {"params": {"token": "wrong"}}, {"params": {"token": ""}}):
        answer = httpx.get(f"{locked}{path}", trust_env=False, **given)
        assert answer.status_code == 403
        assert "<code>infinium-traces serve</code> printed" in answer.text
        assert "Refund" not in answer.text


def test_without_the_token_nothing_is_changed(locked, source):
    for action in ("delete", "retry"):
        assert httpx.post(f"{locked}/traces/agent/{action}", trust_env=False).status_code == 403
    assert source.get("agent", exact=True)


def test_the_page_that_says_so_is_styled_for_a_stranger_too(locked):
    for name in ("page.css", "trace.css", "icon.svg"):
        assert httpx.get(f"{locked}/static/{name}", trust_env=False).status_code == 200


def test_a_browser_brings_the_token_once_and_it_leaves_the_address(locked):
    with httpx.Client(base_url=locked, trust_env=False) as page:
        welcome = page.get("/traces/agent?token=s3cret-token&q=a")
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/traces/agent?q=a")
        assert welcome.headers["referrer-policy"] == "no-referrer"
        assert welcome.headers["cache-control"] == "no-store"
        assert page.get("/").status_code == 200
        assert page.get("/", params={"token": "wrong"}).status_code == 403


def test_the_cookie_is_the_ports_own_and_no_script_reads_it(locked):
    port = locked.rpartition(":")[2]
    cookie = httpx.get(locked, params={"token": "s3cret-token"}, trust_env=False).headers["set-cookie"]
    assert cookie.startswith(f"infinium_traces_{port}=")
    assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=lax"}
    assert "s3cret" not in cookie


def test_a_welcome_never_leads_to_another_host(locked):
    welcome = httpx.get(f"{locked}//evil.example/?token=s3cret-token&q=a", trust_env=False)
    assert welcome.headers["location"].startswith("/evil.example/?q=a")


def test_a_program_may_bring_the_token_in_a_header(locked):
    headers = {"authorization": "Bearer s3cret-token"}
    assert httpx.get(f"{locked}/traces/agent/json", headers=headers, trust_env=False).status_code == 200


def test_on_loopback_sdks_send_traces_without_the_token_and_read_none(locked, source):
    url, task = f"{locked}/api/v1/agents/{AGENT}/trace", samples.bare().to_wire()
    headers = {"x-agent-key": "any-well-formed-key"}
    sent = httpx.post(url, json=task, headers=headers, trust_env=False)
    assert sent.status_code == 200
    trace_id = sent.json()["traceId"]
    assert source.get(trace_id, exact=True)
    result = f"{locked}/api/v1/agents/{AGENT}/interpreted-result/{trace_id}"
    for path in (result, url, f"{url}/{trace_id}", f"{url}s"):
        assert task["name"] not in httpx.get(path, headers=headers, trust_env=False).text


def test_beyond_loopback_programs_bring_the_token_as_the_agents_key(source):
    url, task = f"/api/v1/agents/{AGENT}/trace", samples.bare().to_wire()
    with (
        serving(source, access=Access("0.0.0.0", "s3cret")) as address,
        httpx.Client(base_url=address, trust_env=False) as page,
    ):
        assert page.post(url, json=task).status_code == 401
        assert page.post(url, json=task, headers={"x-agent-key": "s3cret"}).status_code == 200


def test_beyond_loopback_the_pages_own_names_and_addresses_are_served(source):
    access = Access("0.0.0.0", "s3cret", names=["traces.example"])
    with serving(source, access=access) as address, httpx.Client(base_url=address, trust_env=False) as page:
        page.headers["authorization"] = "Bearer s3cret"
        for host, status in (("traces.example", 200), ("192.168.1.7:8717", 200), ("evil.example", 421)):
            assert page.get("/", headers={"host": host}).status_code == status


def test_the_server_ends_soon_after_sigterm(tmp_path):
    program = (
        "import sys; sys.path[:0] = sys.argv[1:2]\n"
        "from memory_source import MemorySource\n"
        "from infinium_integrations.viewer.server.app import run\n"
        "from infinium_integrations.viewer.server.security import Access\n"
        "run(MemorySource(), Access(), port=0, announce=lambda text: print(text, flush=True))\n"
    )
    here = str(Path(__file__).parents[2] / "support")
    with child([sys.executable, "-c", program, here], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        address = line(process).strip()
        with httpx.Client(trust_env=False, follow_redirects=True) as client:
            assert client.get(address).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) in {0, -signal.SIGTERM}


def test_the_settings_secret_is_the_agents_key():
    settings.configure(agent_id=AGENT, agent_secret="own-secret")
    assert server._own_key() == "own-secret"
    settings.reset()
    settings.configure(agent_id=None)
    assert server._own_key() == (settings.current().agent_secret and settings.current().agent_secret.get_secret_value())


def test_a_port_in_use_is_an_os_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        run(MemorySource(), Access(), port=taken.getsockname()[1])


def test_an_unusable_question_is_no_question():
    assert Search.of({"page": "9" * 50, "since": "99999-01-01", "q": "a\0b"}).query == {"query": "ab"}
    found = Search.of({"since": "24h"}, now=datetime(2026, 1, 2, tzinfo=UTC))
    assert found.query["since"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_application_answers_nothing_but_http():
    app = make_app(MemorySource(), Access())
    sent: list[object] = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    import anyio

    async def connect():
        await app(
            {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}, receive, send
        )

    anyio.run(connect)
    assert sent[0]["type"] == "websocket.close"


def test_requests_from_many_threads_are_answered(page):
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(page.get("/traces/agent").status_code)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [200] * 16


def test_json_of_a_hostile_trace_is_plain_json(page):
    answer = page.get("/traces/hostile/json")
    assert answer.headers["content-type"] == "application/json"
    json.loads(answer.content.replace(b"NaN", b"null"))

"""What becomes of a trace when the network or the server misbehaves (rows A of the matrix)."""

import time
from email.utils import formatdate

import pytest
from delivery_kit import AGENT, SECRET, files, new_id
from faultserver import Close, FaultServer, Half, Hang, Reply, Reset, closed_port

from infinium_integrations import settings
from infinium_integrations.export import transports

TRACE = new_id()


def delivered_once(delivery, server, *, requests):
    delivery.submit(TRACE)
    assert delivery.flush(30)
    assert server.accepted[TRACE] >= 1
    assert {seen.key for seen in server.requests} == {TRACE}
    assert len(server.requests) == requests
    assert delivery.stats() == {"recorded": 1, "pending": 0, "local": 0, "sent": 1, "rejected": 0, "dropped": 0}
    return server


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_delivers(deliver, serve, status):
    delivered_once(deliver(), serve(status), requests=1)


@pytest.mark.parametrize("body", ["[]", "", "[1, 2]", '"ok"', "null"])
def test_any_json_or_nothing_in_a_success_delivers(deliver, serve, body):
    delivered_once(deliver(), serve(Reply(200, body)), requests=1)


def test_the_request_is_the_documented_one(deliver, serve):
    seen = delivered_once(deliver(), serve(), requests=1).requests[0]
    assert (seen.method, seen.path) == ("POST", f"/api/v1/agents/{AGENT}/trace")
    assert seen.headers["x-agent-id"] == AGENT
    assert seen.headers["x-agent-key"] == SECRET
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("infinium-integrations/")
    assert seen.json["environment"]["custom_tags"]["trace_id"] == TRACE


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_fault_of_the_server_is_tried_again_under_the_same_key(deliver, serve, status):
    delivered_once(deliver(), serve(status, 201), requests=2)


def test_503_then_500_then_201_delivers_once(deliver, serve):
    server = delivered_once(deliver(), serve(503, 500, 201), requests=3)
    assert server.accepted == {TRACE: 1}


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_to_even_when_a_flush_is_impatient(deliver, serve, status):
    server = delivered_once(deliver(), serve(Reply(status, headers={"Retry-After": "1"})), requests=2)
    assert server.requests[1].at - server.requests[0].at >= 1.0


@pytest.mark.parametrize(
    "value", ["-5", "0", "garbage", "", formatdate(0), "Thu, 01 Jan 1970 00:00:00 -0000", "1e-3", "NaN", "9" * 30 + "x"]
)
def test_a_retry_after_that_asks_for_nothing_sensible_never_stops_delivery(deliver, serve, value):
    delivered_once(deliver(), serve(Reply(503, headers={"Retry-After": value})), requests=2)


@pytest.mark.parametrize("value", ["1e9", "120", formatdate(time.time() + 86_400)], ids=["1e9", "120", "tomorrow"])
def test_flush_does_not_wait_for_a_retry_after_beyond_its_time(deliver, serve, value):
    serve(Reply(503, headers={"Retry-After": value}))
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(60)
    assert delivery.stats()["pending"] == 1


def test_429_pauses_all_traces_of_the_account(deliver, serve):
    server = serve(Reply(429, headers={"Retry-After": "1"}))
    delivery = deliver()
    delivery.submit(new_id())
    assert not delivery.flush(0.5)  # by then it has answered
    for _ in range(5):
        delivery.submit(new_id())
    assert delivery.flush(30)
    assert len(server.accepted) == 6
    assert min(seen.at for seen in server.requests[1:]) - server.requests[0].at >= 1.0


def test_409_counts_as_delivered(deliver, serve, store):
    server = serve(409)
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(30)
    assert len(server.requests) == 1
    assert delivery.stats()["sent"] == 1
    assert [task.delivery.status for task in delivery.reader.traces()] == ["sent"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401),
        Reply(403),
        Reply(404),
        Reply(407),
        Reply(200, "<html>Please log in</html>", content_type="text/html"),
        Reply(200, '{"traceId": "cut'),
        Reply(301, headers={"Location": "/elsewhere"}),
        Reply(304),
    ],
    ids=lambda reply: str(reply.status),
)
def test_what_is_not_the_traces_fault_keeps_it_and_is_said_once(deliver, serve, caplog, reply):
    server = serve(then=reply)
    delivery = deliver()
    for _ in range(3):
        delivery.submit(new_id())
    assert not delivery.flush(5)
    assert not delivery.flush(5)
    assert delivery.stats()["pending"] == 3
    assert len(server.requests) <= 10
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert str(reply.status) in warnings[0]
    assert SECRET not in caplog.text


def test_traces_kept_for_wrong_credentials_are_delivered_when_these_are_put_right(deliver, serve):
    server = serve(then=401)
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(5)
    server.then = 201
    settings.configure(agent_secret="the-right-one")
    assert delivery.flush(10)
    assert server.accepted == {TRACE: 1}
    assert server.requests[-1].headers["x-agent-key"] == "the-right-one"


def test_what_another_process_delivered_while_ours_rested_counts_as_sent(deliver, serve):
    server = serve(then=401)
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(5)
    server.then = 201
    assert deliver().flush(10)
    assert delivery.flush(10)
    assert server.accepted == {TRACE: 1}
    assert delivery.stats() == {"recorded": 1, "pending": 0, "local": 0, "sent": 1, "rejected": 0, "dropped": 0}


def test_a_redirect_is_never_followed(deliver, serve):
    with FaultServer() as other:
        server = serve(then=Reply(307, headers={"Location": f"{other.url}/agents/{AGENT}/trace"}))
        delivery = deliver()
        delivery.submit(TRACE)
        assert not delivery.flush(5)
        assert other.requests == []
        assert {seen.path for seen in server.requests} == {f"/api/v1/agents/{AGENT}/trace"}


@pytest.mark.parametrize("status", [400, 402, 405, 406, 410, 415, 422, 451])
def test_a_refused_trace_is_tried_once_and_set_apart_with_the_reason(deliver, serve, store, status):
    server = serve(Reply(status, {"error": "the name is odd"}))
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert delivery.flush(10)
    assert len(server.requests) == 1
    assert delivery.stats()["rejected"] == 1
    assert len(files(store, "rejected")) == 1
    assert files(store, "outbox") == []
    state = delivery.reader.get(TRACE).delivery
    assert state.status == "rejected"
    assert str(status) in state.reason
    assert "the name is odd" in state.reason


def test_a_secret_that_the_server_echoes_is_nowhere_in_the_store(deliver, serve, store, caplog):
    serve(Reply(422, {"error": f"headers were x-agent-key: {SECRET}"}))
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert SECRET not in delivery.reader.get(TRACE).delivery.reason
    assert SECRET not in caplog.text


def test_a_reason_with_characters_that_no_file_can_hold_is_kept_readable(deliver, serve, store):
    serve(Reply(422, b'{"error": "odd \\ud800 name"}'))
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert "odd ? name" in delivery.reader.get(TRACE).delivery.reason


def test_what_a_server_says_reaches_the_log_as_text(deliver, serve, caplog):
    serve(Reply(422, b'{"error": "\\u001b[2J\\u001b]0;title\\u0007 \\ud800"}'))
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    [said] = [record.getMessage() for record in caplog.records]
    assert "\\x1b[2J\\x1b]0;title\\x07 \\ud800" in said
    assert said.isprintable()


def test_413_shrinks_once_and_sends_again_under_the_same_key(deliver, serve):
    server = serve(413)
    delivery = deliver()
    steps = [{"step_number": n, "action": "chain", "description": "", "input_preview": "y" * 500} for n in range(1, 30)]
    delivery.submit({"trace_id": TRACE, "steps": steps})
    assert delivery.flush(10)
    first, second = server.requests
    assert first.key == second.key == TRACE
    assert len(second.body) < len(first.body)
    assert server.accepted == {TRACE: 1}


def test_413_twice_sets_the_trace_apart(deliver, serve):
    server = serve(then=413)
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert len(server.requests) == 2
    assert delivery.stats()["rejected"] == 1


@pytest.mark.parametrize("fault", [Reset(), Close(), Half(accept=False)], ids=lambda fault: type(fault).__name__)
def test_a_broken_connection_is_tried_again(deliver, serve, fault):
    delivered_once(deliver(), serve(fault), requests=2)


@pytest.mark.parametrize(
    "fault", [Reset(accept=True), Close(accept=True), Half(), Reply(500, accept=True)], ids=lambda f: type(f).__name__
)
def test_a_lost_reply_repeats_the_same_key(deliver, serve, fault):
    server = delivered_once(deliver(), serve(fault, 409), requests=2)
    assert list(server.accepted) == [TRACE]


def test_a_server_that_is_down_gets_the_traces_when_it_is_back(deliver, store):
    port = closed_port()
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=f"http://127.0.0.1:{port}/api/v1")
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(0.5)
    assert len(files(store, "outbox")) == 1
    with FaultServer(port=port) as server:
        assert delivery.flush(20)
        assert server.accepted == {TRACE: 1}


def test_a_name_that_does_not_resolve_keeps_the_trace(deliver, store):
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="https://nowhere.invalid/api/v1")
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(1)
    assert len(files(store, "outbox")) == 1


def test_a_hanging_server_keeps_no_trace_from_the_disk(deliver, serve, store):
    server = serve(then=Hang())
    delivery = deliver()
    for _ in range(20):
        delivery.submit(new_id())
    assert server.wait_for(8)
    assert delivery._writer.settle(time.monotonic() + 20)
    assert len(files(store, "outbox")) == 20
    assert len(server.requests) == 8


def test_a_try_without_an_answer_ends_and_is_repeated(deliver, serve, monkeypatch):
    monkeypatch.setattr(transports, "TRY_TIMEOUT", 1.0)
    delivered_once(deliver(), serve(Hang(accept=True)), requests=2)


def test_one_trace_that_always_fails_does_not_stop_the_others(deliver, serve, monkeypatch):
    server = serve()
    bad = new_id()
    take = server._next
    monkeypatch.setattr(server, "_next", lambda seen: (take(seen), 500 if seen.key == bad else 201)[1])
    delivery = deliver()
    delivery.submit(bad)
    others = {new_id() for _ in range(10)}
    for other in others:
        delivery.submit(other)
    assert server.wait_for_accepted(10)
    assert set(server.accepted) == others
    assert delivery.stats()["pending"] >= 1


def test_a_client_of_the_users_gets_the_trace_and_not_the_account(deliver, serve, store):
    server = serve()
    got = []

    class Client:
        def send_task_data(self, task):
            got.append((task, len(files(store, "outbox"))))

    delivery = deliver()
    delivery.submit({"trace_id": TRACE, "client": Client()})
    assert delivery.flush(10)
    ((task, stored),) = got
    assert (task.trace_id, task.name) == (TRACE, "Triage ticket")
    assert stored == 1
    assert server.requests == []
    assert delivery.reader.get(TRACE).delivery.status == "sent"
    assert delivery.flush(10)
    assert [lane for lane in delivery._sender._outboxes.values() if not lane.shared] == []


def test_a_coroutine_of_the_users_client_is_awaited(deliver):
    got = []

    class Client:
        async def send_task_data(self, task):
            got.append(task.trace_id)

    delivery = deliver()
    delivery.submit({"trace_id": TRACE, "client": Client()})
    assert delivery.flush(10)
    assert got == [TRACE]


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3)])
def test_a_client_that_fails_for_good_leaves_the_trace_rejected_and_is_said_once(deliver, caplog, error):
    class Client:
        def send_task_data(self, task):
            raise error

    delivery, client = deliver(), Client()
    for _ in range(3):
        delivery.submit({"trace_id": new_id(), "client": client})
    assert delivery.flush(10)
    assert delivery.stats()["rejected"] == 3
    assert len([record for record in caplog.records if "The client Client" in record.getMessage()]) == 1
    assert "boom" not in caplog.text


def test_a_trace_that_no_client_could_take_is_rejected_without_a_fault_of_ours(deliver):
    class Client:
        def send_task_data(self, task):
            raise AssertionError(task)

    delivery = deliver()
    delivery.submit({"trace_id": TRACE, "client": Client(), "steps": [{"action": ""}]})
    assert delivery.flush(10)
    assert delivery.stats()["rejected"] == 1
    assert delivery.reader.listing()[0].reason == "it is no trace: ValidationError"


def test_a_client_that_can_not_reach_its_server_is_asked_again(deliver):
    calls = []

    class Client:
        def send_task_data(self, task):
            calls.append(task.trace_id)
            if len(calls) == 1:
                raise ConnectionError

    delivery = deliver()
    delivery.submit({"trace_id": TRACE, "client": Client()})
    assert delivery.flush(20)
    assert calls == [TRACE, TRACE]
    assert delivery.stats()["sent"] == 1

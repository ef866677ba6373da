"""What both clients promise, over real HTTP."""

import asyncio
import inspect
import json
import socket
import threading
import uuid

import pytest
from scripted import AGENT, SECRET, answer

from infinium_integrations import AsyncInfiniumClient, InfiniumClient, TaskData, errors
from infinium_integrations.client.base import BaseClient, TaskFields
from infinium_integrations.client.protocol import messages

TRACE = "11111111-2222-4333-8444-555555555555"
TASK = {"name": "Report", "description": "Write it", "duration": 1.5}


class TestSending:
    def test_a_task_is_sent_with_its_fields_and_sections(self, call, server):
        reply = call(
            "send_task", "Report", "Write it", 1.5, customer={"customer_name": "Ann"}, output_summary="done", steps=None
        )
        body = server.seen[0].json
        moment = body.pop("current_datetime")
        assert body == {
            "name": "Report",
            "description": "Write it",
            "duration": 1.5,
            "output_summary": "done",
            "sections": {"customer": {"customer_name": "Ann"}},
        }
        assert moment.endswith("Z")
        assert (reply.success, reply.status_code, reply.message, reply.trace_id) == (True, 201, "received", TRACE)

    def test_a_given_time_is_kept(self, call, server):
        call("send_task", "Report", "Write it", 1, "2026-01-31T12:00:00Z")
        assert server.seen[0].json["current_datetime"] == "2026-01-31T12:00:00Z"

    def test_the_timestamp_is_one_that_a_task_takes(self, server):
        moment = InfiniumClient.get_current_iso_datetime()
        assert moment.endswith("Z")
        assert TaskData(**TASK, current_datetime=moment).current_datetime == moment

    def test_task_data_and_a_dict_of_it_send_the_same(self, call, server):
        task = TaskData(**TASK, current_datetime="2026-01-31T12:00:00Z", sales={"deal_value": 2.0})
        call("send_task_data", task)
        call("send_task_data", task.to_wire())
        assert server.seen[0].body == server.seen[1].body
        assert server.seen[0].json == task.to_wire()

    def test_the_request_is_the_documented_one(self, call, server):
        call("send_task_data", TASK)
        seen = server.seen[0]
        assert (seen.method, seen.path) == ("POST", f"/api/v1/agents/{AGENT}/trace")
        assert (seen.headers["x-agent-id"], seen.headers["x-agent-key"]) == (AGENT, SECRET)
        assert seen.headers["content-type"] == "application/json"
        assert uuid.UUID(seen.headers["idempotency-key"])

    def test_a_traces_own_id_is_its_key(self, call, server):
        call("send_task_data", {**TASK, "environment": {"custom_tags": {"trace_id": TRACE}}})
        assert server.seen[0].headers["idempotency-key"] == TRACE

    def test_the_agents_own_secret_never_travels_in_a_body(self, call, server):
        call("send_task", "Report", f"the key is {SECRET}", 1, input_summary=f"x{SECRET}x")
        assert SECRET.encode() not in server.seen[0].body

    @pytest.mark.parametrize(
        ("fields", "field", "says"),
        [
            ({**TASK, "custmer": {}}, "custmer", "did you mean 'customer'"),
            ({**TASK, "zzz": 1}, "zzz", "no such field"),
            ({**TASK, "name": " "}, "name", "must not be blank"),
            ({**TASK, "name": "x" * 501}, "name", "500"),
            ({**TASK, "duration": -1}, "duration", "greater than or equal to 0"),
            ({"name": "Report"}, "description", "required"),
            ({**TASK, "sections": {"custmer": {}}}, None, "is not a section"),
            ({**TASK, "steps": [{"step_number": 0}]}, "steps.0.step_number", "greater than or equal to 1"),
        ],
    )
    def test_a_bad_field_is_named_before_anything_is_sent(self, call, server, fields, field, says):
        with pytest.raises(errors.ValidationError, match=says) as caught:
            call("send_task_data", fields)
        assert caught.value.field == field
        assert server.seen == []

    def test_many_bad_fields_are_not_all_listed(self, call):
        with pytest.raises(errors.ValidationError, match="and 4 more"):
            call("send_task_data", {**TASK, **{f"x{number}": 1 for number in range(9)}})

    @pytest.mark.parametrize("task", [None, "trace", [TASK]])
    def test_what_is_no_trace_is_refused(self, call, task):
        with pytest.raises(errors.ValidationError, match="a TaskData or a dict"):
            call("send_task_data", task)

    def test_a_blocking_send_works_inside_a_running_loop(self, server):
        async def main():
            with InfiniumClient(AGENT, SECRET, base_url=server.url) as client:
                return client.send_task_data(TASK)

        assert asyncio.run(main()).success


class TestRetries:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_tried_again_under_one_key(self, call, server, status):
        server.script = [answer(status), answer(status)]
        assert call("send_task_data", TASK).success
        assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 1
        assert len({seen.body for seen in server.seen}) == 1
        assert len(server.seen) == 3

    @pytest.mark.parametrize("fault", ["reset", "drop", "half"])
    def test_a_broken_connection_is_tried_again_under_one_key(self, call, server, fault):
        server.script = [answer(fault=fault), answer(fault=fault)]
        assert call("send_task_data", TASK).success
        assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 1
        assert len(server.seen) == 3

    def test_a_hanging_server_is_tried_again(self, call, server):
        server.script = [answer(fault="hang")]
        assert call("send_task_data", TASK, options={"timeout": 1.0}).success
        assert len(server.seen) == 2

    def test_a_server_that_hangs_for_ever_times_out(self, call, server):
        server.always = answer(fault="hang")
        with pytest.raises(TimeoutError, match=r"within 0\.1 s") as caught:
            call("send_task_data", TASK, options={"timeout": 0.1, "max_retries": 0})
        assert isinstance(caught.value, errors.TransportError)

    def test_a_reply_that_drips_ends_with_the_time_given(self, call, server):
        server.always = answer(fault="drip")
        with pytest.raises(errors.TimeoutError):
            call("send_task_data", TASK, options={"timeout": 0.2, "max_retries": 0})

    def test_a_refused_connection_is_an_error_after_all_retries(self, call):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with pytest.raises(errors.TransportError, match=r"127.0.0.1.*tried 3 times"):
            call("send_task_data", TASK, options={"base_url": f"http://127.0.0.1:{port}", "max_retries": 2})
        assert len(call.pauses) == 2

    def test_retries_end_with_the_last_error(self, call, server):
        server.always = answer(503, {"error": "down"})
        with pytest.raises(errors.ServerError, match="503: down"):
            call("send_task_data", TASK)
        assert len(server.seen) == 4

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
    def test_a_refusal_is_not_tried_again(self, call, server, status):
        server.always = answer(status)
        with pytest.raises(errors.ApiError):
            call("send_task_data", TASK)
        assert len(server.seen) == 1

    def test_retry_after_is_waited_for(self, call, server):
        server.script = [answer(429, retry_after=17), answer(503, retry_after=1e9)]
        call("send_task_data", TASK)
        assert call.pauses == [17.0, 300.0]

    def test_without_it_the_pauses_are_jittered(self, call, server):
        server.script = [answer(429, retry_after="soon"), answer(503)]
        call("send_task_data", TASK)
        assert len(call.pauses) <= 2
        assert all(0 <= pause <= limit for pause, limit in zip(call.pauses, (1.0, 2.0), strict=False))

    def test_a_rate_limit_that_stays_says_how_long(self, call, server):
        server.always = answer(429, retry_after=9)
        with pytest.raises(errors.RateLimitError) as caught:
            call("send_task_data", TASK, options={"max_retries": 1})
        assert (caught.value.retry_after, caught.value.status_code) == (9.0, 429)

    def test_accepted_but_unheard_is_sent_again_under_the_same_key(self, call, server):
        server.script = [answer(fault="drop"), answer(409, {"error": "already there"})]
        assert call("send_task_data", TASK).success
        assert server.seen[0].headers["idempotency-key"] == server.seen[1].headers["idempotency-key"]


class TestStrangeReplies:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_never_followed(self, call, server, other_server, status):
        server.always = answer(status, location=f"{other_server.url}/steal?x=1")
        with pytest.raises(errors.ApiError, match="never followed") as caught:
            call("send_task_data", TASK)
        assert other_server.seen == []
        assert len(server.seen) == 1
        assert "steal" not in str(caught.value)

    def test_a_login_page_is_no_success_and_is_not_asked_again(self, call, server):
        server.always = answer(200, b"<html>please log in</html>")
        with pytest.raises(errors.TransportError, match="login page"):
            call("send_task_data", TASK)
        assert len(server.seen) == 1

    def test_no_more_than_a_mebibyte_of_a_reply_is_read(self, call, server, monkeypatch):
        server.always = answer(200, b"1" * 50_000_000)
        kept = []
        monkeypatch.setattr(
            messages, "_parse", lambda reply, parse=messages._parse: kept.append(len(reply.body)) or parse(reply)
        )
        with pytest.raises(errors.TransportError, match="more than"):
            call("send_task_data", TASK)
        assert kept == [messages.REPLY_LIMIT]

    @pytest.mark.parametrize("body", [b"", b"[1, 2]", b'"ok"'])
    def test_an_empty_or_odd_json_reply_is_a_success(self, call, server, body):
        server.always = answer(200, body)
        reply = call("send_task_data", TASK)
        assert (reply.success, reply.data, reply.trace_id) == (True, None, None)


class TestResults:
    def test_a_result_is_read(self, call, server):
        server.always = answer(200, {"interpretedTraceResult": {"score": 7}})
        assert call("get_interpreted_task_result", TRACE).data == {"interpretedTraceResult": {"score": 7}}
        assert server.seen[0].path.endswith(f"/agents/{AGENT}/interpreted-result/{TRACE}")
        assert "idempotency-key" not in server.seen[0].headers

    def test_waiting_asks_until_it_is_there(self, call, server):
        server.script = [answer(200, {"interpretedTraceResult": {}}), answer(200, {}), answer(503), answer(204, b"")]
        server.always = answer(200, {"interpretedTraceResult": {"score": 7}})
        reply = call("wait_for_interpretation", TRACE, poll_interval=3.0)
        assert reply.data["interpretedTraceResult"] == {"score": 7}
        assert call.pauses.count(3.0) == 3
        assert len(server.seen) == 5

    def test_waiting_ends_with_a_timeout_that_names_the_trace(self, call, server):
        server.always = answer(200, {"interpretedTraceResult": None})
        with pytest.raises(TimeoutError, match=f"{TRACE} within 2 s"):
            call("wait_for_interpretation", TRACE, timeout=2.0, poll_interval=3.0)
        assert len(server.seen) == 1

    def test_a_servers_long_retry_after_does_not_outlast_the_wait(self, call, server):
        server.always = answer(503, retry_after=300)
        with pytest.raises(errors.TimeoutError, match="within 5 s"):
            call("wait_for_interpretation", TRACE, timeout=5.0)
        assert call.pauses == []

    def test_waiting_for_no_time_asks_once(self, call, server):
        server.always = answer(200, {"interpretedTraceResult": {"score": 7}})
        assert call("wait_for_interpretation", TRACE, timeout=0).success


PROMPT = {
    "promptId": "p-1",
    "name": "Greet",
    "version": 4,
    "content": "Hi {{name}}, {{x}} {{ name }}",
    "createdAt": "t",
}


class TestPrompts:
    def test_a_prompt_is_fetched_with_its_own_key_and_not_the_agents(self, call, server):
        server.always = answer(200, PROMPT)
        prompt = call("get_prompt", "p-1", "prompt-key-1")
        assert (prompt.prompt_id, prompt.name, prompt.version, prompt.created_at) == ("p-1", "Greet", 4, "t")
        assert prompt.rendered_content is None
        seen = server.seen[0]
        assert seen.path == "/api/v1/prompts/p-1/v/latest"
        assert (seen.headers["x-prompt-id"], seen.headers["x-prompt-key"]) == ("p-1", "prompt-key-1")
        assert "x-agent-key" not in seen.headers

    def test_placeholders_are_filled_and_unknown_ones_stay(self, call, server):
        server.always = answer(200, PROMPT)
        prompt = call("get_prompt", "p-1", "k", 4, {"name": r"\1 {{x}}", "spare": 1})
        assert prompt.rendered_content == r"Hi \1 {{x}}, {{x}} {{ name }}"
        assert prompt.content == PROMPT["content"]

    def test_the_open_trace_notes_the_fetch(self, call, server, monkeypatch):
        from infinium_integrations import tracing

        noted = []
        builder = type("Builder", (), {"add_prompt_use": lambda _self, use: noted.append(use)})()
        monkeypatch.setattr(tracing, "current_trace", lambda: builder)
        server.always = answer(200, PROMPT)
        call("get_prompt", "p-1", "k", variables={"name": "Ann", "spare": 1})
        assert [(use.prompt_id, use.prompt_name, use.version, use.variables_used) for use in noted] == [
            ("p-1", "Greet", 4, ["name"])
        ]

    def test_a_reply_that_is_no_prompt_says_what_it_lacks(self, call, server):
        server.always = answer(200, {"promptId": "p-1", "version": 1})
        with pytest.raises(errors.TransportError, match="lacks name, content"):
            call("get_prompt", "p-1", "k")

    def test_a_wrong_key_shows_in_no_error(self, call, server):
        server.always = answer(401, {"error": "key prompt-key-1 is wrong"})
        with pytest.raises(errors.AuthenticationError, match="check prompt_id and prompt_key") as caught:
            call("get_prompt", "p-1", "prompt-key-1")
        assert "prompt-key-1" not in str(caught.value) + str(caught.value.data)


class TestBatches:
    def tasks(self, count):
        return [{**TASK, "name": f"task {number}"} for number in range(count)]

    def echo(self, seen):
        return json.dumps({"message": json.loads(seen.body)["name"]}).encode()

    def test_there_is_one_result_per_task_in_order(self, call, server):
        server.always.body = self.echo
        result = call("send_tasks_batch", self.tasks(23), max_concurrent=7)
        assert [reply.message for reply in result.results] == [f"task {number}" for number in range(23)]
        assert (result.successful, result.failed, result.errors) == (23, 0, [])

    def test_one_failure_does_not_stop_the_rest(self, call, server):
        server.always.body = self.echo
        tasks = self.tasks(5)
        tasks[1] = {"name": "no description"}
        result = call("send_tasks_batch", iter(tasks))
        assert [reply.success for reply in result.results] == [True, False, True, True, True]
        assert (result.successful, result.failed) == (4, 1)
        assert "task 2: description" in result.errors[0]

    def test_a_refused_task_has_its_status(self, call, server):
        server.always = answer(422, {"error": "no"})
        result = call("send_tasks_batch", self.tasks(1))
        assert (result.results[0].status_code, result.failed) == (422, 1)

    def test_no_more_run_at_once_than_asked_for(self, call, server):
        inside, most, lock = [], [], threading.Lock()
        gate = threading.Barrier(3, timeout=10)

        def body(seen):
            with lock:
                inside.append(1)
                most.append(len(inside))
            gate.wait()
            with lock:
                inside.pop()
            return b"{}"

        server.always.body = body
        assert call("send_tasks_batch", self.tasks(9), max_concurrent=3).successful == 9
        assert max(most) == 3

    def test_an_empty_batch_is_fine(self, call):
        assert call("send_tasks_batch", []).results == []

    def test_a_width_below_one_is_refused(self, call):
        with pytest.raises(errors.ValidationError, match="max_concurrent"):
            call("send_tasks_batch", self.tasks(1), max_concurrent=0)

    def test_a_fault_of_ours_reaches_the_caller(self, call, monkeypatch):
        monkeypatch.setattr("infinium_integrations.client.calls.encode", lambda _payload: 1 / 0)
        with pytest.raises((ZeroDivisionError, ExceptionGroup)):
            call("send_tasks_batch", self.tasks(3))


class TestRate:
    def test_the_limit_is_kept_after_the_burst(self, call, server):
        result = call(
            "send_tasks_batch", [TASK] * 6, options={"requests_per_second": 0.01, "burst": 2}, max_concurrent=1
        )
        assert result.successful == 6
        assert [round(pause / 100) for pause in call.pauses] == [1, 2, 3, 4]

    def test_the_default_is_the_documented_one(self):
        client = InfiniumClient(AGENT, SECRET)
        assert (client._core.bucket.rate, client._core.bucket.burst) == (10.0, 20)


class TestEnding:
    def test_a_closed_client_says_so(self, server):
        client = InfiniumClient(AGENT, SECRET, base_url=server.url)
        client.send_task_data(TASK)
        client.close()
        client.close()
        for use in (
            lambda: client.send_task_data(TASK),
            lambda: client.send_tasks_batch([]),
            lambda: client.get_prompt("p", "k"),
            lambda: client.get_interpreted_task_result(TRACE),
            lambda: client.wait_for_interpretation(TRACE),
            client.__enter__,
        ):
            with pytest.raises(errors.InfiniumError, match="is closed: make a new one"):
                use()

    def test_a_closed_async_client_says_so(self, server):
        async def main():
            client = AsyncInfiniumClient(AGENT, SECRET, base_url=server.url)
            await client.aclose()
            with pytest.raises(errors.InfiniumError, match="is closed: make a new one"):
                await client.send_task_data(TASK)

        asyncio.run(main())

    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_during_a_pause_passes_through(self, server, interrupt):
        server.always = answer(503)

        def sleep(_seconds):
            raise interrupt

        with InfiniumClient(AGENT, SECRET, base_url=server.url) as client:
            client._sleep = sleep
            with pytest.raises(interrupt):
                client.send_task_data(TASK)

    def test_a_cancelled_send_ends_at_once(self, server):
        server.always = answer(fault="hang")

        async def main():
            async with AsyncInfiniumClient(AGENT, SECRET, base_url=server.url) as client:
                sending = asyncio.create_task(client.send_task_data(TASK))
                await asyncio.to_thread(server.arrived.acquire)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending

        asyncio.run(main())

    def test_one_async_client_serves_several_loops(self, server):
        client = AsyncInfiniumClient(AGENT, SECRET, base_url=server.url)
        for _ in range(3):
            assert asyncio.run(client.send_task_data(TASK)).success
        assert len(client._connections) == 1

    def test_one_async_client_serves_loops_in_several_threads(self, server):
        client = AsyncInfiniumClient(AGENT, SECRET, base_url=server.url)
        done = []
        threads = [
            threading.Thread(target=lambda: done.append(asyncio.run(client.send_tasks_batch([TASK] * 3)).successful))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert done == [3, 3, 3, 3]

    def test_anyio_runs_it(self, server):
        import anyio

        client = AsyncInfiniumClient(AGENT, SECRET, base_url=server.url)
        assert anyio.run(client.send_task_data, TASK).success


class TestThreads:
    def test_threads_share_a_client(self, server):
        done = []
        with InfiniumClient(AGENT, SECRET, base_url=server.url, requests_per_second=1e6) as client:
            threads = [
                threading.Thread(target=lambda: done.append(client.send_task_data(TASK).success)) for _ in range(16)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert done == [True] * 16
        assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 16


@pytest.mark.parametrize("name", sorted(name for name in vars(BaseClient) if not name.startswith("_")))
def test_both_clients_show_the_same_documentation_of_a_call(name):
    shown = {inspect.getdoc(getattr(kind, name)) for kind in (BaseClient, InfiniumClient, AsyncInfiniumClient)}
    assert len(shown) == 1
    assert shown != {None}


def test_send_task_names_every_field_of_a_task():
    given = {"name", "description", "duration", "current_datetime"}
    assert set(TaskFields.__annotations__) == {*TaskData.model_fields, "sections"} - given


def test_making_a_client_opens_nothing(server):
    clients = [InfiniumClient(AGENT, SECRET, base_url=server.url) for _ in range(100)]
    assert server.seen == []
    assert all(client._connections == {} for client in clients)

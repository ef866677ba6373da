"""Traces leave by OTLP: the second destination of the sender, beside Infinium or alone."""

import json
import ssl
import sys
import time
from pathlib import Path

import pytest
import trustme

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from delivery_kit import AGENT, SECRET, account, environment, files, run, start
from faultserver import FaultServer, Hang, Reply, closed_port
from otlp_receiver import Receiver, seven, taken
from secret_cases import everyday, left
from test_imports import PROGRAMS, looked_up

from infinium_integrations import TaskData, configure, flush, runtime, settings, stats, trace, traces
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.recording.trace_context import span_id_of
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.storage import record as records
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector


@pytest.fixture(autouse=True)
def _nothing_waits_on():
    """What a test leaves undelivered is not tried again after its end."""
    yield
    made = runtime.install(None)
    if made is not None:
        for sender in made.delivery._senders():
            sender.stop()
        settings.reset()
        configure(exporters="infinium")
        assert made.delivery.shutdown(30)


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as found:
        use(monkeypatch, found.origin)
        yield found


def use(monkeypatch, origin, exporters="otlp"):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", origin)
    monkeypatch.setenv("INFINIUM_EXPORTERS", exporters)
    settings.reset()


def both(monkeypatch, platform, receiver):
    for name, value in (("AGENT_ID", AGENT), ("AGENT_SECRET", SECRET), ("BASE_URL", platform.url)):
        monkeypatch.setenv(f"INFINIUM_{name}", value)
    use(monkeypatch, receiver.origin, "infinium,otlp")


def environment_of(receiver, store, platform=None, **given):
    names = {
        "INFINIUM_EXPORTERS": "otlp" if platform is None else "infinium,otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver if isinstance(receiver, str) else receiver.origin,
        **given,
    }
    if platform is None:
        return environment(INFINIUM_STORE=store, INFINIUM_EXIT_TIMEOUT=45, **names)
    return account(platform if isinstance(platform, str) else platform.url, store, **names)


def by_name(spans):
    return {span.name: span for span in spans}


# -- what arrives ------------------------------------------------------------------------------------------------------


def test_a_trace_of_seven_steps_arrives_as_a_tree_of_spans_with_names_kinds_times_and_tokens(receiver):
    before = time.time_ns()
    with trace("Refund", metadata={"session_id": "s-1", "user_id": "u-1"}) as t:
        seven(t)
    assert flush(30)
    after = time.time_ns()
    (task,) = traces()
    spans = receiver.spans
    tree = {span.name: next((other.name for other in spans if other.id == span.parent), None) for span in spans}
    assert tree == {
        "invoke_agent Refund": None,
        "invoke_agent support": "invoke_agent Refund",
        "retrieval Search the handbook": "invoke_agent support",
        "embeddings text-embedding-3": "retrieval Search the handbook",
        "chat gpt-4o": "invoke_agent support",
        "execute_tool find_order": "invoke_agent support",
        "execute_tool refund": "invoke_agent support",
    }
    assert len(spans) == 8  # the model was called twice
    assert {span.name: span.kind for span in spans} == {
        name: "CLIENT" if name.split()[0] in {"retrieval", "embeddings", "chat"} else "INTERNAL" for name in tree
    }
    assert {span.trace_id for span in spans} == {task.trace_id.replace("-", "")}
    root = by_name(spans)["invoke_agent Refund"]
    assert before - 1_000_000 <= root.start <= min(span.start for span in spans)
    assert max(span.end for span in spans) <= root.end + 1_000_000 <= after + 2_000_000
    for step, span in zip(task.steps, spans[1:], strict=True):
        assert abs((span.start - root.start) / 1e6 - step.metadata["started_ms"]) <= 1
        assert abs((span.end - span.start) / 1e6 - step.duration_ms) <= 1
    counted = [
        sum(span.attributes.get(f"gen_ai.usage.{end}_tokens", 0) for span in spans) for end in ("input", "output")
    ]
    assert counted == [task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens] == [204, 40]
    assert {span.attributes["gen_ai.conversation.id"] for span in spans} == {"s-1"}
    assert {span.attributes["session.id"] for span in spans} == {"s-1"}
    assert {span.attributes["user.id"] for span in spans} == {"u-1"}


def test_a_user_who_is_not_known_is_none_rather_than_one_called_null(receiver):
    with trace("Refund", metadata={"session_id": "s-1", "user_id": None, "team": None}):
        pass
    assert flush(30)
    (span,) = receiver.spans
    assert span.attributes["session.id"] == "s-1"
    assert not {"user.id", "infinium.team"} & span.attributes.keys()


def test_a_failed_step_is_an_error_with_its_exception_and_what_survived_it_is_none(receiver):
    with trace("Refund") as t:
        seven(t)
    flush(30)
    spans = by_name(receiver.spans)
    failed = spans["execute_tool refund"]
    assert (failed.failed, failed.said, failed.attributes["error.type"]) == (True, "no such order", "LookupError")
    assert failed.events["exception"]["exception.type"] == "LookupError"
    assert failed.events["exception"]["exception.message"] == "no such order"
    assert "LookupError" in failed.events["exception"]["exception.stacktrace"]
    assert [span.name for span in spans.values() if span.failed] == ["execute_tool refund"]
    assert "error.type" not in spans["invoke_agent Refund"].attributes


def test_a_failed_trace_is_an_error_at_its_root_too(receiver):
    with pytest.raises(LookupError), trace("Refund"):
        raise LookupError("no such order")
    flush(30)
    (root,) = receiver.spans
    assert (root.failed, root.attributes["error.type"], root.attributes["infinium.status"]) == (
        True,
        "LookupError",
        "error",
    )
    assert root.events["exception"]["exception.message"] == "no such order"


def test_what_was_cancelled_is_no_error(receiver):
    with pytest.raises(KeyboardInterrupt), trace("Refund"):
        raise KeyboardInterrupt
    flush(30)
    (root,) = receiver.spans
    assert (root.failed, root.attributes["infinium.status"]) == (False, "cancelled")


def test_the_resource_is_what_the_standard_variables_say(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "support-bot")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment=a%2Cb,broken")
    settings.reset()
    with trace("Refund"):
        pass
    flush(30)
    (root,) = receiver.spans
    assert root.resource["service.name"] == "support-bot"
    assert root.resource["deployment.environment"] == "a,b"
    assert root.resource["telemetry.sdk.language"] == "python"


def test_headers_compression_and_the_traces_own_endpoint_are_the_standard_variables(monkeypatch):
    with Receiver() as receiver:
        use(monkeypatch, "http://127.0.0.1:9")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.origin}/my/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x-tenant=7")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        settings.reset()
        with trace("Refund"):
            pass
        assert flush(30)
        (seen,) = receiver.requests
        assert (seen.path, seen.headers["content-type"]) == ("/my/traces", "application/x-protobuf")
        assert (seen.headers["api-key"], seen.headers["x-tenant"]) == ("a b", "7")
        assert seen.headers["content-encoding"] == "gzip"
        assert [span.name for span in receiver.spans] == ["invoke_agent Refund"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", False),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:http", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:99999", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://the collector", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector\n/otlp", False),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", False),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1", False),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", False),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", False),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer my-secret-token", False),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api key=my-secret-token", False),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key:=my-secret-token", False),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file.pem", False),
        ("INFINIUM_EXPORTERS", "infinium,zipkin", False),
    ],
)
def test_a_malformed_variable_is_raised_by_name_where_the_first_trace_is_made(
    receiver, monkeypatch, name, value, shown
):
    monkeypatch.setenv(name, value)
    settings.reset()
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as raised:
        trace("Refund")
    assert value not in str(raised.value)


def test_a_name_and_password_in_the_endpoint_are_sent_as_its_header_and_a_query_stays_behind_the_path(monkeypatch):
    with Receiver() as receiver:
        use(monkeypatch, f"{receiver.origin.replace('://', '://us%40er:pass@')}/otlp?token=abc")
        with trace("Refund"):
            pass
        assert flush(30)
        (seen,) = receiver.requests
        assert seen.path == "/otlp/v1/traces?token=abc"
        assert seen.headers["authorization"] == "Basic dXNAZXI6cGFzcw=="


def test_headers_that_say_what_a_body_is_stay_those_of_the_body(receiver, monkeypatch):
    names = ("content-length=5", "transfer-encoding=chunked", "content-type=text/plain", "content-encoding=br")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", ",".join(names))
    settings.reset()
    with trace("Refund"):
        pass
    assert flush(30)
    (seen,) = receiver.requests
    assert seen.headers["content-type"] == "application/x-protobuf"
    assert not {"transfer-encoding", "content-encoding"} & seen.headers.keys()
    assert [span.name for span in receiver.spans] == ["invoke_agent Refund"]


def test_no_variable_of_opentelemetry_matters_where_traces_do_not_go_by_otlp(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
    with trace("Refund"):
        pass
    assert flush(30)


def test_both_names_of_written_cache_tokens_are_sent(receiver):
    langchain = pytest.importorskip("langchain_core.language_models")
    from langchain_core.messages import AIMessage

    from infinium_integrations.langchain import InfiniumCallbackHandler

    usage = {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"cache_read": 40, "cache_creation": 10},
        "output_token_details": {"reasoning": 5},
    }
    said = AIMessage("hi", usage_metadata=usage, response_metadata={"model_name": "claude", "finish_reason": "stop"})
    model = langchain.GenericFakeChatModel(messages=iter([said]))
    model.invoke("hello", config={"callbacks": [InfiniumCallbackHandler()]})
    flush(30)
    (span,) = receiver.spans  # a bare call of a model is one span
    found = {name: value for name, value in span.attributes.items() if "usage" in name or "token_count" in name}
    assert found == {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "llm.token_count.completion_details.reasoning": 5,
    }
    assert (span.name, span.kind, span.parent) == ("chat claude", "CLIENT", None)
    assert span.attributes["openinference.span.kind"] == "LLM"
    assert span.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    messages = json.loads(span.attributes["gen_ai.input.messages"])
    assert messages == [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "hi"


# -- content -----------------------------------------------------------------------------------------------------------


def content_of(body):
    return [
        text
        for text in (b"refunds", b"Where is my money", b"It is on its way", b"shipped", b"no such order")
        if text in body
    ]


def test_content_is_sent_where_it_is_captured(receiver):
    with trace("Refund") as t:
        seven(t)
    flush(30)
    assert len(content_of(receiver.bodies[0])) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFINIUM_CAPTURE_CONTENT", "false"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT"),
    ],
)
def test_no_content_is_in_the_bytes_where_it_is_switched_off(receiver, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    settings.reset()
    with trace("Refund") as t:
        seven(t)
    flush(30)
    assert content_of(receiver.bodies[0]) == []
    assert by_name(receiver.spans)["execute_tool refund"].attributes["error.type"] == "LookupError"


def test_content_that_otlp_is_not_to_have_stays_in_what_infinium_gets_and_in_the_store(monkeypatch):
    with FaultServer() as platform, Receiver() as receiver:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT")
        both(monkeypatch, platform, receiver)
        with trace("Refund") as t:
            seven(t)
        assert flush(30)
        assert content_of(receiver.bodies[0]) == []
        assert len(content_of(platform.requests[0].body)) == 5
        (task,) = traces()
        assert task.steps[-1].captured.output == "It is on its way"


def test_what_waits_goes_without_content_once_that_is_switched_off(monkeypatch):
    with Receiver([503], then=taken()) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund", "Gives money back") as t, t.step("tool_use", "look") as step:
            step.set_input("a private matter")
        assert not flush(0)
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT")
        settings.reset()
        assert flush(30)
    assert [span.name for span in receiver.spans] == ["invoke_agent Refund", "execute_tool look"]
    assert b"a private matter" not in b"".join(receiver.bodies)
    assert "a private matter" in str(traces()[0].to_wire())


def test_300_planted_secrets_stay_out(receiver):
    redactor = Redactor()
    known = [(text, secret) for _, text, secret in everyday() if not left(secret, redactor.text(text))]
    planted = known[:: len(known) // 300][:300]
    with trace("Secrets") as t:
        for text, _ in planted:
            with t.step("tool_use", "look") as step:
                step.set_input(text).set_output({"said": text})
    assert flush(60)
    whole = b"".join(receiver.bodies).decode("utf-8", "replace")
    assert len(planted) == 300
    assert whole.count("execute_tool look") == 300
    assert [secret for _, secret in planted if secret in whole] == []


# -- one destination or two --------------------------------------------------------------------------------------------


def test_otlp_alone_needs_no_account_and_asks_infinium_for_nothing(receiver, monkeypatch, caplog):
    with FaultServer() as platform:
        monkeypatch.setenv("INFINIUM_BASE_URL", platform.url)
        monkeypatch.setenv("INFINIUM_AGENT_ID", AGENT)  # half an account, which would be said otherwise
        settings.reset()
        with trace("Refund"):
            pass
        assert flush(30)
        assert (platform.requests, caplog.records) == ([], [])
    assert [span.name for span in receiver.spans] == ["invoke_agent Refund"]
    assert (stats()["sent"], stats()["local"], stats()["pending"]) == (1, 0, 0)
    (path,) = files(settings.current().store, "history")
    assert "~otlp," in path.name


def test_a_trace_for_both_is_delivered_to_each_once_and_has_a_receipt_of_each(monkeypatch):
    with FaultServer() as platform, Receiver() as receiver:
        both(monkeypatch, platform, receiver)
        for number in range(20):
            with trace(f"run {number}"):
                pass
        assert flush(30)
        assert (len(platform.accepted), set(platform.accepted.values())) == (20, {1})
        assert len(receiver.spans) == len(receiver.traces()) == 20
        assert (stats()["sent"], stats()["pending"], stats()["rejected"]) == (20, 0, 0)
    paths = files(settings.current().store, "history")
    assert len(paths) == 20
    assert all("~otlp," in path.name and "~infinium," in path.name for path in paths)
    assert files(settings.current().store, "outbox") == []
    assert {task.delivery.status for task in traces()} == {"sent"}
    assert all(task.delivery.remote_trace_id for task in traces())


def test_settings_in_code_say_the_same_and_can_be_taken_back(monkeypatch):
    with FaultServer() as platform, Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.origin)
        configure(agent_id=AGENT, agent_secret=SECRET, base_url=platform.url)
        for number, exporters in enumerate([("infinium", "otlp"), "otlp", None]):
            configure(exporters=exporters)
            with trace(f"run {number}"):
                pass
            assert flush(30)
        assert sorted(payload["name"] for payload in platform.payloads.values()) == ["run 0", "run 2"]
        assert sorted(span.name for span in receiver.spans) == ["invoke_agent run 0", "invoke_agent run 1"]


def test_a_client_of_the_users_takes_the_place_of_infinium_and_not_of_otlp(receiver):
    class Client:
        def __init__(self):
            self.got = []

        def send_task_data(self, task):
            self.got.append(task)

    client = Client()
    with trace("Refund", client=client):
        pass
    assert flush(30)
    assert [type(task) for task in client.got] == [TaskData]
    assert len(receiver.spans) == 1
    assert stats()["sent"] == 1


@pytest.mark.parametrize("down", ["otlp", "infinium"])
def test_one_that_is_down_holds_up_no_other_and_gets_its_traces_later_and_no_other_gets_them_twice(
    tmp_path, monkeypatch, down
):
    store, port = tmp_path / "store", closed_port()
    program = """
        from infinium_integrations import trace
        for number in range(5):
            with trace(f"run {number}"): pass
    """
    with FaultServer() as platform, Receiver() as receiver:
        refused = f"http://127.0.0.1:{port}"
        where = (refused, platform.url) if down == "otlp" else (receiver.origin, f"{refused}/api/v1")
        env = environment_of(where[0], store, where[1], INFINIUM_EXIT_TIMEOUT=600)  # far more than it is given here
        run(program, env, noisy=True)
        got = {"otlp": len(receiver.spans), "infinium": len(platform.accepted)}
        assert got == {"otlp": 5, "infinium": 5, down: 0}
        assert len(files(store, "outbox")) == 5
        with Receiver(port=port) if down == "otlp" else FaultServer(port=port) as late:
            assert (
                run(
                    "import infinium_integrations as i; print(i.flush(30), i.stats()['sent'])",
                    environment_of(where[0], store, where[1]),
                )
                == "True 5\n"
            )
            if down == "otlp":
                assert len(late.spans) == len(late.traces()) == 5
            else:
                assert set(late.accepted.values()) == {1}
        again = {"otlp": len(receiver.spans), "infinium": len(platform.requests)}
        assert again == got
    assert files(store, "outbox") == []
    assert len(files(store, "history")) == 5


def test_a_receiver_that_hangs_gets_the_exit_timeout_and_infinium_has_its_traces_by_then(tmp_path):
    program = """
        from infinium_integrations import trace
        with trace("run"): pass
    """
    with FaultServer() as platform, Receiver(then=Hang()) as receiver:
        run(program, environment_of(receiver, tmp_path / "store", platform, INFINIUM_EXIT_TIMEOUT=2), noisy=True)
        assert len(platform.accepted) == 1
    (path,) = files(tmp_path / "store", "outbox")
    assert "~infinium," in path.name


def test_the_same_trace_delivered_twice_has_the_same_ids(receiver, monkeypatch):
    with trace("Refund") as t:
        seven(t)
    flush(30)
    first = {(span.trace_id, span.id, span.parent) for span in receiver.spans}
    (task,) = traces()
    assert {span.id for span in receiver.spans} == {span_id_of(task.trace_id, number) for number in range(8)}
    (path,) = files(settings.current().store, "history")
    path.rename(
        Path(settings.current().store, "outbox", settings.current().otlp.key, path.name.partition("~")[0] + ".json.gz")
    )
    assert flush(30)
    assert len(receiver.bodies) == 2
    assert {(span.trace_id, span.id, span.parent) for span in receiver.spans} == first


# -- what a receiver answers -------------------------------------------------------------------------------------------


def test_after_two_503_a_trace_comes_once(monkeypatch):
    with Receiver([503, 503]) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert flush(60)
        assert (len(receiver.requests), len(receiver.spans)) == (3, 1)


def test_what_is_refused_with_400_is_rejected_and_said_once(monkeypatch, caplog):
    with Receiver(then=Reply(400, b"\x08\x03\x12\x07no good")) as receiver:
        use(monkeypatch, receiver.origin)
        for number in range(3):
            with trace(f"run {number}"):
                pass
        assert flush(60)
        assert len(receiver.requests) == 3
    assert (stats()["rejected"], stats()["pending"]) == (3, 0)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "The OTLP endpoint refused a trace: status 400; no good" in said
    assert len(files(settings.current().store, "rejected")) == 3
    assert {task.delivery.reason for task in traces()} == {"status 400; no good"}


def test_what_is_taken_in_part_is_said_once_and_not_sent_again(monkeypatch, caplog):
    with Receiver(then=taken(2, "too many attributes")) as receiver:
        use(monkeypatch, receiver.origin)
        for number in range(3):
            with trace(f"run {number}"):
                pass
        assert flush(60)
        assert len(receiver.requests) == 3
    assert stats()["sent"] == 3
    (said,) = [record.getMessage() for record in caplog.records]
    assert "2 spans were refused" in said
    assert "too many attributes" in said


def test_what_is_said_of_a_part_is_one_line_without_a_header_of_ours(monkeypatch, caplog):
    with Receiver(then=taken(2, "no quota\nfor my-secret-key")) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=my-secret-key")
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert flush(60)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "2 spans were refused): no quota for " in said
    assert "my-secret-key" not in said


def test_one_that_refuses_what_the_other_takes_leaves_the_trace_rejected_and_sent_again_to_that_one_alone(
    monkeypatch,
):
    with FaultServer() as platform, Receiver([Reply(400, "no good")]) as receiver:
        both(monkeypatch, platform, receiver)
        with trace("Refund"):
            pass
        assert flush(30)
        (task,) = traces()
        assert (task.delivery.status, task.delivery.reason) == ("rejected", "status 400; no good")
        assert (stats()["rejected"], stats()["sent"]) == (1, 0)
        assert runtime.current().delivery.reader.retry() == 1
        assert flush(30)
        (task,) = traces()
        assert task.delivery.status == "sent"
        assert (len(receiver.spans), len(platform.requests)) == (1, 1)
    (path,) = files(settings.current().store, "history")
    assert path.name.count("~") == 2


def test_what_can_not_be_read_as_spans_is_rejected_and_the_rest_flows(monkeypatch):
    with Receiver() as receiver:
        use(monkeypatch, receiver.origin)
        broken = {
            "name": "broken",
            "description": "x",
            "current_datetime": "2026-01-31T12:00:00Z",
            "duration": 1,
            "steps": [{"step_number": 1, "action": "custom", "description": "x", "metadata": 5}],
        }
        record = records.new_record("x-1", broken, json.dumps(broken).encode(), 1, {"status": "pending"})
        given = settings.current()
        StoreSelector(DeliveryCounters()).put(given, records.file_name(1, "x-1"), records.pack(record), given.otlp.key)
        with trace("Refund"):
            pass
        assert flush(30)
        assert [span.name for span in receiver.spans] == ["invoke_agent Refund"]
    assert (stats()["rejected"], stats()["pending"], stats()["faults"]) == (1, 0, 0)


def test_a_wrong_key_keeps_traces_and_shows_no_header(monkeypatch, caplog):
    with Receiver(then=Reply(401, {"error": "key my-secret-token is unknown"})) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=my-secret-token")
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert not flush(1)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "check OTEL_EXPORTER_OTLP_HEADERS" in said
    assert "my-secret" not in said
    assert stats()["pending"] == 1


# -- many, and processes that end --------------------------------------------------------------------------------------


def test_200_traces_of_100_steps_at_once_all_arrive(receiver):
    for number in range(200):
        with trace(f"run {number}") as t:
            for step in range(100):
                with t.step("custom", f"step {step}"):
                    pass
    assert flush(100)
    assert len(receiver.traces()) == 200
    assert len({(span.trace_id, span.id) for span in receiver.spans}) == len(receiver.spans) == 200 * 101
    assert receiver.orphans() == []


CHILDREN = """
    from infinium_integrations import trace, flush
    import multiprocessing
    def work(number):
        with trace(f"child {number}"): pass
    if __name__ == "__main__":
        context = multiprocessing.get_context("fork")
        with trace("parent"): pass
        children = [context.Process(target=work, args=(number,)) for number in range(4)]
        for child in children: child.start()
        for child in children: child.join()
        if os.fork() == 0:
            with trace("forked"): pass
            flush(40)
            os._exit(0)
        os.wait()
"""


def test_children_of_multiprocessing_and_one_that_leaves_without_a_word_after_a_flush_lose_nothing(tmp_path):
    with Receiver() as receiver:
        run(CHILDREN, environment_of(receiver, tmp_path / "store"))
        names = {f"invoke_agent child {number}" for number in range(4)}
        assert {span.name for span in receiver.spans} == names | {"invoke_agent parent", "invoke_agent forked"}
        assert set(receiver.traces().values()) == {1}


def test_what_a_killed_process_left_goes_with_its_own_resource(tmp_path):
    program = """
        from infinium_integrations import runtime, trace
        with trace("run"): pass
        runtime.current().delivery._writer.settle(time.monotonic() + 30)
        os.kill(os.getpid(), 9)
    """
    port = closed_port()
    env = environment_of(f"http://127.0.0.1:{port}", tmp_path / "store", OTEL_SERVICE_NAME="first")
    start(program, env).communicate(timeout=60)
    with Receiver(port=port) as receiver:
        run("import infinium_integrations as i; print(i.flush(30))", {**env, "OTEL_SERVICE_NAME": "second"})
        assert [span.resource["service.name"] for span in receiver.spans] == ["first"]


def test_importing_the_package_and_tracing_without_otlp_load_no_opentelemetry():
    program = """
        import infinium_integrations
        from infinium_integrations import trace, flush
        with trace("x"): pass
        flush()
        print([name for name in sys.modules if name.split(".")[0] in {"opentelemetry", "google"}])
    """
    assert run(program, environment(INFINIUM_STORE="memory")) == "[]\n"


@pytest.mark.parametrize("name", ["langchain", "trace", "client"])
def test_what_goes_by_otlp_looks_no_module_up_on_a_thread_of_ours(name, tmp_path):
    if name == "langchain":
        pytest.importorskip("langchain_core")
    with Receiver([Reply(503)]) as receiver:
        env = environment_of(receiver, tmp_path / "store", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
        assert looked_up(PROGRAMS[name], env) == "[]"
        assert receiver.spans


@pytest.mark.skipif(sys.platform == "win32", reason="the store's folder is not read there")
def test_a_service_of_another_key_gets_no_traces_that_are_not_its_own(tmp_path, monkeypatch):
    port = closed_port()
    store = tmp_path / "store"
    env = environment_of(f"http://127.0.0.1:{port}", store, OTEL_EXPORTER_OTLP_HEADERS="key=one")
    run("from infinium_integrations import trace\nwith trace('x'): pass", env, noisy=True)
    with Receiver(port=port) as receiver:
        env["OTEL_EXPORTER_OTLP_HEADERS"] = "key=two"
        run("import infinium_integrations as i; print(i.flush(30))", env)
        assert receiver.requests == []
        env["OTEL_EXPORTER_OTLP_HEADERS"] = "key=one"
        run("import infinium_integrations as i; print(i.flush(30))", env)
        assert len(receiver.spans) == 1


# -- what must be there ------------------------------------------------------------------------------------------------


def test_without_the_extra_it_is_said_how_to_get_it(receiver, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.common.trace_encoder", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'infinium-integrations\[otel\]'"):
        trace("Refund")
    with pytest.raises(ConfigurationError, match=r"\[otel\]"):
        configure(exporters="otlp")


def served(authority, *, asks_for=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks_for is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        asks_for.configure_trust(context)
    return context


def test_the_certificates_are_those_of_the_standard_variables(monkeypatch, tmp_path):
    authority, clients = trustme.CA(), trustme.CA()
    mine = clients.issue_cert("agent")
    names = {
        "CERTIFICATE": authority.cert_pem,
        "CLIENT_CERTIFICATE": mine.cert_chain_pems[0],
        "CLIENT_KEY": mine.private_key_pem,
    }
    for name, blob in names.items():
        blob.write_to_path(tmp_path / name)
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", str(tmp_path / name))
    with Receiver(tls=served(authority, asks_for=clients)) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert flush(30)
        assert len(receiver.spans) == 1


def test_a_certificate_that_is_not_trusted_keeps_traces(monkeypatch):
    with Receiver(tls=served(trustme.CA())) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert not flush(1)
        assert receiver.requests == []
    assert stats()["pending"] == 1


def test_a_file_that_holds_no_certificate_keeps_traces_and_is_said(monkeypatch, tmp_path, caplog):
    (tmp_path / "ca.pem").write_text("nothing")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
    with Receiver(tls=served(trustme.CA())) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert not flush(1)
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in caplog.text
    assert stats()["pending"] == 1


@pytest.mark.parametrize("kept", ["memory", "off"])
def test_traces_kept_in_memory_go_to_both_too(monkeypatch, kept):
    with FaultServer() as platform, Receiver([503]) as receiver:
        monkeypatch.setenv("INFINIUM_STORE", kept)
        both(monkeypatch, platform, receiver)
        for number in range(5):
            with trace(f"run {number}"):
                pass
        assert flush(30)
        assert (len(platform.accepted), len(receiver.traces())) == (5, 5)
        assert (stats()["sent"], stats()["pending"]) == (5, 0)


def test_a_receiver_that_answers_in_json_is_understood(monkeypatch, caplog):
    partial = {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}
    endless = '{"partialSuccess": {"rejectedSpans": Infinity}}'
    with Receiver([Reply(200, {}), Reply(200, "nonsense"), Reply(200, endless), Reply(200, partial)]) as receiver:
        use(monkeypatch, receiver.origin)
        for number in range(4):
            with trace(f"run {number}"):
                pass
            assert flush(30)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "3 spans were refused): too old" in said

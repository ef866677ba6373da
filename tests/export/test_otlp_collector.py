"""Through a real Collector."""

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from delivery_kit import files, start
from faultserver import FaultServer, Reset
from otlp_receiver import Receiver, seven, taken
from rotel_collector import collector
from test_otlp import environment_of, use
from test_processes import until

from infinium_integrations import flush, trace, traces

WORK = """
    from infinium_integrations import flush, trace
    for number in range(25):
        with trace(f"run {number}") as t:
            for step in range(4):
                with t.step("tool_use", f"step {step}"): pass
    print(flush(60))
"""


def test_a_trace_of_seven_steps_goes_through_a_collector_unchanged(monkeypatch):
    with Receiver() as receiver, collector(receiver.origin) as origin:
        use(monkeypatch, origin)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "support-bot")
        with trace("Refund", metadata={"session_id": "s-1"}) as t:
            seven(t)
        assert flush(60)
        until(lambda: len(receiver.spans) >= 8)
        spans = receiver.spans
        (task,) = traces()
    assert len(spans) == 8
    assert {span.trace_id for span in spans} == {task.trace_id.replace("-", "")}
    assert receiver.orphans() == []
    names = {span.name: span for span in spans}
    root, agent = names["invoke_agent Refund"], names["invoke_agent support"]
    assert (root.parent, agent.parent) == (None, root.id)
    assert {span.parent for span in spans} == {None, root.id, agent.id, names["retrieval Search the handbook"].id}
    assert {span.kind for span in spans} == {"INTERNAL", "CLIENT"}
    assert names["execute_tool refund"].failed
    assert names["execute_tool refund"].attributes["error.type"] == "LookupError"
    assert names["execute_tool refund"].events["exception"]["exception.message"] == "no such order"
    started = {step.step_number: step.metadata["started_ms"] for step in task.steps}
    for span in spans:
        if span is not root:
            assert abs((span.start - root.start) / 1e6 - started[span.attributes["infinium.step"]]) <= 1
    assert sum(span.attributes.get("gen_ai.usage.input_tokens", 0) for span in spans) == task.llm_usage.prompt_tokens
    assert (
        sum(span.attributes.get("gen_ai.usage.output_tokens", 0) for span in spans) == task.llm_usage.completion_tokens
    )


def test_four_processes_at_once_give_100_traces_and_no_orphan(tmp_path):
    with Receiver() as receiver, collector(receiver.origin) as origin:
        env = environment_of(origin, tmp_path / "store")
        started = [start(WORK, env) for _ in range(4)]
        for process in started:
            out, err = process.communicate(timeout=90)
            assert (out, err) == ("True\n", "")
        until(lambda: len(receiver.spans) >= 500)
    assert len(receiver.traces()) == 100
    assert len({(span.trace_id, span.id) for span in receiver.spans}) == len(receiver.spans) == 500
    assert receiver.orphans() == []


def test_a_collector_that_is_down_at_exit_loses_nothing(tmp_path):
    with Receiver() as receiver:
        with collector(receiver.origin) as origin:
            env = environment_of(origin, tmp_path / "store")
        out, err = start(WORK.replace("flush(60)", "flush(1)"), env).communicate(timeout=90)
        assert (out, "not delivered yet" in err) == ("False\n", True)
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = origin
        port = origin.rpartition(":")[2]
        with Receiver(port=int(port)) as late:
            out, err = start("import infinium_integrations as i; print(i.flush(60))", env).communicate(timeout=90)
            assert (out, err) == ("True\n", "")
            assert len(late.traces()) == 25


UNSURE = """
    from infinium_integrations import flush, trace
    for number in range(20):
        with trace(f"run {number}"): pass
    flush(2)
    if KILLED: os.kill(os.getpid(), 9)
"""


@pytest.mark.full
@pytest.mark.timeout(300)
def test_processes_that_are_killed_and_receivers_that_fail_lose_nothing_and_nobody_gets_a_trace_twice(tmp_path):
    store = tmp_path / "store"
    failing = [503, Reset(), 429, *[None] * 4]
    with (
        FaultServer([step or 201 for step in failing * 4]) as platform,
        Receiver([step or taken() for step in failing * 4]) as receiver,
    ):
        env = environment_of(receiver, store, platform, INFINIUM_EXIT_TIMEOUT=5)
        started = [start(UNSURE.replace("KILLED", str(number % 2)), env) for number in range(4)]
        for process in started:
            process.communicate(timeout=120)
        out, _ = start("import infinium_integrations as i; print(i.flush(120))", env).communicate(timeout=150)
        assert out == "True\n"
        assert (len(platform.accepted), set(platform.accepted.values())) == (80, {1})
        assert (len(receiver.traces()), set(receiver.traces().values())) == (80, {1})
    assert files(store, "outbox") == files(store, "rejected") == []
    assert all("~infinium," in path.name and "~otlp," in path.name for path in files(store, "history"))

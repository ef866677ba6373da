"""In which span a trace stands, and what joins it: W3C's trace context, in and out."""

import asyncio
import contextlib
import contextvars
import sys
import threading

import httpx
import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from faultserver import FaultServer
from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider, sampling
from otlp_receiver import Receiver
from test_otlp import both, use

from infinium_integrations import TraceBuilder, current_trace, flush, runtime, settings, stats, trace, traces

AROUND = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{AROUND[0]}-{AROUND[1]}-01"


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as found:
        use(monkeypatch, found.origin)
        yield found


def spans_of(receiver):
    assert flush(30)
    return {span.name: span for span in receiver.spans}


# -- in ----------------------------------------------------------------------------------------------------------------


def test_a_trace_in_a_span_of_the_users_is_part_of_its_trace_below_that_span(receiver):
    tracer = TracerProvider().get_tracer("web")
    with tracer.start_as_current_span("GET /") as span, trace("Refund") as t, t.step("custom", "look"):
        pass
    found, around = spans_of(receiver), span.get_span_context()
    assert {one.trace_id for one in found.values()} == {f"{around.trace_id:032x}"}
    assert found["invoke_agent Refund"].parent == f"{around.span_id:016x}"
    assert found["look"].parent == found["invoke_agent Refund"].id


@pytest.mark.parametrize("header", [HEADER, HEADER.encode(), f" {HEADER} ", HEADER.replace("00-", "01-", 1) + "-more"])
def test_a_traceparent_that_is_given_is_where_a_trace_stands(receiver, header):
    with trace("Refund", traceparent=header):
        pass
    root = spans_of(receiver)["invoke_agent Refund"]
    assert (root.trace_id, root.parent) == AROUND


def test_a_traceparent_that_is_given_goes_before_a_span_that_is_current(receiver):
    with TracerProvider().get_tracer("web").start_as_current_span("GET /"), trace("Refund", traceparent=HEADER):
        pass
    assert spans_of(receiver)["invoke_agent Refund"].trace_id == AROUND[0]


@pytest.mark.parametrize(
    "header",
    [
        "",
        None,
        "nonsense",
        HEADER[:-1],
        "ff" + HEADER[2:],
        HEADER.upper(),
        HEADER + "-x",
        7,
        "00-" + "0" * 32 + HEADER[35:],
    ],
)
def test_a_traceparent_that_is_none_is_passed_over_and_said_once(receiver, caplog, header):
    for _ in range(2):
        with trace("Refund", traceparent=header):
            pass
    assert spans_of(receiver)["invoke_agent Refund"].parent is None
    assert len(caplog.records) == (0 if header in ("", None) else 1)


def test_a_decorated_function_joins_too(receiver):
    @trace("Refund", traceparent=HEADER)
    def refund():
        return "done"

    refund()
    assert spans_of(receiver)["invoke_agent Refund"].trace_id == AROUND[0]


@pytest.mark.parametrize("how", ["a span", "a header"])
def test_what_is_not_sampled_goes_to_infinium_and_not_by_otlp(monkeypatch, how):
    with FaultServer() as platform, Receiver() as receiver:
        both(monkeypatch, platform, receiver)
        if how == "a span":
            provider = TracerProvider(sampler=sampling.ALWAYS_OFF)
            with provider.get_tracer("web").start_as_current_span("GET /"), trace("Refund"):
                assert current_trace().traceparent.endswith("-00")
        else:
            with trace("Refund", traceparent=HEADER[:-1] + "0"):
                assert current_trace().traceparent.endswith("-00")
        assert flush(30)
        assert (len(platform.accepted), receiver.requests) == (1, [])


def test_what_is_not_sampled_is_kept_here_where_nobody_else_gets_it(receiver, caplog):
    with trace("Refund", traceparent=HEADER[:-1] + "0"):
        pass
    assert flush(30)
    assert (receiver.requests, stats()["local"], caplog.records) == ([], 1, [])
    assert [task.delivery.status for task in traces()] == ["local"]


@pytest.mark.parametrize("around", [None, lambda: TracerProvider().get_tracer("web").start_as_current_span("GET /")])
def test_a_resumed_trace_is_linked_to_the_one_that_it_goes_on_with(receiver, around):
    pytest.importorskip("langgraph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, StateGraph
    from langgraph.types import Command, interrupt
    from typing_extensions import TypedDict

    from infinium_integrations.langchain import InfiniumCallbackHandler

    class State(TypedDict):
        answer: str

    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"answer": interrupt("sure?")})
    graph.add_edge(START, "ask")
    config = {"configurable": {"thread_id": "t"}, "callbacks": [InfiniumCallbackHandler(name="Ask")]}
    app = graph.compile(checkpointer=InMemorySaver())
    with around() if around is not None else contextlib.nullcontext():
        app.invoke({"answer": ""}, config)
    app.invoke(Command(resume="yes"), config)
    assert flush(30)
    first, second = sorted(
        (span for span in receiver.spans if span.name == "invoke_workflow Ask"), key=lambda span: span.start
    )
    assert (first.attributes["infinium.status"], first.failed) == ("interrupted", False)
    assert (first.parent is None) == (around is None)
    assert second.links == [(first.trace_id, first.id)]


# -- out ---------------------------------------------------------------------------------------------------------------


def test_a_header_names_the_innermost_step_around_the_caller(receiver):
    told = {}
    with trace("Refund") as t:
        told["invoke_agent Refund"] = current_trace().traceparent
        with t.step("custom", "look"):
            told["look"] = current_trace().traceparent
            with t.step("custom", "deeper"):
                told["deeper"] = t.traceparent
        assert current_trace().traceparent == told["invoke_agent Refund"]
    found = spans_of(receiver)
    for name, header in told.items():
        assert header == f"00-{found[name].trace_id}-{found[name].id}-01"


def test_a_header_in_a_tool_of_langchain_names_the_tool(receiver):
    tools = pytest.importorskip("langchain_core.tools")
    from infinium_integrations.langchain import InfiniumCallbackHandler

    told = []

    @tools.tool
    def search(text: str) -> str:
        """Search."""
        told.append(current_trace().traceparent)
        return text

    with trace("Refund"):
        search.invoke("x", config={"callbacks": [InfiniumCallbackHandler()]})
    search.invoke("x", config={"callbacks": [InfiniumCallbackHandler()]})
    assert flush(30)
    found = sorted((span for span in receiver.spans if span.name == "execute_tool search"), key=lambda span: span.start)
    assert told == [f"00-{span.trace_id}-{span.id}-01" for span in found]


def test_a_service_that_is_called_joins_the_trace(receiver):
    with trace("Caller") as t, t.step("tool_use", "call"):
        header = current_trace().traceparent

    def serve():
        with trace("Service", traceparent=header):
            pass

    thread = threading.Thread(target=contextvars.Context().run, args=(serve,))
    thread.start()
    thread.join(30)
    found = spans_of(receiver)
    assert found["invoke_agent Service"].parent == found["execute_tool call"].id
    assert len({span.trace_id for span in found.values()}) == 1
    assert receiver.orphans() == []


def test_a_step_keeps_the_id_that_was_told_where_one_before_it_is_folded_away(receiver):
    recorder = runtime.current().recorder
    with trace("Refund") as t:
        plumbing = recorder.create(t._scope, "chain", "plumbing")
        recorder.open(plumbing)
        with t.step("custom", "look"):
            header = t.traceparent
        recorder.finish(plumbing, "ok")
        recorder.fold(plumbing)
        with t.step("custom", "next"):
            pass
    found = spans_of(receiver)
    assert header.split("-")[2] == found["look"].id
    assert len({span.id for span in found.values()}) == len(found) == 3


def test_a_step_that_a_service_refers_to_is_not_folded_away(receiver):
    recorder = runtime.current().recorder
    with trace("Refund") as t:
        plumbing = recorder.create(t._scope, "chain", "plumbing")
        recorder.open(plumbing)
        header = TraceBuilder.over(recorder, plumbing).traceparent
        recorder.finish(plumbing, "ok")
        recorder.fold(plumbing)
    assert header.split("-")[2] == spans_of(receiver)["plumbing"].id


def test_a_trace_by_hand_has_a_header_too():
    builder = TraceBuilder("Refund")
    with builder.step("custom", "look"):
        inner = builder.traceparent
    assert inner != builder.traceparent
    assert inner[:36] == builder.traceparent[:36] == f"00-{builder.trace_id.replace('-', '')}-"


# -- the context itself ------------------------------------------------------------------------------------------------


def test_200_runs_of_langchain_leave_the_context_of_opentelemetry_as_it_was(receiver, monkeypatch):
    runnables = pytest.importorskip("langchain_core.runnables")
    from infinium_integrations.langchain import InfiniumCallbackHandler

    def refuse(*_):
        raise AssertionError("attached")

    seen = []
    chain = runnables.RunnableLambda(lambda x: seen.append(otel.get_current_span()) or x) | (lambda x: x)
    config = {"callbacks": [InfiniumCallbackHandler()]}

    async def stream():
        async for _ in chain.astream("x", config):
            break  # whoever leaves a stream leaves no context behind

    with TracerProvider().get_tracer("web").start_as_current_span("GET /") as span:
        monkeypatch.setattr(otel_context, "attach", refuse)
        before = otel_context.get_current()
        for number in range(200):
            chain.invoke("x", config) if number % 4 else asyncio.run(stream())
        assert otel_context.get_current() == before
        assert otel.get_current_span() is span
        monkeypatch.undo()
    assert set(seen) == {span}


def test_a_program_that_has_not_loaded_opentelemetry_is_not_even_asked_for_a_span(receiver, monkeypatch):
    asked = []
    monkeypatch.setattr("infinium_integrations.recording.recorder.current_span", lambda: asked.append(1))
    with trace("beside it"):
        pass
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    with trace("without it"):
        pass
    assert (spans_of(receiver).keys(), asked) == ({"invoke_agent beside it", "invoke_agent without it"}, [1])


def test_our_own_requests_are_no_spans_where_httpx_is_instrumented(receiver, monkeypatch):
    wrapt = pytest.importorskip("wrapt", reason="by which instrumentations wrap")
    seen = []

    def instrument(wrapped, _, args, kwargs):
        seen.append(args)
        return wrapped(*args, **kwargs)

    wrapper = wrapt.FunctionWrapper(httpx.HTTPTransport.handle_request, instrument)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", wrapper)
    with trace("Refund"):
        pass
    assert len(spans_of(receiver)) == 1
    httpx.get(receiver.origin)
    assert len(seen) == 1  # the user's own


def test_settings_are_as_they_were():
    assert settings.current().otlp is None

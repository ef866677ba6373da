"""Registered once for the process: twice is once, off is off, and other people's handlers are left alone."""

import asyncio
import copy
import gc

import pytest
from kit import Scripted, add, an_engine, ended, one, status
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
from llama_index.core.llms import MockLLM
from pydantic import Field

from infinium_integrations import instrument, uninstrument
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.llama_index import InfiniumEventHandler, streams


class Listening(BaseEventHandler):
    seen: list = Field(default_factory=list)

    @classmethod
    def class_name(cls):
        return "Listening"

    def handle(self, event, **kwargs):
        self.seen.append(event.class_name())


@pytest.fixture(autouse=True)
def lists_are_put_back():
    root = get_dispatcher()
    before = list(root.event_handlers), list(root.span_handlers)
    yield
    now = root.event_handlers, root.span_handlers
    root.event_handlers, root.span_handlers = before
    assert [len(handlers) for handlers in now] == [len(handlers) for handlers in before]


def test_registered_twice_records_once(caught):
    handler = InfiniumEventHandler().register().register()
    an_engine(MockLLM(max_tokens=2)).query("q?")
    handler.unregister()
    one(caught)


def test_unregistered_once_is_off(caught):
    handler = InfiniumEventHandler().register().register()
    handler.unregister()
    root = get_dispatcher()
    assert not any(other is handler for other in root.event_handlers)
    assert not any(other is handler.span_handler for other in root.span_handlers)
    an_engine(MockLLM(max_tokens=2)).query("q?")
    handler.unregister()
    ended(caught, 0)


def test_of_several_the_latest_records(caught):
    engine = an_engine(MockLLM(max_tokens=2))
    with InfiniumEventHandler(name="first"):
        with InfiniumEventHandler(name="second"):
            engine.query("q?")
        engine.query("q?")
    assert [trace.name for trace in ended(caught, 2)] == ["second", "first"]


def test_both_lists_are_replaced_and_never_changed(caught):
    root = get_dispatcher()
    events, spans = root.event_handlers, root.span_handlers
    kept = list(events), list(spans)
    with InfiniumEventHandler() as handler:
        assert root.event_handlers[-1] is handler
        assert root.span_handlers[-1] is handler.span_handler
        assert root.event_handlers is not events
    assert (list(events), list(spans)) == kept


def test_unregistering_in_the_middle_finishes_the_run_and_others_miss_nothing(caught):
    listening = Listening(seen=[])
    handler = InfiniumEventHandler().register()
    get_dispatcher().add_event_handler(listening)

    def stop(a: int) -> str:
        """Stop tracing."""
        handler.unregister()
        return "stopped"

    async def go():
        llm = Scripted(replies=[("stop", [("stop", {"a": 1})]), "done"])
        await FunctionAgent(tools=[stop], llm=llm).run("go")

    asyncio.run(go())
    root = get_dispatcher()
    assert not any(other is handler for other in root.event_handlers)
    assert listening.seen.count("LLMChatStartEvent") == listening.seen.count("LLMChatEndEvent") == 2
    trace = one(caught)
    assert status(trace) == "ok"
    assert trace.output_summary == "done"
    get_dispatcher().event_handlers = [other for other in root.event_handlers if other is not listening]


def test_a_stream_read_after_the_scope_is_still_seen_to_its_end(caught):
    with InfiniumEventHandler() as handler:
        response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
    list(response.response_gen)
    assert one(caught).output_summary.split() == ["one", "two"]
    an_engine(MockLLM(max_tokens=2)).query("not seen")
    assert len(caught) == 1
    assert not any(other is handler for other in get_dispatcher().event_handlers)


def test_an_equal_handler_of_another_is_left_alone(caught):
    class Twin(InfiniumEventHandler):
        pass

    other = Listening(seen=[])
    get_dispatcher().add_event_handler(other)
    handler, twin = InfiniumEventHandler(), Twin()
    assert handler != twin
    with handler:
        pass
    assert any(one_ is other for one_ in get_dispatcher().event_handlers)
    get_dispatcher().event_handlers = [one_ for one_ in get_dispatcher().event_handlers if one_ is not other]


def test_instrument_traces_every_run_until_uninstrument(caught):
    instrument("llama_index", name="All")
    instrument("llama_index", name="All of them")
    an_engine(MockLLM(max_tokens=2)).query("q?")
    uninstrument("llama_index")
    an_engine(MockLLM(max_tokens=2)).query("q?")
    assert one(caught).name == "All of them"


def test_a_copied_handler_is_the_same_handler():
    handler = InfiniumEventHandler()
    assert copy.deepcopy(handler) is handler
    assert copy.copy(handler) is handler


def test_making_a_handler_registers_nothing(caught):
    before = list(get_dispatcher().event_handlers)
    InfiniumEventHandler()
    assert get_dispatcher().event_handlers == before


def test_it_works_beside_the_token_counter(traces):
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = MockLLM(max_tokens=3, callback_manager=CallbackManager([counter]))
    llm.complete("hello you")
    assert counter.total_llm_token_count == 5
    one(traces)


def test_it_works_beside_openinference(caught):
    openinference = pytest.importorskip("openinference.instrumentation.llama_index")
    trace_sdk = pytest.importorskip("opentelemetry.sdk.trace")
    instrumentor = openinference.LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=trace_sdk.TracerProvider())
    try:
        with InfiniumEventHandler():
            response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
            assert "".join(response.response_gen).split() == ["one", "two"]
            del response
    finally:
        instrumentor.uninstrument()
    assert status(one(caught)) == "ok"


def test_shutting_the_dispatcher_down_ends_what_is_open(caught):
    with InfiniumEventHandler():
        response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
        get_dispatcher().shutdown()
        assert len(caught) == 1
        list(response.response_gen)
    del response
    gc.collect()
    streams.poll()
    assert len(caught) == 1


def test_tracing_switched_off_records_nothing(caught, monkeypatch):
    from infinium_integrations import runtime

    runtime.current().tracing = False
    with InfiniumEventHandler():
        an_engine(MockLLM(max_tokens=2)).query("q?")
    assert not caught


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="nonsense"):
        InfiniumEventHandler(nonsense=1)


def test_a_module_that_does_not_pass_on_is_not_seen_and_does_no_harm(traces):
    dispatcher = get_dispatcher("llama_index.core.llms.callbacks")
    dispatcher.propagate = False
    try:
        an_engine(Scripted(replies=["a"])).query("q?")
    finally:
        dispatcher.propagate = True
    trace = one(traces)
    assert status(trace) == "ok"
    assert add(1, 2) == 3

"""Beside other handlers: each sees what it sees without us, event for event, and ours loses nothing."""

import asyncio
import re
import threading
from contextlib import contextmanager

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import PromptTemplate
from langchain_core.tracers.context import collect_runs
from lc_support import Hold

import infinium_integrations as infinium
from infinium_integrations.langchain import InfiniumCallbackHandler

EVENTS = [
    f"on_{what}_{when}" for what in ("chain", "chat_model", "llm") for when in ("start", "new_token", "end", "error")
]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def seen_by(base, *, run_inline=False):
    """A handler with a list of what it was told."""
    handler = base()
    handler.run_inline = run_inline
    handler.seen = []

    for event in EVENTS:

        def told(*given, event=event, run_id, parent_run_id=None, **kwargs):
            handler.seen.append((run_id, parent_run_id, event, UUID.sub("", repr(given[-1]))))

        async def told_async(*given, event=event, run_id, parent_run_id=None, **kwargs):
            handler.seen.append((run_id, parent_run_id, event, UUID.sub("", repr(given[-1]))))

        setattr(handler, event, told_async if base is AsyncCallbackHandler else told)
    return handler


def in_order(seen):
    """Events with their runs' ids numbered in the order of their appearance."""
    runs = {None: None}
    return [(runs.setdefault(run, len(runs)), runs.setdefault(parent, len(runs)), *rest) for run, parent, *rest in seen]


def run_by_run(seen):
    """The events of each run, in order; LangChain tells of the runs of a batch at once, from as many threads."""
    runs = {}
    for run, _, *rest in seen:
        runs.setdefault(run, []).append(rest)
    return sorted(runs.values())


def sync_one():
    return seen_by(BaseCallbackHandler)


def async_one():
    return seen_by(AsyncCallbackHandler)


def inline_one():
    return seen_by(BaseCallbackHandler, run_inline=True)


OTHERS = {
    "sync": [sync_one],
    "inline": [inline_one],
    "sync and async": [sync_one, async_one],
    "all kinds": [sync_one, async_one, inline_one],
}


def text():
    return FakeStreamingListLLM(responses=["hello", "there"])


def chat():
    return FakeListChatModel(responses=["hello", "there"])


def chain_of_text():
    return PromptTemplate.from_template("{x}") | text()


def chain_of_chat():
    return PromptTemplate.from_template("{x}") | chat()


MODELS = [text, chat, chain_of_text, chain_of_chat]


def asked(model):
    return [{"x": "one"}, {"x": "two"}] if model.__name__.startswith("chain") else ["one", "two"]


@contextmanager
def ours(how):
    """Yield our handlers for ``callbacks``; with ``instrument`` in it there is one of the process's too."""
    if "instrument" in how:
        infinium.instrument()
    try:
        yield [InfiniumCallbackHandler()] * how.count("callbacks")
    finally:
        infinium.uninstrument()


def invoke(runnable, inputs, config):
    return [runnable.invoke(inputs[0], config)]


def batch(runnable, inputs, config):
    return runnable.batch(inputs, {**config, "max_concurrency": 1})


def stream(runnable, inputs, config):
    return list(runnable.stream(inputs[0], config))


async def ainvoke(runnable, inputs, config):
    return [await runnable.ainvoke(inputs[0], config)]


async def abatch(runnable, inputs, config):
    return await runnable.abatch(inputs, {**config, "max_concurrency": 1})


async def astream(runnable, inputs, config):
    return [chunk async for chunk in runnable.astream(inputs[0], config)]


def events_of(version):
    async def astream_events(runnable, inputs, config):
        return [event async for event in runnable.astream_events(inputs[0], config, version=version)]

    return astream_events


def told(make, way, others, more=()):
    """What a run gives, and what each of the others is told of it."""
    handlers = [other() for other in others]
    callbacks = [*handlers, *more]
    given = way(make(), asked(make), {"callbacks": callbacks} if callbacks else {})
    given = asyncio.run(given) if asyncio.iscoroutine(given) else given
    shown = run_by_run if way is abatch else in_order
    return without_ids(given), [shown(handler.seen) for handler in handlers]


def without_ids(given):
    return UUID.sub("", repr(given))


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("how", ["instrument", "callbacks, callbacks", "instrument, callbacks"])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("way", [invoke, batch, stream, ainvoke, abatch, astream])
def test_other_handlers_see_the_same_events_in_the_same_order(traces, make, way, how, others):
    expected = told(make, way, others)
    assert expected[1][0], "the others are told something"
    with ours(how) as more:
        assert told(make, way, others, more) == expected
    assert len(traces) == (2 if "batch" in way.__name__ else 1)
    for trace, prompt in zip(traces, ["one", "two"], strict=False):
        assert trace.status == "ok"
        assert trace.input_summary is not None
        assert prompt in trace.input_summary
        assert [step.action for step in trace.steps].count("llm_inference") == 1


@pytest.mark.filterwarnings("ignore:astream_events")  # v1 is deprecated
@pytest.mark.parametrize("how", ["instrument", "callbacks", "instrument, callbacks"])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_event_stream_is_the_same(traces, make, version, how):
    expected = told(make, events_of(version), [])
    assert "on_llm_start" in expected[0] or "on_chat_model_start" in expected[0]
    with ours(how) as more:
        assert told(make, events_of(version), [], more) == expected
    assert len(traces) == 1


@pytest.mark.parametrize("how", ["instrument", "callbacks"])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("way", [invoke, batch, stream, ainvoke, abatch, astream])
def test_collect_runs_collects_the_same(traces, make, way, how):
    def tree(run):
        return (run.name, run.run_type, without_ids(run.outputs), [tree(child) for child in run.child_runs])

    def collected(more=()):
        with collect_runs() as found:
            told(make, way, [], more)
        return [tree(run) for run in found.traced_runs]

    if not (expected := collected()):
        pytest.skip("this LangChain collects nothing with this LangSmith")
    with ours(how) as more:
        assert sorted(collected(more), key=repr) == sorted(expected, key=repr)  # runs of a batch end in any order


@pytest.mark.parametrize("make", MODELS)
def test_prompts_of_one_batch_are_each_told_once(traces, make):
    class Starts(BaseCallbackHandler):
        def __init__(self):
            self.prompts = []

        def on_llm_start(self, serialized, prompts, **kwargs):
            self.prompts += prompts

        def on_chat_model_start(self, serialized, messages, **kwargs):
            self.prompts += [message.content for message in messages[0]]

    starts, prompts = Starts(), [f"prompt {at}" for at in range(20)]
    inputs = [{"x": prompt} for prompt in prompts] if "chain" in make.__name__ else prompts
    with ours("instrument"):
        asyncio.run(make().abatch(inputs, {"callbacks": [starts]}))
    assert sorted(starts.prompts) == sorted(prompts)
    assert sorted(re.search(r"prompt \d+", trace.input_summary)[0] for trace in traces) == sorted(prompts)


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_ours_is_called_in_the_thread_of_the_loop(traces, others):
    threads = set()

    class Noting(InfiniumCallbackHandler):
        def on_llm_start(self, *args, **kwargs):
            threads.add(threading.get_ident())
            super().on_llm_start(*args, **kwargs)

    told(text, ainvoke, others, [Noting()])
    assert threads == {threading.get_ident()}
    assert len(traces) == 1


class Hanging(FakeStreamingListLLM):
    """A text model that never answers."""

    hold: Hold

    async def _acall(self, *args, **kwargs):
        await self.hold.wait_async()


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_a_text_model_that_is_cancelled_beside_others_is_cancelled(traces, others):
    async def scene():
        hold, handlers = Hold(), [other() for other in others]
        task = asyncio.create_task(Hanging(responses=[], hold=hold).ainvoke("hi", {"callbacks": handlers}))
        await hold.until_reached()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with ours("instrument"):
        asyncio.run(scene())
    assert [trace.status for trace in traces] == ["cancelled"]


class Slow(AsyncCallbackHandler):
    """Takes the start of a model's run for ever."""

    def __init__(self):
        self.hold = Hold()

    async def on_llm_start(self, *args, **kwargs):
        await self.hold.wait_async()

    on_chat_model_start = on_llm_start


@pytest.mark.parametrize("make", [text, chat])
def test_a_model_that_is_cancelled_while_another_handler_is_told_of_its_start_is_cancelled(traces, make):
    async def scene():
        slow = Slow()
        task = asyncio.create_task(make().ainvoke("hi", {"callbacks": [slow]}))
        await slow.hold.until_reached()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with ours("instrument"):
        asyncio.run(scene())
    assert [trace.status for trace in traces] == ["cancelled"]


@pytest.mark.parametrize("make", [text, chat])
def test_a_model_that_another_handler_forbids_leaves_no_open_run(traces, make):
    class Forbidding(AsyncCallbackHandler):
        raise_error = True

        async def on_llm_start(self, *args, **kwargs):
            raise PermissionError

        on_chat_model_start = on_llm_start

    with ours("instrument"), pytest.raises(PermissionError):
        asyncio.run(make().ainvoke("hi", {"callbacks": [Forbidding()]}))
    assert [trace.status for trace in traces] == ["cancelled"]


@pytest.mark.parametrize("others", [[], [sync_one]], ids=["alone", "beside another"])
def test_a_text_stream_goes_on_past_the_start_of_its_model(traces, others):
    with ours("instrument"):
        told(text, astream, others)
    assert [(trace.status, trace.output_summary) for trace in traces] == [("ok", "hello")]

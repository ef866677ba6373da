"""What tracing LlamaIndex costs the caller's thread, in one run: a handler that does nothing, ours, and OpenInference.

    tox -e bench -- benchmarks/llama_index_events.py

Q1 is a query (retrieval, embedding, model), Q2 the same streamed with 500 tokens, Q3 a FunctionAgent with 3 tool
calls. All take turns in one process; the numbers are medians of the calling thread's CPU time in milliseconds, what is
added to the bare program, and how many times cheaper ours is. Peers that are not installed are left out. Traces are
written to a folder, as in real use.
"""

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
os.environ.setdefault("INFINIUM_STORE", tempfile.mkdtemp())

from kit import Scripted, add, an_index
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
from llama_index.core.instrumentation.span_handlers.base import BaseSpanHandler

from infinium_integrations import shutdown
from infinium_integrations.llama_index import InfiniumEventHandler

ROUNDS = int(os.environ.get("ROUNDS", "30"))
TOKENS = 500


class NoEvents(BaseEventHandler):
    @classmethod
    def class_name(cls):
        return "NoEvents"

    def handle(self, event, **kwargs):
        pass


class NoSpans(BaseSpanHandler):
    def span_enter(self, *args, **kwargs):
        pass

    span_exit = span_drop = new_span = prepare_to_exit_span = prepare_to_drop_span = span_enter


class Registered:
    """A pair of handlers that is put on the dispatcher and taken away."""

    def __init__(self, events, spans):
        self.events, self.spans = events, spans

    def __enter__(self):
        root = get_dispatcher()
        root.span_handlers = [*root.span_handlers, self.spans]
        root.event_handlers = [*root.event_handlers, self.events]

    def __exit__(self, *failure):
        root = get_dispatcher()
        root.span_handlers = [other for other in root.span_handlers if other is not self.spans]
        root.event_handlers = [other for other in root.event_handlers if other is not self.events]


class Nothing:
    def __enter__(self):
        pass

    def __exit__(self, *failure):
        pass


def openinference():
    """OpenInference's handlers with spans that are batched and thrown away; None where it is not installed."""
    try:
        from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    except ImportError:
        return None

    class Away(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Away()))
    instrumentor = LlamaIndexInstrumentor()
    root = get_dispatcher()
    before = list(root.event_handlers), list(root.span_handlers)
    instrumentor.instrument(tracer_provider=provider)
    pair = Registered(root.event_handlers[-1], root.span_handlers[-1])
    root.event_handlers, root.span_handlers = before
    return pair


INDEX = an_index("the sky is blue", "the sea is salty")


def q1():
    engine = INDEX.as_query_engine(llm=Scripted(replies=["It is blue."]))
    return lambda: engine.query("Which colour?")


def q2():
    engine = INDEX.as_query_engine(llm=Scripted(replies=[" ".join(["token"] * TOKENS)]), streaming=True)

    def run():
        for _ in engine.query("Which colour?").response_gen:
            pass

    return run


def q3():
    calls = [(f"turn {at}", [("add", {"a": at, "b": 1})]) for at in range(3)]
    agent = FunctionAgent(tools=[add], llm=Scripted(replies=[*calls, "done"]))

    async def go():
        await agent.run("Add.")

    return lambda: asyncio.run(go())


def measure(make, scope):
    run = make()
    with scope:
        began = time.thread_time()
        run()
        return (time.thread_time() - began) * 1000


def main():
    scopes = {"bare": Nothing(), "no-op": Registered(NoEvents(), NoSpans()), "infinium": InfiniumEventHandler()}
    peer = openinference()
    if peer is not None:
        scopes["openinference"] = peer
    added = {name: report(name, make, scopes) for name, make in (("Q1", q1), ("Q2", q2), ("Q3", q3))}
    q1_own, q2_own = (added[name]["infinium"] - added[name]["no-op"] for name in ("Q1", "Q2"))
    print(f"a streamed token costs {(q2_own - q1_own) * 1000 / TOKENS:.1f} µs over one of a handler that does nothing")
    shutdown(5)


def report(name, make, scopes):
    taken = {scope: [] for scope in scopes}
    for at in range(ROUNDS + 3):
        for scope, handler in scopes.items():
            gc.collect()
            spent = measure(make, handler)
            if at >= 3:
                taken[scope].append(spent)
    bare = statistics.median(taken["bare"])
    added = {scope: statistics.median(spent) - bare for scope, spent in taken.items()}
    line = "  ".join(f"{scope} +{added[scope]:.2f} ms" for scope in scopes if scope != "bare")
    print(f"{name}  bare {bare:.2f} ms  {line}")
    if "openinference" in scopes:
        times = added["openinference"] / max(added["infinium"], 0.001)
        print(f"    {times:.1f} times cheaper than OpenInference")
    return added


if __name__ == "__main__":
    main()

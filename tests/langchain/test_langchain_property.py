"""With ``detail="full"`` our tree of any run is the one that langchain-core's own collector sees."""

import asyncio
import contextlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import StructuredTool
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.graph import START, StateGraph
from lc_support import Model, TokenUsage, one

from infinium_integrations import runtime
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.testing import captured_traces

pytestmark = pytest.mark.filterwarnings("ignore:The `copy` method is deprecated")  # older LangChain's own


class Expected(Exception):
    """What a leaf raises that is meant to fail."""


class StoreSelector(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("found")]


def text(x: Any) -> str:
    return x if isinstance(x, str) else "text"


def fail(x: Any) -> Any:
    raise Expected("meant")


def leaf(kind: str) -> Any:
    as_text = RunnableLambda(text)
    return {
        "lambda": lambda: RunnableLambda(lambda x: x),
        "fail": lambda: RunnableLambda(fail),
        "model": lambda: as_text | Model(usage=TokenUsage(3, 2)),
        "broken model": lambda: as_text | Model(replies=[Expected("model")]),
        "prompt": lambda: RunnableLambda(lambda x: {"x": "a"}) | ChatPromptTemplate.from_template("{x}"),
        "parser": lambda: as_text | Model() | StrOutputParser(),
        "tool": lambda: as_text | StructuredTool.from_function(text, name="tool", description="A tool."),
        "retriever": lambda: as_text | StoreSelector(),
        "passthrough": RunnablePassthrough,
    }[kind]()


def flaky_once() -> Any:
    seen: list[int] = []

    def work(x: Any) -> Any:
        if not seen:
            seen.append(1)
            raise Expected("once")
        return x

    return RunnableLambda(work)


def graph_of(inner: Any) -> Any:
    def node(state: dict[str, Any]) -> dict[str, Any]:
        inner.invoke(state["x"])
        return {"x": "done"}

    async def anode(state: dict[str, Any]) -> dict[str, Any]:
        await inner.ainvoke(state["x"])
        return {"x": "done"}

    graph = StateGraph(dict)
    for name in ("left", "right"):
        graph.add_node(name, RunnableLambda(node, anode))
    graph.add_edge(START, "left")
    graph.add_edge("left", "right")
    return RunnableLambda(lambda x: {"x": "in"}) | graph.compile()


def build(spec: Any) -> Any:
    if isinstance(spec, str):
        return leaf(spec)
    kind, *parts = spec
    made = [build(part) for part in parts]
    return COMPOSITIONS[kind](*made)


COMPOSITIONS: dict[str, Any] = {
    "sequence": lambda one, other: one | other | RunnableLambda(lambda x: x),
    "parallel": lambda one, other: RunnableParallel(k0=one, k1=other),
    "fallback": lambda one, other: one.with_fallbacks([other]),
    "branch": lambda one, other: RunnableBranch((lambda x: isinstance(x, str), one), other),
    "retry": lambda one: (flaky_once() | one).with_retry(stop_after_attempt=2, wait_exponential_jitter=False),
    "inside": lambda one: RunnableLambda(lambda x: one.invoke(x), lambda x: one.ainvoke(x)),  # noqa: PLW0108
    "named": lambda one: one.with_config(run_name="named", tags=["t"]),
    "graph": graph_of,
}


LEAVES = st.sampled_from(
    ["lambda", "fail", "model", "broken model", "prompt", "parser", "tool", "retriever", "passthrough"]
)
SPECS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["sequence", "parallel", "fallback", "branch"]), inner, inner),
        st.tuples(st.sampled_from(["retry", "inside", "named", "graph"]), inner),
    ),
    max_leaves=5,
)


async def astream(runnable: Any, given: Any, config: Any) -> None:
    async for _ in runnable.astream(given, config):
        pass


WAYS = {
    "invoke": lambda r, c: r.invoke("go", c),
    "ainvoke": lambda r, c: asyncio.run(r.ainvoke("go", c)),
    "stream": lambda r, c: list(r.stream("go", c)),
    "astream": lambda r, c: asyncio.run(astream(r, "go", c)),
}


def collected(collector: Any) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}

    def visit(run: Any) -> None:
        found[str(run.id)] = (run.name, str(run.parent_run_id) if run.parent_run_id else None)
        for child in run.child_runs:
            visit(child)

    for run in collector.traced_runs:
        visit(run)
    return found


def recorded(task: Any) -> dict[str, tuple[str, str | None]]:
    root = task.environment.custom_tags["run_id"]
    ids = {found.step_number: found.metadata["run_id"] for found in task.steps or ()}
    found = {root: (task.name, None)}
    for one_step in task.steps or ():
        facts = one_step.metadata
        if facts["run_id"] != root:
            found[facts["run_id"]] = (facts["name"], ids.get(facts["parent_step"], root))
    return found


class Collector(RunCollectorCallbackHandler):
    """In the caller's task as ours is: else a loop that closes takes events away from it."""

    run_inline = True


def check(spec: Any, way: str) -> None:
    collector = Collector()
    config = {"callbacks": [collector, InfiniumCallbackHandler(detail="full")]}
    with captured_traces() as traces:
        with contextlib.suppress(Expected):
            WAYS[way](build(spec), config)
        traces.end_all()  # of a failed parallel run, a branch may be open
        theirs = collected(collector)
        # Threads of the example before this one may still be running branches that nobody waits for.
        task = one([trace for trace in traces if trace.environment.custom_tags["run_id"] in theirs])
        ours = recorded(task)
    root = task.environment.custom_tags["run_id"]
    late = {run_id for run_id, (_, parent) in theirs.items() if parent in theirs and run_id not in ours}
    assert ours.keys() == theirs.keys() - late
    assert all(theirs[run_id][1] not in ours or task.errors for run_id in late)  # a branch began after another failed
    for run_id, (name, parent) in theirs.items():
        if run_id in late:
            continue
        if parent is None and run_id != root:
            assert ours[run_id][0] == name  # with_fallbacks loses its children: langchain#36072
            assert ours[run_id][1] is not None
        else:
            assert ours[run_id] == (name, parent)
    assert [found.step_number for found in task.steps or ()] == list(range(1, len(task.steps or ()) + 1))


RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40, deadline=None, suppress_health_check=RELAXED)
@given(spec=SPECS)
def test_the_full_tree_is_the_one_that_langchain_collects(spec, way):
    check(spec, way)


@pytest.mark.full
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=500, deadline=None, suppress_health_check=RELAXED)
@given(spec=SPECS)
def test_the_full_tree_is_the_one_that_langchain_collects_at_length(spec, way):
    check(spec, way)


def names_of(spec: Any, way: str) -> list[tuple[str, str | None]]:
    with captured_traces() as traces, contextlib.suppress(Expected):
        WAYS[way](build(spec), {"callbacks": [InfiniumCallbackHandler()]})
    task = one(traces)
    names = {found.step_number: found.metadata["name"] for found in task.steps or ()}
    return sorted(
        (found.metadata["name"], names.get(found.metadata["parent_step"]) or "") for found in task.steps or ()
    )


WITHOUT_FAILURE = st.recursive(
    st.sampled_from(["lambda", "model", "parser", "tool", "retriever"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["sequence", "parallel", "branch"]), inner, inner),
        st.tuples(st.sampled_from(["inside", "named", "graph"]), inner),
    ),
    max_leaves=4,
)


@settings(max_examples=20, deadline=None, suppress_health_check=RELAXED)
@given(spec=WITHOUT_FAILURE)
def test_the_folded_tree_is_the_same_whichever_way_a_run_is_called(spec):
    assert names_of(spec, "invoke") == names_of(spec, "ainvoke")


# -- soaks -------------------------------------------------------------------------------------------------------------


def mixed(number: int, handler: Any) -> Any:
    """Build one of many kinds of runs, and say what its trace must be."""
    fails = number % 7 == 0
    parts: list[Any] = [RunnableLambda(lambda x: x), Model(replies=[f"answer {number}"], usage=TokenUsage(number, 1))]
    if number % 3 == 0:
        parts.insert(1, RunnableParallel(a=RunnablePassthrough(), b=RunnableLambda(text)) | RunnableLambda(text))
    if fails:
        parts.append(RunnableLambda(fail))
    runnable = parts[0]
    for part in parts[1:]:
        runnable = runnable | part
    config = {"callbacks": [handler], "run_name": f"run {number}", "metadata": {"session_id": f"s{number}"}}
    way = random.Random(number).choice(["whole", "stream", "stream" if fails else "left"])
    return runnable, config, way, "error" if fails else "abandoned" if way == "left" else "ok"


def run_sync(number: int, handler: Any) -> None:
    runnable, config, way, _ = mixed(number, handler)
    with contextlib.suppress(Expected):
        if way == "whole":
            runnable.invoke(f"in {number}", config)
        elif way == "stream":
            list(runnable.stream(f"in {number}", config))
        else:
            stream = runnable.stream(f"in {number}", config)
            next(stream)
            stream.close()


async def run_async(number: int, handler: Any) -> None:
    runnable, config, way, _ = mixed(number, handler)
    with contextlib.suppress(Expected):
        if way == "whole":
            await runnable.ainvoke(f"in {number}", config)
        elif way == "stream":
            await astream(runnable, f"in {number}", config)
        else:
            stream = runnable.astream(f"in {number}", config)
            await anext(stream)
            await stream.aclose()


def soak(count: int) -> None:
    handler = InfiniumCallbackHandler()
    half = count // 2
    numbers = iter(range(half))
    lock = threading.Lock()

    def worker() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            run_sync(number, handler)

    async def tasks() -> None:
        for start in range(half, count, 50):
            await asyncio.gather(*(run_async(n, handler) for n in range(start, min(start + 50, count))))

    with captured_traces() as traces:
        with ThreadPoolExecutor(9) as pool:
            threads = [pool.submit(worker) for _ in range(8)]
            asyncio.run(tasks())
            [done.result() for done in threads]
        traces.end_all()
        assert runtime.recorder().open_runs == 0
        assert runtime.recorder().open_traces == 0
        assert runtime.recorder().late_events == 0
    by_name = {task.name: task for task in traces}
    assert len(traces) == len(by_name) == count
    for number in range(count):
        task, (_, _, way, status) = by_name[f"run {number}"], mixed(number, handler)
        (model,) = [found for found in task.steps if found.action == "llm_inference"]
        assert task.status == status
        if way != "left":
            assert model.output_preview == f"answer {number}"
            assert task.llm_usage.prompt_tokens == number
        assert task.environment.custom_tags["session_id"] == f"s{number}"


def test_a_thousand_mixed_runs_over_threads_and_tasks_are_each_their_own_trace():
    soak(1_000)


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_twenty_thousand_mixed_runs_over_threads_and_tasks_are_each_their_own_trace():
    soak(20_000)


def never_ending(count: int) -> int:
    """Run many of which a fifth never end; give the bytes that are kept of them when the cap has been reached."""
    import gc
    import tracemalloc

    from infinium_integrations.recording.recorder import Recorder

    sealed = [0]

    def sink(trace: Any) -> None:
        sealed[0] += 1

    recorder = Recorder(sink, cap=100)

    class Only:
        tracing = True

        def __init__(self) -> None:
            self.recorder = recorder

    before = runtime.install(Only())
    model, handler = Model(), InfiniumCallbackHandler()
    try:
        sizes = []
        tracemalloc.start()
        for number in range(count):
            if number % 5 == 0:
                next(left := model.stream(f"hello {number}", {"callbacks": [handler]}))
                forgotten.append(left)
            else:
                model.invoke("hello", {"callbacks": [handler]})
            if number in {count // 2, count - 1}:
                assert recorder.open_traces in {99, 100}  # an ended run had taken the place of one
                assert recorder.open_runs == recorder.open_traces
                gc.collect()
                kept = tracemalloc.take_snapshot().filter_traces(
                    [tracemalloc.Filter(inclusive=True, filename_pattern="*infinium_integrations*")]
                )
                sizes.append(sum(stat.size for stat in kept.statistics("filename")))
        tracemalloc.stop()
        recorder.seal_all()
        assert sealed[0] == count
        return sizes[1] - sizes[0]
    finally:
        runtime.install(before)
        for left in forgotten:
            left.close()
        forgotten.clear()


forgotten: list[Any] = []


@pytest.mark.full
def test_of_many_runs_a_fifth_never_ends_and_memory_stays_flat():
    assert never_ending(2_000) < 200_000


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_of_ten_thousand_runs_a_fifth_never_ends_and_memory_stays_flat():
    assert never_ending(10_000) < 1_500_000

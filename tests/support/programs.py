"""Small programs, each with what its traces must look like: alone, after any other, and many times over."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from kit import Scripted, add, an_engine, fail
from llama_index.core import PromptTemplate
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import ContextChatEngine, SimpleChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

MESSAGES = [ChatMessage(role="user", content="hi")]


class Flow(Workflow):
    @step
    async def only(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=ev.get("topic"))


class Slow(Workflow):
    @step
    async def wait(self, ev: StartEvent) -> StopEvent:
        await asyncio.sleep(30)
        return StopEvent()


class Raising(BaseRetriever):
    def _retrieve(self, query_bundle):
        raise LookupError("no index")


def query():
    an_engine(Scripted(replies=["a"])).query("q?")


def stream():
    list(an_engine(Scripted(replies=["a b"]), streaming=True).query("q?").response_gen)


def stream_abandoned():
    response = an_engine(Scripted(replies=["a b c"]), streaming=True).query("q?")
    next(response.response_gen)


def stream_never_read():
    an_engine(Scripted(replies=["a b c"]), streaming=True).query("q?")


def async_stream():
    async def go():
        response = await an_engine(Scripted(replies=["a b"]), streaming=True).aquery("q?")
        return [token async for token in response.response_gen]

    asyncio.run(go())


def async_stream_abandoned():
    async def go():
        response = await an_engine(Scripted(replies=["a b c"]), streaming=True).aquery("q?")
        async for _ in response.response_gen:
            break

    asyncio.run(go())


def gathered():
    async def go():
        await asyncio.gather(*(an_engine(Scripted(replies=["a"])).aquery("q?") for _ in range(2)))

    asyncio.run(go())


def threads():
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: query(), range(2)))


def chat():
    list(SimpleChatEngine.from_defaults(llm=Scripted(replies=["a b"])).stream_chat("q?").response_gen)


def async_chat():
    async def go():
        response = await SimpleChatEngine.from_defaults(llm=Scripted(replies=["a b"])).astream_chat("q?")
        return [token async for token in response.async_response_gen()]

    asyncio.run(go())


def context_chat():
    engine = ContextChatEngine.from_defaults(retriever=_index().as_retriever(), llm=Scripted(replies=["a b"]))
    list(engine.stream_chat("q?").response_gen)


def _index():
    from kit import an_index

    return an_index()


def broken_stream():
    with contextlib.suppress(RuntimeError):
        list(Scripted(replies=[(RuntimeError("lost"), [])]).stream_chat(MESSAGES))


def broken_retriever():
    with contextlib.suppress(LookupError):
        Raising().retrieve("q?")


def agent():
    async def go():
        llm = Scripted(replies=[("t", [("add", {"a": 1, "b": 2}), ("fail", {"why": "x"})]), "done"])
        await FunctionAgent(tools=[add, fail], llm=llm).run("q?")

    asyncio.run(go())


def react():
    async def go():
        llm = Scripted(replies=["Thought: I can answer\nAnswer: 3"])
        await ReActAgent(tools=[add], llm=llm).run("q?")

    asyncio.run(go())


def hand_off():
    async def go():
        first = Scripted(replies=[("t", [("handoff", {"to_agent": "b", "reason": "r"})])])
        one = FunctionAgent(name="a", description="a", llm=first, tools=[add], can_handoff_to=["b"])
        two = FunctionAgent(name="b", description="b", llm=Scripted(replies=["done"]), tools=[add])
        await AgentWorkflow(agents=[one, two], root_agent="a").run(user_msg="q?")

    asyncio.run(go())


def workflow_twice():
    async def go():
        await Flow().run(topic="q?")
        await Flow().run(topic="q?")

    asyncio.run(go())


def workflow_cancelled():
    async def go():
        async def wait():
            await Slow().run()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(go())


def workflow_timed_out():
    async def go():
        with contextlib.suppress(Exception):
            await Slow(timeout=0.02).run()

    asyncio.run(go())


def structured():
    from pydantic import BaseModel

    class Answer(BaseModel):
        """An answer."""

        city: str

    with contextlib.suppress(Exception):
        list(Scripted(replies=["a b"]).stream_structured_predict(Answer, PromptTemplate("Where is {x}?"), x="it"))


def leaking():
    async def go():
        @get_dispatcher(__name__).span
        def start():
            return asyncio.get_running_loop().create_task(MockLLM(max_tokens=1).acomplete("q?"))

        await start()
        await an_engine(Scripted(replies=["a"])).aquery("q?")

    asyncio.run(go())


PROGRAMS = {
    function.__name__: (function, count)
    for function, count in (
        (query, 1),
        (stream, 1),
        (stream_abandoned, 1),
        (stream_never_read, 1),
        (async_stream, 1),
        (async_stream_abandoned, 1),
        (gathered, 2),
        (threads, 2),
        (chat, 1),
        (async_chat, 1),
        (context_chat, 1),
        (broken_stream, 1),
        (broken_retriever, 1),
        (agent, 1),
        (react, 1),
        (hand_off, 1),
        (workflow_twice, 2),
        (workflow_cancelled, 1),
        (workflow_timed_out, 1),
        (structured, 1),
        (leaking, 2),
    )
}
"""Each program with the number of traces that it makes."""

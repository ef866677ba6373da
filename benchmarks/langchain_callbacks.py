"""What tracing costs the caller's thread, in one run: a handler that does nothing, ours, Langfuse and OpenInference.

    tox -e bench -- benchmarks/langchain_callbacks.py

W1 is prompt | model | parser, W3 an agent with 3 tool calls, W4 a stream of 500 tokens, W5 a retriever of 20 documents
of 4 KB. All take turns in one process; the numbers are medians of the calling thread's CPU
time. Peers that are not installed are left out. Everything is delivered to a server on this machine, as in real use.
"""

import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

ROUNDS = int(os.environ.get("ROUNDS", "15"))


class Model(GenericFakeChatModel):
    """Answers at once; streams 500 tokens."""

    messages: object = None

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        from langchain_core.outputs import ChatGeneration, ChatResult

        asked = sum(isinstance(message, AIMessage) for message in messages)
        call = {"name": "add", "args": {"a": asked, "b": 2}, "id": f"call_{asked}"}
        tools = [call] if kwargs.get("agent") and asked < 3 else []
        usage = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
        answer = AIMessage("hello there", tool_calls=tools, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for number in range(500):
            chunk = ChatGenerationChunk(message=AIMessageChunk(f"token{number} "))
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Shelf(BaseRetriever):
    """Finds 20 documents of 4 KB."""

    documents: list = []  # noqa: RUF012

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


def agent(model):
    def loop(question, config):
        messages = [HumanMessage(question)]
        while True:
            answer = model.invoke(messages, config, agent=True)
            messages.append(answer)
            if not answer.tool_calls:
                return answer.content
            for call in answer.tool_calls:
                result = add.invoke({**call, "type": "tool_call"}, config)
                known = isinstance(result, ToolMessage)
                messages.append(result if known else ToolMessage(result, tool_call_id=call["id"]))

    return RunnableLambda(loop)


def workloads():
    model = Model()
    prompt = ChatPromptTemplate.from_messages([("system", "You are helpful"), ("human", "{x}")])
    chain = prompt | model | StrOutputParser()
    shelf = Shelf(documents=[Document(page_content="text " * 800, metadata={"source": f"d{n}"}) for n in range(20)])
    loop = agent(model)
    return {
        "W1": (lambda config: chain.invoke({"x": "hi"}, config), 8, 60),
        "W3": (lambda config: loop.invoke("1+2?", config), 16, 25),
        "W4": (lambda config: [None for _ in model.stream("hi", config)], 502, 6),
        "W5": (lambda config: shelf.invoke("find", config), 2, 60),
    }


class Nothing(BaseCallbackHandler):
    """Does nothing."""

    run_inline = True


class Sink(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"success": true, "traceId": "00000000-0000-4000-8000-000000000000"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def ours(url):
    os.environ.update(
        INFINIUM_AGENT_ID="00000000-0000-4000-8000-000000000001",
        INFINIUM_AGENT_SECRET="benchmark-secret",
        INFINIUM_BASE_URL=url,
        INFINIUM_STORE=tempfile.mkdtemp(),
    )
    from infinium_integrations.langchain import InfiniumCallbackHandler

    return InfiniumCallbackHandler(tags=["bench"], redact=lambda text: text)


def langfuse(url):
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", host=url)
    return CallbackHandler()


def openinference(url):
    from openinference.instrumentation.langchain._tracer import OpenInferenceTracer
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    return OpenInferenceTracer(provider.get_tracer("bench"), separate_trace_from_runtime_context=False)


def handlers(url):
    made = {"bare": None, "nothing": Nothing()}
    for name, make in (("ours", ours), ("langfuse", langfuse), ("openinference", openinference)):
        try:
            made[name] = make(url)
        except Exception as error:  # noqa: BLE001  (whatever a peer lacks)
            print(f"{name} is left out: {error!r}"[:200], file=sys.stderr)
    return made


def measure(work, config, repeat):
    began = time.thread_time()
    for _ in range(repeat):
        work(config)
    return (time.thread_time() - began) / repeat * 1e6


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = handlers(f"http://127.0.0.1:{server.server_address[1]}")
    print(f"{'µs of the caller, added to bare':34}" + "".join(f"{name:>15}" for name in made if name != "bare"))
    for workload, (work, events, repeat) in workloads().items():
        times = {name: [] for name in made}
        for turn in range(ROUNDS + 2):
            for name, handler in made.items():
                gc.collect()
                taken = measure(work, {"callbacks": [handler] if handler else []}, repeat)
                if turn >= 2:
                    times[name].append(taken)
        added = {
            name: statistics.median(mine - bare for mine, bare in zip(taken, times["bare"], strict=True))
            for name, taken in times.items()
            if name != "bare"
        }
        over = {name: (value - added["nothing"]) / events for name, value in added.items()}
        print(f"{workload} added{'':26}" + "".join(f"{value:15.0f}" for value in added.values()))
        print(f"{workload} µs an event over nothing{'':7}" + "".join(f"{value:15.2f}" for value in over.values()))
        print(f"{workload} times ours{'':21}" + "".join(f"{value / added['ours']:15.1f}" for value in added.values()))
    sys.stdout.flush()


if __name__ == "__main__":
    main()

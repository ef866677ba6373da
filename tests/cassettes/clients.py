"""The real clients of both frameworks, each asking a server that answers as was recorded."""

import asyncio
import contextlib
import functools
import importlib
import operator
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from recorded import Recorded

KEY = "a-key-of-nobody"
KEYED = {"api_key": KEY, "max_retries": 0}
AZURE = {**KEYED, "api_version": "2024-10-21"}
AWS = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "region_name": "us-east-1"}
CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
RAW_TOOLS = {"chat", "responses", "anthropic"}
"""Where both frameworks take the tools in the provider's own form, as the recording has them."""

Given = Callable[[str], dict[str, Any]]
LANGCHAIN: dict[str, tuple[str, Given]] = {
    "openai": ("langchain_openai.ChatOpenAI", lambda url: {"base_url": url, **KEYED}),
    "responses": ("langchain_openai.ChatOpenAI", lambda url: {"base_url": url, "use_responses_api": True, **KEYED}),
    "azure": (
        "langchain_openai.AzureChatOpenAI",
        lambda url: {"azure_endpoint": url, "azure_deployment": "ours", **AZURE},
    ),
    "anthropic": ("langchain_anthropic.ChatAnthropic", lambda url: {"base_url": url, **KEYED}),
    "bedrock": ("langchain_aws.ChatBedrockConverse", lambda url: {"endpoint_url": url, "model": CLAUDE, **AWS}),
    "cohere": ("langchain_cohere.ChatCohere", lambda url: {"base_url": url, "cohere_api_key": KEY}),
    "deepseek": ("langchain_deepseek.ChatDeepSeek", lambda url: {"api_base": url, **KEYED}),
    "google": (
        "langchain_google_genai.ChatGoogleGenerativeAI",
        lambda url: {"base_url": url, "google_api_key": KEY, "max_retries": 0},
    ),
    "groq": ("langchain_groq.ChatGroq", lambda url: {"base_url": url, **KEYED}),
    "mistral": ("langchain_mistralai.ChatMistralAI", lambda url: {"base_url": url, **KEYED}),
    "ollama": ("langchain_ollama.ChatOllama", lambda url: {"base_url": url}),
    "ollama generate": ("langchain_ollama.OllamaLLM", lambda url: {"base_url": url}),
}
LLAMA_INDEX: dict[str, tuple[str, Given]] = {
    # most know their models by name and refuse others; which one answered is in the recording
    "openai": ("llama_index.llms.openai.OpenAI", lambda url: {"api_base": url, "model": "gpt-4o", **KEYED}),
    "responses": ("llama_index.llms.openai.OpenAIResponses", lambda url: {"api_base": url, "model": "gpt-4o", **KEYED}),
    "azure": (
        "llama_index.llms.azure_openai.AzureOpenAI",
        lambda url: {"azure_endpoint": url, "engine": "ours", "model": "gpt-4o", **AZURE},
    ),
    "anthropic": (
        "llama_index.llms.anthropic.Anthropic",
        lambda url: {"base_url": url, "model": "claude-sonnet-4-5", **KEYED},
    ),
    "bedrock": (
        "llama_index.llms.bedrock_converse.BedrockConverse",
        lambda url: {"endpoint_url": url, "model": CLAUDE, "max_retries": 1, **AWS},
    ),
    "cohere": ("llama_index.llms.cohere.Cohere", lambda url: {"base_url": url, "model": "command-r", **KEYED}),
    "google": ("llama_index.llms.google_genai.GoogleGenAI", lambda url: {"http_options": {"base_url": url}, **KEYED}),
    "groq": ("llama_index.llms.groq.Groq", lambda url: {"api_base": url, **KEYED}),
    "mistral": (
        "llama_index.llms.mistralai.MistralAI",
        lambda url: {"endpoint": url, "model": "mistral-small-latest", **KEYED},
    ),
    "ollama": ("llama_index.llms.ollama.Ollama", lambda url: {"base_url": url}),
    "like openai": (
        "llama_index.llms.openai_like.OpenAILike",
        lambda url: {"api_base": url, "is_chat_model": True, "is_function_calling_model": True, **KEYED},
    ),
}


def ways(framework: str, one: Recorded) -> tuple[str, ...]:
    """Return how a framework can ask for such an answer; nothing where it has no client for it."""
    version = one.asked["path"].rpartition("/")[0]
    if one.kind == "cohere" and version.endswith("/v1" if framework == "LangChain" else "/v2"):
        return ()
    if framework == "LlamaIndex" and one.asked["path"].endswith("/generate"):
        return ()
    if framework == "LlamaIndex" and one.kind == "cohere" and one.streamed:
        return ("stream",)  # its astream_chat() fails: it does not await what it is given
    return ("stream", "astream") if one.streamed else ("invoke",)


def langchain(one: Recorded, server: "Server", way: str, handler: Any) -> list[Any]:
    """Ask LangChain's client of the provider; return what it gives, a stream's chunks added up."""
    key = "ollama generate" if one.asked["path"].endswith("/generate") else one.provider
    model = _client(*LANGCHAIN.get(key, LANGCHAIN["openai"]), one, server.url)
    if one.kind in RAW_TOOLS and one.asked.get("tools"):
        model = model.bind(tools=one.asked["tools"])
    config = {"callbacks": [handler] if handler else []}

    async def astream() -> list[Any]:
        return [chunk async for chunk in model.astream("hi", config)]

    if way == "invoke":
        return [model.invoke("hi", config)]
    chunks = list(model.stream("hi", config)) if way == "stream" else server.loop.run(astream())
    return [functools.reduce(operator.add, chunks)]


def llama_index(one: Recorded, server: "Server", way: str, handler: Any) -> list[Any]:
    """Ask LlamaIndex's client of the provider; return what it gives, a stream's chunks with what each has beside."""
    from llama_index.core.llms import ChatMessage

    model = _client(*LLAMA_INDEX.get(one.provider, LLAMA_INDEX["like openai"]), one, server.url)
    asked = [ChatMessage("hi")]
    more = {"tools": one.asked["tools"]} if one.kind in RAW_TOOLS and one.asked.get("tools") else {}

    async def astream() -> list[Any]:
        return [chunk async for chunk in await model.astream_chat(asked, **more)]

    with handler.register() if handler else contextlib.nullcontext():
        if way == "invoke":
            return [model.chat(asked, **more)]
        return list(model.stream_chat(asked, **more)) if way == "stream" else server.loop.run(astream())


def _client(path: str, given: Given, one: Recorded, url: str) -> Any:
    module, _, name = path.rpartition(".")
    named = one.asked["path"].rpartition("/")[2].partition(":")[0] if one.kind == "google" else one.asked.get("model")
    fallback = "gemini-2.5-flash" if one.kind == "google" else "gpt-4o"
    return getattr(importlib.import_module(module), name)(**{"model": named or fallback, **given(url)})


FRAMEWORKS = {"LangChain": langchain, "LlamaIndex": llama_index}


# -- the server --------------------------------------------------------------------------------------------------------

EVENTS = {"bedrock": "application/vnd.amazon.eventstream", "ollama": "application/x-ndjson"}
SHOWN = b'{"model_info": {"a.context_length": 8192}, "details": {}, "capabilities": ["tools"]}'
LIMITS = b'{"name": "models/any", "inputTokenLimit": 8192, "outputTokenLimit": 8192}'
"""What Ollama's and Gemini's clients ask beside."""


class Server(ThreadingHTTPServer):
    """Answers everything with the recording that it was given last."""

    daemon_threads = True
    playing: Recorded

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.loop = asyncio.Runner()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Let go of the port and of the loop."""
        self.loop.close()
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        one: Recorded = self.server.playing
        kind = EVENTS.get(one.kind, "text/event-stream") if one.streamed else "application/json"
        self.send(kind, SHOWN if self.path.endswith("/show") else one.body)

    def do_GET(self) -> None:
        self.send("application/json", LIMITS)

    def send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass

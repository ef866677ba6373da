"""What becomes of a run where things go wrong, with ours and with the peers: the facts of docs/comparison.md.

    python benchmarks/promises.py                    in an environment with benchmarks/requirements.txt
    python benchmarks/promises.py --only ours,langfuse

Each program runs in a process of its own and sends to a server on this machine. The server looks for words of the run
in what it receives; how a library calls its fields plays no part.

away       the server can't be reached until the process has ended: does the run arrive once the next process runs?
exit       how long the process takes to end meanwhile, in seconds; killed after 60; less what it takes to end otherwise
secret     three secrets in a prompt (a vendor's key, a bearer token, a password): how many are sent
cancelled  a bare ``model.ainvoke`` that is cancelled: does anything of it arrive?
left       an agent's event stream (``astream_events``) that its reader leaves: does anything of it arrive?
packages   distributions that it needs beyond langchain-core's own
"""

import argparse
import asyncio
import gzip
import re
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

import libraries

NAMES = ("ours", "langfuse", "openinference", "langsmith", "opik")
PACKAGES = {
    "ours": ["infinium-integrations"],
    "langfuse": ["langfuse"],
    "openinference": ["openinference-instrumentation-langchain", "opentelemetry-exporter-otlp-proto-http"],
    "langsmith": ["langsmith"],
    "opik": ["opik"],
}
SECRETS = {
    "sk-proj-9aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5dE7": "my key is {}",
    "7c4d9e2f81b36a50c7e9d1f3": "curl -H 'Authorization: Bearer {}' https://example.com",
    "hunter2!Zq9x": "the database's password: {}",
}
PATIENCE = 60
SETTLE = 1.0
"""Seconds after a flush that what is late still gets."""


# --- programs, each in a process of its own ---------------------------------------------------------------------------


def model():
    from langchain_core.language_models import SimpleChatModel

    class Echo(SimpleChatModel):
        wait: float = 0.0

        @property
        def _llm_type(self):
            return "echo"

        def _call(self, messages, *args, **kwargs):
            return f"You said: {messages[-1].text}"

        async def _agenerate(self, messages, *args, **kwargs):
            await asyncio.sleep(self.wait)
            return self._generate(messages)

    return Echo


def ask(config, words):
    from langchain_core.runnables import RunnableLambda

    (RunnableLambda(lambda text: text) | model()()).invoke(words, config=config)


def cancelled(config, words):
    async def main():
        task = asyncio.ensure_future(model()(wait=30).ainvoke(words, config=config))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def left(config, words):
    from langchain_core.runnables import RunnableLambda

    async def main():
        chain = RunnableLambda(lambda text: text) | model()(wait=0.5)
        async for _ in chain.astream_events(words, config=config, version="v2"):
            break

    asyncio.run(main())


PROGRAMS = {"ask": ask, "cancelled": cancelled, "left": left}


def child(name, program, url, words):
    callbacks, flush = libraries.LANGCHAIN[name](url)
    PROGRAMS[program]({"callbacks": callbacks}, words)
    if program != "ask":
        flush()
        time.sleep(SETTLE)
        flush()


# --- the server, and what is asked of it ------------------------------------------------------------------------------


class Ear:
    """A server that keeps all it receives, unpacked."""

    def __init__(self, port=0):
        self.heard = b""
        ear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else self._chunks()
                ear.heard += unpacked(body, self.headers.get("Content-Encoding") or "")
                self._reply()

            do_PUT = do_PATCH = do_POST

            def do_GET(self):
                self._reply()

            def _chunks(self):
                body = b""
                while self.headers.get("Transfer-Encoding") and (size := int(self.rfile.readline(), 16)):
                    body += self.rfile.read(size + 2)[:-2]
                return body

            def _reply(self):
                said = b'{"success": true, "traceId": "00000000-0000-4000-8000-000000000000"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def unpacked(body, encoding):
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


def run(name, program, port, words, store):
    """Run a program; return the seconds it took to end, None where it had to be killed."""
    command = [sys.executable, __file__, "--child", name, program, f"http://127.0.0.1:{port}", words, store]
    began = time.monotonic()
    try:
        subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return None
    return time.monotonic() - began


def examine(name):
    with tempfile.TemporaryDirectory() as store:
        ear = Ear()
        usual = run(name, "ask", ear.port, "the usual walrus", store)
        assert b"walrus" in ear.heard, f"{name} sends nothing: is it installed?"
        ear.close()
        away = run(name, "ask", ear.port, "the first heron", store)
        ear = Ear(ear.port)
        run(name, "ask", ear.port, "the second otter", store)
        found = {"away": "arrives" if b"heron" in ear.heard else "lost"}
        found["exit"] = "killed" if away is None else f"{max(0.0, away - usual):.1f}"
        run(name, "ask", ear.port, " ".join(text.format(secret) for secret, text in SECRETS.items()), store)
        found["secret"] = f"{sum(secret.encode() in ear.heard for secret in SECRETS)} of {len(SECRETS)}"
        for program, word in (("cancelled", "badger"), ("left", "lynx")):
            run(name, program, ear.port, f"the {program} {word}", store)
            found[program] = "arrives" if word.encode() in ear.heard else "nothing"
        ear.close()
    found["packages"] = str(len(closure(PACKAGES[name]) - closure(["langchain-core"])))
    return found


def closure(names):
    """Return a set of distributions with all that they need here; ours with its extra for LangChain."""
    found, left = set(), [*names]
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop().lower())
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            if name != "infinium-integrations":  # it may run from its sources
                continue
            needed = ["click", "httpx", "platformdirs", "pydantic"]
        if name not in found:
            found.add(name)
            left += [re.match(r"[\w.-]+", each)[0] for each in needed if "extra ==" not in each]
    return found


def main():
    if sys.argv[1:2] == ["--child"]:
        name, program, url, words, store = sys.argv[2:]
        given = libraries.tempfile.mkdtemp
        libraries.tempfile.mkdtemp = lambda: store if name == "ours" else given()  # both processes share it
        child(name, program, url, words)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(NAMES), help="which libraries, by comma")
    for name in parser.parse_args().only.split(","):
        found = examine(name)
        print(f"{name:14}", "  ".join(f"{what} {value}" for what, value in found.items()), flush=True)


if __name__ == "__main__":
    main()

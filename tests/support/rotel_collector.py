"""A real Collector (rotel, from PyPI) that passes on what it gets."""

import contextlib
import importlib.util
import socket
import subprocess
from pathlib import Path

import pytest
from children import PATIENCE, child
from faultserver import closed_port


@contextlib.contextmanager
def collector(target):
    """Start a Collector in front of ``target``, the origin of a receiver of OTLP; yields its own origin."""
    found = importlib.util.find_spec("rotel")
    if found is None:
        pytest.skip("a Collector is needed: pip install rotel")
    port = closed_port()
    command = [
        str(Path(found.origin).with_name("rotel-agent")),
        *("start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{closed_port()}"),
        *("--exporter", "otlp", "--otlp-exporter-endpoint", target, "--otlp-exporter-protocol", "http"),
    ]
    with child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(PATIENCE * 100):
            assert process.poll() is None, "the Collector has ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        yield f"http://127.0.0.1:{port}"

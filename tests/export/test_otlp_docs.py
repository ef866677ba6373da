"""The examples of docs/howto/opentelemetry.md do what the page says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from delivery_kit import run
from otlp_receiver import Receiver
from test_otlp import environment_of

from infinium_integrations.otel_environment import check, read

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "opentelemetry.md").read_text()
JOINED, QUEUED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SDK = """
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
otel.set_tracer_provider(TracerProvider())
"""


def names_by_parent(receiver):
    names = {span.id: span.name for span in receiver.spans}
    return {span.name: names.get(span.parent, span.parent) for span in receiver.spans}


def test_a_run_in_a_span_is_part_of_its_trace(tmp_path):
    program = SDK + JOINED.replace(
        "...", "print(otel.format_trace_id(otel.get_current_span().get_span_context().trace_id))"
    )
    with Receiver() as receiver:
        printed = run(program, environment_of(receiver, tmp_path / "store"))
        (span,) = receiver.spans
    assert (span.trace_id, span.name) == (printed.strip(), "invoke_agent Refund")
    assert span.parent is not None


def test_a_header_that_is_taken_along_joins_the_two(tmp_path):
    with Receiver() as receiver:
        run(QUEUED, environment_of(receiver, tmp_path / "store"))
        assert names_by_parent(receiver) == {
            "invoke_agent Order": None,
            "execute_tool Ask the stock": "invoke_agent Order",
            "invoke_agent Stock": "execute_tool Ask the stock",
        }
        assert len({span.trace_id for span in receiver.spans}) == 1


def test_every_variable_of_the_page_is_read():
    source = (Path(__file__).parents[2] / "infinium_integrations" / "otel_environment.py").read_text()
    named = {*re.findall(r"`(OTEL_[A-Z_]+[A-Z])", PAGE)} - {"OTEL_EXPORTER_OTLP_TRACES"}
    parts = {*re.findall(r"`_([A-Z_]+)`", PAGE)}
    assert parts == {"HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"}
    for name in named | parts:
        assert name.removeprefix("OTEL_EXPORTER_OTLP_").removeprefix("TRACES_") in source


@pytest.mark.parametrize(
    ("receiver", "endpoint", "headers"),
    [
        ("OpenTelemetry Collector", "http://localhost:4318/v1/traces", {}),
        ("Phoenix", "http://localhost:6006/v1/traces", {"authorization": "Bearer key"}),
        (
            "Langfuse",
            "https://cloud.langfuse.com/api/public/otel/v1/traces",
            {"authorization": "Basic cGs6c2s=", "x-langfuse-ingestion-version": "4"},
        ),
        ("Datadog", "https://otlp.datadoghq.com/v1/traces", {"dd-api-key": "key", "dd-otlp-source": "llmobs"}),
    ],
)
def test_the_settings_of_a_receiver_are_understood(receiver, endpoint, headers):
    shell = shutil.which("sh") or pytest.skip("a shell is needed")
    settings = PAGE.partition(f"### {receiver}\n")[2].partition("```sh\n")[2].partition("```")[0]
    keys = {"PHOENIX_API_KEY": "key", "LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk", "DD_API_KEY": "key"}
    printed = subprocess.run(
        [shell, "-c", f"{settings}\nenv"], env={"PATH": os.defpath, **keys}, capture_output=True, text=True, check=True
    ).stdout
    environment = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("OTEL_"))
    assert check(environment) == []
    found = read(environment)
    assert (found.endpoint, found.headers) == (endpoint, headers)

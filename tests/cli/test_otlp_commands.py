"""What `doctor` and `send` do where traces go by OTLP."""

import pytest
from click.testing import CliRunner
from faultserver import Reply, closed_port

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from otlp_receiver import Receiver

from infinium_integrations import flush, runtime, settings, trace
from infinium_integrations.cli.main import main


@pytest.fixture
def go_to(monkeypatch):
    def use(origin, **given):
        monkeypatch.setenv("INFINIUM_EXPORTERS", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", origin)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        settings.reset()
        runtime.install(None)

    return use


def run(*arguments, code=0):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_doctor_tells_where_traces_go_and_that_it_was_answered(go_to):
    with Receiver() as receiver:
        go_to(receiver.origin, OTEL_SERVICE_NAME="support-bot", OTEL_EXPORTER_OTLP_HEADERS="api-key=my-secret-token")
        said = run("doctor")
        assert receiver.spans == []
        assert len(receiver.requests) == 1
    assert f"by OTLP to {receiver.origin}/v1/traces, with content, as support-bot" in said
    assert f"{receiver.origin}/v1/traces answers as a receiver of OTLP" in said
    assert "traces don't go to Infinium" in said
    assert "my-secret-token" not in said
    assert said.endswith("All is well.\n")


def test_doctor_shows_no_password_and_no_key_of_an_endpoint(go_to):
    with Receiver() as receiver:
        go_to(f"{receiver.origin.replace('://', '://me:my-password@')}/otlp?token=my-key")
        said = run("doctor")
    assert f"{receiver.origin}/otlp/v1/traces?… answers as a receiver of OTLP" in said
    assert "my-password" not in said
    assert "my-key" not in said


def test_doctor_says_that_content_is_left_out(go_to):
    with Receiver() as receiver:
        go_to(receiver.origin, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="NO_CONTENT")
        assert "v1/traces, without content, as unknown_service" in run("doctor")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Reply(401), "check OTEL_EXPORTER_OTLP_HEADERS"),
        (Reply(404), "check OTEL_EXPORTER_OTLP_ENDPOINT"),
        (Reply(200, "<html>", content_type="text/html"), "it is no receiver of OTLP"),
        (None, "no answer from 127.0.0.1"),
    ],
)
def test_doctor_says_what_is_wrong_with_a_receiver(go_to, answer, says):
    with Receiver(then=answer or Reply()) as receiver:
        go_to(receiver.origin if answer is not None else f"http://127.0.0.1:{closed_port()}")
        assert says in " ".join(run("doctor", code=1).split())


def test_doctor_says_nothing_of_a_receiver_where_traces_go_to_none():
    said = run("doctor")
    assert "nowhere: they stay on this machine" in said
    assert "set INFINIUM_EXPORTERS=infinium,otlp" in said


def test_what_waits_is_sent_without_an_account_and_counted_as_waiting_until_then(go_to):
    port = closed_port()
    go_to(f"http://127.0.0.1:{port}")
    with trace("Refund"):
        pass
    assert not flush(0.5)
    assert "1 trace waits to be delivered" in run("doctor", code=1)
    with Receiver(port=port) as receiver:
        assert "1 sent." in run("send")
        assert [span.name for span in receiver.spans] == ["invoke_agent Refund"]
    assert run("send") == "Nothing waits to be sent.\n"

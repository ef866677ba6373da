"""What Infinium's documentation of its Python SDK shows does the same with that SDK and with this library.

Each test is one program of a page, run with either; where they differ on purpose, `docs/howto/sdk.md` says so.
"""

import asyncio
import dataclasses
import importlib
import inspect
import logging
import re
from pathlib import Path

import pytest
from provider_server import Providers
from scripted import AGENT, SECRET, Scripted, answer

import infinium_integrations
from infinium_integrations import errors, flush, traces
from infinium_integrations.client.base import logger

published = pytest.importorskip("infinium", reason="uv pip install infinium-o2")

TRACE = "11111111-2222-4333-8444-555555555555"
PROMPT = "0f5b4f0e-1d3c-4f0a-9f39-5a1f6f3c2b11"
USAGE = {"model": "gpt-4o", "provider": "openai", "prompt_tokens": 320, "completion_tokens": 45}
NOT_HERE = {
    "AnthropicInstrumentor",
    "GoogleInstrumentor",
    "OpenAIInstrumentor",
    "watch",
    "MAX_DESCRIPTION_LENGTH",
    "MAX_NAME_LENGTH",
    "MAX_PAYLOAD_SIZE",
    "MAX_STRING_LENGTH",
    "coerce_section",
    "get_current_iso_datetime",
    "validate_duration",
    "validate_iso_datetime",
    "validate_path_id",
    "validate_payload_size",
    "validate_string_length",
}
"""Names of the SDK that this library has not; `docs/howto/sdk.md` lists them."""


@pytest.fixture(params=["infinium", "infinium_integrations"])
def sdk(request):
    return importlib.import_module(request.param)


@pytest.fixture
def make(sdk, server):
    """Make a client of the server."""

    def make(kind="InfiniumClient", **options):
        return getattr(sdk, kind)(agent_id=AGENT, agent_secret=SECRET, **{"base_url": server.url, **options})

    return make


def bodies(server):
    return [seen.json for seen in server.seen]


# -- sending traces ----------------------------------------------------------------------------------------------------


def test_a_task_is_sent_inline(make, server):
    with make() as client:
        reply = client.send_task(
            name="Classify support ticket",
            description="By type and urgency",
            duration=2.4,
            input_summary="A ticket about billing",
            output_summary="billing, high",
            llm_usage=USAGE,
            customer={"customer_name": "Ann", "customer_email": "ann@example.com"},
        )
    assert (reply.success, reply.data.get("traceId")) == (True, TRACE)
    [body] = bodies(server)
    assert (body["duration"], body["llm_usage"], body["sections"]["customer"]["customer_name"]) == (2.4, USAGE, "Ann")


def test_a_task_is_created_from_steps_and_sent(sdk, make, server):
    task = sdk.InfiniumClient.create_task_data(
        name="Research: earnings",
        description="Sources and analysis",
        duration=3.2,
        current_datetime="2026-01-31T12:00:00Z",
        steps=[
            sdk.ExecutionStep(step_number=1, action="tool_use", description="Search", output_preview="Found 3"),
            sdk.ExecutionStep(
                step_number=2,
                action="llm_inference",
                description="Analyse",
                llm_call=sdk.LlmCall(model="gpt-4o", provider="openai", prompt_tokens=8, completion_tokens=2),
            ),
        ],
        expected_outcome=sdk.ExpectedOutcome(task_objective="Sourced analysis", required_deliverables=["Sources"]),
        llm_usage=sdk.LlmUsage(model="gpt-4o", prompt_tokens=8, completion_tokens=2, api_calls_count=1),
        research={"research_topic": "earnings"},
    )
    with make() as client:
        client.send_task_data(task)
    [body] = bodies(server)
    assert [step["action"] for step in body["steps"]] == ["tool_use", "llm_inference"]
    assert body["sections"] == {"research": {"research_topic": "earnings"}}
    assert body["current_datetime"] == "2026-01-31T12:00:00Z"


def test_a_builder_times_its_steps(sdk, make, server):
    trace = sdk.TraceBuilder("Blog post", "Write a post")
    trace.set_expected_outcome(task_objective="600 words", required_deliverables=["Post"], constraints=["short"])
    trace.set_input_summary("Topic: bees")
    trace.set_environment(framework="custom", region="eu", custom_tags={"team": "a"})
    with trace.step("llm_inference", "Outline") as step:
        step.set_input("bees").set_output("1. bees")
        step.record_llm_call("gpt-4o", provider="openai", prompt_tokens=8, completion_tokens=2)
    with trace.step("tool_use", "Publish") as step:
        step.record_tool_call("cms", http_status=201, duration_ms=12, input_summary="post", output_summary="ok")
        step.set_metadata({"draft": False})
    trace.add_error(sdk.ErrorDetail(error_type="Timeout", message="once", recoverable=True))
    trace.set_section("content", sdk.Content(content_type="blog", content_length=600))
    trace.set_output_summary("A post")
    with make() as client:
        client.send_task_data(trace.build())
    [body] = bodies(server)
    assert [(step["action"], step["duration_ms"] >= 0) for step in body["steps"]] == [
        ("llm_inference", True),
        ("tool_use", True),
    ]
    assert (body["steps"][1]["tool_call"]["http_status"], body["steps"][1]["metadata"]["draft"]) == (201, False)
    assert (body["environment"]["region"], body["errors"][0]["error_type"]) == ("eu", "Timeout")
    assert body["sections"]["content"]["content_length"] == 600


# -- decorators --------------------------------------------------------------------------------------------------------


def test_a_decorated_function_is_traced_and_sent(make, server):
    with make() as client:

        @client.trace("Email classifier")
        def classify(email: str) -> dict:
            """Tell what an email is about."""
            return {"intent": f"refund of {email}"}

        assert classify("order 17") == {"intent": "refund of order 17"}
        assert classify.__name__ == "classify"
    [body] = bodies(server)
    assert (body["name"], body["description"]) == ("Email classifier", "Tell what an email is about.")
    assert "order 17" in body["input_summary"]
    assert "refund of order 17" in body["output_summary"]


def test_a_decorated_coroutine_function_is_traced_and_sent(make, server):
    async def main():
        async with make("AsyncInfiniumClient") as client:

            @client.trace("Async classifier", description="Tell what it is")
            async def classify(email: str) -> str:
                await asyncio.sleep(0)
                return f"about {email}"

            assert await classify("order 17") == "about order 17"

    asyncio.run(main())
    [body] = bodies(server)
    assert (body["name"], body["description"]) == ("Async classifier", "Tell what it is")


def test_what_a_decorated_function_raises_is_traced_and_goes_on(make, server):
    with make() as client:

        @client.trace("Fails")
        def fail():
            raise LookupError("no such order")

        with pytest.raises(LookupError):
            fail()
    [body] = bodies(server)
    assert [(error["error_type"], error["message"]) for error in body["errors"]] == [("LookupError", "no such order")]


def test_without_auto_send_nothing_is_sent(make, server):
    with make() as client:

        @client.trace("Draft", auto_send=False)
        def draft():
            return "text"

        assert draft() == "text"
        flush()
    assert server.seen == []


@pytest.mark.parametrize("name", ["trace_agent", "async_trace_agent"])
def test_the_decorators_take_a_client(sdk, make, server, name):
    async def later():
        return 7

    def now():
        return 7

    with make() as client:
        decorate = getattr(sdk, name)("Seven", client, auto_send=True, description="Say seven")
        if name == "trace_agent":
            assert decorate(now)() == 7
            flush()
    if name == "async_trace_agent":

        async def main():
            async with make("AsyncInfiniumClient") as client:
                assert await getattr(sdk, name)("Seven", client, description="Say seven")(later)() == 7
                await asyncio.to_thread(flush)

        asyncio.run(main())
    assert [(body["name"], body["description"]) for body in bodies(server)] == [("Seven", "Say seven")]


def test_a_watched_call_in_a_decorated_function_is_sent_with_its_tokens(make, server):
    openai = pytest.importorskip("openai", reason="uv pip install openai")
    providers = Providers()
    model = published.watch(openai.OpenAI(api_key="x", base_url=providers.url, max_retries=0))
    with make() as client:

        @client.trace("Ask")
        def agent():
            asked = [{"role": "user", "content": "Which colour?"}]
            return model.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message.content

        assert agent() == "It is blue"
    model.close()
    providers.shutdown()
    providers.server_close()
    [body] = bodies(server)
    [call] = [step["llm_call"] for step in body["steps"] if "llm_call" in step]
    assert (call["prompt_tokens"], call["completion_tokens"], body["llm_usage"]["prompt_tokens"]) == (13, 7, 13)


# -- configuration -----------------------------------------------------------------------------------------------------


def test_a_client_takes_every_documented_argument(make, server):
    client = make(
        timeout=30.0,
        max_retries=3,
        enable_rate_limiting=True,
        requests_per_second=10.0,
        user_agent="my-agent/1.0",
        enable_logging=False,
        log_level="INFO",
        verify_ssl=True,
    )
    client.send_task("Report", "Write it", 1.0)
    client.close()
    assert server.seen[0].headers["user-agent"] == "my-agent/1.0"


def test_the_asyncio_client_is_closed_by_the_documented_name(make, server):
    async def main():
        client = make("AsyncInfiniumClient")
        await client.send_task(name="Moderate", description="Check it", duration=1.8)
        await client.close()

    asyncio.run(main())
    assert [body["name"] for body in bodies(server)] == ["Moderate"]


# -- errors ------------------------------------------------------------------------------------------------------------


def ladder(sdk, client):  # noqa: PLR0911  (as many as are documented)
    """Send, and tell which of the documented branches is taken."""
    shown = importlib.import_module(f"{sdk.__name__}.exceptions")
    try:
        client.send_task("Report", "Write it", 1.0)
    except shown.AuthenticationError:
        return "credentials"
    except shown.ValidationError as error:
        return f"invalid: {error.field}"
    except shown.RateLimitError as error:
        return f"retry after {error.retry_after:g}"
    except shown.NotFoundError:
        return "not found"
    except shown.InfiniumTimeoutError as error:
        return f"timed out after {error.timeout_duration:g}"
    except shown.NetworkError as error:
        return f"network: {isinstance(error.original_error, Exception)}"
    except shown.ServerError:
        return "server"
    except shown.InfiniumError as error:
        return f"other: {error.status_code} {bool(error.message)} {error.details['response_data']}"
    return "sent"


@pytest.mark.parametrize(
    ("reply", "branch"),
    [
        (answer(201), "sent"),
        (answer(401, {"error": "no"}), "credentials"),
        (answer(404, {"error": "no"}), "not found"),
        (answer(429, {"error": "no"}, retry_after=7), "retry after 7"),
        (answer(503, {"error": "no"}), "server"),
        (answer(fault="hang"), "timed out after 0.3"),
    ],
)
def test_each_failure_takes_the_documented_branch(sdk, make, server, reply, branch):
    server.always = reply
    with make(max_retries=0, timeout=0.3 if reply.fault else 30.0) as client:
        assert ladder(sdk, client) == branch


def test_no_connection_is_a_network_error(sdk, make):
    from faultserver import closed_port

    with make(max_retries=0, base_url=f"http://127.0.0.1:{closed_port()}/api/v1") as client:
        assert ladder(sdk, client) == "network: True"


def test_a_bad_field_is_a_validation_error_that_names_it(sdk, make):
    with make() as client, pytest.raises(sdk.ValidationError) as caught:
        client.send_task("Report", "Write it", -1)
    assert caught.value.field == "duration"
    assert caught.value.message == str(caught.value)


class TestWhereTheDocumentationGoesBeyondThePublishedPackage:
    """There this library does as it is documented."""

    @pytest.fixture
    def sdk(self):
        return infinium_integrations

    def test_422_is_a_validation_error_that_names_the_field(self, sdk, make, server):
        server.always = answer(422, {"error": "too long", "field": "name"})
        with make() as client:
            assert ladder(sdk, client) == "invalid: name"
            with pytest.raises(errors.ApiError) as caught:
                client.send_task("Report", "Write it", 1.0)
        assert (caught.value.status_code, caught.value.details["response_data"]["error"]) == (422, "too long")

    def test_another_refusal_tells_its_status_and_the_reply(self, sdk, make, server):
        server.always = answer(400, {"error": "no"})
        with make() as client:
            assert ladder(sdk, client) == "other: 400 True {'error': 'no'}"

    def test_what_is_not_found_is_named(self, make, server):
        server.always = answer(404, {"error": "no"})
        found = []
        with make() as client:
            for call in (
                lambda: client.send_task("Report", "Write it", 1.0),
                lambda: client.get_interpreted_task_result(TRACE),
                lambda: client.get_prompt(PROMPT, "the-key"),
            ):
                with pytest.raises(errors.NotFoundError) as caught:
                    call()
                found.append((caught.value.resource_type, caught.value.resource_id))
        assert found == [("agent", AGENT), ("trace", TRACE), ("prompt", PROMPT)]

    def test_a_batch_of_the_blocking_client_ends_with_its_first_failure_too(self, make, server):
        server.always = answer(400, {"error": "no"})
        with make() as client, pytest.raises(errors.BatchError):
            client.send_tasks_batch([{"name": "a", "description": "b", "duration": 1}] * 9, fail_fast=True)
        assert len(server.seen) < 9

    def test_a_batch_that_ends_tells_what_had_arrived(self, make, server):
        server.script = [answer(201), answer(201), answer(400, {"error": "no"})]
        tasks = [{"name": f"task {number}", "description": "b", "duration": 1} for number in range(9)]
        with make() as client, pytest.raises(errors.BatchError, match="2 had arrived") as caught:
            client.send_tasks_batch(tasks, max_concurrent=1, fail_fast=True)

        async def main():
            async with make("AsyncInfiniumClient") as client:
                await client.send_tasks_batch(tasks, max_concurrent=1, fail_fast=True)

        server.script = [answer(201), answer(201), answer(400, {"error": "no"})]
        with pytest.raises(errors.BatchError) as later:
            asyncio.run(main())
        for error in (caught.value, later.value):
            assert (error.successful_count, error.failed_count, len(error.errors)) == (2, 1, 1)
            assert isinstance(error.__cause__, errors.ApiError)
        assert len(server.seen) == 6

    def test_without_auto_send_the_trace_is_kept_on_this_machine(self, make, monkeypatch):
        with make() as client:
            client.trace("Draft", auto_send=False)(lambda: "text")()
        flush()
        [task] = traces()
        assert (task.name, task.delivery.status) == ("Draft", "local")

    def test_self_signed_certificates_are_accepted_where_that_is_asked_for(self, sdk):
        trustme = pytest.importorskip("trustme", reason="uv pip install --group test")
        import ssl

        from faultserver import FaultServer

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
        with FaultServer(tls=tls) as server:
            given = {"base_url": server.url, "max_retries": 0}
            with sdk.InfiniumClient(AGENT, SECRET, **given) as client, pytest.raises(errors.NetworkError):
                client.send_task("Report", "Write it", 1.0)
            with sdk.InfiniumClient(AGENT, SECRET, **given, verify_ssl=False) as client:
                assert client.send_task("Report", "Write it", 1.0).success

            async def main():
                async with sdk.AsyncInfiniumClient(AGENT, SECRET, **given, verify_ssl=False) as client:
                    return await client.send_task("Report", "Write it", 1.0)

            assert asyncio.run(main()).success

    def test_without_rate_limiting_nothing_is_waited_for(self, make):
        with make(enable_rate_limiting=False, requests_per_second=0.001, burst=1) as client:
            client._sleep = lambda seconds: pytest.fail(f"it waits {seconds} s")
            for _ in range(3):
                client.send_task("Report", "Write it", 1.0)

    def test_requests_are_logged_where_that_is_asked_for_and_no_secret_is(self, make, server, caplog):
        level = logger.level
        try:
            with make(enable_logging=True, log_level="debug") as client:
                client.send_task("Report", "Write it", 1.0)
        finally:
            logger.setLevel(level)
        lines = [record.getMessage() for record in caplog.records if record.name == "infinium_integrations.client"]
        url = f"{server.url}/agents/{AGENT}/trace"
        assert lines == [f"POST {url}", f"POST {url}: 201"]
        assert SECRET not in caplog.text

    def test_without_configured_logging_the_lines_go_to_stderr_once(self, monkeypatch, capsys):
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        monkeypatch.setattr(logger, "handlers", [])
        level = logger.level
        try:
            infinium_integrations.setup_logging("INFO")
            infinium_integrations.setup_logging("INFO")
            logger.info("hello")
        finally:
            logger.setLevel(level)
        assert capsys.readouterr().err.count("hello") == 1

    @pytest.mark.parametrize(("option", "value"), [("log_level", "LOUD"), ("user_agent", "a\nb"), ("user_agent", "")])
    def test_an_argument_that_cannot_work_is_named(self, make, option, value):
        with pytest.raises(errors.ConfigurationError, match=option):
            make(enable_logging=True, **{option: value})

    def test_outcome_is_taken_and_not_sent(self, make, server):
        with make() as client:
            client.send_task_data({"name": "a", "description": "b", "duration": 1, "outcome": "done"})
        assert "outcome" not in bodies(server)[0]


# -- batches, Maestro's results, prompts -------------------------------------------------------------------------------


def batch(sdk, count):
    return [sdk.InfiniumClient.create_task_data(f"Summary {n}", "Two sentences", 1.0) for n in range(count)]


def test_a_batch_is_sent_and_counted(sdk, make, server):
    with make() as client:
        result = client.send_tasks_batch(batch(sdk, 3))
    assert (result.successful, result.failed, len(result.results), result.errors) == (3, 0, 3, [])
    assert len(server.seen) == 3


def test_a_batch_of_the_asyncio_client_ends_with_its_first_failure(sdk, make, server):
    server.always = answer(400, {"error": "no"})

    async def main():
        async with make("AsyncInfiniumClient", max_retries=0) as client:
            await client.send_tasks_batch(batch(sdk, 1), max_concurrent=10, fail_fast=True)

    with pytest.raises(sdk.BatchError) as caught:
        asyncio.run(main())
    assert caught.value.successful_count == 0
    assert caught.value.errors


def test_maestros_result_is_read_by_the_documented_keyword(make, server):
    server.always = answer(200, {"interpretedTraceResult": "well done"})
    with make() as client:
        read = client.get_interpreted_task_result(task_id=TRACE)
        waited = client.wait_for_interpretation(TRACE, timeout=120.0, poll_interval=3.0)
    assert (read.success, read.data, waited.data) == (True, waited.data, {"interpretedTraceResult": "well done"})
    assert server.seen[0].path == f"/api/v1/agents/{AGENT}/interpreted-result/{TRACE}"


def test_the_asyncio_client_reads_it_by_the_same_keyword(make, server):
    server.always = answer(200, {"interpretedTraceResult": "well done"})

    async def main():
        async with make("AsyncInfiniumClient") as client:
            return await client.get_interpreted_task_result(task_id=TRACE)

    assert asyncio.run(main()).data["interpretedTraceResult"] == "well done"


def test_a_result_that_does_not_come_is_a_timeout(sdk, make, server):
    server.always = answer(200, {})
    with make() as client, pytest.raises(sdk.InfiniumTimeoutError) as caught:
        client.wait_for_interpretation(TRACE, timeout=0.05, poll_interval=0.01)
    assert caught.value.timeout_duration == 0.05


def test_a_prompt_is_fetched_and_filled(make, server):
    content = "Write a {{tone}} email to {{customer}}."
    server.always = answer(
        200, {"promptId": PROMPT, "name": "Email", "version": 3, "content": content, "createdAt": "2026-01-31"}
    )
    with make() as client:
        prompt = client.get_prompt(prompt_id=PROMPT, prompt_key="the-key", version="latest", variables={"tone": "dry"})
        pinned = client.get_prompt(prompt_id=PROMPT, prompt_key="the-key", version=3)
    assert (prompt.name, prompt.version, prompt.content) == ("Email", 3, content)
    assert prompt.rendered_content == "Write a dry email to {{customer}}."
    assert pinned.rendered_content is None
    assert [seen.path.rpartition("/")[2] for seen in server.seen] == ["latest", "3"]


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(published.__all__) - NOT_HERE))
def test_a_name_of_the_sdk_is_a_name_of_ours(name):
    assert getattr(infinium_integrations, name) is not None


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_a_name_that_is_not_here_is_in_the_documentation_of_the_differences(name):
    assert not hasattr(infinium_integrations, name)
    page = (Path(infinium_integrations.__file__).parents[1] / "docs" / "howto" / "sdk.md").read_text()
    assert re.search(rf"`{name}`", page)


TYPES = [name for name in published.__all__ if dataclasses.is_dataclass(getattr(published, name))]


@pytest.mark.parametrize("name", TYPES)
def test_each_type_takes_the_fields_of_the_sdks(name):
    theirs, ours = getattr(published, name), getattr(infinium_integrations, name)
    assert {field.name for field in dataclasses.fields(theirs)} <= set(ours.model_fields)


@pytest.mark.parametrize("name", ["InfiniumClient", "AsyncInfiniumClient"])
@pytest.mark.parametrize(
    "method",
    [
        "create_task_data",
        "get_current_iso_datetime",
        "get_interpreted_task_result",
        "get_prompt",
        "send_task",
        "send_task_data",
        "send_tasks_batch",
        "trace",
        "wait_for_interpretation",
        "__init__",
    ],
)
def test_each_method_takes_the_arguments_of_the_sdks(name, method):
    theirs, ours = (
        set(inspect.signature(getattr(getattr(module, name), method)).parameters)
        for module in (published, infinium_integrations)
    )
    assert theirs - ours <= {"kwargs", "sections"}


def test_errors_have_the_names_of_the_sdks():
    theirs = {name for name, kind in vars(published.exceptions).items() if inspect.isclass(kind)}
    ours = importlib.import_module("infinium_integrations.exceptions")
    assert theirs - {"Any", "Dict", "Optional"} <= set(ours.__all__)


@pytest.fixture
def server():
    made = Scripted()
    yield made
    made.close()

"""What users write, and what `mypy --strict` and pyright must have no objection to."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, assert_type

from infinium_integrations import (
    ApiResponse,
    AsyncInfiniumClient,
    Customer,
    ErrorDetail,
    ExpectedOutcome,
    InfiniumClient,
    NetworkError,
    TaskData,
    TraceBuilder,
    aexperiment,
    compare,
    configure,
    current_trace,
    experiment,
    experiments,
    flush,
    instrument,
    shutdown,
    stats,
    suppress,
    trace,
    trace_agent,
    traces,
    uninstrument,
)
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import recorded_traces


def handlers() -> None:
    InfiniumCallbackHandler()
    InfiniumCallbackHandler(
        name="Support desk",
        description="Answers tickets",
        expected_outcome={"task_objective": "Solve it", "acceptance_criteria": ["Names the next step"]},
        sections={"sales": {"deal_value": 12_000.0}},
        tags=["beta"],
        metadata={"tier": 1},
        capture_content=False,
        detail="full",
        redact=lambda text: text.replace("Ada", "[customer]"),
        client=InfiniumClient(),
        preview_chars=200,
    )
    InfiniumCallbackHandler(expected_outcome=ExpectedOutcome(task_objective="Solve it"), client=AsyncInfiniumClient())
    InfiniumEventHandler(name="Index", detail="default", tags="one").register()
    with InfiniumEventHandler(expected_outcome="Solve it"):
        pass


def process() -> None:
    configure(agent_secret="s", base_url="https://example.com", store="memory", store_bytes=1_000, history_days=30)
    configure(tracing=False, capture_content=True, idle_timeout=60, grace=0.5, exit_timeout=1, allow_http=True)
    configure(history_days=None, requests_per_second=5)
    instrument()
    instrument("langchain", "llama_index", name="Everything", detail="full")
    uninstrument("langchain")
    assert_type(flush(timeout=10), bool)
    assert_type(shutdown(timeout=5), bool)
    stats()


def reading() -> None:
    for task in traces(limit=5, offset=1, status="ok", name="Ticket", since=timedelta(days=7), until="2026-01-01"):
        assert_type(task, TaskData)
    traces(trace_id="abc", session="s", user="u", tag="beta", text="invoice")
    traces("tool:refund_order status:error", limit=None, sort="-cost")
    traces(query="refund")
    found = traces()
    assert_type(found[0], TaskData)
    found.to_dataframe().head()
    compare(found[0], found[1])


def blocks() -> None:
    with trace("Quarterly report", "Research and write", tags=["q3"], detail="full") as report:
        report.set_input_summary("Q3")
        assert_type(report, TraceBuilder)
        with report.step("tool_use", "Read the figures") as step:
            step.set_input({"quarter": 3}).set_output([1.2, 1.4])
            step.record_tool_call("figures", http_status=200)
    with suppress():
        now = current_trace()
        if now is not None:
            now.set_output_summary("done")
            assert_type(now.traceparent, str)
    with trace("Quarterly report", traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        configure(exporters=["infinium", "otlp"])


async def async_block() -> None:
    async with trace("Quarterly report") as report:
        report.set_input_summary("Q3")


@trace("Triage ticket")
def triage(ticket: str, *, urgent: bool = False) -> str:
    return ticket if urgent else ""


@trace("Triage ticket", metadata={"session_id": "s"}, capture_content=False)
async def triage_later(ticket: str) -> int:
    return len(ticket)


@trace("Words")
def words(text: str) -> Iterator[str]:
    yield from text.split()


@trace("Words")
async def words_later(text: str) -> AsyncIterator[str]:
    yield text


class Desk:
    @trace("Answer")
    def answer(self, question: str) -> list[str]:
        return [question]


async def decorated() -> None:
    assert_type(triage("invoice", urgent=True), str)
    assert_type(await triage_later("invoice"), int)
    assert_type(words("a b"), Iterator[str])
    assert_type(words_later("a b"), AsyncIterator[str])
    assert_type(Desk().answer("why"), list[str])
    later: Callable[[str], Coroutine[Any, Any, int]] = triage_later
    await later("invoice")


def by_hand() -> None:
    builder = TraceBuilder("Summarise a call", "Writes the minutes of a sales call")
    with builder.step("llm_inference", "Summarise") as step:
        step.set_output("They buy in May.")
        step.record_llm_call(model="gpt-4o", provider="openai", prompt_tokens=812, completion_tokens=64)
    builder.set_section("sales", sales_stage="negotiation", deal_value=12_000.0)
    built = builder.build()
    assert_type(built, TaskData)
    with InfiniumClient(user_agent="my-agent/1.0", verify_ssl=True, enable_logging=True, log_level="DEBUG") as client:
        assert_type(client.send_task_data(built), ApiResponse)
        assert_type(client.get_interpreted_task_result(task_id="id"), ApiResponse)
        client.send_tasks_batch([InfiniumClient.create_task_data("a", "b", 1.0, customer=Customer())], fail_fast=True)

        @client.trace("Add", description="Add two numbers")
        def add(one: int, two: int) -> int:
            return one + two

        assert_type(add(1, 2), int)
    try:
        trace_agent("Ask", client, auto_send=False)(asked)
    except NetworkError as error:
        assert_type(error.message, str)


def testing() -> None:
    with recorded_traces() as recorded:
        assert_type(recorded[0], TaskData)
        assert_type(recorded.tool_calls("search")[0].name, str)
        assert_type(recorded.tokens().prompt, int)
        assert_type(recorded.errors(), list[ErrorDetail])


async def by_hand_later(built: TaskData) -> None:
    async with AsyncInfiniumClient() as client:
        assert_type(await client.send_task_data(built), ApiResponse)


async def asked(question: str) -> str:
    return question


def experimenting(path: str) -> None:
    found = experiment(len, ["a", "b"], name="Lengths", concurrency=2, repetitions=3, wait=False, timeout=60)
    experiment(asked, path, name="From a file", expected_outcome=lambda example: {"task_objective": str(example)})
    experiment(asked, [{"input": "a"}], name="Rubric", expected_outcome=ExpectedOutcome(task_objective="Answer"))
    assert_type(found[0].error, str | None)
    assert_type(found[0].tokens, int | None)
    assert_type([row.trace_id for row in found], list[str | None])
    found.compare(experiments("Lengths")[0], found).to_dataframe()
    found.to_dataframe()
    found.wait(timeout=10)
    compare(found, traces(tag="beta"))
    assert_type(compare("id", traces()[0]).changes[0].label, str)
    compare("a", "b", "c").facts["Output"]


async def experimenting_later() -> None:
    assert_type(len(await aexperiment(asked, ["a"], name="Later")), int)

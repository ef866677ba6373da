"""Traces as agents leave them, for looking at and for testing what shows them. All are the same on every call."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from infinium_integrations.models import (
    EnvironmentContext,
    ErrorDetail,
    ExecutionStep,
    ExpectedOutcome,
    LlmCall,
    LlmUsage,
    Support,
    TaskData,
    ToolCall,
)

START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

HOSTILE = (
    "<script>alert(document.cookie)</script><img src=x onerror=alert(1)></style></title></pre></textarea>"
    '<a href="javascript:alert(1)">click</a> \'"--><svg/onload=alert(2)> {{7*7}} {% raw %} ${x} &amp; &#60;'
)
RTL = "invoice\u202efdp.exe\u202c مرحبا بالعالم \u2066x\u2069 שלום"
CONTROLS = "a\x00b\x07c\x1b[31mred\x1b[0m\x7f\x85\u2028end\ufffe"
LONG_WORD = "Donaudampfschifffahrtsgesellschaft" * 12
EMOJI = "👩🏽‍🚀🧑‍🧑‍🧒‍🧒 🏳️‍🌈 e\u0301\u0301\u0301\u0301 ﷽ 𓀀 漢字かな"


def step(number: int, action: str, name: str, start: int, length: int | None, **extra: Any) -> ExecutionStep:
    """One step as the recorder would write it; ``parent``, ``status`` and ``meta`` go into its metadata."""
    metadata = {
        "parent_step": extra.pop("parent", None),
        "started_ms": start,
        "status": extra.pop("status", "ok"),
        "name": name,
        **extra.pop("meta", {}),
    }
    return ExecutionStep(
        step_number=number, action=action, description=name, duration_ms=length, metadata=metadata, **extra
    )


def llm(number: int, start: int, length: int, tokens: tuple[int | None, int | None], **extra: Any) -> ExecutionStep:
    """A model call; ``model`` and ``provider`` as given."""
    model = extra.pop("model", "gpt-4o")
    call = LlmCall(
        model=model,
        provider=extra.pop("provider", "openai"),
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        latency_ms=length,
        temperature=0.2,
    )
    return step(number, "llm_inference", extra.pop("name", "ChatOpenAI"), start, length, llm_call=call, **extra)


def tool(
    number: int, name: str, start: int, length: int, arguments: str, result: str | None, **extra: Any
) -> ExecutionStep:
    """A tool call with its arguments and result."""
    error = extra.get("error")
    call = ToolCall(tool_name=name, duration_ms=length, input_summary=arguments, output_summary=result, error=error)
    return step(
        number, "tool_use", name, start, length, tool_call=call, input_preview=arguments, output_preview=result, **extra
    )


def trace(name: str, seconds: float, steps: list[ExecutionStep], index: int = 0, **extra: Any) -> TaskData:
    """A trace with the facts that every recorded trace has; ``status`` and ``tags`` go into them."""
    tags = {
        "status": extra.pop("status", "ok"),
        "trace_id": str(UUID(int=0x5EED_0000_0000_4000_8000_0000_0000_0000 + index)),
        **extra.pop("tags", {}),
    }
    calls = [one.llm_call for one in steps if one.llm_call]
    return TaskData(
        name=name,
        description=extra.pop("description", name),
        duration=seconds,
        current_datetime=(START + timedelta(minutes=7 * index, seconds=seconds)).isoformat(),
        steps=steps,
        llm_usage=extra.pop("llm_usage", usage(calls) if calls else None),
        environment=EnvironmentContext(
            framework=extra.pop("framework", "langchain"),
            framework_version="1.7.2",
            python_version="3.12.4",
            sdk_version="0.1.0",
            custom_tags=tags,
        ),
        **extra,
    )


def usage(calls: list[LlmCall]) -> LlmUsage:
    """The totals of the calls, with a made-up price."""
    prompt = sum(call.prompt_tokens or 0 for call in calls)
    completion = sum(call.completion_tokens or 0 for call in calls)
    models = {call.model for call in calls}
    return LlmUsage(
        model=models.pop() if len(models) == 1 else "multiple",
        provider="openai" if not models else "multiple",
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        estimated_cost_usd=prompt * 2.5e-6 + completion * 1e-5,
        api_calls_count=len(calls),
        total_latency_ms=sum(call.latency_ms or 0 for call in calls),
    )


DOCUMENTS = [
    {"id": "refunds.md#2", "score": 0.912, "preview": "Annual plans are refunded in full within 30 days of purchase."},
    {"id": "refunds.md#5", "score": 0.871, "preview": "After 30 days the unused months are credited, not paid out."},
    {"id": "billing.md#1", "score": 0.644, "preview": "Invoices are issued on the first working day of the month."},
    {"id": "faq.md#17", "score": 0.41, "preview": "To change the card on file, open Settings, then Billing."},
]

STACK = """Traceback (most recent call last):
  File "/srv/agent/tools/crm.py", line 88, in lookup
    reply = session.get(url, timeout=2.0)
  File "/srv/agent/.venv/lib/python3.12/site-packages/httpx/_client.py", line 1053, in get
    return self.request("GET", url)
httpx.ReadTimeout: timed out after 2.0 s"""


ANSWER = """Dear Ada,

your annual plan is 20 days old, so we refund the full €240 to your card within 5 days.

Kind regards"""


def agent() -> TaskData:
    """A support agent: retrieval, parallel tools, a retry after a time-out, and an answer."""
    timeout = ErrorDetail(
        error_type="ReadTimeout", message="timed out after 2.0 s", recoverable=True, retry_count=1, stack_trace=STACK
    )
    question = "I bought the annual plan 20 days ago and want my money back. Order 58213, ada@example.com."
    steps = [
        llm(
            1,
            40,
            1310,
            (1240, 86),
            name="Plan",
            input_preview=f"user: {question}\n(+1 earlier message)",
            output_preview="I will look up the policy, the order and the customer.",
            meta={"ttft_ms": 420, "node": "plan"},
        ),
        step(
            2,
            "retrieval",
            "policy_search",
            1380,
            640,
            input_preview="refund annual plan 20 days",
            output_preview="4 documents\nAnnual plans are refunded in full within 30 days…",
            meta={"documents": DOCUMENTS},
        ),
        step(
            3,
            "embedding",
            "text-embedding-3-small",
            1390,
            180,
            parent=2,
            meta={"model_requested": "text-embedding-3-small"},
        ),
        step(4, "rerank", "CrossEncoder", 1700, 310, parent=2, meta={"documents": DOCUMENTS[:2]}),
        step(
            5,
            "agent",
            "account_agent",
            2050,
            6900,
            output_preview="Order found, eligible",
            meta={"agent": "account_agent"},
        ),
        tool(
            6,
            "get_order",
            2080,
            890,
            '{"order_id": 58213}',
            '{"plan": "annual", "paid": "2026-10-31", "amount": 240.0}',
            parent=5,
        ),
        tool(
            7,
            "crm_lookup",
            2085,
            2004,
            '{"email": "ada@example.com"}',
            None,
            parent=5,
            status="error",
            error=timeout,
            meta={"attempt": 1},
        ),
        tool(
            8,
            "crm_lookup",
            4110,
            1320,
            '{"email": "ada@example.com"}',
            '{"customer": "Ada Lovelace", "since": 2021, "notes": []}',
            parent=5,
            meta={"attempt": 2},
        ),
        llm(
            9,
            5460,
            3420,
            (6210, 512),
            parent=5,
            name="ChatOpenAI",
            input_preview='tool: {"customer": "Ada Lovelace"}\n(+6 earlier messages)',
            output_preview="The order is 20 days old: eligible for a full refund.",
            meta={"ttft_ms": 610, "usage_details": {"cache_read": 4096, "reasoning": 380}, "tool_call_id": "call_1a"},
        ),
        step(10, "chain", "format_reply", 8970, 12, input_preview="eligible", output_preview="reply draft"),
        llm(
            11,
            8990,
            2410,
            (1480, 402),
            name="Write the reply",
            model="gpt-4o-mini",
            input_preview="system: Be kind and brief.",
            output_preview="Dear Ada,\n\nyour annual plan is 20 days old, so we refund the full €240.",
            meta={"ttft_ms": 380},
        ),
    ]
    return trace(
        "Refund request",
        11.46,
        steps,
        1,
        description="Answer a customer who asks for a refund, within the policy.",
        input_summary=question,
        output_summary=ANSWER,
        expected_outcome=ExpectedOutcome(
            task_objective="Decide on the refund and answer the customer",
            required_deliverables=["A reply to the customer"],
            constraints=["Never promise more than the policy gives"],
            acceptance_criteria=["Names the amount", "Names the policy's 30 days"],
        ),
        errors=[timeout],
        support=Support(call_id="58213", issue_type="refund", priority="normal", follow_up_required=False),
        tags={"session_id": "chat-4711", "user_id": "u-ada", "tags": "support,production", "experiment": "prompt-v2"},
    )


def retriever() -> TaskData:
    """A bare retriever call: a trace with one step."""
    steps = [
        step(
            1,
            "retrieval",
            "VectorIndexRetriever",
            0,
            148,
            input_preview="How are refunds made?",
            output_preview="4 documents",
            meta={"documents": DOCUMENTS},
        )
    ]
    return trace(
        "VectorIndexRetriever", 0.148, steps, 2, framework="llama_index", input_summary="How are refunds made?"
    )


def single() -> TaskData:
    """One model call, and nothing else."""
    steps = [
        llm(1, 0, 812, (24, 9), input_preview="user: Say hello", output_preview="Hello! How can I help you today?")
    ]
    return trace(
        "ChatOpenAI", 0.812, steps, 3, input_summary="Say hello", output_summary="Hello! How can I help you today?"
    )


def failed() -> TaskData:
    """A run that ends in an error, with a step that never ended."""
    fault = ErrorDetail(
        error_type="RateLimitError", message="429: slow down", stack_trace=STACK, error_code="429", retry_count=2
    )
    steps = [
        llm(1, 20, 900, (400, 60), name="Router"),
        step(2, "workflow_step", "research", 930, 5200, status="error"),
        llm(3, 950, 210, (None, None), parent=2, status="error", error=fault, meta={"attempt": 1}),
        llm(4, 2200, 190, (None, None), parent=2, status="error", error=fault, meta={"attempt": 2}),
        step(5, "tool_use", "background_job", 1000, None, parent=2, status="incomplete"),
    ]
    return trace(
        "Nightly research",
        6.2,
        steps,
        4,
        status="error",
        errors=[fault],
        framework="llama_index",
        tags={"left_open": "1", "tags": "nightly", "session_id": "night-7"},
    )


def parallel(width: int = 12) -> TaskData:
    """A fan-out: many tools at the same time, then one model call."""
    steps = [
        tool(n + 1, f"fetch_{n}", 10 + 3 * n, 400 + 137 * (n * 5 % 7), f"page {n}", f"{n} KB") for n in range(width)
    ]
    steps.append(llm(width + 1, 1300, 700, (3000, 200), name="Summarise"))
    return trace("Fan-out", 2.05, steps, 5, tags={"session_id": "chat-4711"})


def run(count: int) -> TaskData:
    """A long run of ``count`` steps: turns with a model call, three tools and a failure now and then."""
    steps = list(_turns(count))
    seconds = max(one.metadata["started_ms"] + one.duration_ms for one in steps if one.metadata) / 1000 + 0.1
    return trace(f"Long run of {count:,} steps", min(seconds, 86_000.0), steps, 6, tags={"tags": "long"})


def _turns(count: int) -> Iterator[ExecutionStep]:
    turn = clock = 0
    for number in range(1, count + 1):
        place = (number - 1) % 5
        if place == 0:
            turn, clock = number, clock + 1100
            yield step(number, "workflow_step", f"turn {number // 5 + 1}", clock, 1050)
        elif place == 1:
            yield llm(
                number, clock + 5, 600, (900 + number % 700, 40 + number % 90), parent=turn, input_preview="…" * 40
            )
        else:
            bad = number % 97 == 0
            error = ErrorDetail(error_type="ToolException", message=f"no page {number}") if bad else None
            yield tool(
                number,
                f"read_page_{place}",
                clock + 610 + 20 * place,
                90 * place,
                f'{{"page": {number}}}',
                f"text of page {number}",
                parent=turn,
                status="error" if bad else "ok",
                error=error,
            )


def flat(count: int) -> TaskData:
    """``count`` steps side by side, without a parent or a time, as a hand-made trace has them."""
    steps = [
        ExecutionStep(step_number=n, action="custom", description=f"Row {n}", duration_ms=10 + n % 7)
        for n in range(1, count + 1)
    ]
    return TaskData(name=f"{count:,} rows", description="By hand", duration=count * 0.013, steps=steps)


def deep(depth: int = 600) -> TaskData:
    """Each step within the one before it."""
    steps = [step(n, "chain", f"level {n}", n, 2 * depth - n, parent=n - 1 or None) for n in range(1, depth + 1)]
    return trace(f"{depth} levels", depth / 400, steps, 8)


def hostile() -> TaskData:
    """Everything that could break out of a page, or break the page's layout, in every field there is."""
    everything = f"{HOSTILE}\n{RTL}\n{CONTROLS}\n{LONG_WORD}\n{EMOJI}"
    error = ErrorDetail(error_type=HOSTILE, message=everything, stack_trace=HOSTILE, error_code="<b>", retry_count=1)
    documents = [
        {"id": HOSTILE, "score": "<i>", "preview": everything},
        "<b>no object</b>",
        {"score": float("nan")},
        None,
    ]
    steps = [
        step(
            1,
            HOSTILE,
            everything,
            0,
            400,
            input_preview=everything,
            output_preview=everything,
            error=error,
            status="<script>",
            meta={HOSTILE: {HOSTILE: [everything]}, "documents": documents, "usage_details": "</style>"},
        ),
        llm(2, 10, 100, (10, 10), model=HOSTILE, provider=HOSTILE, name=RTL, parent=1, meta={"ttft_ms": "<u>"}),
        tool(3, LONG_WORD, 20, 100, CONTROLS, EMOJI, parent=2, error=error, status="error"),
        ExecutionStep(step_number=3, action="x", description=EMOJI, metadata={"parent_step": 9, "started_ms": "soon"}),
        ExecutionStep(
            step_number=5,
            action="tool_use",
            description="",
            metadata={"parent_step": 5, "started_ms": -7.5, "status": 3},
        ),
        ExecutionStep(
            step_number=6, action="tool_use", description=" ", metadata={"parent_step": True, "started_ms": 1e300}
        ),
        ExecutionStep(
            step_number=7, action="tool_use", description="nan", metadata={"started_ms": float("nan"), "name": ["x"]}
        ),
    ]
    return trace(
        everything[:500],
        0.5,
        steps,
        9,
        description=everything,
        input_summary=everything,
        output_summary=everything,
        status="<b>odd</b>",
        errors=[error],
        framework="</script><script>alert(3)</script>",
        tags={
            HOSTILE: HOSTILE,
            "session_id": "../../<session>?x=1&y='\"",
            "user_id": RTL,
            "tags": f"{HOSTILE},,{EMOJI}",
        },
        expected_outcome=ExpectedOutcome(
            task_objective=everything, constraints=[HOSTILE], acceptance_criteria=[LONG_WORD]
        ),
        support=Support(agent_notes=everything),
    )


def bare() -> TaskData:
    """The least a trace can be, as ``send_task`` makes it."""
    return TaskData(name="Report written", description="One step", duration=0.0)


def everything() -> dict[str, TaskData]:
    """Every sample, by name."""
    return {
        "agent": agent(),
        "retriever": retriever(),
        "single": single(),
        "failed": failed(),
        "parallel": parallel(),
        "thousand": run(1_000),
        "hostile": hostile(),
        "deep": deep(),
        "flat": flat(1_000),
        "bare": bare(),
    }

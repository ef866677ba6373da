"""Traces with whole content, as they are read back from the store."""

from typing import Any

import samples

from infinium_integrations.models import ErrorDetail, TaskData

Message = dict[str, Any]

PROMPT = """You are the support desk of Northwind Cycles.

Look things up before you answer. Never promise more than the policy gives. Answer in the customer's language, \
in few words, and name the amount and the day.

Rules:
- Annual plans are refunded in full within 30 days of purchase.
- After 30 days the unused months are credited, not paid out.
- A refund above €500 needs a person's consent: call `ask_a_person`.
- Never repeat a card number, a password or a token, even when you are asked to.

When a tool fails, try it once more, then say what you could not look up."""

ANSWER = """Dear Ada,

your annual plan is **20 days old**, so we refund the full amount:

| Order | Bought | Refund |
|---|---|---|
| 58213 | 31 Oct 2026 | **€240.00** |

1. The money goes back to your card within *5 days*.
2. Your access ends on 30 Nov 2026.

You find the rule in our [refund policy](https://example.com/refunds).

```python
refund = order.amount if order.age_days <= 30 else 0
```
"""


def text(role: str, content: str, **more: Any) -> Message:
    return {"role": role, **more, "parts": [{"type": "text", "content": content}]}


def call(identity: str, name: str, arguments: object) -> dict[str, Any]:
    return {"type": "tool_call", "id": identity, "name": name, "arguments": arguments}


def answered(identity: str, name: str, response: object) -> Message:
    return {
        "role": "tool",
        "name": name,
        "parts": [{"type": "tool_call_response", "id": identity, "response": response}],
    }


ORDER = {
    "order_id": 58213,
    "plan": "annual",
    "paid": "2026-10-31",
    "amount": 240.0,
    "currency": "EUR",
    "open": False,
    "coupon": None,
    "customer": {"name": "Ada Lovelace", "email": "ada@example.com", "since": 2021, "tags": ["beta", "newsletter"]},
    "history": [{"day": f"2026-10-{day:02}", "event": "login", "address": f"10.0.0.{day}"} for day in range(1, 28)],
}

MESSAGES: list[Message] = [
    text("system", PROMPT),
    text("user", "I bought the annual plan 20 days ago and want my money back. Order 58213, ada@example.com."),
    {
        "role": "assistant",
        "parts": [
            {
                "type": "reasoning",
                "content": "The customer wants a refund.\nI need the policy, the order and the customer.",
            },
            {"type": "text", "content": "I will look up the policy, the order and the customer."},
            call("c1", "policy_search", {"query": "refund annual plan 20 days", "k": 4}),
            call("c2", "get_order", {"order_id": 58213}),
            call("c3", "crm_lookup", {"email": "ada@example.com"}),
        ],
    },
    answered("c1", "policy_search", "Annual plans are refunded in full within 30 days of purchase.\nAfter 30 days …"),
    answered("c2", "get_order", ORDER),
    answered("c3", "crm_lookup", '{"customer": "Ada Lovelace", "since": 2021, "notes": []}'),
    text("assistant", "The order is 20 days old: eligible for a full refund."),
    text("user", "Write the reply."),
    text("assistant", ANSWER),
]

DOCUMENTS = [
    {
        "id": "refunds.md#2",
        "score": 0.912,
        "content": "Annual plans are refunded in full within 30 days of purchase. " * 20,
        "metadata": {
            "source": "handbook/refunds.md",
            "page": 2,
            "updated": "2026-09-01",
            "tags": ["policy", "billing"],
        },
    },
    {
        "id": "refunds.md#5",
        "score": 0.871,
        "content": "After 30 days the unused months are credited, not paid out.",
        "metadata": {"source": "handbook/refunds.md", "page": 5},
    },
    {
        "id": None,
        "score": 0.41,
        "content": "To change the card on file, open Settings.",
        "metadata": {"source": "faq.md"},
    },
]


def agent() -> TaskData:
    """The support agent of the samples with all that it saw and said."""
    tools = ["policy_search", "get_order", "crm_lookup"]
    definitions = [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"Call {name}.",
                "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
            },
        }
        for name in tools
    ]
    task = samples.agent()
    for number, identity in ((6, "c2"), (8, "c3")):
        task.steps[number - 1].metadata["tool_call_id"] = identity
    for number, price in ((1, 0.0043), (9, 0.0206), (11, 0.0005)):
        task.steps[number - 1].metadata["estimated_cost_usd"] = price
    steps = {
        "1": {
            "input_messages": [0, 1],
            "output_messages": [2],
            "tools": tools,
            "parameters": {"temperature": 0.2, "max_tokens": 1024},
        },
        "2": {"input": "refund annual plan 20 days", "documents": DOCUMENTS},
        "5": {"input": MESSAGES[2:3], "output": {"messages": MESSAGES[5:7], "eligible": True}},
        "6": {"arguments": {"order_id": 58213}, "result": ORDER},
        "7": {"arguments": {"email": "ada@example.com"}},
        "8": {
            "arguments": {"email": "ada@example.com"},
            "result": '{"customer": "Ada Lovelace", "since": 2021, "notes": []}',
        },
        "9": {"input_messages": [0, 1, 2, 3, 4, 5], "output_messages": [6], "tools": tools},
        "10": {"input": "eligible", "output": "reply draft\nwith two lines"},
        "11": {"input_messages": [0, 1, 2, 3, 4, 5, 6, 7], "output_messages": [8], "parameters": {"temperature": 0.2}},
    }
    ends = {"input": [MESSAGES[1]], "output": {"messages": MESSAGES[1:], "eligible": True}}
    return task.with_captured({"messages": MESSAGES, "tool_definitions": definitions, "steps": steps, **ends})


def talk(steps: int, messages: int) -> TaskData:
    """A run of many model calls, each given all that was said before: ``messages`` in all, then the same ones again."""
    said = [text("system", PROMPT)]
    said += [
        text("assistant" if n % 2 else "user", f"**Turn {n}** says something of some length. " * 8 + f"(mark-{n}-end)")
        for n in range(messages - 1)
    ]
    calls = {
        str(n + 1): {
            "input_messages": list(range(min(2 * n + 2, messages - 1))),
            "output_messages": [min(2 * n + 2, messages - 1)],
        }
        for n in range(steps)
    }
    made = [samples.llm(n + 1, 100 * n, 90, (400 + n, 30)) for n in range(steps)]
    task = samples.trace(f"Talk of {steps:,} calls", steps / 10, made, 20)
    return task.with_captured({"messages": said, "steps": calls})


EVERYTHING = f"{samples.HOSTILE}\n{samples.RTL}\n{samples.CONTROLS}\n{samples.LONG_WORD}\n{samples.EMOJI}"
MARKED_UP = f"""# {samples.HOSTILE}

[click](javascript:alert(1)) [two](https://example.com/"onmouseover=alert(1)) ![pixel](https://evil.example/p.png)
<img src="https://evil.example/q.png" onerror=alert(1)> <https://example.com/<script>> [d](data:text/html,x)

| {samples.LONG_WORD} | b |
|---|---|
| `{samples.RTL}` | {samples.EMOJI} |

```{samples.HOSTILE}
{EVERYTHING}
```
> {samples.CONTROLS}
"""


def hostile() -> TaskData:
    """Content that would break out of a page, or break its layout, in every place there is."""
    odd: list[Any] = [
        text("system", EVERYTHING * 30, name=samples.HOSTILE),
        text(samples.HOSTILE, EVERYTHING),
        {
            "role": "assistant",
            "name": samples.RTL,
            "parts": [
                {"type": "reasoning", "content": EVERYTHING},
                {
                    "type": "text",
                    "content": MARKED_UP,
                    "citations": [{"url": "javascript:alert(1)", "title": EVERYTHING}],
                },
                {"type": "text", "content": "cited", "citations": ["plain", {"url": "https://example.com/<b>"}]},
                {"type": "refusal", "content": EVERYTHING},
                call(
                    samples.HOSTILE, samples.HOSTILE, {samples.HOSTILE: [EVERYTHING, {samples.RTL: samples.CONTROLS}]}
                ),
                call("x", samples.LONG_WORD, '{"broken": '),
                {"type": "server_tool_call", "id": "s", "name": "web_search", "arguments": {"q": samples.RTL}},
                {"type": "server_tool_call_response", "id": "s", "response": {"url": samples.HOSTILE}},
                {"type": "blob", "modality": "image", "mime_type": samples.HOSTILE, "size": 123_456},
                {"type": "uri", "modality": "image", "uri": "javascript:alert(1)//" + samples.LONG_WORD},
                {"type": "file", "modality": "file", "file_id": samples.HOSTILE, "name": samples.RTL},
                {"type": samples.HOSTILE, "x": [1, None, float("nan")]},
                "no part at all",
                {"type": "text"},
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "response": [{"type": "text", "content": MARKED_UP}] * 3}],
        },
        {"role": "user", "parts": []},
        text("user", "x" * 1_000_000),
        text("assistant", "[" * 9_000 + "*a " * 5_000),
        text("assistant", f"![{samples.HOSTILE}](https://evil.example/)" * 50),
    ]
    deep: Any = "end"
    for _ in range(60):
        deep = {samples.HOSTILE[:20]: deep}
    steps = {
        "1": {"input": deep, "output": [EVERYTHING] * 300},
        "2": {
            "input_messages": [0, 1, 2, 3, 4, 5],
            "output_messages": [6, 7],
            "tools": [samples.HOSTILE],
            "parameters": {samples.HOSTILE: samples.RTL},
        },
        "3": {"arguments": "{broken", "result": MARKED_UP},
        "6": {
            "input": {"messages": odd[:3], "state": EVERYTHING},
            "documents": [*DOCUMENTS, "odd", {"content": MARKED_UP}],
        },
        "7": {
            "documents": [
                {"id": samples.HOSTILE, "score": samples.RTL, "metadata": {samples.HOSTILE: {"a": EVERYTHING}}}
            ]
        },
    }
    task = samples.hostile()
    task.steps[0].metadata["interrupts"] = [EVERYTHING]
    return task.with_captured({"messages": odd, "steps": steps, "input": odd[1], "output": {"x": EVERYTHING}})


def interrupted() -> TaskData:
    """A run that asked a person and ended with it."""
    question = {"question": "Refund €740.00 to Ada Lovelace?", "order": 58213, "amount": 740.0}
    steps = [
        samples.llm(1, 10, 800, (900, 40), name="Decide"),
        samples.step(2, "workflow_step", "consent", 820, 30, status="interrupted", meta={"interrupts": [question]}),
    ]
    return samples.trace("Refund above the limit", 0.9, steps, 21, status="interrupted")


def repeated_error(count: int = 10) -> TaskData:
    """A run in which one error occurs again and again."""
    fault = ErrorDetail(error_type="ReadTimeout", message="the warehouse did not answer")
    steps = [
        samples.tool(n, "find_order", 100 * n, 90, "{}", None, status="error", error=fault) for n in range(1, count + 1)
    ]
    return samples.trace("Ten times the same", 1.2, steps, 22, status="error", errors=[fault])


def nodes_with_one_call() -> TaskData:
    """A graph whose nodes each make one call, and one that makes two."""
    steps = [
        samples.step(1, "workflow_step", "plan", 0, 500),
        samples.llm(2, 10, 480, (100, 20), parent=1, input_preview="user: plan it", output_preview="done"),
        samples.step(3, "workflow_step", "tools", 500, 500),
        samples.tool(4, "get_order", 510, 480, '{"order_id": 1}', "found", parent=3),
        samples.step(5, "workflow_step", "both", 1000, 500),
        samples.llm(6, 1010, 200, (100, 20), parent=5),
        samples.llm(7, 1210, 200, (100, 20), parent=5),
    ]
    return samples.trace("Graph", 1.6, steps, 23)


def everything() -> dict[str, TaskData]:
    """Every sample with content, by name."""
    return {
        "chat": agent(),
        "talk": talk(40, 60),
        "long-talk": talk(1_000, 300),
        "hostile-chat": hostile(),
        "interrupted": interrupted(),
        "repeated": repeated_error(),
        "nodes": nodes_with_one_call(),
    }

"""How fast runs are found: the first building of the index, queries, and what came since.

    python benchmarks/find.py [TRACES] [FOLDER]

Writes so many traces of 10 steps (20,000), each as the record writer packs it, with a conversation of about 5,000
characters; then reads them as the page and the terminal do. Times are seconds on this machine, and of what is built
the CPU's besides, which other programs disturb less; what is said of 100,000 is that times how many more that are. With
FOLDER the traces stay, and are taken from there again.
"""

import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from infinium_integrations.capture.folding import Reference, folded
from infinium_integrations.payload.finalize import encode
from infinium_integrations.storage import record
from infinium_integrations.storage.folder import SUFFIX, FolderStore, make_folder, write_new
from infinium_integrations.storage.index.database import FILE, Index
from infinium_integrations.storage.index.language import parse
from infinium_integrations.storage.index.query import Query

FULL = 100_000
BEGUN = 1_780_000_000 * 10**9
MINUTE = 60 * 10**9
TOOLS = [*(f"tool_{n}" for n in range(20)), "refund_order"]
MODELS = ["gpt-4o-2024-08-06", "gpt-4o-mini", "claude-sonnet-4"]
ERRORS = ["TimeoutError: the gateway was slow", "ValueError: no such order", "RateLimitError: 429"]

_random = random.Random(7)
_VOCABULARY = ["".join(_random.choices("etaoinshrdlucmfwypvbgkqjxz", k=_random.randint(2, 10))) for _ in range(30_000)]
_FREQUENT = [1 / (rank + 10) for rank in range(len(_VOCABULARY))]
_STREAM = _random.choices(_VOCABULARY, _FREQUENT, k=500_000)


def text(characters: int) -> str:
    """Return words of about so many characters, frequent ones more often, as in a language."""
    at = _random.randrange(len(_STREAM) - characters)
    return " ".join(_STREAM[at : at + characters // 6])


def message(role: str, content: str) -> dict[str, Any]:
    """Return a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def trace(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the payload and the content of an agent's run: four model calls, four tools, a search and a node."""
    messages = [message("system", text(600)), message("user", f"{text(200)} ORD-{number}")]
    steps: list[dict[str, Any]] = [{"step_number": 1, "action": "chain", "description": "agent", "duration_ms": 900}]
    captured: dict[str, Any] = {}
    failed = number % 10 == 0
    for turn in range(4):
        given, answer = [Reference(n) for n in range(len(messages))], text(350)
        tool = _random.choice(TOOLS)
        call = {
            "type": "tool_call",
            "id": f"call_{turn}",
            "name": tool,
            "arguments": {"order": number, "why": text(60)},
        }
        messages.append({"role": "assistant", "parts": [{"type": "text", "content": answer}, call]})
        captured[str(len(steps) + 1)] = {"input_messages": given, "output_messages": [Reference(len(messages) - 1)]}
        model = {"model": MODELS[number % 3], "prompt_tokens": 500 + turn, "completion_tokens": 90}
        steps.append(
            {"step_number": len(steps) + 1, "action": "llm_inference", "description": "ChatOpenAI", "llm_call": model}
            | {"input_preview": text(480), "output_preview": answer, "duration_ms": 700}
        )
        result = text(500)
        messages.append(message("tool", result))
        captured[str(len(steps) + 1)] = {"arguments": call["arguments"], "result": result}
        step: dict[str, Any] = {"step_number": len(steps) + 1, "action": "tool_use", "description": tool}
        step |= {"tool_call": {"tool_name": tool}, "input_preview": text(80), "output_preview": result[:480]}
        if failed and turn == 3:
            kind, _, said = _random.choice(ERRORS).partition(": ")
            step["error"] = {"error_type": kind, "message": f"{said} {number}"}
        steps.append(step)
    captured[str(len(steps) + 1)] = {"input": text(60), "documents": [{"content": text(400)} for _ in range(3)]}
    steps.append({"step_number": len(steps) + 1, "action": "retrieval", "description": "docs", "duration_ms": 30})
    for step in steps:
        step["metadata"] = {"parent_step": None, "started_ms": 3, "status": "error" if "error" in step else "ok"}
    payload = {
        "name": f"support agent {number % 50}",
        "description": "answers a customer",
        "current_datetime": record.moment(BEGUN + number * MINUTE // 10),
        "duration": _random.random() * 20,
        "steps": steps,
        "input_summary": messages[1]["parts"][0]["content"],
        "output_summary": answer,
        "errors": [step["error"] for step in steps if "error" in step],
        "llm_usage": {
            "model": MODELS[number % 3],
            "total_tokens": _random.randrange(9_000),
            "estimated_cost_usd": 0.02,
        },
        "environment": {
            "custom_tags": {
                "status": "error" if failed else "ok",
                "session_id": f"s-{number // 5}",
                "user_id": f"u-{number % 1_000}",
                "tags": "support, eu",
                "prompt": f"v{number % 3}",
            }
        },
    }
    return payload, folded({"messages": messages, "tool_definitions": [], "steps": captured})


def write(root: Path, numbers: range) -> int:
    """Write traces as if they had been delivered; return the bytes of one file."""
    size = 0
    for number in numbers:
        payload, captured = trace(number)
        at, trace_id = BEGUN + number * MINUTE // 10, str(uuid.UUID(int=_random.getrandbits(128), version=4))
        body = encode(payload)
        kept = record.new_record(trace_id, payload, body, at, {"status": "sent"}, captured=captured)
        folder = root / "history" / record.moment(at)[:10]
        make_folder(folder)
        packed = record.pack(kept)
        size = len(packed)
        write_new(folder / f"{record.file_name(at, trace_id)}{SUFFIX}", packed)
    return size


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Call it, and return how many seconds that took, and of these the CPU's."""
    begun, worked = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begun, time.process_time() - worked


def main() -> None:
    """Measure, and say what was measured."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[2] if len(sys.argv) > 2 else folder)
        have = len(list(root.rglob(f"*{SUFFIX}")))
        size = write(root, range(have, count))
        for file in root.glob(f"{FILE}*"):
            file.unlink()
        index = Index(FolderStore(root), [])
        heads, heads_cpu = timed(lambda: index.page(Query(limit=50)))
        contents, contents_cpu = timed(index.read_all)
        print(f"{count:,} traces of 10 steps, {size:,} bytes a file")
        print(
            f"first list {heads:.1f} s (CPU {heads_cpu:.1f}), steps and texts {contents:.1f} s (CPU {contents_cpu:.1f})"
        )
        times = FULL / count
        print(f"100,000: {(heads + contents) * times:.0f} s (CPU {(heads_cpu + contents_cpu) * times:.0f})")
        print(f"index {(root / FILE).stat().st_size / 1e6:,.0f} MB")
        for query in QUERIES:
            asked = Query(terms=parse(query), limit=50, sort="-cost" if "cost" in query else "-ended")
            seconds = min(timed(partial(index.page, asked))[0] for _ in range(3))
            total = index.page(asked)[1]
            print(f"{seconds * 1e3:7.0f} ms  {total:>7,} of {count:,}  {query or '(all)'}")
        write(root, range(count, count + 100))
        seconds, _ = timed(lambda: index.page(Query(terms=parse("tool:refund_order"), limit=50)))
        print(f"{seconds * 1e3:7.0f} ms  after 100 more traces")
        rows = index.find(Query(limit=1))
        (root / rows[0].folder / f"{rows[0].file}{SUFFIX}").unlink()
        seconds, _ = timed(index.forget)
        print(f"{seconds * 1e3:7.0f} ms  forgetting one, without remains")


QUERIES = [
    "",
    "tool:refund_order",
    "tool:refund_order status:error",
    "status:error",
    "model:gpt-4o",
    "error:Timeout",
    "-tool:refund_order",
    "tag:prompt=v2",
    "user:u-17",
    "tokens>5000 duration>10s",
    "cost>0.01",
    "gateway",
    "ORD-4711",
    _STREAM[0],
    _VOCABULARY[3_000],
    f"{_VOCABULARY[3]} {_VOCABULARY[2_000]} tool:refund_order",
    f'"{_STREAM[1_000]} {_STREAM[1_001]}"',
]

if __name__ == "__main__":
    main()

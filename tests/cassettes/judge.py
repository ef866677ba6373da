"""Replay, compare with the raw bodies, count what is right, and prove what the frameworks themselves lose."""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from clients import FRAMEWORKS, Server, ways
from raw_reader import Facts, arguments_of, facts
from recorded import Recorded

from infinium_integrations import diagnostics
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import captured_traces

HANDLERS = {"LangChain": InfiniumCallbackHandler, "LlamaIndex": InfiniumEventHandler}
LOST = {
    ("LangChain", "anthropic", "input"): "streams: usage is read at the end only; before 2025 it came at the start",
    ("LangChain", "anthropic", "cache_read"): "streams: usage is read at the end only",
    ("LangChain", "anthropic", "cache_creation"): "streams: usage is read at the end only",
    ("LangChain", "cohere", "input"): "streams: billed units in place of tokens",
    ("LangChain", "cohere", "output"): "streams: billed units in place of tokens",
    ("LangChain", "cohere", "cache_read"): "cached_tokens are not handed on",
    ("LangChain", "cohere", "calls"): "stream(): a call's beginnings and its whole are both in the message",
    ("LangChain", "google", "input"): "0 where the provider has no count",
    ("LangChain", "google", "output"): "0 where the provider has no count",
    ("LangChain", "google", "text"): "a line's end at the end is cut off",
    ("LangChain", "groq", "model"): "the model that was asked for in place of the one that answered",
    ("LangChain", "openai", "text"): "streams of several choices are mixed into one",
    ("LlamaIndex", "anthropic", "input"): "streams: of the usage at the start only input_tokens are kept",
    ("LlamaIndex", "anthropic", "cache_read"): "streams: of the usage at the start only input_tokens are kept",
    ("LlamaIndex", "anthropic", "cache_creation"): "streams: of the usage at the start only input_tokens are kept",
    ("LlamaIndex", "anthropic", "model"): "streams: the first event, which alone names the model, is not handed on",
    ("LlamaIndex", "bedrock", "reason"): "streams: messageStop is not handed on",
    ("LlamaIndex", "bedrock", "text"): "blocks of citations are left out",
    ("LlamaIndex", "google", "model"): "the answering model is not handed on",
    ("LlamaIndex", "mistral", "text"): "thinking is mixed with the answer",
    ("LlamaIndex", "openai", "text"): "streams of several choices are mixed into one",
}
"""What a framework loses itself, by framework, provider and field. Each time it must also be proven."""


class Verdict(NamedTuple):
    """How one field of one replayed answer compares."""

    framework: str
    provider: str
    way: str
    field: str
    source: str
    said: Any
    """By the provider."""
    ours: Any
    lost: bool
    """What the framework handed out does not have it either."""

    @property
    def right(self) -> bool:
        """Whether the trace has what the provider said."""
        return self.said == self.ours

    @property
    def allowed(self) -> bool:
        """Whether it is one of the known losses of a framework, and proven."""
        return self.lost and (self.framework, self.provider, self.field) in LOST

    def __str__(self) -> str:
        said, ours = (repr(value)[:90] for value in (self.said, self.ours))
        return f"{self.framework} {self.provider} {self.way} {self.field}: {said}, ours {ours} ({self.source})"


class Judgement:
    """All verdicts, and the answers that a framework's client can't read, with us or without."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.refused: Counter[tuple[str, str, str]] = Counter()

    def hear(self, recordings: Iterable[Recorded]) -> list[Verdict]:
        """Replay recordings in every way; return what is wrong and not allowed."""
        server = Server()
        try:
            found = [verdict for one in recordings for verdict in self._replayed(one, server)]
        finally:
            server.close()
        self.verdicts += found
        return [verdict for verdict in found if not verdict.right and not verdict.allowed]

    def _replayed(self, one: Recorded, server: Server) -> Iterator[Verdict]:
        server.playing = one
        said = facts(one)
        for framework, ask in FRAMEWORKS.items():
            for way in ways(framework, one):
                faults = diagnostics.count()
                with captured_traces() as traces, warnings.catch_warnings(action="ignore"):
                    diagnostics.raising(on=False)  # LlamaIndex swallows what a handler raises: faults are counted
                    try:
                        given = ask(one, server, way, HANDLERS[framework]())
                    except Exception as error:
                        self.refused[
                            framework, one.provider, f"{type(error).__name__}: {error}".replace("\n", " ")[:100]
                        ] += 1
                        given = None
                    traces.end_all()
                place = (framework, one.provider, way)
                if diagnostics.count() != faults:
                    yield Verdict(*place, "faults of ours", one.source, 0, diagnostics.count() - faults, False)
                if given is None:
                    if not _fails(ask, one, way, server):
                        yield Verdict(*place, "fails with us only", one.source, False, True, False)
                    continue
                ours = _ours(traces[0])
                for field, told in said._asdict().items():
                    found = getattr(ours, field)
                    if told is not None or field in {"input", "output"}:
                        lost = told != found and _lost(field, said, found, given)
                        yield Verdict(*place, field, one.source, told, found, lost)

    def report(self) -> list[str]:
        """Return the share that is right, by framework and provider and by field, and what differs."""
        lines = []
        for place in ("provider", "field"):
            total, right, allowed = Counter(), Counter(), Counter()
            for one in self.verdicts:
                name = f"{one.framework} {getattr(one, place)}"
                total[name] += 1
                right[name] += one.right
                allowed[name] += not one.right and one.allowed
            for name, count in sorted(total.items()):
                share = f"{name:<28} {right[name]:>5} of {count:<5} {right[name] / count:8.2%}"
                lines.append(share + (f"   lost by the framework: {allowed[name]}" if allowed[name] else ""))
            lines.append("")
        lost = Counter(
            (one.framework, one.provider, one.field) for one in self.verdicts if not one.right and one.allowed
        )
        lines += [f"lost: {' '.join(key):<36} {count:>4}  {LOST[key]}" for key, count in sorted(lost.items())]
        lines += [f"unreadable for the client: {' '.join(key)} ({n})" for key, n in sorted(self.refused.items())]
        return lines + [f"WRONG: {one}" for one in self.verdicts if not one.right and not one.allowed]


def _fails(ask: Any, one: Recorded, way: str, server: Server) -> bool:
    """Return whether a client fails without us too."""
    try:
        ask(one, server, way, None)
    except Exception:
        return True
    return False


def _ours(task: Any) -> Facts:
    """Return the same facts of a trace."""
    step = next(step for step in task.steps if step.llm_call is not None)
    call, told = step.llm_call, step.metadata or {}
    details = told.get("usage_details") or {}
    said = (step.captured.output_messages if step.captured else None) or [{"parts": []}]
    parts = said[0]["parts"]
    text = "".join(part["content"] for part in parts if part["type"] == "text")
    calls = tuple((part["name"], arguments_of(part["arguments"])) for part in parts if part["type"] == "tool_call")
    counts = (details.get(name) or 0 for name in ("cache_read", "cache_creation", "reasoning"))
    spent = call.prompt_tokens, call.completion_tokens
    return Facts(*spent, *counts, call.model, told.get("finish_reason"), text, calls)


def _lost(field: str, said: Facts, ours: Any, given: list[Any]) -> bool:
    """Whether nothing that a framework handed out has what the provider said."""
    handed = repr(given)
    told = getattr(said, field)
    if field == "calls":
        return _calls(given[-1]) != told
    if told is None:  # the framework has made a count up
        return _in(ours, handed)
    parts = {told}
    if field == "input":  # some have it in parts
        parts = {told - said.cache_read - said.cache_creation, said.cache_read, said.cache_creation} - {0}
    elif field == "output":
        parts = {told - said.reasoning, said.reasoning} - {0}
    elif field == "reason":  # the word may stand for something else too
        return re.search(rf"(?i)(reason|status)['\"]?\s*[=:]\s*\W*{re.escape(told)}\b", handed) is None
    return not _in(told, handed) and not all(_in(part, handed) for part in parts)


def _in(value: Any, handed: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(repr(value))}(?!\w)", handed) is not None


def _calls(message: Any) -> tuple[tuple[str, Any], ...]:
    """Return the calls that a framework's own answer has."""
    if hasattr(message, "tool_calls"):
        told = [*message.tool_calls, *message.invalid_tool_calls]
        return tuple((call["name"], arguments_of(call["args"])) for call in told)
    blocks = [block for block in message.message.blocks if block.block_type == "tool_call"]
    return tuple((block.tool_name, arguments_of(block.tool_kwargs)) for block in blocks)

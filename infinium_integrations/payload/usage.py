"""Tokens as every provider reports them, brought to one form. Unknown is None; a reported 0 stays 0.

Shapes are from the provider packages' own sources.
"""

from collections.abc import Mapping

from infinium_integrations.recording.run import ModelCall

__all__ = ["added", "apply", "facts_of", "filled", "later", "read"]

_PROMPT = ("input_tokens", "prompt_tokens", "prompt_token_count", "inputTokens", "prompt_eval_count", "inputTokenCount")
_COMPLETION = (
    "output_tokens",
    "completion_tokens",
    "candidates_token_count",
    "outputTokens",
    "eval_count",
    "outputTokenCount",
    "generated_tokens",
)
_TOTAL = ("total_tokens", "total_token_count", "totalTokens")
_READ = (
    *("cache_read", "cached_tokens", "cache_read_input_tokens", "cacheReadInputTokens", "cached_content_token_count"),
    *("prompt_cache_hit_tokens", "flex_cache_read", "priority_cache_read"),
)
_CREATION = (
    *("cache_creation", "cache_creation_input_tokens", "cacheWriteInputTokens"),
    *("flex_cache_creation", "priority_cache_creation"),
)
_REASONING = (
    *("reasoning", "reasoning_tokens", "thinking_tokens", "thoughts_token_count"),
    *("flex_reasoning", "priority_reasoning"),
)
"""With OpenAI's service tiers, LangChain puts the tier before the name."""
_DETAILS = (
    "input_token_details",
    "output_token_details",
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
)
_EPHEMERAL = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_ADDITIVE = ("cache_read_input_tokens", "cache_creation_input_tokens", "cacheReadInputTokens", "cacheWriteInputTokens")
"""Where these stand beside the input tokens, the input tokens are those that were not cached (Anthropic, Bedrock)."""


class Usage:
    """Tokens of one call."""

    __slots__ = ("completion", "details", "prompt", "total")

    def __init__(self, prompt: int | None, completion: int | None, total: int | None, details: dict[str, int]) -> None:
        self.prompt = prompt
        self.completion = completion
        self.total = total
        self.details = details


def read(raw: object) -> Usage | None:
    """Read a provider's usage: a mapping, or an object with such attributes; None where there is none."""
    facts = facts_of(raw)
    if not facts:
        return None
    prompt, completion = _first(facts, _PROMPT), _first(facts, _COMPLETION)
    total = _first(facts, _TOTAL)
    if prompt is None and completion is None and total is None:
        return None
    inner = [inner for name in _DETAILS if (inner := facts_of(facts.get(name)))]
    details = _details([facts, *inner])
    # LiteLLM writes OpenAI's names, which count cached tokens in, with Anthropic's beside them
    if prompt is not None and "input_token_details" not in facts and facts.get("prompt_tokens") is None:
        prompt += sum(_count(facts.get(name)) or 0 for name in _ADDITIVE)
    if prompt is not None and "prompt_token_count" in facts:  # Gemini counts what its own tools answered apart
        prompt += _count(facts.get("tool_use_prompt_token_count")) or 0
    if completion is not None and "thoughts_token_count" in facts and "candidates_token_count" in facts:
        completion += _count(facts["thoughts_token_count"]) or 0
    if total is not None and prompt is not None and completion is not None:
        total = max(total, prompt + completion)
    return Usage(prompt, completion, total, details)


def later(one: Usage | None, other: Usage | None) -> Usage | None:
    """Combine what two events of one call reported, the later last: of each count the last holds.

    One that stands at 0 takes nothing back: Anthropic reports the input first, and the output last.
    """
    if one is None or other is None:
        return one or other
    details = {name: other.details.get(name) or one.details.get(name, 0) for name in {**one.details, **other.details}}
    prompt, completion = other.prompt or one.prompt, other.completion or one.completion
    total = other.total or one.total
    if total is not None and prompt is not None and completion is not None:
        total = max(prompt + completion, other.total or 0)
    return Usage(_known(prompt, other.prompt), _known(completion, other.completion), total, details)


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """Add up what two chunks of one call reported."""
    if one is None or other is None:
        return one or other
    details = {name: one.details.get(name, 0) + other.details.get(name, 0) for name in {**one.details, **other.details}}
    return Usage(
        _sum(one.prompt, other.prompt), _sum(one.completion, other.completion), _sum(one.total, other.total), details
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return one + other if one is not None and other is not None else _known(one, other)


def _known(value: int | None, reported: int | None) -> int | None:
    return value if value is not None else reported


def filled(usage: Usage | None, other: Usage | None) -> Usage | None:
    """Return what one source says of a call, and what it leaves out as another source of the same call has it."""
    if usage is None or other is None:
        return usage or other
    return Usage(
        _known(usage.prompt, other.prompt),
        _known(usage.completion, other.completion),
        _known(usage.total, other.total),
        {**other.details, **usage.details},
    )


def apply(call: ModelCall, usage: Usage | None, *, partial: bool = False) -> None:
    """Set what was read on a call; nothing where nothing was."""
    if usage is None:
        return
    call.prompt_tokens = usage.prompt
    call.completion_tokens = usage.completion
    call.total_tokens = usage.total
    call.details = usage.details or None
    call.partial = partial


def facts_of(raw: object) -> Mapping[str, object]:
    """Return what a provider says beside a call, as it lies in a mapping or an object."""
    if isinstance(raw, Mapping):
        return raw
    if raw is None or isinstance(raw, (str, int, float, list, tuple)):
        return {}
    facts = getattr(raw, "__dict__", None) or {}
    extra = getattr(raw, "__pydantic_extra__", None)
    if isinstance(extra, dict):
        return {**facts, **extra}
    if any(name in facts for name in (*_PROMPT, *_COMPLETION, *_TOTAL)):
        return facts
    return {name: getattr(raw, name, None) for name in (*_PROMPT, *_COMPLETION, *_TOTAL, *_READ, *_REASONING)}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value and value >= 0 else None  # noqa: PLR0124  (not NaN)


def _first(facts: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = facts.get(name)
        count = _count(value) if value is not None else None
        if count is not None:
            return count
    return None


def _details(sources: list[Mapping[str, object]]) -> dict[str, int]:
    details: dict[str, int] = {}
    for key, names in (("cache_read", _READ), ("cache_creation", _CREATION), ("reasoning", _REASONING)):
        for facts in sources:
            value = _first(facts, names)
            if value is not None:
                details[key] = value
                break
    # Anthropic splits the writes to its cache by how long they are kept; those for an hour cost more
    short, long = (max(_count(facts.get(name)) or 0 for facts in sources) for name in _EPHEMERAL)
    if short + long and not details.get("cache_creation"):
        details["cache_creation"] = short + long
    if long:
        details["cache_creation_1h"] = long
    return details

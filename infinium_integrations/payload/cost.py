"""What a model call cost, by genai-prices (extra ``cost``), which is imported with the first handler or trace.

An unknown model, unknown tokens or a missing package yields None: no cost is better than a wrong one.
"""

import contextlib
import functools
from collections.abc import Iterable
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations.recording.run import ModelCall

__all__ = ["cost", "load", "total"]


def cost(call: ModelCall) -> float | None:
    """Return the estimated cost of one call in US dollars, cached tokens priced as such."""
    model = call.model or call.requested
    if not model or call.prompt_tokens is None or call.completion_tokens is None:
        return None
    details = call.details or {}
    return _price(
        model.removeprefix("models/"),
        call.provider or None,
        (call.prompt_tokens, call.completion_tokens),
        tuple(details.get(name, 0) for name in _DETAILS),
    )


_DETAILS = {
    "cache_read": "cache_read_tokens",
    "cache_creation": "cache_write_tokens",
    "cache_creation_1h": "cache_write_1h_tokens",
    "reasoning": "output_reasoning_tokens",
}
"""Our names of the tokens that have prices of their own, and genai-prices' names."""
_ALWAYS_KNOWN = ("cache_read_tokens", "cache_write_tokens")


def total(calls: Iterable[ModelCall]) -> float | None:
    """Return the cost of several calls together, or None where that of one is unknown."""
    costs = [cost(call) for call in calls]
    known = [value for value in costs if value is not None]
    return round(sum(known), 10) if known and len(known) == len(costs) else None


@functools.lru_cache(maxsize=4_096)
def _price(model: str, provider: str | None, counts: tuple[int, int], details: tuple[int, ...]) -> float | None:
    prices = load()
    if prices is None:
        return None
    fields = {"input_tokens": counts[0], "output_tokens": counts[1]}
    fields |= {name: count for name, count in zip(_DETAILS.values(), details, strict=True) if count}
    with diagnostics.contained, contextlib.suppress(LookupError, ValueError):  # unknown model, contradicting counts
        try:
            usage = prices.Usage(**fields)
        except TypeError:  # older versions know fewer kinds
            for name in set(_DETAILS.values()).difference(_ALWAYS_KNOWN):
                fields.pop(name, None)
            usage = prices.Usage(**fields)
        return float(prices.calc_price(usage, model, provider_id=provider).total_price)
    return None


@functools.cache
def load() -> Any:
    """Import genai-prices and its table of prices, ahead of our threads; None where the extra is not installed."""
    try:
        import genai_prices  # noqa: PLC0415  (an extra)
    except ImportError:
        return None
    with diagnostics.contained, contextlib.suppress(LookupError, ValueError):  # the first call imports the table
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1, output_tokens=1), "gpt-4o", provider_id="openai")
    return genai_prices

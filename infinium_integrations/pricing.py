"""What a model call cost, by genai-prices (extra ``cost``), which is imported when first used.

An unknown model, unknown tokens or a missing package give None: no cost is better than a wrong one.
"""

import functools
from collections.abc import Iterable
from typing import Any

from infinium_integrations import faults
from infinium_integrations.runs import ModelCall

__all__ = ["cost", "total"]


def cost(call: ModelCall) -> float | None:
    """Give the estimated cost of one call in US dollars, cached tokens priced as such."""
    model = call.model or call.requested
    if not model or call.prompt_tokens is None or call.completion_tokens is None:
        return None
    details = call.details or {}
    return _price(
        model,
        call.provider,
        call.prompt_tokens,
        call.completion_tokens,
        details.get("cache_read", 0),
        details.get("cache_creation", 0),
    )


def total(calls: Iterable[ModelCall]) -> float | None:
    """Give the cost of several calls together, or None where that of one is unknown."""
    costs = [cost(call) for call in calls]
    known = [value for value in costs if value is not None]
    return round(sum(known), 10) if known and len(known) == len(costs) else None


@functools.lru_cache(maxsize=4_096)
def _price(model: str, provider: str | None, prompt: int, completion: int, read: int, written: int) -> float | None:
    prices = _genai_prices()
    if prices is None:
        return None
    usage = prices.Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=read or None,
        cache_write_tokens=written or None,
    )
    for provider_id in dict.fromkeys((provider, None)):
        try:
            return float(prices.calc_price(usage, model, provider_id=provider_id).total_price)
        except LookupError:
            continue
        except Exception as error:  # noqa: BLE001  (another package's data must not cost a trace)
            faults.record(error)
            return None
    return None


@functools.cache
def _genai_prices() -> Any:
    try:
        import genai_prices  # noqa: PLC0415  (an extra, imported when used)
    except ImportError:
        return None
    return genai_prices

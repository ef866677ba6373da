"""Traces made by hand: ``trace()`` around any code, and the builder."""

from infinium_integrations.tracing.builder import StepContext, TraceBuilder
from infinium_integrations.tracing.decorator import current_trace, suppress, trace

__all__ = ["StepContext", "TraceBuilder", "current_trace", "suppress", "trace"]

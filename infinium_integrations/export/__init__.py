"""From a sealed trace to a stored and delivered one: store, writer, sender, and the index for who looks."""

from infinium_integrations.export.pipeline import Delivery
from infinium_integrations.export.writer import PendingTrace

__all__ = ["Delivery", "PendingTrace"]

"""From a sealed trace to a stored and delivered one: store, writer, sender, and the index for who looks."""

from infinium_integrations.delivery.hub import Delivery
from infinium_integrations.delivery.writer import Draft

__all__ = ["Delivery", "Draft"]

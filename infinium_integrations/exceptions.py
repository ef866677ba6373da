"""The exceptions of ``infinium_integrations.errors``, where Infinium's own SDK has its own."""

from infinium_integrations import errors
from infinium_integrations.errors import *  # noqa: F403  (all of them, and what is added later)

__all__ = [name for name in errors.__all__ if name != "did_you_mean"]

"""LangChain and LangGraph: ``InfiniumCallbackHandler``."""

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    msg = "infinium_integrations.langchain needs langchain-core: pip install 'infinium-integrations[langchain]'"
    raise ImportError(msg) from error

from infinium_integrations import autostart
from infinium_integrations.langchain.handler import InfiniumCallbackHandler

__all__ = ["InfiniumCallbackHandler"]

autostart.arrived("langchain")

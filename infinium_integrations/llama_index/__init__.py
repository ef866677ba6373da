"""LlamaIndex: ``InfiniumEventHandler``."""

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    msg = "infinium_integrations.llama_index needs llama-index-core: pip install 'infinium-integrations[llama-index]'"
    raise ImportError(msg) from error

from infinium_integrations import autostart
from infinium_integrations.llama_index.handler import InfiniumEventHandler

__all__ = ["InfiniumEventHandler"]

autostart.arrived("llama_index")

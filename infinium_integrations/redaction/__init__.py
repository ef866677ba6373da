"""The one choke point: secrets go out of every text before it touches the disk or leaves the process.

Names are loaded when first used: what callbacks need of this package is light.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinium_integrations.redaction.redactor import Redactor, process_secrets

__all__ = ["Redactor", "process_secrets"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from infinium_integrations.redaction import redactor  # noqa: PLC0415  (all the patterns)

    return getattr(redactor, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

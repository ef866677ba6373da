"""Regular expressions that are compiled when first used: by the writer's thread, not while a user imports us."""

import re
from typing import Any, cast

__all__ = ["pattern"]


class _Pattern:
    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # from now on it is found without this method
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what works as ``re.compile(text, flags)``; may be used from any thread."""
    return cast("re.Pattern[str]", _Pattern(text, flags))

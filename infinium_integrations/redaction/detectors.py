"""Where secrets lie in a text, by their shape or by the name before them.

Every rule takes time in proportion to the text's length. With ``open_end`` the text is known to be cut short: what
may be the beginning of a secret and reaches the end is given too.
"""

from collections.abc import Iterator

from infinium_integrations.redaction.commands import commands
from infinium_integrations.redaction.pairs import pairs
from infinium_integrations.redaction.scan import Span, pattern, scan
from infinium_integrations.redaction.shapes import shapes, unfinished

__all__ = ["Span", "pattern", "spans"]


def spans(text: str, *, open_end: bool) -> Iterator[Span]:
    """Return the spans of a text that hold secrets, in no order; they may overlap."""
    seen = scan(text, open_end=open_end)
    yield from shapes(seen)
    if seen.keywords:
        yield from pairs(seen)
    yield from commands(seen)
    if open_end:
        yield from unfinished(seen)

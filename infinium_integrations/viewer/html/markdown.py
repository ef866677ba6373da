"""Markdown as HTML. The text is hostile: no HTML of its own, no picture, no address but of the web and of mail."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from infinium_integrations.viewer.formatting import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["markdown"]

LONGEST = 20_000
"""Characters of a text that is looked at as Markdown; a longer one is shown as it is."""
MARKS = 2_000
"""Signs with a meaning that a text may have: some take the square of their number."""
CELLS = 10_000
"""Cells of a table as wide as the text's widest line: short lines are filled up to it."""
NESTED = 20
SCHEMES = ("http://", "https://", "mailto:")


def markdown(text: str) -> Markup | None:
    """Return a text's Markdown as HTML; None where it is too long, too wild, or the parser isn't installed."""
    if len(text) > LONGEST or sum(map(text.count, "[!*_~|&<\\`")) > MARKS or _cells(text) > CELLS:
        return None
    parser = _parser()
    return None if parser is None else Markup(parser.render(clean(text)))  # noqa: S704  (the parser escapes)


def _cells(text: str) -> int:
    return max(line.count("|") for line in text.split("\n")) * text.count("\n") if "|" in text else 0


@cache
def _parser() -> "MarkdownIt | None":
    try:
        from markdown_it import MarkdownIt  # noqa: PLC0415  (comes with the extras that show HTML)
    except ImportError:
        return None
    options = {"html": False, "linkify": False, "typographer": False, "maxNesting": NESTED}
    parser = MarkdownIt("js-default", options)
    parser.validateLink = lambda url: url.lower().startswith(SCHEMES)  # type: ignore[method-assign]
    for name, rule in _RULES.items():
        parser.add_render_rule(name, rule)
    return parser


def _link(_renderer: object, tokens: "Sequence[Token]", place: int, *_: Any) -> str:
    address = escape(str(tokens[place].attrGet("href") or ""))
    return f'<a href="{address}" title="{address}" rel="noopener noreferrer nofollow" target="_blank">'


def _image(_renderer: object, tokens: "Sequence[Token]", place: int, *_: Any) -> str:
    """Write a picture as its description and address: none is ever loaded."""
    address = str(tokens[place].attrGet("src") or "")
    return f'<span class="ifm-media">{escape(tokens[place].content or "picture")} <code>{escape(address)}</code></span>'


def _heading(_renderer: object, tokens: "Sequence[Token]", place: int, *_: Any) -> str:
    """Write a heading as a paragraph: the page has an outline of its own."""
    return f'<p class="ifm-{tokens[place].tag}"><strong>'


def _end(*_: object) -> str:
    return "</strong></p>"


def _code(_renderer: object, tokens: "Sequence[Token]", place: int, *_: Any) -> str:
    return f'<pre class="ifm-text">{escape(tokens[place].content)}</pre>'


_RULES: dict[str, Callable[..., str]] = {
    "link_open": _link,
    "image": _image,
    "heading_open": _heading,
    "heading_close": _end,
    "fence": _code,
    "code_block": _code,
    "table_open": lambda *_: '<div class="ifm-scroll" tabindex="0"><table class="ifm-grid">',
    "table_close": lambda *_: "</table></div>",
}

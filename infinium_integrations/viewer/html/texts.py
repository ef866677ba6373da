"""Texts as HTML: Markdown, and JSON, of which small values are as they are written and larger ones folded.

Both are hostile: no HTML of their own, no picture, no address but of the web and of mail.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from infinium_integrations.viewer.formatting import TEXT_LIMIT, clean, clipped, clipped_line, pretty

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["WHOLE", "json_view", "markdown"]

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
    cells = max(line.count("|") for line in text.split("\n")) * text.count("\n") if "|" in text else 0
    if len(text) > LONGEST or sum(map(text.count, "[!*_~|&<\\`")) > MARKS or cells > CELLS:
        return None
    parser = _parser()
    return None if parser is None else Markup(parser.render(clean(text)))  # noqa: S704  (the parser escapes)


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


def _code(_renderer: object, tokens: "Sequence[Token]", place: int, *_: Any) -> str:
    return f'<pre class="ifm-text">{escape(tokens[place].content)}</pre>'


_RULES: dict[str, Callable[..., str]] = {
    "link_open": _link,
    "image": _image,
    # a heading is written as a paragraph: the page has an outline of its own
    "heading_open": lambda _renderer, tokens, place, *_: f'<p class="ifm-{tokens[place].tag}"><strong>',
    "heading_close": lambda *_: "</strong></p>",
    "fence": _code,
    "code_block": _code,
    "table_open": lambda *_: '<div class="ifm-scroll" tabindex="0"><table class="ifm-grid">',
    "table_close": lambda *_: "</table></div>",
}


# -- JSON --------------------------------------------------------------------------------------------------------------

WHOLE = "infinium-traces show --full"
"""What shows content uncut."""

LINES, CHARS = 14, 1_200
"""Of a value that is shown unfolded."""
RAW_CHARS = 200_000
ONE_LINE = 88
ITEMS = 100
DEPTH = 6

_TOKENS = re.compile(r'("(?:[^"\\]|\\.)*")(?=(\s*:)?)|(-?\d[\d.eE+-]*|true|false|null)', re.DOTALL)


def json_view(value: object, *, raw: bool = False) -> Markup:
    """Return a JSON value as HTML; ``raw`` adds it as it is written where it is folded, to be copied."""
    made = _block(value, 0)
    if raw and made.startswith("<div") and len(written := pretty(value)) <= RAW_CHARS:
        return Markup('<div data-raw="{}">{}</div>').format(clean(written), made)
    return made


def _block(value: object, depth: int) -> Markup:
    line = _one_line(value)
    if line is not None:
        return Markup('<pre class="ifm-text">{}</pre>').format(_coloured(line))
    written = pretty(value)
    small = len(written) <= CHARS and written.count("\n") < LINES
    if small or depth >= DEPTH or not isinstance(value, dict | list):
        return Markup('<pre class="ifm-text">{}</pre>').format(_coloured(_clipped(written)))
    if isinstance(value, list) and all(isinstance(item, int | float | bool | None) for item in value):
        row = _clipped(json.dumps(value, default=str))
        return Markup('<pre class="ifm-text">{}</pre>').format(_coloured(row))
    entries: Iterable[tuple[object, object]] = value.items() if isinstance(value, dict) else enumerate(value)
    rows = [_entry(key, item, depth) for (key, item), _ in zip(entries, range(ITEMS), strict=False)]
    if len(value) > ITEMS:
        rows.append(Markup('<div class="ifm-muted">… {} more</div>').format(f"{len(value) - ITEMS:,}"))
    return Markup('<div class="ifm-fields">{}</div>').format(Markup("").join(rows))


def _entry(key: object, value: object, depth: int) -> Markup:
    name = Markup('<span class="ifm-jk">{}</span>').format(clean(clipped_line(str(key), ONE_LINE)))
    if isinstance(value, str) and (len(value) > ONE_LINE or "\n" in value):
        head = Markup('{}: {} <span class="ifm-muted">{} characters</span>').format(
            name, clean(clipped_line(value, ONE_LINE)), f"{len(value):,}"
        )
        return _folded(head, Markup('<pre class="ifm-text">{}</pre>').format(clean(_clipped(value))))
    written = _one_line(value)
    if written is not None:
        return Markup("<div>{}: {}</div>").format(name, _coloured(written))
    size = f"{len(value):,}" if isinstance(value, dict | list) else ""
    form = f"{{…}} {size} fields" if isinstance(value, dict) else f"[…] {size} items"
    head = Markup('{}: <span class="ifm-muted">{}</span>').format(name, form)
    return _folded(head, _block(value, depth + 1))


def _clipped(text: str) -> str:
    return clipped(text, TEXT_LIMIT, WHOLE)


def _folded(head: Markup, body: Markup) -> Markup:
    return Markup('<details class="ifm-fold"><summary>{}</summary>{}</details>').format(head, body)


def _one_line(value: object) -> str | None:
    """Return a value in one line; None where it is too long for one."""
    if isinstance(value, dict | list) and len(value) > ONE_LINE // 4:
        return None
    try:
        written = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return None
    return written if len(written) <= ONE_LINE else None


def _coloured(written: str) -> Markup:
    """Return JSON's text, names and values in elements of their own."""
    made, at = list[str](), 0
    for found in _TOKENS.finditer(written):
        text, named, _ = found.groups()
        style = "ifm-jk" if named else "ifm-js" if text else "ifm-jn"
        made.append(escape(clean(written[at : found.start()])))
        made.append(Markup('<span class="{}">{}</span>').format(style, clean(found.group())))
        at = found.end()
    made.append(escape(clean(written[at:])))
    return Markup("".join(made).replace("&#34;", '"'))  # noqa: S704  (escaped)

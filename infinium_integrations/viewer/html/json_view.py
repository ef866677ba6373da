"""A JSON value as HTML: small ones as they are written, larger ones folded, with colours for names and values."""

import json
import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from infinium_integrations.viewer.formatting import TEXT_LIMIT, clean, clipped, clipped_line, pretty

__all__ = ["WHOLE", "json_view"]

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
        return Markup('<div class="ifm-raw" data-raw="{}">{}</div>').format(clean(written), made)
    return made


def _block(value: object, depth: int) -> Markup:
    line = _one_line(value)
    if line is not None:
        return Markup('<pre class="ifm-text ifm-json">{}</pre>').format(_coloured(line))
    written = pretty(value)
    small = len(written) <= CHARS and written.count("\n") < LINES
    if small or depth >= DEPTH or not isinstance(value, dict | list):
        return Markup('<pre class="ifm-text ifm-json">{}</pre>').format(_coloured(_clipped(written)))
    if isinstance(value, list) and all(isinstance(item, int | float | bool | None) for item in value):
        row = _clipped(json.dumps(value, default=str))
        return Markup('<pre class="ifm-text ifm-json">{}</pre>').format(_coloured(row))
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
    return Markup("").join(Markup(str(piece).replace("&#34;", '"')) for piece in _pieces(written))  # noqa: S704  (escaped)


def _pieces(written: str) -> Iterable[str]:
    """Return JSON's text in pieces, names and values in elements of their own."""
    at = 0
    for found in _TOKENS.finditer(written):
        yield escape(clean(written[at : found.start()]))
        text, named, _ = found.groups()
        style = "ifm-jk" if named else "ifm-js" if text else "ifm-jn"
        yield Markup('<span class="{}">{}</span>').format(style, clean(found.group()))
        at = found.end()
    yield escape(clean(written[at:]))

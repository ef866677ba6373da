"""How the texts of a trace are made ready for the search for words, and how the words asked for are.

A word finds the words that begin with it, upper and lower case alike; ``_``, ``-`` and the like begin new ones, so that
``order`` finds ``refund_order``. In scripts without spaces between words each character is one. Where a build of SQLite
has no FTS5, any part of a text is found.
"""

import re
import unicodedata
from collections.abc import Iterable

from infinium_integrations.storage.index.language import Term

__all__ = ["apart", "condition", "ready", "unicode"]

_NO_SPACES = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3100-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff])"
)
"""Thai to Khmer, Chinese, Japanese and Korean."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def ready(text: str) -> str:
    """Return a text as the index holds it: without upper case, lone surrogates and NULs, CJK characters apart."""
    folded = text.casefold().replace("\0", " ")
    if folded.isascii():
        return folded
    return _NO_SPACES.sub(r" \1 ", unicodedata.normalize("NFC", unicode(folded)))


def unicode(text: str) -> str:
    """Replace lone surrogates, which no database holds."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def apart(name: str) -> str:
    """Return a name, and behind it its words where it is written as ``ReadTimeoutError``."""
    name = name[:500]
    words = _CAMEL.sub(" ", name)
    return name if words == name else f"{name} {words}"


def condition(terms: Iterable[Term], *, full_text: bool) -> tuple[str, list[object]]:
    """Return an SQL condition on the table ``words`` that holds where all of these words occur, and its values."""
    matches, parts = list[str](), list[str]()
    for term in terms:
        match, asked = _sought(term) if full_text else (None, [_text(term)])
        matches += [match] if match else []
        parts += asked
    conditions = ["words MATCH ?"] * bool(matches) + ["instr(text, ?)"] * len(parts)
    return " AND ".join(conditions), [*([" AND ".join(matches)] if matches else []), *parts]


def _sought(term: Term) -> tuple[str | None, list[str]]:
    """Return what the full-text index is asked for, and which parts the text itself must have besides.

    The full-text index knows no punctuation: a text with some is looked into.
    """
    text = _text(term)
    chunks = text.split()
    parts = [chunk for chunk in chunks if not chunk.isalnum()]
    if not any(character.isalnum() for character in text):
        return None, parts
    prefix = "" if term.exact or not text[-1].isalnum() else " *"
    return '"' + text.replace('"', " ") + '"' + prefix, parts


def _text(term: Term) -> str:
    text = ready(str(term.value)).strip()
    return text if term.exact else text.rstrip("*") or text

"""Secrets taken out of texts: known values, known shapes, and the user's own rules. It fails closed."""

import base64
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

from infinium_integrations import diagnostics, otel_environment, settings
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.redaction.codes import codes
from infinium_integrations.redaction.commands import commands
from infinium_integrations.redaction.key_names import HIDDEN, SLACK, Cut, is_secret_key, own_names
from infinium_integrations.redaction.keywords import keywords
from infinium_integrations.redaction.pairs import pairs
from infinium_integrations.redaction.scan import Span, pattern, scan
from infinium_integrations.redaction.shapes import shapes, unfinished

__all__ = ["SLACK", "Redactor", "process_secrets", "spans"]


_CUT = "…"
_FAILED = object()
"""In place of what a user's rule returns that raises."""
_SHORT, _REMEMBERED = 4_096, 1_000_000
"""Characters of a text that is remembered where it holds no secret, and of all of them: names, prompts come again."""
_PLAIN = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"
)
"""A UUID or a time of ours: new in each trace, and a secret only where its value is known as one."""
_PLAIN_CHARS = 36
_LEAST = 100
"""Characters that the shortest text counts as."""


class Redactor:
    """Takes secrets out of texts.

    Args:
        secrets: Values that must never leave, of any length.
        user: The user's own rule, called with every free text after the built-in rules. Where it raises or returns no
            string, the whole text is dropped.

    It may be used from any thread.

    Example:
        >>> from infinium_integrations.redaction import Redactor
        >>> Redactor(secrets=["plumber-crazy"]).text("log in with plumber-crazy")
        'log in with [REDACTED]'
    """

    def __init__(self, *, secrets: Iterable[str] = (), user: Callable[[str], str] | None = None) -> None:
        with contextlib.suppress(ConfigurationError):  # whoever made a handler was told
            settings.current()  # which keys are secret is one of the settings
        self._forms, self._known_clean = _rules_for(frozenset(secrets), own_names())
        self._user = user
        self.clean: Mapping[str, None] = self._known_clean if user is None else {}
        """Texts that are known to hold no secret: what ``text`` returns of one is the text itself."""

    def text(self, text: str) -> str:
        """Return a text without its secrets.

        Args:
            text: A text of any length.

        Returns:
            The text with ``[REDACTED]`` in place of each secret; empty where the user's rule failed.

        Example:
            >>> from infinium_integrations.redaction import Redactor
            >>> Redactor().text("password=hunter2!")
            'password=[REDACTED]'
        """
        return self._own(self.builtin(text))

    def findings(self, text: str) -> list[Span]:
        """Return what the built-in rules hide in a text: where each part begins and ends, and the rule's name.

        Example:
            >>> from infinium_integrations.redaction import Redactor
            >>> Redactor().findings("password=hunter2!")
            [(9, 17, 'value after =')]
        """
        return _merged(self._spans(text, open_end=False))

    def name(self, text: str) -> str:
        """Return a text that may not be blank without its secrets; ``[REDACTED]`` where nothing is left."""
        clean = self.text(text)
        return clean if clean.strip() else HIDDEN

    def builtin(self, text: str) -> str:
        """Return a text without its secrets by the built-in rules alone, as for a model's name."""
        if type(text) is Cut:
            return (self._beginning(text)[0] or HIDDEN) + _CUT
        if not text or text in self._known_clean:
            return text
        if len(text) <= _PLAIN_CHARS and _PLAIN.fullmatch(text) and not any(form in text for form in self._forms):
            return text
        clean = _without(text, self._spans(text, open_end=False))
        if clean is text and len(text) <= _SHORT and text.isascii():
            self._known_clean.add(text)
        return clean

    def together(self, texts: Sequence[str]) -> str:
        """Return several texts as one, by the built-in rules without the secrets of each and those of the whole.

        What is a secret by itself may look like something else where more follows.
        """
        found, at = list(self._spans("".join(texts), open_end=False)), 0
        for text in texts:
            found += [(at + start, at + end, name) for start, end, name in self._spans(text, open_end=False)]
            at += len(text)
        return _without("".join(texts), found)

    def redact_and_truncate(self, text: str, limit: int) -> str:
        """Return a text without its secrets, at most ``limit`` characters long, the mark ``…`` included.

        A text longer than ``limit`` counts as one that was cut before, as a ``Cut`` does: a secret, or what may be the
        beginning of one, that reaches its end is dropped.
        """
        if len(text) <= limit and type(text) is not Cut:
            return shorten(self.text(text), limit)
        beginning, shorter = self._beginning(text)
        clean = self._own(beginning)
        cut_before = shorter or len(text) >= limit + SLACK or type(text) is Cut
        dropped = bool(beginning) and not clean  # by the user's rule, of which no mark is left
        return shorten(clean + _CUT if cut_before and not dropped else clean, limit)

    def _beginning(self, text: str) -> tuple[str, bool]:
        """Return a text that goes on without its secrets, and whether what reached its end went."""
        found = _merged(self._spans(text, open_end=True))
        whole = text[: found[-1][0]] if found and found[-1][1] >= len(text) else text
        return _without(whole, [span for span in found if span[0] < len(whole)]), len(whole) < len(text)

    def cut_front(self, text: str, limit: int) -> str:
        """Return the end of a text without its secrets, as a stack trace is kept: its last ``limit`` characters."""
        clean = self.text(text)
        if len(clean) > limit:
            return _CUT + clean[len(clean) - limit + 1 :] if limit > 0 else ""
        if len(text) >= limit + SLACK:  # it was cut before: what its first line begins with is unknown
            return _CUT + clean.partition("\n")[2]
        return clean

    def _own(self, text: str) -> str:
        if self._user is None or not text:
            return text
        rule = self._user
        try:
            clean: object = diagnostics.attempt(lambda: rule(text), lambda _: _FAILED)
        except SystemExit:  # as any other failure of the user's rule: what it could not check must not leave
            return ""
        if isinstance(clean, str):
            return clean
        if clean is not _FAILED:
            given = type(clean).__name__
            diagnostics.warn_once("redact", "redact= returned %s, so the text was dropped: return a text.", given)
        return ""

    def _spans(self, text: str, *, open_end: bool) -> Iterator[Span]:
        for form in self._forms:
            if form in text:
                yield from ((*found.span(), "known value") for found in re.finditer(re.escape(form), text))
            if open_end and (length := _overlap(text, form)):
                yield len(text) - length, len(text), "known value"
        yield from spans(text, open_end=open_end)


def spans(text: str, *, open_end: bool) -> Iterator[Span]:
    """Return where secrets lie in a text, by their shape or by the name before them; in no order, they may overlap.

    Every rule takes time in proportion to the text's length. With ``open_end`` the text is known to be cut short: what
    may be the beginning of a secret and reaches the end is given too.
    """
    seen = scan(text, open_end=open_end)
    yield from shapes(seen)
    found_at = keywords(seen)
    if found_at:
        yield from pairs(seen, found_at)
        yield from codes(seen)
    yield from commands(seen)
    if open_end:
        yield from unfinished(seen)


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most ``limit`` characters, the mark included, and never inside a ``[REDACTED]``."""
    if len(text) <= limit:
        return text
    at = text.rfind(HIDDEN[0], max(0, limit - len(HIDDEN)), max(0, limit - 1))
    if at >= 0 and text.startswith(HIDDEN, at):
        return text[:at] + _CUT
    return text[: limit - 1] + _CUT if limit > 0 else ""


def _overlap(text: str, form: str) -> int:
    """Return how many characters at the text's end may be the beginning of a known value."""
    tail = text[-len(form) :]
    at = tail.find(form[0])
    while at >= 0 and not form.startswith(tail[at:]):
        at = tail.find(form[0], at + 1)
    return len(tail) - at if at >= 0 else 0


def _merged(found: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end, name in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1]), merged[-1][2]
        elif end > start:
            merged.append((start, end, name))
    return merged


def _without(text: str, found: Iterable[Span]) -> str:
    parts: list[str] = []
    last = 0
    for start, end, _ in _merged(found):
        parts += (text[last:start], HIDDEN)
        last = end
    return "".join((*parts, text[last:])) if parts else text


class _Clean(dict[str, None]):
    """Texts that are known to hold no secret: a dict, since threads may look into it while one of them adds to it."""

    chars = 0

    def add(self, text: str) -> None:
        """Remember one more; all are forgotten when they are too many."""
        self.chars += len(text) + _LEAST
        if self.chars > _REMEMBERED:
            self.clear()
            self.chars = 0
        self[text] = None


@lru_cache(maxsize=8)
def _rules_for(
    secrets: frozenset[str],
    own: tuple[frozenset[str], frozenset[str]],  # noqa: ARG001  (what is clean depends on it)
) -> tuple[list[str], _Clean]:
    """Return the forms of known secrets, the longest first, and the texts known to hold neither these nor any."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return sorted(forms, key=len, reverse=True), _Clean()


_LEAST_ENCODED = 8


@lru_cache(maxsize=512)
def _forms(secret: str) -> frozenset[str]:
    """Return a secret as it may stand in a text: raw, escaped as in JSON or a URL, in base64 at any offset."""
    if not secret.strip():
        return frozenset()
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    if len(secret) >= _LEAST_ENCODED:
        raw = secret.encode("utf-8", "backslashreplace")
        forms |= {quote(raw, safe=""), quote_plus(raw)}
        for offset in range(3):  # into a group of three bytes; what depends on the value's surroundings is left out
            text = base64.b64encode(b"\0" * offset + raw).decode()
            forms.add(text[4 if offset else 0 : -4 if (offset + len(raw)) % 3 else None])
    return frozenset(forms)


_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE")
_KEY_HEADERS = frozenset({"x-honeycomb-team"})
"""Headers of OTLP that hold a key by whose name nobody would know."""
_MIN_ENVIRONMENT_VALUE = 12
_LONGEST_WORD = 20
_PATH = pattern(r"(?:/|\./|\.\./|~|[A-Za-z]:[\\/])")
_PATH_PART = 24


_seen: tuple[dict[object, object], frozenset[str]] = {}, frozenset()
"""The environment as it was, and its secrets."""


def process_secrets() -> frozenset[str]:
    """Return this process's own secrets, read anew: the agent's, and the values of variables such as ``ACME_API_KEY``.

    Keys in the variables of OpenTelemetry's exporters are among them. Of variables, values from 12 characters on count,
    if they are no path, URL, number or plain word.
    """
    global _seen  # noqa: PLW0603  (the environment is the process's)
    held = getattr(os.environ, "_data", None)  # comparing what it holds is quicker than reading it
    seen = _seen  # another thread may see another environment
    if held is None or held != seen[0]:
        before = dict(held) if held is not None else {}
        found = {value for name, value in os.environ.items() if name.upper().endswith(_NAMES) and _is_secret(value)}
        found |= {value for name, value in otel_environment.credentials(os.environ) if _is_key(name, value)}
        seen = _seen = before, frozenset(found | {os.environ.get("INFINIUM_AGENT_SECRET", "").strip()})
    try:
        secret = settings.current().agent_secret
    except ConfigurationError:
        secret = None
    return (seen[1] | {secret.get_secret_value() if secret else ""}) - {""}


def _is_key(header: str, value: str) -> bool:
    named = header in _KEY_HEADERS or header.upper().endswith(_NAMES) or is_secret_key(header)
    return named and _is_secret(value)


def _is_secret(value: str) -> bool:
    is_number = value.strip("+-0123456789.,eE_ ") == ""
    is_path = _PATH.match(value) and all(
        len(part) <= _PATH_PART or any(mark in part for mark in "._-") for part in re.split(r"[\\/]", value)
    )
    if len(value) < _MIN_ENVIRONMENT_VALUE or "://" in value or is_path or is_number:
        return False
    return not (
        value.isalpha() and len(value) <= _LONGEST_WORD and value in {value.lower(), value.upper(), value.title()}
    )

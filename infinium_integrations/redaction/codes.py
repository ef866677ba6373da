"""Codes that messages bring, such as for one login: ``Your code is 482913``, ``482913 is your Acme code``."""

import re
from collections.abc import Iterator

from infinium_integrations.redaction.scan import Scan, Span, pattern, places

__all__ = ["codes"]

_AFTER = pattern(
    r"(?: is| to [a-z -]{3,30})?:?\s{1,2}(?:[*_`]{1,3}|<(?:b|strong)>|[\"'])?([0-9]{6}|[0-9]{3}[ -][0-9]{3})"
    r"(?![\w%-]|[.,:/][0-9]| [a-z]{3,20}s\b)"
)
_OTHERS = (
    "zip|post|area|err|exit|status|country|promo|coupon|order|tracking|invoice|booking|discount|employee|source|repo|product"
    "|voucher|gift|student|customer|member|ref|room|team|group|course|class|dial|bar|qr|colo|http|return|sort|swift|tax|stock"
    "|sqlstate|project|invit|job|mysql|postgres|year|machine|byte|morse|dress"
)
"""Of which codes are no secrets."""
_OF_A_CODE = pattern(
    r"\b(?:your|use|enter|login)(?: the| this)?"
    rf"(?: (?!{_OTHERS})[\w'-]{{1,20}}){{0,2}} \Z",
    re.IGNORECASE,
)
_BEFORE = pattern(
    r"(?<![\w.:/-])(?:[A-Z]-)?([0-9]{4,8}|[0-9]{3}[ -][0-9]{3}) is"
    rf" (?:your(?: (?!{_OTHERS})[\w'-]{{1,20}}){{0,3}}"
    r"|the (?:[\w'-]{1,20} ){0,2}(?:verification|security|login|access|authentication|confirmation|activation"
    r"|recovery|reset))"
    r" \Z",
    re.IGNORECASE,
)
_NEAR = 70
_NAME = "code"


def codes(scan: Scan) -> Iterator[Span]:
    """Find the digits that a message calls someone's code."""
    text = scan.text
    for at in places(scan.low, f" {_NAME}"):
        start, end = at + 1, at + 1 + len(_NAME)
        before = max(0, start - _NEAR)
        found = _AFTER.match(text, end) if text[end : end + 1] in {" ", ":"} else None
        if found:
            found = found if _OF_A_CODE.search(text, before, start) else None
        elif " is " in text[before:start]:
            found = _BEFORE.search(text, before, start)
        if found:
            yield *found.span(1), "code of a message"

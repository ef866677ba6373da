"""Whether letters make words, or were drawn by chance."""

from functools import lru_cache
from itertools import pairwise

from infinium_integrations.redaction.key_names import words
from infinium_integrations.redaction.scan import pattern

__all__ = ["HUMPS", "changes", "has_all", "is_evenly_written", "is_mixed", "is_oddly_written", "is_random"]

_STOPS = ".,;!?:"
_SHORTEST, _LONG = 8, 10
_LONGEST_WORD = 22
_WORD = pattern("(?=.{0,20}[aeiouyAEIOUY])[A-Za-z]{3,20}")
_CHANGE = pattern("[a-z][A-Z]")
HUMPS = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""The words of ``camelCase``."""
_LETTERS = pattern(r"[A-Za-z]{8,}")
_GLUED = pattern(r"[A-Za-z](?=[^\w\s]{0,3}[!?&])[^\w\s]{1,4}[A-Za-z]")
_PARTS = pattern(r"(?=[A-Za-z]{0,20}[a-z][A-Z])[A-Za-z]{4,}")
_UNLIKELY = {
    pair[0]: pair[1:]
    for pair in words(
        "bkqvz cgjqvxz dqz fbdhjkmpqvwxz gjkqwx hcfghjqvwxz ihwy jbghjknqwxyz kcjkqrvxz lhjqw mhkqwxz nqx oq pjvz rjxz "
        "sj qabcdefghijkmnopqrstvwxyz tjq uhjkqvwyz vbdfhjklpqvwxyz wfjmqtuvxyz xgjlnqrvwz yfhjkquvxy zbfghjknpqrtuvwx"
    )
}
"""Letters that hardly follow another in words: counted in the documents of some hundred packages."""


def changes(part: str) -> int:
    """Return how often a lower-case letter is followed by one of upper case."""
    if part.isascii():
        return len(_CHANGE.findall(part))
    return sum(a.islower() and b.isupper() for a, b in pairwise(part))


def is_evenly_written(core: str) -> bool:
    """Return whether all letters after the first are of the same case."""
    return core == core.upper() or core[1:] == core[1:].lower()


@lru_cache(maxsize=512)
def is_oddly_written(part: str) -> bool:
    """Return whether a word is none of prose: ``aBcD``, ``XQJZ``."""
    count = changes(part)
    return _is_no_word(part) or count * 5 >= len(part) or not (part[1:].islower() or count or len(part) == 1)


def is_mixed(value: str) -> bool:
    """Return whether letters change between lower and upper case as no word's do."""
    core = value.rstrip(_STOPS)
    if not core.isalpha() or len(core) < _SHORTEST:
        return False
    humps = HUMPS.findall(core)
    is_of_words = len(core) >= _LONG and core.isascii() and all(map(_WORD.fullmatch, humps))
    return not is_of_words and (len(humps) * 10 >= len(core) * 3 or not core.isascii()) and changes(core) > 1


@lru_cache(maxsize=512)
def is_random(value: str) -> bool:
    """Return whether some letters in a row make no word: by their case, their length, or pairs that no language has."""
    return any(is_mixed(letters) or _is_no_word(letters) for letters in _LETTERS.findall(value)) or (
        sum(len(HUMPS.findall(part)) * 3 > len(part) for part in _PARTS.findall(value)) > 1
        or (" " not in value and not is_evenly_written(value) and _GLUED.search(value) is not None)
    )


def _is_no_word(letters: str) -> bool:
    if len(letters) > _LONGEST_WORD and (letters.islower() or letters.isupper()):
        return True
    parts = HUMPS.findall(letters)
    strange = sum(second in _UNLIKELY.get(first, "") for part in parts for first, second in pairwise(part.lower()))
    return strange > 1 and strange * 8 >= len(letters)


def has_all(core: str) -> bool:
    """Return whether there are digits and letters."""
    return any(map(str.isdigit, core)) and any(map(str.isalpha, core))

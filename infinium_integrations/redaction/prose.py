"""Plain English after a password's name: whether it says something about the password, or is one.

What is said about passwords is listed, by words and endings; what a sentence ends on otherwise is the password.
"""

from infinium_integrations.redaction.key_names import HARMLESS, PASSWORDS, Kind, kind_of, words
from infinium_integrations.redaction.scan import pattern

__all__ = ["is_label", "is_passphrase", "is_plain_password"]

_SAID = HARMLESS | words(
    """
    okay fine good best great strong weak stronger weaker long short longer shorter very quite also just still again
    back here there above below elsewhere down over soon later never always that this these those what which mine yours
    ours theirs hers same both other another much more safe unsafe secure insecure private public plain plaintext clear
    cleartext case unique random easy hard simple complex guess known common next first last ready gone lost free full
    blank bare fake similar alike someone anyone nobody everyone right poor generic magic static dynamic automatic
    cryptographic weakest strongest worst better worse stale fresh kept read held made done found bound shown thrown
    strings chars characters digits letters ascii sure certain hash hashes salt
    """
)
"""Words that a sentence about a password ends on."""
_ENDINGS = tuple(
    words("ed en ing ly able ible ful less ous ive al ant ent ary ory ect ough ity ness ment tion sion id")
)
_OF_DESCRIPTIONS = (HARMLESS - words("correct basic the a an")) | words(
    """
    for of to if are was were be been being with without when that which from by or not on in at as your my our their
    must will would should can could may might it its this these those only see ask use used using same one enter
    choose pick provide given name file encryption decryption encrypt decrypt private public account login minimum
    maximum min max length least most characters character chars letters digits long short between than until unless
    before after per via during instead never always stored then press hit click tap select paste copy go run call send
    tell write read open
    """
)
"""Words of which a description has one; what a passphrase is made of seldom."""
_OF_LABELS = words(
    """
    your my our his her their this that new old current existing previous original first second initial temporary
    confirm confirmation repeat retype re-enter enter choose change forgot forgotten update provide show hide save
    remember generate copy use please without with for of to if in on as or and again here below needed database db
    user's account admin administrator root login log sign email e-mail wifi wi-fi network master private ssh server
    proxy smtp ftp imap vault keystore certificate one-time strong weak name must should may can cannot be not at least
    most more less fewer than one two numbers digit digits letter letters uppercase lowercase upper lower case special
    symbol symbols character characters long short too common similar contain contains include match matches do does
    don't didn't blank
    """
)
"""Of which a form's labels and what it answers consist."""
_LABEL = pattern(r"[A-Z][A-Za-z'-]{0,14}(?: \(?(?:[A-Za-z'-]{1,14}|[0-9]{1,3})\)?,?){0,14}[.:?]?")
_FIELDS = words("field fields passwords") | set(PASSWORDS)
_LONGEST_WORD, _SHORTEST_WORD = 20, 4


def is_plain_password(value: str, kind: Kind) -> bool:
    """Return whether the word that ends a sentence about a password is it: ``The password is swordfish``."""
    core = value.rstrip(".,;!?")
    low = core.lower()
    return (
        kind == "password"
        and _SHORTEST_WORD <= len(core) <= _LONGEST_WORD
        and core.isalpha()
        and core[1:].islower()
        and low not in _SAID
        and not low.endswith(_ENDINGS)
        and kind_of(low) == ""
    )


def is_passphrase(value: str, kind: Kind) -> bool:
    """Return whether some words are a passphrase and no description of one: ``correct horse battery staple``."""
    parts = value.lower().replace("-", " ").split()
    return kind == "password" and not any(part in _OF_DESCRIPTIONS or kind_of(part) for part in parts)


def is_label(value: str) -> bool:
    """Return whether a value but says that a password stands there, as a form's field does: ``Database password``."""
    if _LABEL.fullmatch(value) is None:
        return False
    parts = [part.strip("().,:!?") for part in value.lower().split()]
    return not _FIELDS.isdisjoint(parts) and all(
        part in _OF_LABELS or part in HARMLESS or part in _FIELDS or part.isdigit() for part in parts
    )

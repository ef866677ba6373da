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
    blank bare fake similar alike someone anyone nobody everyone right poor worst better worse stale fresh kept read
    held made done found bound shown thrown used tied going being using strings chars characters digits letters ascii
    sure certain hash hashes salt absurd void active native written rewritten overwritten broken stolen chosen
    forgotten given taken frozen open proven mistaken even trivial local global personal original final internal
    external special normal initial identical universal critical crucial essential vital confidential minimal typical
    usual unusual equal legal illegal manual general real partial actual eternal accidental relevant irrelevant
    important compliant significant redundant different present absent recent sufficient insufficient permanent current
    inconsistent consistent transparent equivalent persistent sent apparent convenient mandatory obligatory
    satisfactory temporary necessary unnecessary arbitrary secondary primary customary perfect imperfect direct
    indirect enough tough automatic dynamic static cryptographic generic alphanumeric numeric symmetric asymmetric
    specific magic deterministic authentic pathetic tragic lowercase uppercase unicode latin base bcrypt argon scrypt
    kerberos vault dict enum falsy truthy hardcode inline opaque custom standard genuine legit obsolete corrupt bogus
    typo junk trash garbage rubbish nonsense gibberish average medium mediocre weird dumb crap lame sloppy risky tricky
    bulletproof robust toast moot dead huge tiny large small bigger older newer zero eight twelve double single
    multiple plenty once twice inside outside nowhere anywhere somewhere online offline remote separate today tomorrow
    forever instead anyway maybe perhaps otherwise either neither whatever
    """
)
"""Words that a sentence about a password ends on."""
_ENDINGS = pattern(r"[a-z]{4,}(?:ing|able|ible|ive|ful|less|ous|ly|ness|ment|tion|sion|ity)|[a-z]{3,}ed")
"""And how others do."""
_OF_DESCRIPTIONS = (HARMLESS - words("correct basic the a an")) | words(
    """
    for of to if are was were be been being with without when that which from by or not on in at as your my our their
    must will would should can could may might it its this these those only see ask use used using same one enter
    choose pick provide given name file encryption decryption encrypt decrypt private public account login minimum
    maximum min max length least most characters character chars letters digits long short between than until unless
    before after per via during instead never always stored then press hit click tap select paste copy go run call send
    tell write read open please secure strong button below above create generate cannot contain contains spaces several
    words plain again later best practices tips policy email sent failure error mismatch match matches matched does did
    has have expires decrypts encrypts protects unlocks
    una un une des les der das ein eine del per pour para frase
    """
)
"""Words of which a description has one; what a passphrase is made of seldom."""
_NAMED = words("field fields password passwords passphrase") | {*PASSWORDS}
_OF_LABELS = (HARMLESS | _NAMED) | words(
    """
    your my our his her their this that new old current existing previous original first second initial temporary
    confirm confirmation repeat retype re-enter enter choose change forgot forgotten update provide show hide save
    remember generate copy use please without with for of to if in on as or and again here below needed database db
    user's account admin administrator root login log sign email e-mail wifi wi-fi network master private ssh server
    proxy smtp ftp imap vault keystore certificate one-time strong weak name must should may can cannot be not at least
    most more less fewer than one two numbers digit digits letter letters uppercase lowercase upper lower case special
    symbol symbols character characters long short too common similar contain contains include match matches do does
    don't didn't blank app application gmail service bind verify add edit zip archive truststore sudo postgres redis
    jenkins apple id hashed encrypted plain
    """
)
"""Of which a form's labels and what it answers consist."""
_LABEL = pattern(r"[A-Z][A-Za-z'-]{0,14}(?: \(?(?:[A-Za-z'-]{1,14}|[0-9]{1,3})\)?,?){0,14}[.:?]?")
_COUNTED = words("character characters digit digits letter letters number numbers symbol symbols passwords")
_LEAST_CAPITALS = 7
"""Capital letters of a word that is no abbreviation."""


def is_plain_password(value: str, kind: Kind) -> bool:
    """Return whether the word that ends a sentence about a password is it: ``The password is swordfish``."""
    core = value.rstrip(".,;!?")
    low = core.lower()
    is_word = core[1:].islower() or (core.isupper() and len(core) >= _LEAST_CAPITALS)
    is_said = low in _SAID or _ENDINGS.fullmatch(low) is not None
    return kind == "password" and core.isalpha() and is_word and not is_said and kind_of(low) == ""


def is_passphrase(value: str, kind: Kind) -> bool:
    """Return whether some words are a passphrase and no description of one: ``correct horse battery staple``."""
    parts = value.lower().replace("-", " ").split()
    return kind == "password" and not any(part in _OF_DESCRIPTIONS or kind_of(part) for part in parts)


def is_label(value: str) -> bool:
    """Return whether a value but says that a password stands there, as a form's field does: ``Database password``."""
    if _LABEL.fullmatch(value) is None:
        return False
    parts = {part.strip("().,:?") for part in value.lower().split()}
    numbers = {part for part in parts if part.isdigit() or part in {"one", "two"}}
    is_counted = not numbers or not _COUNTED.isdisjoint(parts)
    return is_counted and not _NAMED.isdisjoint(parts) and parts - numbers <= _OF_LABELS

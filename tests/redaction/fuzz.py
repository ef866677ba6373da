"""Redaction under random texts, for as long as one likes; not in the default suite, since its name is no test's.

    python tests/redaction/fuzz.py --minutes 60
    python tests/redaction/fuzz.py --minutes 3 --seed 7
    python tests/redaction/fuzz.py --minutes 60 --guided   (where atheris is installed)

What has to hold for every text: redaction raises nothing, is the same twice, changes nothing the second time, lets no
secret of the tables through in any place or at any cut, and takes time in proportion to the text. It prints what
doesn't hold, shortened, and returns 1 then.
"""

import argparse
import random
import re
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from client_cases import CLIENTS, LISTS, filled
from secret_cases import ANYWHERE, cpu_seconds, everyday, left

from infinium_integrations.redaction.clients import CLIENTS as CLIENT_RULES
from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.lists import LISTS as LIST_RULES
from infinium_integrations.redaction.prefilter import Prefilter
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.redaction.rules import VENDORS

REDACTOR = Redactor(secrets=["plumber-crazy-91"])
EXAMPLES = [rule.hidden for rule in (*VENDORS, *FORMS, *COMMANDS, *CLIENT_RULES, *LIST_RULES)]
TOKENS = (
    *(
        "password",
        "passwords",
        "token",
        "secret",
        "api_key",
        "API key",
        "auth",
        "Authorization",
        "cookie",
        "pin",
        "otp",
    ),
    *(
        "passphrase",
        "пароль",
        "パスワード",
        "credentials",
        "key",
        "seed phrase",
        "PRIVATE KEY",
        "eyJ",
        "://",
        "bearer ",
    ),
    *(
        "basic ",
        "login ",
        "mysql ",
        "curl ",
        "ssh ",
        "echo ",
        "identified by ",
        "values",
        "input_value=",
        "value",
        "name",
    ),
    *(
        "=",
        ":",
        ": ",
        " is ",
        " = ",
        "==",
        "=>",
        ":=",
        ">",
        "<",
        "</",
        "/>",
        "|",
        ",",
        ", ",
        ";",
        "&",
        "?",
        "#",
        "%3D",
        "%22",
    ),
    *('"', "'", "`", '\\"', "\\\\\\'", "\\n", "\n", "\r\n", "\t", " ", "  ", "\\", "\\u0022", "&quot;", "&#34;"),
    *(
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        '["',
        '", "',
        "', '",
        '{"',
        '": "',
        "**",
        "*",
        "_",
        "-",
        "--",
        "-p",
        "-u ",
        "- ",
        "@",
        "$",
        "${",
    ),
    *(
        "a",
        "ab",
        "Zq9",
        "hunter2",
        "1234",
        "required",
        "the",
        "[REDACTED]",
        "[REDAC",
        "…",
        "\x00",
        "\ud800",
        "\u202e",
        "İ",
        "ß",
        "😀",
    ),
)
NOISE = string.printable + "äß漢İ\u200b\u2028"
AGAIN = "a second pass changes it"
"""The one thing that may be now and then: a mark stands where a letter stood, and reads otherwise."""
SECONDS_PER_MB, LEAST_SECONDS = 3.0, 0.02
LONG = 60_000


class Fault(NamedTuple):
    """One thing that doesn't hold, and the text."""

    what: str
    text: str


def soup(dice: random.Random, *, examples: bool = True) -> str:
    """Give a text of pieces that the rules know, of noise, and of examples cut anywhere."""
    parts = []
    for _ in range(dice.randint(1, 40)):
        kind = dice.random()
        if kind < 0.75:
            parts.append(dice.choice(TOKENS))
        elif kind < 0.9 or not examples:
            parts.append("".join(dice.choices(NOISE, k=dice.randint(1, 12))))
        else:
            example = dice.choice(EXAMPLES)
            start = dice.randrange(len(example))
            parts.append(example[start : dice.randint(start, len(example))])
    return "".join(parts)


def hostile(dice: random.Random) -> str:
    """Give a long text that repeats a few pieces."""
    piece = "".join(dice.choice(TOKENS) for _ in range(dice.randint(1, 4)))
    if dice.random() < 0.3:
        piece = dice.choice(EXAMPLES)[: dice.randint(1, 40)] + dice.choice(TOKENS)
    return (piece * (LONG // len(piece) + 1))[:LONG]


def is_stable(dice: random.Random) -> Fault | None:
    """A text is redacted alike each time, and what is redacted stays as it is."""
    text = soup(dice)
    once = REDACTOR.text(text)
    if Redactor(secrets=["plumber-crazy-91"]).text(text) != once:
        return Fault("not the same twice", text)
    if REDACTOR.text(once) != once:
        return Fault(AGAIN, shrunk(text, lambda each: REDACTOR.text(once := REDACTOR.text(each)) != once))
    limit = dice.randint(0, len(text) + 20)
    cut = REDACTOR.redact_and_truncate(text, limit)
    if len(cut) > limit:
        return Fault(f"longer than {limit}", text)
    REDACTOR.cut_front(text, limit)
    if any(start >= end or end > len(text) for start, end, _ in REDACTOR.findings(text)):
        return Fault("a span that is none", text)
    return None


def keeps_vendors(dice: random.Random) -> Fault | None:
    """A vendor's secret is hidden in every place, whatever stands around it."""
    vendor = dice.choice(VENDORS)
    place = dice.choice(ANYWHERE).format(vendor.hidden, vendor.hidden)
    text = f"{soup(dice, examples=False)}\n{place}\n{soup(dice, examples=False)}"
    secret = vendor.hidden.removeprefix(vendor.start).rpartition("sig=")[2].rpartition("/")[2]
    if left(secret, REDACTOR.text(text), 8):
        return Fault(f"{vendor.name} is shown", text)
    return None


KNOWN = [(text, secret) for _, text, secret in everyday() if not left(secret, REDACTOR.text(text))]
MANY = [filled(template) for template in (*LISTS, *CLIENTS)]


def keeps_everyday_forms(dice: random.Random) -> Fault | None:
    """A secret after a name is hidden whatever stands on the lines around it."""
    text, secret = dice.choice(KNOWN)
    whole = f"{words(dice)}\n\n{text}\n\n{words(dice)}"
    if left(secret, REDACTOR.text(whole)):
        return Fault("a form is shown", whole)
    many, secrets = dice.choice(MANY)
    whole = f"{words(dice)}\n\n{many}\n\n{words(dice)}"
    shown = REDACTOR.text(whole)
    if any(left(each, shown) for each in secrets):
        return Fault("one of a list is shown", whole)
    return None


def words(dice: random.Random) -> str:
    return " ".join(
        dice.choices(("the", "weather", "was", "fine.", "We", "spoke", "of", "Rome,", "12", "(and", "more)"), k=20)
    )


def keeps_cuts(dice: random.Random) -> Fault | None:
    """What a vendor's secret begins with is hidden at every cut."""
    vendor = dice.choice([each for each in VENDORS if each.where != "inside" and each.hidden.startswith(each.start)])
    kept = dice.randint(len(vendor.start) + 8, len(vendor.hidden))
    text = f"{words(dice) * 8}{dice.choice((' ', chr(10), '=', chr(34)))}{vendor.hidden[:kept]}"
    rest = vendor.hidden[:kept].removeprefix(vendor.start).rpartition("sig=")[2].rpartition("/")[2]
    if len(rest) >= 8 and left(rest, REDACTOR.redact_and_truncate(text, len(text) - 1), 8):
        return Fault(f"{vendor.name} is shown at a cut", text)
    return None


def keeps_known(dice: random.Random) -> Fault | None:
    """A known value is hidden anywhere."""
    text = soup(dice) + "plumber-crazy-91" + soup(dice)
    return Fault("a known value is shown", text) if "plumber-crazy-91" in REDACTOR.text(text) else None


def lets_by_what_holds_nothing(dice: random.Random) -> Fault | None:
    """What the first look lets by holds nothing."""
    text = soup(dice)[: dice.choice((20, 60, 1_000))]
    found = REDACTOR.findings(text)
    with patch.object(Prefilter, "may_match", return_value=True):
        looked_for = REDACTOR.findings(text)
    return Fault(f"{looked_for} is let by", text) if found != looked_for else None


def is_linear(dice: random.Random) -> Fault | None:
    """A text twice as long takes twice as long, and no more than some seconds a megabyte."""
    text = hostile(dice)
    open_end = dice.random() < 0.3
    whole = cpu_seconds(text, open_end=open_end)
    if whole < LEAST_SECONDS or whole / len(text) * 1e6 < SECONDS_PER_MB / 3:
        return None
    whole, part = (min(cpu_seconds(each, open_end=open_end) for _ in range(3)) for each in (text, text[: LONG // 4]))
    per_mb = whole / len(text) * 1e6
    if per_mb > SECONDS_PER_MB or whole > part * 8:
        return Fault(f"{per_mb:.1f} s a MB, {whole / part:.1f} times a quarter's time", text[:80])
    return None


CHECKS: tuple[tuple[Callable[[random.Random], Fault | None], int], ...] = (
    (is_stable, 30),
    (keeps_vendors, 20),
    (keeps_everyday_forms, 15),
    (keeps_cuts, 15),
    (keeps_known, 10),
    (lets_by_what_holds_nothing, 20),
    (is_linear, 3),
)


def asked(dice: random.Random) -> Fault | None:
    """Ask one check, chosen by chance; what it raises is a fault too."""
    check = dice.choices([each for each, _ in CHECKS], [weight for _, weight in CHECKS])[0]
    state = dice.getstate()
    try:
        return check(dice)
    except Exception as error:
        dice.setstate(state)
        return Fault(f"{check.__name__} raised {error!r}", soup(dice))


def shrunk(text: str, is_fault: Callable[[str], bool]) -> str:
    """Give the shortest text found in which the fault is there still."""
    size = len(text)
    while size:
        for start in range(len(text) - size, -1, -1):
            shorter = text[:start] + text[start + size :]
            if is_fault(shorter):
                text = shorter
        size //= 2
    return text


def shortened(fault: Fault) -> str:
    return f"{fault.what}: {ascii(fault.text)[:1_500]}"


class _Bytes(random.Random):
    """Chance that is read from bytes, so that atheris can change one choice at a time; then it goes on by a seed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data, self._at = data, 0

    def getrandbits(self, bits: int) -> int:
        size = (bits + 7) // 8
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "big") >> (size * 8 - bits) if len(taken) == size else super().getrandbits(bits)

    def random(self) -> float:
        return self.getrandbits(16) / 65_536


def guided(minutes: float) -> None:
    """Let atheris choose, for which redaction is loaded anew with counters in it; it ends the process at a fault."""
    import atheris

    atheris.instrument_func(asked)
    for name, module in list(sys.modules.items()):
        if name.startswith("infinium_integrations.redaction."):
            for function in vars(module).values():
                if callable(function) and getattr(function, "__module__", "") == name and hasattr(function, "__code__"):
                    function.__code__ = atheris.instrument_func(function).__code__

    def one(data: bytes) -> None:
        if (fault := asked(_Bytes(data))) and fault.what != AGAIN:
            raise AssertionError(shortened(fault))

    global SECONDS_PER_MB  # noqa: PLW0603  (what counts takes time itself)
    SECONDS_PER_MB *= 4
    folder = tempfile.mkdtemp(prefix="redaction-")
    options = [f"-max_total_time={int(minutes * 60)}", "-max_len=600", "-len_control=0", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def main() -> int:
    """Fuzz for some minutes; print each kind of fault at most twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=None, help="else the time")
    parser.add_argument(
        "--guided", action="store_true", help="let atheris choose by what code is reached (pip install atheris)"
    )
    given = parser.parse_args()
    if given.guided:
        guided(given.minutes)
    seed = given.seed if given.seed is not None else int(time.time())
    dice, end = random.Random(seed), time.monotonic() + given.minutes * 60
    kinds: Counter[str] = Counter()
    texts = 0
    while time.monotonic() < end:
        texts += 1
        if fault := asked(dice):
            kinds[re.sub(r"[\d.]+", "n", fault.what)] += 1
            if kinds[re.sub(r"[\d.]+", "n", fault.what)] <= 2:
                print(shortened(fault), flush=True)  # noqa: T201
    print(f"{texts:,} texts, seed {seed}: {kinds.total():,} faults", *kinds.most_common(), sep="\n")  # noqa: T201
    again = kinds.pop(AGAIN, 0)
    return int(kinds.total() > 0 or again > texts / 2_000)


if __name__ == "__main__":
    sys.exit(main())

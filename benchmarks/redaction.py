"""What redaction costs: CPU for 10 KB of ordinary text, and seconds a MB for hostile ones.

python benchmarks/redaction.py            both
python benchmarks/redaction.py FILE…      the beginnings of these files instead

Ordinary are six texts that repeat a few lines, and five kinds of many different words, of each a hundred texts: the
least that the first of them costs, and the mean of all, each seen once.

Hostile are: each rule's beginning, name or example again and again, the same with a number behind each, so that nothing
comes again, and mixtures of them by chance. The worst are measured anew at three sizes: the least of three times each.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
from infinium_integrations.redaction.keywords import KEYWORDS
from infinium_integrations.redaction.lists import LISTS
from infinium_integrations.redaction.redactor import spans
from infinium_integrations.redaction.rules import VENDORS

PROSE = (
    "The weather was fine and the travellers went on through the hills; nobody had thought of rain. They talked of "
    "Rome, of the price of bread (4.50), and where to sleep. "
)
REPORT = (
    "On 3 March 2026 the team reviewed 14 open tickets: nine were closed, two moved to the next sprint, and three "
    'wait for an answer of the customer. "We don\'t expect delays," said Ms. Weber. The budget (EUR 12,500) holds. '
)
STRUCTURED = '{"id": 4711, "name": "Ada Lovelace", "email": "ada@example.com", "active": true, "tags": ["a", "b"]}\n'
CODE = '''
def load(self, path: str, *, limit: int = 10) -> list[Row]:
    """Return rows, the newest first."""
    rows = [Row(**json.loads(line)) for line in open(path, encoding="utf-8") if line.strip()]
    if not rows and self.strict:
        raise ValueError(f"{path} holds no rows; see {self.docs!r}")
    return sorted(rows, key=lambda row: (row.time, -row.size), reverse=True)[:limit]
'''
LOG = (
    "2026-01-31T12:00:01.123Z INFO app.api - GET /v1/orders/4711 200 12ms user=ada trace=4bf92f3577b34da6a3ce929\n"
    "2026-01-31T12:00:02.456Z WARN app.db - slow query: 1.2 s, 118 rows, retry=false\n"
)
ANSWER = (
    r'{"role": "assistant", "content": "The order **4711** left on Monday.\n\n- carrier: DHL\n- parcel: \"large\"", '
    r'"tool_calls": [{"id": "call_a1", "function": {"name": "find", "arguments": "{\"id\": 4711}"}}], "tokens": 118}'
)
WORDS = """
    about after again air animal answer around because before between boat build carry change city close country
    course cover cross day does door draw early earth eat example eye face family far farm father feet few find
    fire first fish five food found four garden great green ground group grow half hand hear help high home horse
    hundred idea island large last learn leave letter light line list long look many map measure money morning
    mother mountain music night north number often order page paper part people picture piece place plant problem
    question quick rain river road room school sea second seem sentence ship slow small snow song south space star
    start story street summer surface table teach thing think thousand time top town travel tree turn under unit
    voice wait walk warm watch water week west wheel white whole wind winter wonder wood word work world write
    year young
""".split()  # noqa: SIM905
PIECES = (
    *("eyJ", "eyJhbGciOiJIUzI1NiJ9.", "sk-a-", "password=", "password='\\'", "password=$(", "password: ", "passwords "),
    *(
        "://a:b@",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "Authorization: Basic ",
        'token\\\\"',
        "SG.aaaaaaaaaaaaaaaaaaaaaaaaaaa.",
    ),
    *(
        "cookie: a=",
        "api key: ",
        "Authorization: is ",
        "user,password\n",
        "|password|a|\n",
        "password: |\n  a\n",
        "password\n  ",
    ),
    *(
        "token=",
        "key=key=key=",
        "a:a:a:",
        "password: [",
        "eyJ_",
        "perm-",
        "ops_eyJ",
        "passwords:\n- a",
        "AUTH a",
        '"-p", ',
    ),
    *('["', '\\"', "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n", "api key: ", "cookie=a; ", "credentials: a/", "pin: 12"),
    *(
        "(password) values (",
        "'password', ",
        "mysql -p ",
        "curl -u a:",
        "aaaaaaaaaaaaaaa ",
        "a" * 15,
        "AKIA",
        "-us1",
        "- ",
        "::",
    ),
    *(
        '"name": "password", "value": ',
        "password {value",
        "</password>",
        "<password a='",
        "secret for a ",
        '"""password="""',
    ),
    *(
        "password: |\n ",
        "passwords 12",
        "pwd",
        "pwd provided: ",
        "cookie =  is ",
        '2fa pin":{"a":',
        "token=[REDACTED]",
        '{"a": {"b": ',
    ),
)
MARKS = [
    *"=:|,;<>()[]{}\"'`\\-*_ \n\t$%&#@/.?!",
    "\\n",
    '\\"',
    ": ",
    " = ",
    " is ",
    '": "',
    "', '",
    "[REDACTED]",
    "\n  ",
    "12",
]
SIZE = 10_000
MEGABYTE = 1_000_000
GLANCE, SHOWN = 50_000, 12
SIZES = (250_000, 500_000, 1_000_000)


def best(text: str, *, times: int, open_end: bool = False) -> float:
    """Return the least CPU time of several, in seconds; nothing is remembered from one to the next."""
    least = float("inf")
    for _ in range(times):
        start = time.process_time()
        list(spans(text, open_end=open_end))
        least = min(least, time.process_time() - start)
    return least


def main() -> int:
    """Print both tables; return 1 where a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--mixtures", type=int, default=400, help="how many by chance")
    parser.add_argument("--units", type=int, default=0, help="how many names and marks by chance, again and again")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    texts = {path.name: path.read_text(errors="replace") for path in given.files}
    texts = texts or {
        "prose": PROSE,
        "report": REPORT,
        "records": STRUCTURED,
        "code": CODE,
        "logs": LOG,
        "answers": ANSWER,
    }
    for name, text in texts.items():
        whole = (text * (SIZE // max(len(text), 1) + 1))[:SIZE]
        print(f"{best(whole, times=200) * 1e6:8.1f} µs for 10 KB of {name}")
    if given.files:
        return 0
    for name, part in VARIED.items():
        dice = random.Random(given.seed)
        many = [varied(part, dice) for _ in range(100)]
        mean = sum(best(text, times=1) for text in many) / len(many)
        print(f"{best(many[0], times=200) * 1e6:8.1f} µs, {mean * 1e6:.1f} in the mean, for 10 KB of different {name}")
    worst = sorted(
        (*max((best(make(GLANCE), times=1, open_end=cut), cut) for cut in (False, True)), index, name, make)
        for index, (name, make) in enumerate(hostile(given.mixtures, given.seed, given.units))
    )[: -SHOWN - 1 : -1]
    bound = 0.0
    for _, cut, _, name, make in worst:
        costs = [best(make(size), times=3, open_end=cut) / size * MEGABYTE for size in SIZES]
        bound = max(bound, *costs)
        print(*(f"{seconds:6.2f}" for seconds in costs), f"s a MB of {name}{', cut short' if cut else ''}")
    return int(bound > 1)


def varied(part: Callable[[random.Random], str], dice: random.Random) -> str:
    """Return 10 KB of a kind of text in which hardly a line comes again."""
    text = ""
    while len(text) < SIZE:
        text += part(dice)
    return text[:SIZE]


def _sentence(dice: random.Random) -> str:
    words = " ".join(dice.choices(WORDS, k=dice.randint(6, 18)))
    return f"{words[0].upper()}{words[1:]}{dice.choice(('.', '?', ', 4.5 %.'))} "


def _record(dice: random.Random) -> str:
    number, when = UUID(int=dice.getrandbits(128)), f"2026-01-{dice.randint(10, 30)}T12:00:{dice.randint(10, 59)}Z"
    name, price = " ".join(dice.sample(WORDS, 2)).title(), dice.randint(1, 9_999) / 100
    facts = f'"name": "{name}", "price": {price}, "created_at": "{when}", "tags": ["{dice.choice(WORDS)}"]'
    return f'{{"id": "{number}", {facts}}}\n'


def _log(dice: random.Random) -> str:
    path = f"/v1/{dice.choice(WORDS)}/{dice.randint(1, 9_999)}"
    return (
        f"2026-01-31T12:{dice.randint(10, 59)}:{dice.randint(10, 59)}.{dice.randint(100, 999)}Z "
        f"{dice.choice(('INFO', 'WARN'))} app.{dice.choice(WORDS)} - GET {path} 200 {dice.randint(1, 900)}ms "
        f"trace={dice.getrandbits(128):032x}\n"
    )


def _markdown(dice: random.Random) -> str:
    one, two, three = dice.sample(WORDS, 3)
    return dice.choice(
        (
            f"## {one.title()} {two}\n\n",
            f"- **{one}**: {_sentence(dice)}\n",
            f"| {one} | {dice.randint(1, 999)} | {two} |\n",
            f"```python\nx = {one}({two}={dice.randint(1, 9)})\n```\n",
            f"See [{one}](https://example.com/{two}/{three}-{one}). {_sentence(dice)}\n\n",
        )
    )


def _message(dice: random.Random) -> str:
    role, tokens = dice.choice(("user", "assistant")), dice.randint(1, 999)
    return f'{{"role": "{role}", "content": "{_sentence(dice)}\\n{_sentence(dice)}", "output_tokens": {tokens}}}, '


VARIED: dict[str, Callable[[random.Random], str]] = {
    "prose": _sentence,
    "records": _record,
    "logs": _log,
    "markdown": _markdown,
    "messages": _message,
}


def hostile(mixtures: int, seed: int, units: int = 0) -> Iterator[tuple[str, Callable[[int], str]]]:
    """Return hostile texts: the name of each, and what makes it in a size."""
    names = [*KEYWORDS]
    pieces = [*PIECES, *(rule.hidden for rule in (*VENDORS, *FORMS, *COMMANDS, *LISTS)), *names]
    pieces += [vendor.start for vendor in VENDORS] + [word for command in COMMANDS for word in command.words]
    for piece in dict.fromkeys(pieces):
        yield repr(piece[:40]), partial(repeated, piece)
        yield f"{piece[:40]!r} and a number", partial(numbered, piece)
    dice = random.Random(seed)
    for _ in range(mixtures):
        few = [*dice.sample(pieces, dice.randint(2, 12)), dice.choice(names), *dice.sample(MARKS, dice.randint(0, 4))]
        chosen = dice.choice((few, [*names, *dice.sample(MARKS, 5)], [*pieces, *MARKS]))
        yield f"a mixture of {len(chosen)}: {chosen[:3]!r:.60}…", partial(mixed, chosen, dice.getrandbits(32))
    for _ in range(units):
        named = [
            dice.choice(names) + "".join(dice.choices(MARKS, k=dice.randint(0, 3))) for _ in range(dice.randint(1, 3))
        ]
        yield f"{''.join(named)!r} as a unit", partial(dice.choice((repeated, numbered)), "".join(named))


def repeated(piece: str, size: int) -> str:
    """Return a piece again and again."""
    return (piece * (size // len(piece) + 1))[:size]


def numbered(piece: str, size: int) -> str:
    """Return a piece again and again, with another number behind each."""
    dice = random.Random(1)
    return "".join(f"{piece}{dice.getrandbits(20):x}" for _ in range(size // len(piece) + 1))[:size]


def mixed(pieces: Sequence[str], seed: int, size: int) -> str:
    """Return pieces in a row by chance."""
    dice, length = random.Random(seed), sum(map(len, pieces)) / len(pieces)
    return "".join(dice.choices(pieces, k=int(size / length * 1.5) + 10))[:size]


if __name__ == "__main__":
    sys.exit(main())

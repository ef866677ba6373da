"""What redaction costs: CPU for 10 KB of ordinary text, and seconds a MB for hostile ones.

python benchmarks/redaction.py            both
python benchmarks/redaction.py FILE…      these texts instead
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

from infinium_integrations.redaction.commands import COMMANDS
from infinium_integrations.redaction.forms import FORMS
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
SIZE = 10_000
MEGABYTE = 1_000_000


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
    parser.add_argument("--megabytes", type=float, default=0.25, help="size of a hostile text")
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
    size = int(given.megabytes * MEGABYTE)
    examples = (rule.hidden for rule in (*VENDORS, *FORMS, *COMMANDS, *LISTS))
    worst = []
    for piece, open_end in itertools.product((*PIECES, *examples), (False, True)):
        text = (piece * (size // len(piece) + 1))[:size]
        worst.append((best(text, times=1, open_end=open_end) / given.megabytes, piece[:40], open_end))
    worst.sort(reverse=True)
    for seconds, piece, open_end in worst[:12]:
        print(f"{seconds:8.2f} s for 1 MB of {piece!r}{', cut short' if open_end else ''}")
    return int(worst[0][0] > 1)


if __name__ == "__main__":
    sys.exit(main())

"""flush(), stats(), the line at exit and ``infinium-traces doctor`` agree with what the server and the folder hold."""

import contextlib
import gzip
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from children import PATIENCE
from click.testing import CliRunner
from delivery_kit import LOOKS_FOR_CERTIFICATES, account, files
from faultserver import Close, FaultServer, Half, Hang, Reply, Reset, closed_port

from infinium_integrations import settings
from infinium_integrations.cli.main import main
from infinium_integrations.storage.selector import account_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="what a process may open and write is limited there")

N = 3
"""Traces of each child."""
AT_ONCE = 3
"""Children at once: most of their time they wait for a server that has a fault."""

PROGRAM = """
import json, os, resource, time
from infinium_integrations import flush, runtime, stats, trace

store, ids = os.environ["INFINIUM_STORE"], []
runtime.current()

def one():
    with trace("n") as t:
        ids.append(t.trace_id)

def settle():
    assert runtime.current().delivery._writer.settle(time.monotonic() + 20)

def until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)

def tried():
    until(lambda: runtime.current().delivery._sender.reason())

def no_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

def no_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

taken = []

def remove():
    import shutil
    shutil.rmtree(store)

{before}
for _ in range({count}):
    one()
{written}
flushed = flush({patience})
print(json.dumps([ids, flushed, stats()]))
{after}
"""


@dataclass(frozen=True)
class Case:
    """One fault, and how many of the traces end where."""

    name: str
    script: tuple[Any, ...] = ()
    then: Any = 201
    """What the server answers: the steps of the script, then always this."""
    url: str = "http://127.0.0.1:{port}/api/v1"
    store: str = "{folder}/store"
    variable: tuple[str, str] | None = None
    before: str = ""
    written: str = ""
    after: str = ""
    """What the child does before its traces, between them and its flush, and after that."""
    earlier: tuple[bytes, ...] = ()
    """Files that an earlier process left in the outbox."""
    sent: int = 0
    rejected: int = 0
    pending: int = 0
    dropped: int = 0
    """What ``stats()`` says after the flush."""
    late: int = 0
    """Of those pending, how many are delivered at exit;"""
    lost: int = 0
    """and how many are lost there."""
    doctor: str = "bad"
    """What it finds: ``well``, ``warning`` or ``bad``."""
    full: bool = False

    @property
    def patient(self) -> bool:
        """Whether the exit may take as long as it likes."""
        return bool(self.late)


def kept(name, *steps, **given):
    return Case(name, steps[:-1], steps[-1], pending=N, **given)


DOWN = "http://127.0.0.1:{closed}/api/v1"
ASKED = {"Retry-After": "100"}
NEWER = gzip.compress(b'{"format":99,"trace_id":"9f1c1d0e",') + gzip.compress(b'"payload":{}}')

CASES = [
    Case("no fault", sent=N, doctor="well"),
    # the way to the server
    Case("refused", url=DOWN, pending=N),
    Case("no such host", url="https://no-such-host.invalid/api/v1", pending=N),
    Case("no TLS", url="https://127.0.0.1:{port}/api/v1", pending=N),
    kept("hangs", Hang()),
    kept("hangs having accepted", Hang(accept=True), full=True),
    kept("reset", Reset()),
    kept("reset having accepted", Reset(accept=True)),
    kept("closed", Close(), full=True),
    kept("half a reply", Half()),
    kept("slow", Reply(wait=1.0), late=N, doctor="well"),
    # settings
    *[Case("certificates", variable=("SSL_CERT_FILE", "/nonexistent.pem"), pending=N)][:LOOKS_FOR_CERTIFICATES],
    Case("key log", variable=("SSLKEYLOGFILE", "/nonexistent/keys"), pending=N, full=True),
    Case("unknown proxy", variable=("ALL_PROXY", "socks9://127.0.0.1:1"), pending=N),
    Case("malformed proxy", variable=("HTTP_PROXY", "foo:bar"), pending=N, full=True),
    Case("refusing proxy", variable=("HTTP_PROXY", "http://127.0.0.1:{closed}"), pending=N),
    # what is answered
    *(kept(str(status), Reply(status), full=status in {403, 502}) for status in (401, 403, 407, 500, 502, 503)),
    kept("404", Reply(404), doctor="warning"),
    *(kept(f"{status} with Retry-After", Reply(status, headers=ASKED)) for status in (429, 503)),
    kept("500 having accepted", Reply(500, accept=True), full=True),
    kept("redirect", Reply(302, headers={"Location": "http://127.0.0.1:9/"})),
    kept("login page", Reply(200, "<html>Please log in</html>", content_type="text/html")),
    kept("half of JSON", Reply(200, '{"traceId": "cut')),
    *(Case(str(status), then=Reply(status), rejected=N, full=status == 422) for status in (400, 413, 422)),
    Case("409", then=Reply(409, accept=True), sent=N),
    Case(
        "one of each",
        (201, 422),
        Reply(401),
        written="until(lambda: stats()['sent'] + stats()['rejected'] == 2)",
        sent=1,
        rejected=1,
        pending=1,
    ),
    Case("two, then none", (201, 201), Hang(), written="until(lambda: stats()['sent'] == 2)", sent=2, pending=1),
    # the store
    Case("no room", before="no_room()", sent=N, doctor="well"),
    Case("no room, refused", url=DOWN, before="no_room()", pending=N, lost=N),
    Case("no room after one, refused", url=DOWN, before="one(); settle(); no_room()", pending=N + 1, lost=N),
    Case("no room for receipts", written="settle(); no_room()", sent=N, doctor="well"),
    Case("no folder", store="{folder}/file/store", sent=N),
    Case("no folder, refused", url=DOWN, store="{folder}/file/store", pending=N, lost=N),
    Case("memory, refused", url=DOWN, store="memory", pending=N, lost=N),
    Case("no descriptors", before="no_descriptors()", pending=N, lost=N, doctor="well"),
    Case(
        "no descriptors until exit",
        before="no_descriptors()",
        after="for each in taken: os.close(each)",
        pending=N,
        late=N,
        doctor="well",
    ),
    Case("no descriptors once written, refused", url=DOWN, written="settle(); no_descriptors()", pending=N),
    Case("damaged", earlier=(b"no gzip", b""), sent=N, dropped=2, doctor="warning"),
    Case("newer format", earlier=(NEWER,), sent=N, doctor="warning"),
    Case("store removed", url=DOWN, before="one(); tried(); remove()", pending=N, dropped=1),
    Case("store removed after the flush", url=DOWN, after="remove()", pending=N, lost=N),
    Case("removed by a person", url=DOWN, before="one(); tried(); remove(); one(); settle()", pending=N + 1, dropped=1),
    Case("room for one, refused", url=DOWN, variable=("INFINIUM_STORE_BYTES", "{one}"), pending=1, dropped=N - 1),
]


@dataclass
class End:
    """What became of a case."""

    child: subprocess.CompletedProcess
    env: dict[str, str]
    accepted: set[str]
    found: dict[str, list[Path]]


def end(case, folder, stack, env):
    """Run the child beside a server with its fault, which stays for the doctor."""
    server = stack.enter_context(FaultServer(list(case.script), then=case.then))
    (folder / "file").write_text("")
    places = {"port": server.port, "closed": closed_port(), "folder": folder, "one": 700}
    env |= {"INFINIUM_BASE_URL": case.url.format(**places), "INFINIUM_STORE": case.store.format(**places)}
    env["INFINIUM_EXIT_TIMEOUT"] = "20" if case.patient else "0.6"
    if case.variable:
        env[case.variable[0]] = case.variable[1].format(**places)
    store = Path(env["INFINIUM_STORE"])
    if case.earlier:
        leave(env, store, case.earlier)
    patience = 0.6 if case.pending else 20
    code = PROGRAM.format(count=N, patience=patience, before=case.before, written=case.written, after=case.after)
    child = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    found = {area: files(store, area) for area in ("outbox", "history", "rejected", "damaged")}
    accepted = set(server.accepted)
    server.release.set()  # what hung ends without a reply
    return End(child, env, accepted, found)


def leave(env, store, contents):
    """Put files where those of this account wait."""
    given = {name.removeprefix("INFINIUM_").lower(): env[name] for name in env if name.startswith("INFINIUM_")}
    outbox = store / "outbox" / account_of(settings.Settings(**given))
    for folder in (store, store / "outbox", outbox):
        folder.mkdir(mode=0o700)
    for number, content in enumerate(contents):
        (outbox / f"{number:020d}-earlier.json.gz").write_bytes(content)


@pytest.fixture(scope="module")
def ends(request, tmp_path_factory):
    """What becomes of each case that was collected: they run beside each other, and each is waited for by its test."""
    chosen = [item.callspec.params["case"] for item in request.session.items if item.path == request.path]
    with contextlib.ExitStack() as servers, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            case.name: pool.submit(end, case, tmp_path_factory.mktemp("truth"), servers, account("", ""))
            for case in chosen
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def doctor(monkeypatch):
    """Ask ``infinium-traces doctor`` with the settings of a child."""

    def ask(env):
        for name, value in env.items():
            if os.environ.get(name) != value:
                monkeypatch.setenv(name, value)
        settings.reset()
        return CliRunner().invoke(main, ["doctor"])

    return ask


def ids_of(paths):
    return {re.sub(r"^\d+-|\.json\.gz$", "", path.name) for path in paths}


def number(pattern, text):
    """The number before a sentence; 0 where it isn't said."""
    found = re.findall(rf"^\W*([\d,]+) {pattern}", text, re.MULTILINE)
    assert len(found) <= 1, text
    return sum(int(text.replace(",", "")) for text in found)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.full] * case.full) for case in CASES]
)
def test_what_is_said_is_what_the_server_and_the_folder_hold(ends, doctor, case):
    seen = ends[case.name].result()
    said, found = seen.child.stderr, seen.found
    assert seen.child.returncode == 0, said
    ids, flushed, stats = json.loads(seen.child.stdout)
    own = set(ids)
    waiting, refused, history = (ids_of(found[area]) & own for area in ("outbox", "rejected", "history"))
    held = seen.accepted | waiting | refused

    # stats: the fault is the one that is meant; what was pending is on the disk, was delivered at exit, or is lost
    meant = {what: getattr(case, what) for what in ("sent", "rejected", "pending", "dropped")}
    assert {what: stats[what] for what in (*meant, "faults")} == {**meant, "faults": 0}, said
    assert sum(meant.values()) == stats["recorded"] + len(case.earlier) * bool(case.dropped)
    assert stats["recorded"] == len(own)
    assert stats["sent"] + case.late <= len(own & seen.accepted)
    assert history <= seen.accepted
    assert len(refused) == stats["rejected"]
    assert len(waiting) == stats["pending"] - case.late - case.lost
    assert len(own - held) == case.lost + case.dropped * (not case.earlier)

    # flush: nothing waits, and nothing was lost
    assert flushed == (own <= seen.accepted | refused and not stats["pending"])

    # the line at exit
    assert "report" not in said
    assert number("traces? (?:is|are) not delivered yet", said) == len(waiting)
    if "was removed" not in said:
        assert number("traces? kept in memory could not be delivered", said) == case.lost
    assert bool(said) or flushed or bool(case.late)

    # doctor
    text = (answer := doctor(seen.env)).output
    assert number("traces? waits? to be delivered", text) == len(found["outbox"]) - (NEWER in case.earlier)
    assert number("traces? (?:was|were) written by a later version", text) == (NEWER in case.earlier)
    assert number("traces? (?:was|were) refused", text) == len(found["rejected"])
    assert number("damaged files? (?:was|were) set aside", text) == len(found["damaged"])
    verdict = {"well": "All is well.", "warning": "to look at.", "bad": "to put right."}[case.doctor]
    assert text.endswith(f"{verdict}\n"), text
    assert answer.exit_code == (case.doctor == "bad")
    assert ("✕" in text) == (case.doctor == "bad")

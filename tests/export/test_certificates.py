"""A platform behind a certificate of one's own: ``SSL_CERT_FILE`` names the authority, or nothing is sent."""

import datetime as dt
import json
import ssl
import subprocess
import sys

import pytest
import trustme
from delivery_kit import account, files
from faultserver import FaultServer

from infinium_integrations import InfiniumClient
from infinium_integrations.errors import TransportError

PROGRAM = """
import json, sys
from infinium_integrations import flush, stats, trace
with trace("n"):
    pass
print(json.dumps([flush(float(sys.argv[1])), stats()]))
"""


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path):
    """The file that ``SSL_CERT_FILE`` names."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


def served(authority, host="127.0.0.1", **given):
    """Return what a server needs that shows a certificate for ``host``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **given).configure_cert(context)
    return context


def traced(server, store, *, patience=20.0, **certificates):
    """Run a program that records a trace; return what flush() and stats() said, and what stood on stderr.

    Without patience there are not so many tries that what they fail of is said while it runs, too.
    """
    env = account(server.url, store, **certificates)
    if not certificates:
        env.pop("SSL_CERT_FILE", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(patience)], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    flushed, counts = json.loads(done.stdout)
    return flushed, {name: count for name, count in counts.items() if count}, done.stderr


def test_a_certificate_of_ones_own_delivers_where_its_authority_is_named(tmp_path, authority, trusted):
    with FaultServer(tls=served(authority)) as server:
        flushed, counts, said = traced(server, tmp_path / "store", SSL_CERT_FILE=trusted)
        assert (flushed, counts, said) == (True, {"recorded": 1, "sent": 1}, "")
        assert list(server.accepted.values()) == [1]
    assert files(tmp_path / "store", "outbox") == []


@pytest.mark.parametrize("fault", ["no authority", "another authority", "another host", "expired"])
def test_a_certificate_that_can_not_be_trusted_gets_nothing_and_what_was_kept_comes_once(
    tmp_path, authority, trusted, fault
):
    given, shown = {"SSL_CERT_FILE": trusted}, served(authority)
    if fault == "no authority":
        given = {}
    elif fault == "another authority":
        trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
        given = {"SSL_CERT_FILE": tmp_path / "another.pem"}
    elif fault == "another host":
        shown = served(authority, "infinium.example")
    else:
        shown = served(authority, not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    with FaultServer(tls=shown) as server:
        flushed, counts, said = traced(server, tmp_path / "store", patience=0.5, **given)
        assert (flushed, counts) == (False, {"recorded": 1, "pending": 1})
        assert said.count("\n") == 1
        assert said.startswith("1 trace is not delivered yet: ")
        assert "certificate" in said.lower()
        assert server.requests == []
    assert len(files(tmp_path / "store", "outbox")) == 1
    with FaultServer(tls=served(authority), port=server.port) as server:
        flushed, counts, said = traced(server, tmp_path / "store", SSL_CERT_FILE=trusted)
        assert (flushed, counts, said) == (True, {"recorded": 1, "sent": 2}, "")
        assert list(server.accepted.values()) == [1, 1]
    assert files(tmp_path / "store", "outbox") == []


def test_a_direct_client_takes_the_named_authority_and_says_what_it_can_not_trust(monkeypatch, authority, trusted):
    with FaultServer(tls=served(authority)) as server:
        agent = ("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "s" * 20)
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with (
            InfiniumClient(*agent, base_url=server.url, max_retries=0) as client,
            pytest.raises(TransportError, match=r"(?i)certificate"),
        ):
            client.send_task("n", "d", 1.0)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with InfiniumClient(*agent, base_url=server.url) as client:
            client.send_task("n", "d", 1.0)
        assert list(server.accepted.values()) == [1]

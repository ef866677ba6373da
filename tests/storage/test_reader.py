"""Deleting, as a request for privacy asks for it: wherever a trace is, and for good."""

import shutil
import socket
import threading
from collections import Counter
from dataclasses import replace

import pytest
from delivery_kit import AGENT, SECRET, files, item, names, new_id, stored, unreachable, written
from faultserver import Reply

from infinium_integrations import settings
from infinium_integrations.storage.index.database import FILE


def of(user, number, **tags):
    return item(number, tags={"user_id": user, **tags})


@pytest.fixture(params=["folder", "memory"])
def kept(request, deliver):
    """A delivery whose traces are kept in a folder or in memory."""
    if request.param == "memory":
        settings.configure(store="memory")
    return deliver()


def test_all_of_a_user_go_and_only_theirs(kept):
    stored(kept, of("ada", 1), of("bob", 2), of("ada", 3), item(4))
    reader = kept.reader
    assert reader.count(user="ada") == 2
    assert reader.count(user="ad") == 0
    assert reader.remove(reader.listing(user="ada", limit=None)) == Counter(local=2)
    assert sorted(names(reader.traces())) == ["run 2", "run 4"]


def test_what_waits_was_sent_and_was_refused_goes_and_is_counted_apart(kept, serve):
    serve(Reply(200), Reply(422))
    stored(kept, of("ada", 1))
    stored(kept, of("ada", 2))
    unreachable()
    written(kept, of("ada", 3))
    reader = kept.reader
    assert reader.remove(reader.listing(user="ada")) == Counter(sent=1, rejected=1, pending=1)
    assert reader.traces() == []
    assert reader.remove(reader.listing(user="ada")) == Counter()


def test_what_was_deleted_while_it_waited_is_not_sent(kept, serve):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=f"http://127.0.0.1:{port}/api/v1")
    written(kept, of("bob", 1), of("ada", 2))
    assert kept.reader.delete(of("ada", 2)["trace_id"])
    server = serve(port=port)
    assert kept.flush(10)
    assert list(server.accepted) == [of("bob", 1)["trace_id"]]


@pytest.mark.parametrize("outcome", ["delivered", "rejected"])
def test_what_was_deleted_while_it_was_being_sent_does_not_come_back(kept, outcome):
    asked, release = threading.Event(), threading.Event()

    class Client:
        def send_task_data(self, _task):
            asked.set()
            assert release.wait(20)
            if outcome == "rejected":
                raise ValueError

    kept.submit({**of("ada", 1), "client": Client()})
    assert asked.wait(20)
    assert kept.reader.delete(of("ada", 1)["trace_id"])
    release.set()
    assert kept.flush(10)
    assert kept.reader.traces() == []
    assert kept.stats()["sent" if outcome == "delivered" else "rejected"] == 1


def test_a_trace_that_is_in_two_places_leaves_neither(deliver, store):
    delivery = deliver()
    stored(delivery, of("ada", 1))
    (path,) = files(store, "history")
    (twin := store / "outbox" / "0123456789abcdef").mkdir(mode=0o700)
    shutil.copy(path, twin / path.name.replace(".local", ""))
    assert delivery.reader.delete(of("ada", 1)["trace_id"])
    assert files(store, "") == []


def test_of_two_stores_in_memory_each_loses_its_own(deliver):
    settings.configure(store="memory")
    delivery = deliver()
    stored(delivery, of("ada", 1))
    settings.configure(store="memory", history_days=0)
    delivery.configure()
    stored(delivery, of("ada", 2), of("bob", 3))
    reader = delivery.reader
    assert reader.remove(reader.listing(user="ada")) == Counter(local=2)
    assert names(reader.traces()) == ["run 3"]


def test_the_index_forgets_at_once_and_keeps_no_bytes_of_it(deliver, store):
    marked = f"user-{new_id()}"
    delivery = deliver()
    stored(delivery, *(of(f"{marked}-{number}", number) for number in range(30)))
    reader = delivery.reader
    assert marked.encode() in _index(reader, store)
    reader.remove(reader.listing(limit=None))
    assert marked.encode() not in (store / FILE).read_bytes()


def _index(reader, store):
    assert reader.count() == 30
    return (store / FILE).read_bytes()


def test_a_trace_that_went_meanwhile_is_not_counted(deliver):
    delivery = deliver()
    stored(delivery, of("ada", 1))
    rows = delivery.reader.listing()
    gone = [replace(rows[0], trace_id="other", file="other")]
    assert delivery.reader.remove(gone) == Counter()
    assert len(delivery.reader.listing()) == 1
    results = []
    threads = [threading.Thread(target=lambda: results.append(delivery.reader.remove(rows))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(results, Counter()) == Counter(local=1)

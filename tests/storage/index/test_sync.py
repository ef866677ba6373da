"""The upkeep of the index: what it takes over, when it is made anew, and what it sums up."""

import gzip
import json
import os
import random
import sqlite3
import string
import subprocess
import sys
import threading
import time

import pytest
from delivery_kit import AGENT, SECRET, files, item, names, new_id, stored, wire

from infinium_integrations import settings
from infinium_integrations.storage import record as records
from infinium_integrations.storage.folder import FolderStore, make_folder
from infinium_integrations.storage.index import sync
from infinium_integrations.storage.index.database import FILE, VERSION, Index, Query

DAY = 86_400 * 10**9


def test_recording_writing_and_sending_never_open_the_index(deliver, serve, store):
    server = serve(503)
    delivery = deliver()
    stored(delivery, item(1))
    assert delivery.shutdown(10)
    assert server.accepted
    assert not (store / FILE).exists()


@pytest.mark.parametrize("spoil", ["garbage", "empty", "cut", "another version", "missing", "not ours"])
def test_an_index_that_can_not_be_used_is_made_anew(deliver, store, spoil):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    assert delivery.reader.count() == 2
    path = store / FILE
    if spoil == "another version":
        with sqlite3.connect(path) as database:
            database.execute(f"PRAGMA user_version = {VERSION + 1}")
        database.close()
    elif spoil == "not ours":
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE traces(x)")
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.close()
    elif spoil == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"garbage": b"x" * 10_000, "empty": b"", "cut": content[: len(content) // 2]}[spoil])
    assert names(delivery.reader.traces()) == ["run 2", "run 1"]
    assert delivery.reader.count() == 2
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def test_where_no_index_can_be_written_memory_serves(deliver, store):
    delivery = deliver()
    stored(delivery, item(1))
    (store / FILE).mkdir()
    assert names(delivery.reader.traces()) == ["run 1"]


def test_what_moves_appears_or_goes_is_noticed(deliver, serve, store):
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="http://127.0.0.1:9/api")
    delivery = deliver()
    delivery.submit(item(1))
    assert not delivery.flush(0.2)
    assert names(delivery.reader.traces(status="pending")) == ["run 1"]
    serve()
    delivery = deliver()
    stored(delivery, item(2))
    assert names(delivery.reader.traces(status="sent")) == ["run 2"]
    for path in files(store, "history"):
        path.unlink()
    assert names(delivery.reader.traces()) == ["run 1"]


def test_a_folder_that_has_not_changed_is_not_read_again(deliver, store, monkeypatch):
    delivery = deliver()
    stored(delivery, item(1))
    folder = next((store / "history").iterdir())
    old = time.time() - 60
    os.utime(folder, (old, old))
    assert delivery.reader.count() == 1
    listed = []
    monkeypatch.setattr(sync, "list_names", lambda path: listed.append(path) or [])
    assert delivery.reader.count() == 1
    assert folder not in listed


def test_a_damaged_file_in_the_history_is_set_aside_by_the_reader(deliver, store):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    files(store, "history")[0].write_bytes(b"torn")
    assert names(delivery.reader.traces()) == ["run 2"]
    assert len(list((store / "damaged").iterdir())) == 1


def test_a_payload_that_is_no_task_is_left_out_and_said(deliver, store, caplog):
    delivery = deliver()
    stored(delivery, item(1))
    odd = {"format": 1, "trace_id": new_id(), "name": "odd", "payload": {"name": "odd"}}
    folder = next((store / "history").iterdir())
    (folder / f"{1:020d}-odd.json.gz").write_bytes(gzip.compress(json.dumps(odd).encode()))
    assert names(delivery.reader.traces()) == ["run 1"]
    assert "can't be read" in caplog.text


def test_a_trace_that_moves_between_the_index_and_the_reading_is_found(deliver, serve, store, monkeypatch):
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="http://127.0.0.1:9/api")
    delivery = deliver()
    delivery.submit(item(1))
    assert not delivery.flush(0.2)
    rows = delivery.reader.listing()
    target = store / "history" / "2026-01-01" / files(store, "outbox")[0].name
    make_folder(target.parent)
    files(store, "outbox")[0].rename(target)
    assert delivery.reader._load(rows[0]).delivery.status == "sent"
    target.unlink()
    assert delivery.reader._load(rows[0]) is None


def test_several_readers_at_once_agree(deliver, store):
    delivery = deliver()
    stored(delivery, *[item(n) for n in range(40)])
    counts = []
    readers = [threading.Thread(target=lambda: counts.append(delivery.reader.count())) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert counts == [40] * 4


def test_numbers_that_sqlite_can_not_hold_do_no_harm(deliver):
    delivery = deliver()
    stored(delivery, item(1, llm_usage={"total_tokens": 10**30, "model": "m"}), item(2))
    assert delivery.reader.listing()[1].tokens == pytest.approx(10**30)
    assert delivery.reader.sums()[0].tokens == pytest.approx(10**30)


@pytest.mark.parametrize("odd", [10**400, float("inf"), float("nan"), "many", [1]])
def test_what_is_no_number_is_not_known(odd):
    assert sync._plain("tokens", odd) is None


def fill(store, count):
    """Write so many traces over three days, as earlier processes did."""
    payload = wire("t", output_summary="done", llm_usage={"total_tokens": 7, "model": "m", "estimated_cost_usd": 0.5})
    body = b"{}" + b" " * 5_000
    for number in range(count):
        recorded = DAY * 20_000 + number * 60 * 10**9
        given = payload | {
            "name": f"run {number}",
            "current_datetime": records.moment(recorded),
            "duration": number % 100,
            "environment": {"custom_tags": {"status": "error" if number % 10 == 0 else "ok", "session_id": number % 7}},
        }
        record = records.new_record(f"t-{number}", given, body, recorded, {"status": "sent"})
        folder = store / "history" / records.moment(recorded)[:10]
        make_folder(folder)
        (folder / f"{recorded:020d}-t-{number}.json.gz").write_bytes(records.pack(record))


def test_thousands_are_indexed_paged_and_summed_without_reading_the_traces(store, monkeypatch):
    """How fast it is, for 100,000, is measured apart."""
    fill(store, 4_000)
    read = []
    monkeypatch.setattr(sync, "read_file", read.append)
    found = Index(FolderStore(store), [])
    assert found.count(Query()) == 4_000
    monkeypatch.setattr(sync, "read_beginning", read.append)
    rows, total = found.page(Query(limit=3, offset=1_000))
    assert ([row.name for row in rows], total) == (["run 2999", "run 2998", "run 2997"], 4_000)
    assert found.find(Query(limit=1, name="RUN 17", until=rows[0].ended))[0].name == "run 1799"
    (summed,) = found.sums(Query(), None)
    assert (summed.runs, summed.errors, summed.tokens, summed.cost) == (4_000, 400, 28_000, 2_000.0)
    assert (summed.p50, summed.p95) == (49, 94)
    days = found.sums(Query(status="error"), DAY)
    assert [(day.start // DAY, day.runs) for day in days] == [(20_000, 144), (20_001, 144), (20_002, 112)]
    assert found.span(Query()) == (20_000 * DAY, 20_000 * DAY + 3_999 * 60 * 10**9)
    assert found.span(Query(name="nothing")) is None
    assert found.sums(Query(name="nothing"), None) == []
    assert read == []


def test_sessions_are_summed_the_latest_first(store):
    fill(store, 700)
    sessions, total = Index(FolderStore(store), []).sessions(Query(limit=2))
    assert total == 7
    assert [one.session_id for one in sessions] == ["6", "5"]
    assert (sessions[0].runs, sessions[0].tokens, len(sessions[0].names)) == (100, 700, 100)
    assert next(iter(sessions[0].names)) == "run 699"
    assert sessions[0].last - sessions[0].first == 99 * 7 * 60 * 10**9
    assert Index(FolderStore(store), []).sessions(Query(name="nothing")) == ([], 0)


def test_of_runs_whose_tokens_and_cost_are_unknown_the_sums_are_unknown(deliver):
    delivery = deliver()
    known = {"llm_usage": {"total_tokens": 0, "model": "m", "estimated_cost_usd": 0.0}}
    for number, (session, usage) in enumerate([("a", {}), ("b", {}), ("b", known)], 1):
        stored(delivery, item(number, tags={"session_id": session}, **usage))
    found, _ = delivery.reader.sessions()
    assert {one.session_id: (one.tokens, one.cost) for one in found} == {"a": (None, None), "b": (0, 0.0)}
    (summed,) = delivery.reader.sums(session="a")
    assert (summed.runs, summed.tokens, summed.cost) == (1, None, None)


def test_facts_that_are_longer_than_the_first_read_are_read_whole(store):
    make_folder(store / "history" / "2026-01-01")
    noise = "".join(random.Random(1).choices(string.ascii_letters, k=20_000))
    head = records.new_record("t", {"name": "n"}, b"{}", 1, {"status": "sent"}).head | {"more": noise}
    path = store / "history" / "2026-01-01" / f"{1:020d}-t.json.gz"
    path.write_bytes(records.pack(records.Record(head, b"{}")))
    assert path.stat().st_size > 2 * sync.BEGINNING
    assert Index(FolderStore(store), []).find(Query())[0].name == "n"


def test_what_is_no_file_is_set_aside(deliver, store):
    delivery = deliver()
    stored(delivery, item(1))
    folder = next((store / "history").iterdir())
    os.mkfifo(folder / f"{1:020d}-fifo.json.gz")
    (folder / f"{2:020d}-link.json.gz").symlink_to(files(store, "history")[0])
    assert names(delivery.reader.traces()) == ["run 1"]
    assert len(list((store / "damaged").iterdir())) == 2


def test_importing_the_delivery_loads_neither_sqlite_nor_httpx():
    program = """
import importlib.util, sys
if importlib.util.find_spec('genai_prices'):
    import genai_prices  # its older versions load httpx themselves
before = set(sys.modules)
import infinium_integrations.export.pipeline as delivery
delivery.Delivery(assemble=id)
print({'sqlite3', 'httpx', 'jinja2'} & (set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"

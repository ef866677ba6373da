"""Reading traces back: the index, its upkeep, and what a person does with stored traces."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faultserver import Reply
from kit import AGENT, SECRET, files, new_delivery, new_id

from infinium_integrations import settings
from infinium_integrations.delivery import index as index_module
from infinium_integrations.delivery import records
from infinium_integrations.delivery.index import FILE, VERSION, Index, Query
from infinium_integrations.delivery.store import FolderStore, make_folder
from infinium_integrations.errors import ValidationError


def stored(delivery, *items):
    for item in items:
        delivery.submit(item)
    assert delivery.flush(20)


def item(number, **given):
    return {"trace_id": f"{number:08d}-0000-4000-8000-000000000000", "name": f"run {number}", **given}


def names(tasks):
    return [task.name for task in tasks]


def test_the_newest_come_first_and_pages_follow_each_other(deliver):
    delivery = deliver()
    stored(delivery, *[item(n) for n in range(10)])
    assert names(delivery.traces()) == [f"run {n}" for n in range(9, -1, -1)]
    assert names(delivery.traces(limit=3)) == ["run 9", "run 8", "run 7"]
    assert names(delivery.traces(limit=3, offset=3)) == ["run 6", "run 5", "run 4"]
    assert len(delivery.traces(limit=None)) == 10
    assert delivery.count() == 10


def test_a_trace_reads_back_whole(deliver):
    delivery = deliver()
    step = {"step_number": 1, "action": "tool_use", "description": "look", "metadata": {"parent_step": None}}
    stored(delivery, item(1, steps=[step], sections={"customer": {"customer_name": "Ada"}}))
    (task,) = delivery.traces()
    assert task.steps[0].metadata == {"parent_step": None}
    assert task.customer.customer_name == "Ada"
    assert (task.status, task.delivery.status) == ("ok", "local")
    assert Path(task.delivery.path).exists()


def test_each_filter_finds_what_it_says(deliver):
    delivery = deliver()
    stored(
        delivery,
        item(1, status="error", tags={"session_id": "s1", "tags": "red,blue"}),
        item(2, tags={"session_id": "s2", "tags": "blue"}, output_summary="Straße nach München"),
        item(3, tags={"tags": "bluebird"}),
    )
    assert names(delivery.traces(status="error")) == ["run 1"]
    assert len(delivery.traces(status="local")) == 3
    assert delivery.traces(status="sent") == []
    assert names(delivery.traces(name="run 2")) == ["run 2"]
    assert delivery.traces(name="run") == []
    assert names(delivery.traces(session="s1")) == ["run 1"]
    assert names(delivery.traces(tag="blue")) == ["run 2", "run 1"]
    assert names(delivery.traces(text="MÜNCHEN strasse")) == ["run 2"]
    assert names(delivery.traces(text="run 3")) == ["run 3"]
    assert delivery.traces(text="münchen nowhere") == []
    assert names(delivery.traces(trace_id="00000003")) == ["run 3"]
    assert delivery.count(tag="blue", status="ok") == 1


def test_quotes_and_wildcards_in_a_search_are_plain_text(deliver):
    delivery = deliver()
    stored(delivery, item(1, input_summary='100% of it\'s "_"'), item(2))
    for text in ("100%", "it's", '"_"'):
        assert names(delivery.traces(text=text)) == ["run 1"]
    assert delivery.traces(text="%") == delivery.traces(text="100%")
    assert delivery.traces(name="'; DROP TABLE traces; --") == []


def test_since_takes_a_moment_a_text_or_a_time_before_now(deliver):
    delivery = deliver()
    stored(delivery, item(1))
    moment = datetime.now(UTC)
    stored(delivery, item(2))
    for since in (moment, moment.isoformat(), moment.astimezone(), moment.timestamp and moment):
        assert names(delivery.traces(since=since)) == ["run 2"]
    assert len(delivery.traces(since=timedelta(hours=1))) == 2
    assert delivery.traces(since=timedelta(hours=-1)) == []
    assert len(delivery.traces(since=datetime(1, 1, 2, tzinfo=UTC))) == 2


def test_each_state_of_delivery_is_told(deliver, serve):
    delivery = deliver()
    stored(delivery, item(1))
    serve(201, Reply(422, {"error": "odd"}), Reply(401))
    stored(delivery, item(2))
    stored(delivery, item(3))
    delivery.submit(item(4))
    assert not delivery.flush(5)
    states = {task.name: task.delivery for task in delivery.traces()}
    assert {name: state.status for name, state in states.items()} == {
        "run 1": "local",
        "run 2": "sent",
        "run 3": "rejected",
        "run 4": "pending",
    }
    assert "odd" in states["run 3"].reason
    assert states["run 2"].remote_trace_id
    assert names(delivery.traces(status="pending")) == ["run 4"]
    assert names(delivery.traces(status="rejected")) == ["run 3"]


def test_get_takes_a_beginning_that_no_other_trace_has(deliver):
    delivery = deliver()
    stored(delivery, item(10), item(11), item(2))
    assert delivery.get("00000002").name == "run 2"
    assert delivery.get(item(10)["trace_id"]).name == "run 10"
    assert delivery.get("ffff") is None
    assert delivery.get("") is None
    with pytest.raises(ValidationError, match="several traces begin with '0000001'"):
        delivery.get("0000001")


def test_delete_removes_the_file(deliver, store):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    assert delivery.delete("00000001")
    assert not delivery.delete("00000001")
    assert names(delivery.traces()) == ["run 2"]
    assert len(files(store, "history")) == 1


@pytest.mark.parametrize("mode", ["folder", "memory"])
def test_retry_sends_refused_traces_again(deliver, serve, mode):
    if mode == "memory":
        settings.configure(store="memory")
    server = serve(422, 422)
    delivery = deliver()
    stored(delivery, item(1), item(2))
    assert delivery.retry("00000001") == 1
    assert delivery.flush(10)
    assert names(delivery.traces(status="sent")) == ["run 1"]
    assert delivery.retry() == 1
    assert delivery.flush(10)
    assert len(server.accepted) == 2
    assert [task.delivery.reason for task in delivery.traces()] == [None, None]
    assert delivery.retry("ffff") == 0
    assert delivery.retry() == 0


def test_retry_gives_the_account_what_a_client_of_a_dead_process_was_to_send(deliver, serve):
    class Client:
        def send_task_data(self, task):
            raise ConnectionError

    first = deliver()
    first.submit(item(1, client=Client()))
    assert not first.flush(0.3)
    first._sender.stop()
    server = serve()
    second = deliver()
    assert second.flush(5)
    assert server.requests == []
    assert second.retry() == 1
    assert second.flush(10)
    assert len(server.accepted) == 1


def test_watch_gives_what_is_stored_from_now_on_each_once(deliver):
    delivery = deliver()
    stored(delivery, item(1))
    seen, found = delivery.watch(poll=0.01), []
    reader = threading.Thread(target=lambda: found.extend(next(seen) for _ in range(3)))
    reader.start()
    other = new_delivery()
    for number in (2, 3, 4):
        stored(other, item(number))
    reader.join(20)
    assert names(found) == ["run 2", "run 3", "run 4"]
    other.shutdown(5)


def test_watch_may_begin_earlier(deliver):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    seen = delivery.watch(since=timedelta(minutes=1))
    assert names([next(seen), next(seen)]) == ["run 1", "run 2"]


def test_what_was_just_submitted_is_seen(deliver):
    delivery = deliver()
    for number in range(5):
        delivery.submit(item(number))
    assert len(delivery.traces()) == 5


# --- upkeep -----------------------------------------------------------------------------------------------------------


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
    assert delivery.count() == 2
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
    assert names(delivery.traces()) == ["run 2", "run 1"]
    assert delivery.count() == 2
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def test_where_no_index_can_be_written_memory_serves(deliver, store):
    delivery = deliver()
    stored(delivery, item(1))
    (store / FILE).mkdir()
    assert names(delivery.traces()) == ["run 1"]


def test_what_moves_appears_or_goes_is_noticed(deliver, serve, store):
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="http://127.0.0.1:9/api")
    delivery = deliver()
    delivery.submit(item(1))
    assert not delivery.flush(0.2)
    assert names(delivery.traces(status="pending")) == ["run 1"]
    serve()
    delivery = deliver()
    stored(delivery, item(2))
    assert names(delivery.traces(status="sent")) == ["run 2"]
    for path in files(store, "history"):
        path.unlink()
    assert names(delivery.traces()) == ["run 1"]


def test_a_folder_that_has_not_changed_is_not_read_again(deliver, store, monkeypatch):
    delivery = deliver()
    stored(delivery, item(1))
    folder = next((store / "history").iterdir())
    old = time.time() - 60
    os.utime(folder, (old, old))
    assert delivery.count() == 1
    listed = []
    monkeypatch.setattr(index_module, "list_names", lambda path: listed.append(path) or [])
    assert delivery.count() == 1
    assert folder not in listed


def test_a_damaged_file_in_the_history_is_set_aside_by_the_reader(deliver, store):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    files(store, "history")[0].write_bytes(b"torn")
    assert names(delivery.traces()) == ["run 2"]
    assert len(list((store / "damaged").iterdir())) == 1


def test_a_payload_that_is_no_task_is_left_out_and_said(deliver, store, caplog):
    delivery = deliver()
    stored(delivery, item(1))
    odd = {"format": 1, "trace_id": new_id(), "name": "odd", "payload": {"name": "odd"}}
    folder = next((store / "history").iterdir())
    (folder / f"{1:020d}-odd.json.gz").write_bytes(gzip.compress(json.dumps(odd).encode()))
    assert names(delivery.traces()) == ["run 1"]
    assert "can't be read" in caplog.text


def test_a_trace_that_moves_between_the_index_and_the_reading_is_found(deliver, serve, store, monkeypatch):
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="http://127.0.0.1:9/api")
    delivery = deliver()
    delivery.submit(item(1))
    assert not delivery.flush(0.2)
    rows = delivery.listing()
    target = store / "history" / "2026-01-01" / files(store, "outbox")[0].name
    make_folder(target.parent)
    files(store, "outbox")[0].rename(target)
    assert delivery._load(rows[0]).delivery.status == "sent"
    target.unlink()
    assert delivery._load(rows[0]) is None


def test_several_readers_at_once_agree(deliver, store):
    delivery = deliver()
    stored(delivery, *[item(n) for n in range(40)])
    counts = []
    readers = [threading.Thread(target=lambda: counts.append(delivery.count())) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert counts == [40] * 4


def test_numbers_that_sqlite_can_not_hold_do_no_harm(deliver):
    delivery = deliver()
    stored(delivery, item(1, llm_usage={"total_tokens": 10**30, "model": "m"}))
    assert delivery.listing()[0].tokens == pytest.approx(10**30)


def test_pages_are_given_without_reading_the_traces(store, monkeypatch):
    """The count of files read is what makes it fast; 100,000 are measured in benchmarks."""
    folder = store / "history" / "2026-01-01"
    make_folder(folder)
    head = records.new_record(new_id(), {"name": "n"}, b'{"name":"n"}', 1, {"status": "sent"}).head
    for number in range(2_000):
        record = records.Record({**head, "trace_id": f"t-{number}"}, b"{}")
        (folder / f"{number:020d}-t.json.gz").write_bytes(records.pack(record))
    found = Index(FolderStore(store), [])
    assert found.count(Query()) == 2_000
    opened = []
    monkeypatch.setattr(index_module, "read_file", opened.append)
    assert [row.recorded for row in found.find(Query(limit=3, offset=1_000))] == [999, 998, 997]
    assert opened == []


def test_importing_the_delivery_loads_neither_sqlite_nor_httpx():
    program = """
import sys, infinium_integrations.delivery as delivery
delivery.Delivery(assemble=id)
print({'sqlite3', 'httpx', 'jinja2'} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

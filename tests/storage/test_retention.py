"""What leaves the stores by itself: by age, past the limits, and what memory may hold."""

import os
import time

import pytest
from delivery_kit import files, new_id, unreachable, written

from infinium_integrations import settings
from infinium_integrations.storage import retention
from infinium_integrations.storage.folder import FolderStore
from infinium_integrations.storage.memory import MemoryStore
from infinium_integrations.storage.retention import Pruner

TRACE = new_id()


def test_delivered_traces_leave_by_age_and_local_ones_stay(deliver, serve, store):
    delivery = deliver()
    written(delivery, TRACE)
    serve()
    delivery.submit(new_id())
    assert delivery.flush(10)
    old = time.time() - 8 * 86_400
    for path in files(store, "history"):
        os.utime(path, (old, old))
    written(again := deliver(), new_id())
    assert again.flush(10)
    assert {task.delivery.status for task in again.reader.traces()} == {"local", "sent"}
    assert len(files(store, "history")) == 2
    assert again.stats()["dropped"] == 0


def test_history_days_0_keeps_no_delivered_trace(deliver, serve, store):
    settings.configure(history_days=0)
    serve()
    delivery = deliver()
    delivery.submit(new_id())
    assert delivery.flush(10)
    assert files(store, "") == []


def test_past_the_limit_the_oldest_leave_counted_and_said_once(deliver, store, caplog):
    settings.configure(store_bytes=20_000)
    unreachable()
    delivery = deliver()
    ids = [new_id() for _ in range(60)]
    noise = [{"trace_id": one, "input_summary": os.urandom(500).hex()} for one in ids]
    written(delivery, *noise)
    kept = [path.name.split("-", 1)[1].removesuffix(".json.gz") for path in files(store, "outbox")]
    assert sum(path.stat().st_size for path in files(store, "")) <= 20_000
    assert 0 < len(kept) < 60
    assert kept == ids[-len(kept) :]
    assert delivery.stats()["dropped"] == 60 - len(kept)
    assert len([record for record in caplog.records if "is full" in record.getMessage()]) == 1


def test_past_the_limit_delivered_copies_leave_before_what_waits(deliver, serve, store):
    unreachable()
    written(deliver(), unreachable_id := new_id())
    serve()
    delivery = deliver()
    for _ in range(10):
        delivery.submit({"trace_id": new_id(), "input_summary": os.urandom(500).hex()})
    assert delivery.flush(10)
    settings.configure(store_bytes=6_000)
    written(delivery, {"trace_id": new_id(), "input_summary": os.urandom(500).hex()})
    assert any(unreachable_id in path.name for path in files(store, "outbox"))
    assert delivery.stats()["dropped"] == 0


def test_memory_is_bounded_by_bytes_and_drops_the_oldest():
    dropped = []
    store = MemoryStore(limit=1_000, on_drop=dropped.append)
    for number in range(10):
        store.put(f"{number:020d}-x", b"x" * 300, "account")
    assert store.waiting("account") == [f"{number:020d}-x" for number in (7, 8, 9)]
    assert sum(map(len, dropped)) == 7


def test_memory_drops_delivered_copies_first():
    dropped = []
    store = MemoryStore(limit=1_000, on_drop=dropped.append)
    store.put("0-waits", b"x" * 300, "account")
    for number in range(1, 9):
        store.keep(f"{number}-delivered", b"x" * 300)
    assert store.waiting("account") == ["0-waits"]
    assert dropped == []


@pytest.mark.parametrize("mode", ["memory", "off"])
def test_memory_and_off_deliver_and_write_nothing(deliver, serve, tmp_path, monkeypatch, mode):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    server = serve(503)
    settings.configure(store=mode)
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert server.accepted == {TRACE: 1}
    assert list(tmp_path.rglob("*")) == []
    assert [task.delivery.status for task in delivery.reader.traces()] == (["sent"] if mode == "memory" else [])


def test_half_written_files_of_dead_processes_are_removed(deliver, store):
    delivery = deliver()
    written(delivery, new_id())
    left = store / "aside" / "123-4-5"
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 7_200,) * 2)
    written(deliver(), new_id())
    pruned = deliver()
    written(pruned, new_id())
    assert not left.exists()


def test_past_the_limit_the_content_of_delivered_traces_leaves_before_any_trace(deliver, serve, store):
    serve()
    delivery = deliver()
    captured = {"messages": [{"role": "user", "parts": [{"type": "text", "content": os.urandom(4_000).hex()}]}]}
    delivery.submit({"trace_id": (first := new_id()), "captured": captured})
    delivery.submit({"trace_id": (second := new_id()), "captured": captured})
    assert delivery.flush(10)
    (older, newer) = files(store, "history")
    changed = older.stat().st_mtime
    Pruner(store, limit=older.stat().st_size + 2_000, days=7, on_drop=pytest.fail).prune()
    kept = {task.trace_id: task for task in delivery.reader.traces()}
    assert kept.keys() == {first, second}
    assert [kept[one].captured is None for one in (first, second)] == [True, False]
    assert older.stat().st_mtime == pytest.approx(changed)
    assert newer.stat().st_mode & 0o777 == older.stat().st_mode & 0o777 == 0o600


def test_a_store_of_many_files_is_not_measured_by_each_process(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "MANY", 10)
    folder = FolderStore(tmp_path / "store")
    for number in range(12):
        folder.put(f"{number:020d}-a", b"x" * 1_000, "account")
    looks = []
    count = Pruner._files
    monkeypatch.setattr(Pruner, "_files", lambda pruner: looks.append(1) or count(pruner))

    def process():
        return Pruner(folder.root, limit=20_000, days=7, on_drop=lambda found: None)

    process().wrote(1_000)
    another = process()
    another.wrote(50)
    assert len(looks) == 1
    another.wrote(1_000)  # more than a part of the limit: others may have written as much
    assert len(looks) == 2


def test_a_store_below_a_folder_named_aside_keeps_what_waits(tmp_path):
    folder = FolderStore(tmp_path / "aside" / "store")
    folder.put(f"{1:020d}-a", b"x", "account")
    folder.keep(f"{2:020d}-b", b"x", local=True)
    old = time.time() - 2 * 3_600
    for path in [*files(folder.root, "outbox"), *files(folder.root, "history")]:
        os.utime(path, (old, old))
    Pruner(folder.root, limit=20_000, days=7, on_drop=lambda found: None).prune()
    assert len(files(folder.root, "outbox")) == len(files(folder.root, "history")) == 1

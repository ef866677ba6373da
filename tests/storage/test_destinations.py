"""One trace for several: each is served on its own, in whatever order, and nobody twice."""

import threading

import pytest

from infinium_integrations.storage import record as records
from infinium_integrations.storage.destinations import after, joined, keys_of
from infinium_integrations.storage.folder import FolderStore
from infinium_integrations.storage.memory import MemoryStore
from infinium_integrations.storage.record import Receipt, new_record, refused, stem

PAYLOAD = {"name": "x", "description": "x", "current_datetime": "2026-01-31T12:00:00Z", "duration": 1.0}
NAME = "1-338701a7"


def a_record():
    return new_record(
        "338701a7", PAYLOAD, b'{"name": "x", "description": "x", "current_datetime": "2026", "duration": 1}', 1, {}
    )


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    made = FolderStore(tmp_path / "store") if request.param == "folder" else MemoryStore()
    made.put(NAME, records.pack(a_record()), joined(["a", "b"]))
    return made


def kept(store):
    """Give (area, folder, name) of all that is kept, days of the history left out."""
    if isinstance(store, MemoryStore):
        found = list(store.files())
    else:
        paths = store.root.rglob("*.json.gz")
        found = [(path.parts[-3], path.parts[-2], path.name.removesuffix(".json.gz")) for path in paths]
    return [(area, "" if area == "history" else folder, stem(name)) for area, folder, name in found]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_each_has_it_until_it_is_delivered_there(store, order):
    first, second = order
    assert store.holds("a", NAME)
    assert store.holds("b", NAME)
    assert store.delivered(first, NAME, Receipt(first, 5, "r-1")) == "outbox"
    assert (store.holds(first, NAME), store.holds(second, NAME)) == (False, True)
    assert (store.waiting(first), store.waiting(second), store.due()) == ([], [NAME], {NAME})
    assert store.read(second, NAME).trace_id == "338701a7"
    assert kept(store) == [("outbox", second, NAME)]
    assert store.delivered(second, NAME, Receipt(second, 6)) == "history"
    assert (store.due(), kept(store)) == (set(), [("history", "", NAME)])
    assert store.was_delivered(NAME)


def test_the_history_has_a_receipt_of_each(tmp_path):
    store = FolderStore(tmp_path)
    store.put(NAME, records.pack(a_record()), "a+b")
    store.delivered("a", NAME, Receipt("infinium", 5, "r-1"))
    store.delivered("b", NAME, Receipt("otlp", 6))
    (path,) = (tmp_path / "history").rglob("*.json.gz")
    name = path.name.removesuffix(".json.gz")
    assert records.receipt_of(name) == Receipt("infinium", 5, "r-1")
    assert records.receipt_of(name, "otlp") == Receipt("otlp", 6)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_what_one_refuses_is_rejected_when_the_other_has_it_and_for_that_one_alone(store, order):
    why = refused(a_record(), "too bad", 5)
    for key in order:
        if key == "a":
            store.reject("a", NAME, why)
        else:
            store.delivered("b", NAME, Receipt("otlp", 6))
    assert kept(store) == [("rejected", "a", NAME)]
    assert store.was_rejected(NAME)
    if isinstance(store, FolderStore):
        (path,) = (store.root / "rejected").rglob("*.json.gz")
        assert records.unpack(path.read_bytes()).head["delivery"]["reason"] == "too bad"
        assert "refused" not in path.name


def test_what_both_refuse_waits_for_both_when_it_is_sent_again(store):
    for key in "ab":
        store.reject(key, NAME, refused(a_record(), f"{key} says no", 5))
    assert kept(store) == [("rejected", "a+b", NAME)]


def test_it_is_found_by_a_store_that_did_not_see_it_move(tmp_path):
    first, second = FolderStore(tmp_path), FolderStore(tmp_path)
    first.put(NAME, records.pack(a_record()), "a+b")
    first.delivered("a", NAME, Receipt("infinium", 5))
    assert second.read("b", NAME).trace_id == "338701a7"
    assert second.delivered("b", NAME, Receipt("otlp", 6)) == "history"


def test_what_is_deleted_meanwhile_is_not_kept(store):
    store.remove(NAME)
    assert store.delivered("a", NAME, Receipt("infinium", 5)) == "history"
    assert store.reject("b", NAME, a_record()) == "rejected"
    assert kept(store) == []


def test_two_that_end_at_the_same_moment_leave_one_trace_with_both_receipts(tmp_path):
    for number in range(200):
        name = f"{number}-x"
        FolderStore(tmp_path).put(name, records.pack(a_record()), "a+b")
        together = threading.Barrier(2)

        def end(key, destination, name=name, together=together):
            own = FolderStore(tmp_path)
            together.wait(30)
            own.delivered(key, name, Receipt(destination, 5))

        threads = [threading.Thread(target=end, args=one) for one in (("a", "infinium"), ("b", "otlp"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    names = [path.name for path in tmp_path.rglob("*.json.gz")]
    assert len(names) == 200
    assert all("~infinium,5" in name and "~otlp,5" in name for name in names)
    assert not list((tmp_path / "outbox").rglob("*.json.gz"))


def test_a_lock_can_be_had_for_each_before_anything_is_looked_for(tmp_path):
    store = FolderStore(tmp_path)
    store.put(NAME, b"", "a+b")
    assert all(store.lock(key).take() for key in keys_of("a+b"))


def test_a_refusal_stands_in_no_name_in_the_end():
    area, folder, name = after("a+b", NAME, "a", None)
    assert (area, folder) == ("outbox", "b")
    assert after(folder, name, "b", Receipt("otlp", 6)) == ("rejected", "a", f"{NAME}~otlp,6")

"""Where traces are kept, who may read them, and what leaves by itself (rows C and G of the matrix)."""

import contextlib
import gzip
import json
import os
import shutil
import stat
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from delivery_kit import AGENT, SECRET, account, files, new_id, run, unreachable, wire, written
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from infinium_integrations import settings
from infinium_integrations.export import outbox
from infinium_integrations.storage import record as records
from infinium_integrations.storage.folder import FolderStore, make_folder
from infinium_integrations.storage.selector import account_of

TRACE = new_id()


# --- one file a trace -------------------------------------------------------------------------------------------------


PATIENT = trials(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""


def test_without_an_account_a_trace_is_kept_at_once_as_local(deliver, store, caplog, capfd):
    caplog.set_level("INFO")
    delivery = deliver()
    written(delivery, TRACE, new_id())
    assert delivery.flush(5)
    assert len(files(store, f"history/{datetime.now(UTC).date()}")) == 2
    assert files(store, "outbox") == []
    assert [task.delivery.status for task in delivery.reader.traces()] == ["local", "local"]
    assert delivery.stats() == {"recorded": 2, "pending": 0, "local": 2, "sent": 0, "rejected": 0, "dropped": 0}
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert str(store) in caplog.records[0].getMessage()
    assert capfd.readouterr().out == ""
    assert not delivery._sender._threads


def test_the_file_is_gzipped_json_with_its_format_facts_and_payload(deliver, store):
    unreachable()
    written(deliver(), {"trace_id": TRACE, "status": "error"})
    (path,) = files(store, "outbox")
    found = json.loads(gzip.decompress(path.read_bytes()))
    assert found["format"] == 2
    assert (found["trace_id"], found["name"], found["status"]) == (TRACE, "Triage ticket", "error")
    assert found["delivery"] == {"status": "pending", "origin": "http://127.0.0.1:9", "agent_id": AGENT}
    assert found["payload"]["environment"]["custom_tags"]["trace_id"] == TRACE
    assert datetime.fromisoformat(found["recorded_at"]).tzinfo is not None
    assert SECRET not in json.dumps(found)


def test_a_delivered_trace_has_its_receipt_in_the_name_of_the_file_that_waited(deliver, store, serve):
    unreachable()
    written(delivery := deliver(), TRACE)
    (waiting,) = files(store, "outbox")
    before = waiting.stat().st_ino, waiting.read_bytes()
    serve()
    target = store / "outbox" / account_of(settings.current())
    target.mkdir(0o700)
    waiting.rename(target / waiting.name)
    delivery.submit(new_id())  # a flush of an account that has had no trace looks for none
    assert delivery.flush(10)
    path, _ = files(store, "history")
    assert (path.stat().st_ino, path.read_bytes()) == before
    receipt = records.receipt_of(path.name.removesuffix(".json.gz"))
    task = delivery.reader.get(TRACE)
    assert (task.delivery.status, task.delivery.remote_trace_id) == ("sent", receipt.remote_id)
    assert abs(receipt.at_ms / 1000 - path.stat().st_mtime) < 60
    assert delivery.reader.delete(TRACE)
    assert path not in files(store, "history")


@PATIENT
@given(st.sampled_from(["infinium", "otlp"]), st.integers(0, 10**14), st.none() | st.text(min_size=1, max_size=300))
def test_a_receipt_in_a_name_reads_back_whatever_the_remote_id(destination, at, remote):
    name = records.file_name(1, TRACE)
    receipt = records.Receipt(destination, at, remote)
    added = records.Receipt("other", 5, "x").added(receipt.added(name))
    found = records.receipt_of(added, destination)
    assert records.stem(added) == name
    assert (found.destination, found.at_ms) == (destination, at)
    other = records.receipt_of(added, "other")
    assert (other.destination, other.at_ms) == ("other", 5)
    assert other.remote_id in {"x", None}  # None where the name is full
    assert records.receipt_of(name, destination) is None
    assert len(added) < 255 - len(".local.json.gz")
    assert "/" not in added
    if remote is None or (len(remote) < 64 and remote.isascii() and remote.isalnum()):
        assert found.remote_id == remote


def test_what_waits_is_apart_by_origin_and_agent_and_never_sent_to_another(deliver, store, serve):
    unreachable()
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.flush(0.2)
    server = serve()
    settings.configure(agent_id=new_id())
    delivery.submit(other := new_id())
    assert not delivery.flush(0.5)
    assert server.wait_for(1)
    assert list(server.accepted) == [other]
    patience = time.monotonic() + 20
    while len(files(store, "outbox")) > 1 and time.monotonic() < patience:  # its answer is on the way
        time.sleep(0.01)
    assert len(files(store, "outbox")) == 1


def test_what_was_recorded_before_a_change_of_settings_goes_where_it_was_meant_to(deliver, serve):
    first, delivery = serve(), deliver()
    delivery.submit(TRACE)
    second = serve()
    delivery.configure()
    delivery.submit(other := new_id())
    assert delivery.flush(10)
    assert list(first.accepted) == [TRACE]
    assert list(second.accepted) == [other]


@PATIENT
@given(
    st.fixed_dictionaries({"name": st.text(), "input_summary": st.text(max_size=5_000)}),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
)
def test_a_record_reads_back_as_it_was_written(payload, facts):
    body = json.dumps(payload).encode()
    spans = {"started_ns": 5, "steps": {"1": [7, 9], "2": [8]}, "trace_id": "0" * 32, "span_id": "0" * 16}
    captured = {"messages": [], "output": body.decode()}
    given = {"spans": spans, "captured": captured}
    record = records.new_record(TRACE, payload, body, time.time_ns(), {"status": "pending", **facts}, **given)
    data = records.pack(record)
    assert (record.spans(), record.captured()) == (spans, captured)
    assert records.unpack(records.without_content(data)).spans() == spans
    assert records.unpack(records.without_content(data)).captured() is None
    assert {key: json.loads(gzip.decompress(data))[key] for key in given} == given
    assert records.unpack(data) == record
    assert records.unpack_head(data) == record.head
    assert json.loads(gzip.decompress(data))["payload"] == payload


@PATIENT
@given(st.binary(max_size=200))
def test_bytes_that_are_no_trace_are_damaged(data):
    for read in (records.unpack, records.unpack_head):
        with pytest.raises(records.DamagedError):
            read(data)


@PATIENT
@given(st.data())
def test_a_cut_or_changed_file_is_damaged_or_reads_as_before(data):
    payload = wire(TRACE, current_datetime="2026-11-23T10:00:00Z")
    captured = {"messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]}
    record = records.new_record(
        TRACE, payload, json.dumps(payload).encode(), 1, {"status": "pending"}, captured=captured
    )
    whole = records.pack(record)
    at = data.draw(st.integers(0, len(whole) - 1))
    spoilt = data.draw(st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]]))
    with contextlib.suppress(records.DamagedError):
        found = records.unpack(spoilt)
        assert (found.head, found.body) == (record.head, record.body)
        assert found.captured() == captured


@pytest.mark.parametrize(
    "found",
    [
        {"trace_id": TRACE, "payload": {}},
        {"format": 1, "payload": {}},
        {"format": 1, "trace_id": "../../etc/passwd", "payload": {}},
        {"format": 1, "trace_id": TRACE, "payload": []},
        {"format": 1, "trace_id": TRACE},
        [],
    ],
)
def test_json_that_is_no_trace_is_damaged(found):
    with pytest.raises(records.DamagedError):
        records.unpack(gzip.compress(json.dumps(found).encode()))


def test_a_file_that_another_program_wrote_in_one_member_is_read():
    found = {"payload": {"name": "n"}, "trace_id": TRACE, "format": 1}
    record = records.unpack(gzip.compress(json.dumps(found).encode()))
    assert (record.trace_id, record.payload()) == (TRACE, {"name": "n"})


def test_a_file_that_unpacks_to_far_too_much_is_damaged():
    with pytest.raises(records.DamagedError):
        records.unpack(gzip.compress(b" " * 20_000_000))


# --- only for its owner -----------------------------------------------------------------------------------------------


def test_every_file_is_0600_and_every_folder_0700_even_under_umask_000(tmp_path, serve):
    server = serve(422)
    program = """
        os.umask(0)
        delivery = new_delivery()
        seen = set()
        for _ in range(3):
            delivery.submit(new_id())
        assert delivery.flush(20)
        delivery.reader.traces()
        from infinium_integrations import settings
        settings.configure(base_url="http://127.0.0.1:9")
        delivery.submit(new_id())
        assert not delivery.flush(0.2)
        delivery.reader.traces()
    """
    run(program, account(server.url, tmp_path / "deep" / "store"), noisy=True)
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "deep").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700
    assert {path.name for path in modes} >= {".lock", "index.sqlite3", "history", "outbox", "rejected"}


def test_a_file_is_0600_from_its_creation(deliver, store, monkeypatch):
    """Not made readable first and closed afterwards."""
    opened = []
    real = os.open

    def watching(path, flags, mode=0o777, **given):
        handle = real(path, flags, mode, **given)
        if flags & os.O_CREAT:
            opened.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", watching)
    unreachable()
    delivery = deliver()
    before = os.umask(0)
    try:
        delivery.submit(TRACE)
        assert not delivery.flush(0.2)
        delivery.reader.traces()
    finally:
        os.umask(before)
    assert len(opened) >= 3
    assert set(opened) == {0o600}


def unusable(kind, root):
    if kind == "a file stands there":
        root.write_text("")
    elif kind == "a file stands above":
        root.write_text("")
        return root / "below"
    elif kind == "its own part is another user's":
        root.mkdir()
        root.chmod(0o777)
        own = root / f"infinium-{os.geteuid()}"
        own.mkdir()
        os.chown(own, 12_345, 12_345)
    elif kind == "a part of it is a link":
        root.mkdir()
        (root.parent / "other").mkdir()
        (root / "outbox").symlink_to(root.parent / "other")
    return root


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="chown needs root")
@pytest.mark.parametrize(
    "kind",
    [
        "a file stands there",
        "a file stands above",
        "its own part is another user's",
        "a part of it is a link",
    ],
)
def test_a_folder_that_can_not_be_used_gives_way_to_memory_with_one_warning(deliver, serve, tmp_path, caplog, kind):
    root = unusable(kind, tmp_path / "store")
    server = serve()
    settings.configure(store=str(root))
    delivery = deliver()
    written(delivery, *[new_id() for _ in range(5)])
    assert delivery.flush(20)
    assert len(server.accepted) == 5
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "can't be used" in caplog.text
    assert len(delivery.reader.traces()) == 5
    assert not any(path.is_file() for path in (tmp_path / "other").rglob("*"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="chown needs root")
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o777), (12_345, 0o777), (12_345, 0o2775)])
def test_in_a_shared_folder_traces_go_to_a_part_of_the_users_own(deliver, serve, tmp_path, caplog, owner, mode):
    root = tmp_path / "volume"
    root.mkdir()
    os.chown(root, owner, 12_345)
    root.chmod(mode)
    server = serve()
    settings.configure(store=str(root))
    delivery = deliver()
    written(delivery, new_id())
    assert delivery.flush(20)
    assert len(server.accepted) == 1
    own = root / f"infinium-{os.geteuid()}"
    assert own.stat().st_mode & 0o777 == 0o700
    assert len(files(own, "history")) == len(delivery.reader.traces()) == 1
    assert caplog.records == []


def test_a_store_that_is_removed_while_in_use_is_made_again(deliver, store):
    delivery = deliver()
    written(delivery, new_id())
    shutil.rmtree(store)
    written(delivery, new_id())
    assert len(files(store, "history")) == 1


# --- damaged files ----------------------------------------------------------------------------------------------------


def test_damaged_files_are_set_aside_and_the_rest_flows(deliver, serve, store, caplog):
    unreachable()
    first = deliver()
    written(first, *[new_id() for _ in range(6)])
    assert not first.flush(0.5)  # its sender has taken them over
    first._sender.stop(20)  # and would set the damaged ones aside itself
    paths = files(store, "outbox")
    paths[0].write_bytes(b"")
    paths[1].write_bytes(paths[1].read_bytes()[:50])
    paths[2].write_bytes(b"\0" * 8_192)
    server = serve()
    paths[0].parent.rename(store / "outbox" / account_of(settings.current()))
    second = deliver()
    assert second.flush(20)
    assert len(server.accepted) == 3
    assert len(list((store / "damaged").iterdir())) == 3
    assert files(store, "outbox") == []
    assert len([record for record in caplog.records if "damaged and was" in record.getMessage()]) == 1
    assert second.stats()["dropped"] == 3


NO_TRACES = {
    "no object": [1, 2],
    "null": None,
    "a text": "trace",
    "empty": {},
    "no name": wire(TRACE, name=None),
    "a blank name": wire(TRACE, name=" "),
    "a name that is no text": wire(TRACE, name=["n"]),
    "a description that is no text": wire(TRACE, description=1),
    "no duration": wire(TRACE, duration=None),
    "a duration in words": wire(TRACE, duration="long"),
    "no time": wire(TRACE, current_datetime=None),
    "steps that are no list": wire(TRACE, steps={"1": {}}),
    "a step that is no object": wire(TRACE, steps=[{}, "step"]),
}


@pytest.mark.parametrize("payload", NO_TRACES.values(), ids=NO_TRACES)
@pytest.mark.parametrize("members", [1, 2])
def test_what_waits_and_is_no_trace_is_set_aside_and_never_posted(deliver, serve, store, caplog, payload, members):
    server, body = serve(), json.dumps(payload).encode()
    head = {"format": 1, "trace_id": TRACE, "name": "n", "status": "ok", "delivery": {"status": "pending"}}
    text = json.dumps({**head, "payload": payload}).encode()
    data = records.pack(records.Record(head, body)) if members == 2 else gzip.compress(text)
    folder = store / "outbox" / account_of(settings.current())
    folder.mkdir(parents=True, mode=0o700)
    (folder / f"{1:020d}-{TRACE}.json.gz").write_bytes(data)
    delivery = deliver()
    delivery.submit(other := new_id())
    assert delivery.flush(10)
    assert list(server.accepted) == [other]
    assert len(server.requests) == 1
    assert [path.name for path in (store / "damaged").iterdir()] == [f"{1:020d}-{TRACE}.json.gz"]
    assert delivery.stats()["dropped"] == 1
    assert len([record for record in caplog.records if "damaged" in record.getMessage()]) == 1


def test_text_in_the_place_of_the_payload_is_damaged():
    head = {"format": 1, "trace_id": TRACE, "name": "n", "status": "ok", "delivery": {}}
    for body in (b"{", b"", b"[" * 100_000):
        data = records.pack(records.Record(head, body))
        with pytest.raises(records.DamagedError):
            records.unpack_trace(data)


def test_a_file_of_a_later_format_stays_and_is_not_sent(deliver, serve, store):
    server = serve()
    folder = store / "outbox" / account_of(settings.current())
    folder.mkdir(parents=True, mode=0o700)
    later = gzip.compress(json.dumps({"format": 3, "trace_id": TRACE, "payload": {}}).encode())
    (folder / f"{1:020d}-{TRACE}.json.gz").write_bytes(later)
    delivery = deliver()
    delivery.submit(new_id())
    assert delivery.flush(10)
    assert len(server.requests) == 1
    assert len(files(store, "outbox")) == 1
    assert len(delivery.reader.traces()) == 1


def test_a_disk_without_room_for_a_lock_still_delivers(deliver, serve, store, monkeypatch):
    server = serve()
    real = os.open

    def full(path, *args, **given):
        if str(path).endswith(".lock"):
            raise OSError(28, "No space left on device")
        return real(path, *args, **given)

    monkeypatch.setattr(os, "open", full)
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    assert server.accepted == {TRACE: 1}


def test_a_store_that_fails_for_a_moment_is_looked_at_again(deliver, serve, store, monkeypatch):
    monkeypatch.setattr(outbox, "LOOK", 0.0)  # also for what this process has at hand
    monkeypatch.setattr(outbox, "LOOK_SHARE", 0.0)
    server = serve()
    delivery = deliver()
    delivery.submit(new_id())
    assert delivery.flush(10)
    real, failures = os.scandir, []

    def fail_once(path):
        if threading.current_thread().name == "infinium-sender" and not failures:
            failures.append(path)
            raise PermissionError(13, "for a moment")
        return real(path)

    monkeypatch.setattr(os, "scandir", fail_once)
    delivery.submit(new_id())
    assert server.wait_for_accepted(2)
    assert failures


def test_a_file_that_can_not_leave_the_outbox_is_not_sent_again(deliver, serve, store, monkeypatch, caplog):
    server = serve()

    def fail(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(FolderStore, "delivered", fail)
    delivery = deliver()
    delivery.submit(TRACE)
    assert delivery.flush(10)
    delivery.submit(new_id())
    assert delivery.flush(10)
    assert server.accepted[TRACE] == 1
    assert len(server.requests) == 2
    assert len([record for record in caplog.records if "can't be moved" in record.getMessage()]) == 1


def test_a_full_disk_still_delivers_what_waits(deliver, serve, store, monkeypatch):
    unreachable()
    written(deliver(), TRACE)
    server = serve()
    files(store, "outbox")[0].parent.rename(store / "outbox" / account_of(settings.current()))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("infinium_integrations.storage.folder.write_new", full)
    delivery = deliver()
    delivery.submit(other := new_id())
    assert delivery.flush(10)
    assert set(server.accepted) == {TRACE, other}
    assert files(store, "outbox") == []


# --- nothing before it is needed --------------------------------------------------------------------------------------


def test_checking_an_absent_folder_makes_none(tmp_path):
    assert not FolderStore(tmp_path / "absent").usable()
    assert not (tmp_path / "absent").exists()


def test_making_a_delivery_starts_no_thread_and_no_file(deliver, store):
    before = threading.active_count()
    deliver()
    assert threading.active_count() == before
    assert not store.exists()


def test_a_reader_of_an_absent_store_finds_nothing_and_makes_nothing(deliver, store):
    delivery = deliver()
    assert delivery.reader.traces() == []
    assert delivery.reader.count() == 0
    assert not store.exists()


def test_a_folder_that_another_process_makes_at_the_same_moment_is_taken(tmp_path, monkeypatch):
    wanted, make = tmp_path / "a" / "b", Path.mkdir

    def mkdir(self, *args, **kwargs):
        make(self, *args, **kwargs)
        if self == wanted.parent:
            make(wanted)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    make_folder(wanted)
    assert wanted.is_dir()

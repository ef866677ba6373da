"""Reading traces back, and what a person does with stored traces."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from delivery_kit import files, item, names, new_delivery, stored
from faultserver import Reply

from infinium_integrations import settings
from infinium_integrations.errors import ValidationError
from infinium_integrations.models import TaskData
from infinium_integrations.payload.finalize import build_payload
from infinium_integrations.storage import record
from infinium_integrations.storage.index import sync

DAY = 86_400 * 10**9


def test_the_newest_come_first_and_pages_follow_each_other(deliver):
    delivery = deliver()
    stored(delivery, *[item(n) for n in range(10)])
    assert names(delivery.reader.traces()) == [f"run {n}" for n in range(9, -1, -1)]
    assert names(delivery.reader.traces(limit=3)) == ["run 9", "run 8", "run 7"]
    assert names(delivery.reader.traces(limit=3, offset=3)) == ["run 6", "run 5", "run 4"]
    assert len(delivery.reader.traces(limit=None)) == 10
    assert delivery.reader.count() == 10


def test_a_trace_reads_back_whole(deliver):
    delivery = deliver()
    step = {"step_number": 1, "action": "tool_use", "description": "look", "metadata": {"parent_step": None}}
    stored(delivery, item(1, steps=[step], sections={"customer": {"customer_name": "Ada"}}))
    (task,) = delivery.reader.traces()
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
    assert names(delivery.reader.traces(status="error")) == ["run 1"]
    assert len(delivery.reader.traces(status="local")) == 3
    assert delivery.reader.traces(status="sent") == []
    assert names(delivery.reader.traces(name="run 2")) == ["run 2"]
    assert len(delivery.reader.traces(name="RUN")) == 3
    assert delivery.reader.traces(name="run_2") == []
    assert names(delivery.reader.traces(session="s1")) == ["run 1"]
    assert names(delivery.reader.traces(tag="blue")) == ["run 2", "run 1"]
    assert names(delivery.reader.traces(text="MÜNCHEN strasse")) == ["run 2"]
    assert names(delivery.reader.traces(text="run 3")) == ["run 3"]
    assert delivery.reader.traces(text="münchen nowhere") == []
    assert names(delivery.reader.traces(trace_id="00000003")) == ["run 3"]
    assert delivery.reader.count(tag="blue", status="ok") == 1


def test_quotes_and_wildcards_in_a_search_are_plain_text(deliver):
    delivery = deliver()
    stored(delivery, item(1, input_summary='100% of it\'s "_"'), item(2))
    for text in ("100%", "it's", '"_"'):
        assert names(delivery.reader.traces(text=text)) == ["run 1"]
    assert delivery.reader.traces(text="%") == delivery.reader.traces(text="100%")
    assert delivery.reader.traces(name="'; DROP TABLE traces; --") == []


def test_since_takes_a_moment_a_text_or_a_time_before_now(deliver):
    delivery = deliver()
    stored(delivery, item(1))
    moment = datetime.now(UTC)
    stored(delivery, item(2))
    for since in (moment, moment.isoformat(), moment.astimezone(), moment.timestamp and moment):
        assert names(delivery.reader.traces(since=since)) == ["run 2"]
    assert len(delivery.reader.traces(since=timedelta(hours=1))) == 2
    assert delivery.reader.traces(since=timedelta(hours=-1)) == []
    assert len(delivery.reader.traces(since=datetime(1, 1, 2, tzinfo=UTC))) == 2


def test_each_state_of_delivery_is_told(deliver, serve):
    delivery = deliver()
    stored(delivery, item(1))
    serve(201, Reply(422, {"error": "odd"}), Reply(401))
    stored(delivery, item(2))
    stored(delivery, item(3))
    delivery.submit(item(4))
    assert not delivery.flush(5)
    states = {task.name: task.delivery for task in delivery.reader.traces()}
    assert {name: state.status for name, state in states.items()} == {
        "run 1": "local",
        "run 2": "sent",
        "run 3": "rejected",
        "run 4": "pending",
    }
    assert "odd" in states["run 3"].reason
    assert states["run 2"].remote_trace_id
    assert names(delivery.reader.traces(status="pending")) == ["run 4"]
    assert names(delivery.reader.traces(status="rejected")) == ["run 3"]


def test_a_name_is_found_by_a_part_of_it_in_any_case(deliver):
    delivery = deliver()
    stored(delivery, item(1, name="Große Straße"), item(2, name="100% sure_thing"))
    assert names(delivery.reader.traces(name="STRASSE")) == ["Große Straße"]
    assert names(delivery.reader.traces(name="0%")) == ["100% sure_thing"]
    assert delivery.reader.traces(name="sure%thing") == []
    assert delivery.reader.count(name="") == 2


def test_until_is_exclusive_and_since_is_not(deliver):
    delivery = deliver()
    moments = [f"2026-01-0{day}T12:00:00.000001+00:00" for day in (1, 2, 3)]
    stored(delivery, *[item(n, current_datetime=moment) for n, moment in enumerate(moments)])
    assert names(delivery.reader.traces(since=moments[0], until=moments[2])) == ["run 1", "run 0"]
    assert names(delivery.reader.traces(until=datetime.fromisoformat(moments[1]))) == ["run 0"]
    assert delivery.reader.traces(until=timedelta(days=36_500)) == []


def test_lists_show_when_a_run_ended_and_the_last_to_end_comes_first(deliver):
    delivery = deliver()
    stored(delivery, item(1, current_datetime="2026-01-02T00:00:00Z"), item(2, current_datetime="2026-01-01T00:00:00"))
    first, second = delivery.reader.listing()
    assert (first.name, second.name) == ("run 1", "run 2")
    assert first.ended == datetime(2026, 1, 2, tzinfo=UTC).timestamp() * 1e9
    assert first.ended - second.ended == 86_400 * 10**9
    assert first.recorded < second.recorded


@pytest.mark.parametrize(
    "told", ["2999-01-01T00:00:00Z", "yesterday", None, 7, "9999-12-31T23:59:59-12:00", "0001-01-01"]
)
def test_an_end_that_can_not_be_counts_as_when_it_was_stored(told):
    fields = {"name": "n", "current_datetime": told}
    head = record.new_record("t", fields, b"{}", 5, {"status": "local"}).head
    row = dict(zip(sync.COLUMNS, sync._row("history/x", f"{5:020d}-t", "local", head), strict=True))
    assert row["ended"] == row["recorded"] == 5


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"output_summary": "Sent\n\tto  billing", "input_summary": "in"}, "Sent to billing"),
        ({"output_summary": " ", "input_summary": "My invoice"}, "My invoice"),
        ({"output_summary": None, "input_summary": None}, None),
        ({"output_summary": "x" * 160}, "x" * 160),
        ({"output_summary": "x" * 9_000}, "x" * 159 + "…"),
        ({"output_summary": "the key is sk-abcdefghijklmnopqrstuvwx1234567890ABCD"}, "the key is [REDACTED]"),
    ],
)
def test_rows_begin_to_say_what_came_out_in_one_redacted_line(deliver, fields, shown):
    delivery = deliver()
    stored(delivery, item(1, **fields))
    assert delivery.reader.listing()[0].preview == shown


def test_a_received_trace_is_kept_once_as_local(deliver, serve):
    server = serve()
    delivery = deliver()
    payload = item(1)
    given = build_payload(
        TaskData(name="received", description="d", duration=1, current_datetime="2026-01-01T00:00:00Z")
    )
    kept = []
    keepers = [threading.Thread(target=lambda: kept.append(delivery.reader.keep("t:1", given))) for _ in range(4)]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join(60)
    assert sorted(kept) == [False, False, False, True]
    stored(delivery, payload)
    assert not delivery.reader.keep(payload["trace_id"], given)
    assert delivery.reader.get("t:1").delivery.status == "local"
    assert delivery.reader.get(payload["trace_id"]).name == "run 1"
    assert len(server.requests) == 1
    with pytest.raises(ValidationError, match="ASCII"):
        delivery.reader.keep("../up", given)


def test_get_takes_a_beginning_that_no_other_trace_has(deliver):
    delivery = deliver()
    stored(delivery, item(10), item(11), item(2))
    assert delivery.reader.get("00000002").name == "run 2"
    assert delivery.reader.get(item(10)["trace_id"]).name == "run 10"
    assert delivery.reader.get("ffff") is None
    assert delivery.reader.get("") is None
    with pytest.raises(ValidationError, match="several traces begin with '0000001'"):
        delivery.reader.get("0000001")


def test_a_whole_id_is_never_taken_as_a_beginning(deliver):
    delivery = deliver()
    whole = item(1)["trace_id"]
    stored(delivery, {"trace_id": f"{whole}-b", "name": "longer"}, {"trace_id": f"{whole}-c", "name": "longer"})
    assert delivery.reader.get(whole) is None
    assert not delivery.reader.delete(whole)
    assert delivery.reader.retry(whole) == 0
    stored(delivery, item(1))
    assert delivery.reader.get(whole).name == "run 1"
    assert delivery.reader.get("00000001-0000-4000-8000-000000000000-b").name == "longer"
    assert delivery.reader.get("00000001", exact=True) is None
    assert not delivery.reader.delete(f"{whole}-", exact=True)
    assert delivery.reader.delete(whole, exact=True)
    assert delivery.reader.count() == 2


def test_delete_removes_the_file(deliver, store):
    delivery = deliver()
    stored(delivery, item(1), item(2))
    assert delivery.reader.delete("00000001")
    assert not delivery.reader.delete("00000001")
    assert names(delivery.reader.traces()) == ["run 2"]
    assert len(files(store, "history")) == 1


@pytest.mark.parametrize("mode", ["folder", "memory"])
def test_retry_sends_refused_traces_again(deliver, serve, mode):
    if mode == "memory":
        settings.configure(store="memory")
    server = serve(422, 422)
    delivery = deliver()
    stored(delivery, item(1), item(2))
    assert delivery.reader.retry("00000001") == 1
    assert delivery.flush(10)
    assert names(delivery.reader.traces(status="sent")) == ["run 1"]
    assert delivery.reader.retry() == 1
    assert delivery.flush(10)
    assert len(server.accepted) == 2
    assert [task.delivery.reason for task in delivery.reader.traces()] == [None, None]
    assert delivery.reader.retry("ffff") == 0
    assert delivery.reader.retry() == 0


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
    assert second.reader.retry() == 1
    assert second.flush(10)
    assert len(server.accepted) == 1


def test_watch_gives_what_is_stored_from_now_on_each_once(deliver):
    delivery = deliver()
    stored(delivery, item(1))
    seen, found = delivery.reader.watch(poll=0.01), []
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
    seen = delivery.reader.watch(since=timedelta(minutes=1))
    assert names([next(seen), next(seen)]) == ["run 1", "run 2"]


def test_what_was_just_submitted_is_seen(deliver):
    delivery = deliver()
    for number in range(5):
        delivery.submit(item(number))
    assert len(delivery.reader.traces()) == 5

"""Many threads, flush and shutdown, and what the caller's thread is spared (rows D of the matrix)."""

import asyncio
import gc
import logging
import os
import shutil
import signal
import threading
import time

import pytest
from delivery_kit import assemble, files, new_id, stored
from faultserver import Hang, Reply

from infinium_integrations import diagnostics, settings
from infinium_integrations.export import outbox, pipeline
from infinium_integrations.export.pipeline import Delivery
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.storage import folder as store_module
from infinium_integrations.storage.folder import FolderStore
from infinium_integrations.storage.selector import account_of

TRACE = new_id()


def submit_from_threads(delivery, threads, each):
    ids = [[new_id() for _ in range(each)] for _ in range(threads)]
    begin = threading.Barrier(threads)

    def work(mine):
        begin.wait()
        for one in mine:
            delivery.submit(one)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in ids]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return {one for mine in ids for one in mine}


def test_32_threads_deliver_each_trace_once(deliver, serve):
    server = serve()
    settings.configure(requests_per_second=100_000)
    delivery = deliver()
    ids = submit_from_threads(delivery, 32, 10)
    assert delivery.flush(60)
    assert set(server.accepted) == ids
    assert set(server.accepted.values()) == {1}
    assert delivery.stats()["recorded"] == delivery.stats()["sent"] == 320


def test_32_threads_with_50_traces_each_have_all_written(deliver, store):
    delivery = deliver()
    ids = submit_from_threads(delivery, 32, 50)
    assert delivery.flush(60)
    assert {path.name.split("-", 1)[1].removesuffix(".local.json.gz") for path in files(store, "history")} == ids


def test_what_was_submitted_first_is_stored_first(deliver, store):
    delivery, ids = deliver(), [new_id() for _ in range(50)]
    for one in ids:
        delivery.submit(one)
    assert delivery.flush(20)
    assert [path.name.split("-", 1)[1].removesuffix(".local.json.gz") for path in files(store, "history")] == ids


def test_flush_is_true_only_when_every_earlier_submit_was_acknowledged(deliver, serve):
    server = serve()
    delivery = deliver()
    for _ in range(30):
        delivery.submit(one := new_id())
        assert delivery.flush(20)
        assert server.accepted[one] == 1


def test_flush_is_false_while_a_request_is_under_way(deliver, serve):
    server = serve(then=Hang(accept=False))
    delivery = deliver()
    delivery.submit(TRACE)
    assert server.wait_for(1)
    assert not delivery.flush(0.1)
    assert delivery.stats()["pending"] == 1


def test_flush_does_not_miss_what_the_writer_holds_in_its_hands(deliver, serve):
    """Taken from the queue and not yet stored."""
    serve()
    taken, go = threading.Event(), threading.Event()

    def slowly(item):
        taken.set()
        assert go.wait(20)
        return assemble(item)

    delivery = deliver(assemble=slowly)
    delivery.submit(TRACE)
    assert taken.wait(20)
    assert not delivery.flush(0.1)
    assert delivery.stats()["recorded"] == 1
    go.set()
    assert delivery.flush(20)


def test_flush_with_nothing_to_do_is_true_with_and_without_an_account(deliver, serve):
    assert deliver().flush(5)
    server = serve()
    assert deliver().flush(5)
    assert server.requests == []


def test_flush_delivers_what_an_earlier_process_left(deliver, serve):
    server = serve(Reply(503, headers={"Retry-After": "300"}))
    first = deliver()
    first.submit(TRACE)
    assert not first.flush(1)
    first._sender.stop()
    second = deliver()
    assert second.flush(20)
    assert server.accepted == {TRACE: 1}


def test_a_flush_from_our_own_threads_does_not_wait_for_itself(deliver):
    answers = []

    class Client:
        def send_task_data(self, task):
            answers.append(delivery.flush(60))

    delivery = deliver(sweep=lambda now: answers.append(delivery.flush(60)))
    delivery.submit({"trace_id": TRACE, "client": Client()})
    assert delivery.flush(20)
    assert answers == [False, False]


def test_flush_from_an_event_loop_and_from_several_threads_at_once(deliver, serve):
    serve()
    delivery = deliver()

    async def main():
        delivery.submit(TRACE)
        return await asyncio.gather(*(asyncio.to_thread(delivery.flush, 20) for _ in range(4)))

    for _ in range(3):
        assert asyncio.run(main()) == [True] * 4


def test_shutdown_ends_the_threads_and_is_not_final(deliver, serve):
    server = serve()
    delivery = deliver()
    for _ in range(3):
        delivery.submit(new_id())
        assert delivery.shutdown(20)
        ours = (delivery._writer._thread, *delivery._sender._threads)
        assert not [one for one in ours if one is not None and one.is_alive()]
    assert len(server.accepted) == 3
    assert delivery.stats()["sent"] == 3


def test_shutdown_is_false_while_something_is_left_and_goes_on_trying(deliver, serve):
    server = serve(Reply(503, headers={"Retry-After": "1"}))
    delivery = deliver()
    delivery.submit(TRACE)
    assert not delivery.shutdown(0.2)
    assert delivery.stats()["pending"] == 1
    assert server.wait_for_accepted(1)


def test_the_caller_goes_on_while_the_store_and_the_network_block(deliver, serve, monkeypatch):
    server = serve(then=Hang())
    blocked, go = threading.Event(), threading.Event()
    real = store_module.write_new

    def slow(path, data):
        blocked.set()
        assert go.wait(60)
        real(path, data)

    monkeypatch.setattr(store_module, "write_new", slow)
    delivery = deliver()
    delivery.submit(new_id())
    assert blocked.wait(20)
    for _ in range(500):  # would not come back if one of them waited for the disk
        delivery.submit(new_id())
    assert delivery.stats()["recorded"] == 501
    go.set()
    assert server.wait_for(1)
    for _ in range(500):
        delivery.submit(new_id())
    assert delivery._writer.settle(time.monotonic() + 30)
    assert delivery.stats()["pending"] == 1_001


def test_submit_does_no_io_on_the_callers_thread(deliver, store, monkeypatch):
    delivery = deliver()
    delivery.submit(new_id())
    assert delivery.flush(10)
    caller, touched = threading.get_ident(), []
    for name in ("open", "mkdir", "stat", "replace", "rename", "write", "scandir"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda *args, _real=real, _name=name, **given: (
                touched.append(_name) if threading.get_ident() == caller else None,
                _real(*args, **given),
            )[1],
        )
    delivery.submit(new_id())
    assert touched == []
    monkeypatch.undo()


def test_submit_from_a_signal_handler_a_finaliser_and_a_logging_handler(deliver, store):
    delivery = deliver()
    ids = {new_id() for _ in range(4)}
    left = iter(ids)

    class Finalised:
        def __del__(self):
            delivery.submit(next(left))

    class Handler(logging.Handler):
        def emit(self, record):
            delivery.submit(next(left))

    logger, handler = logging.getLogger("infinium_integrations"), Handler(logging.WARNING)
    before = signal.signal(signal.SIGUSR1, lambda *_: delivery.submit(next(left)))
    logger.addHandler(handler)
    try:
        delivery.submit(next(left))
        signal.raise_signal(signal.SIGUSR1)
        Finalised()
        diagnostics.warn_once("a test", "a warning")
    finally:
        logger.removeHandler(handler)
        signal.signal(signal.SIGUSR1, before)
    assert delivery.flush(20)
    assert len(files(store, "history")) == 4


def test_a_submit_from_inside_the_redactor_is_stored_too(deliver, store):
    again = [new_id()]

    def user(text):
        if again:
            delivery.submit(again.pop())
        return text

    def with_user(item):
        draft = assemble(item)
        return type(draft)(draft.trace_id, draft.wire, Redactor(user=user), None)

    delivery = deliver(assemble=with_user)
    delivery.submit(new_id())
    assert delivery.flush(20)
    assert delivery.flush(20)
    assert len(files(store, "history")) == 2


def test_an_item_that_gives_nothing_is_not_counted(deliver, store):
    delivery = deliver(assemble=lambda item: None)
    delivery.submit("nothing")
    assert delivery.flush(10)
    assert delivery.stats()["recorded"] == 0
    assert not store.exists()


def test_a_fault_in_one_trace_is_counted_said_once_and_does_not_stop_the_next(deliver, store, caplog):
    def fail(item):
        if item == "bad":
            raise RuntimeError("the user's data")
        return assemble(item)

    delivery = deliver(assemble=fail)
    before = diagnostics.count()
    for item in ("bad", "bad", new_id()):
        delivery.submit(item)
    assert not delivery.flush(10)  # two are lost, of which one call tells
    assert delivery.flush(10)
    assert diagnostics.count() == before + 2
    assert delivery.stats() == {"recorded": 3, "pending": 0, "local": 1, "sent": 0, "rejected": 0, "dropped": 2}
    assert len(caplog.records) == 1
    assert "the user's data" not in caplog.text


@pytest.mark.parametrize("wait", [0.0, 0.05])
def test_sweep_is_called_when_it_asked_to_be(deliver, wait):
    calls, third = [], threading.Event()

    def sweep(now):
        calls.append(now)
        if len(calls) == 3:
            third.set()
        return wait if len(calls) < 3 else None

    deliver(sweep=sweep).wake()
    assert third.wait(20)
    assert calls == sorted(calls)
    assert calls[-1] <= time.perf_counter()


def test_deadlines_are_kept_while_traces_keep_coming(deliver):
    calls, second = [], threading.Event()

    def sweep(now):
        calls.append(now)
        if len(calls) == 2:
            second.set()
        return 0.01

    delivery = deliver(sweep=sweep, assemble=lambda item: None)
    while not second.is_set():
        delivery.submit("nothing")
    assert len(calls) >= 2


def test_wake_has_sweep_called_and_a_failing_sweep_does_not_end_the_thread(deliver, store, caplog):
    woken = threading.Semaphore(0)

    def sweep(now):
        woken.release()
        raise RuntimeError

    delivery = deliver(sweep=sweep)
    delivery.submit(new_id())
    assert woken.acquire(timeout=20)
    delivery.wake()
    assert woken.acquire(timeout=20)
    assert delivery.flush(10)
    assert len(files(store, "history")) == 1
    assert len(caplog.records) == 1


def test_1000_deliveries_made_and_dropped_leave_no_thread(deliver):
    before = threading.active_count()
    for _ in range(1_000):
        Delivery(assemble=assemble)
    gc.collect()
    assert threading.active_count() == before
    assert len(pipeline._deliveries) < 100


def test_no_other_process_may_send_while_a_request_of_ours_is_under_way(deliver, serve, store, monkeypatch):
    monkeypatch.setattr(outbox, "HOLD", 30)
    server = serve(201, Hang())
    delivery = deliver()
    stored(delivery, new_id())  # after a flush another process's traces wait for a while
    account = account_of(settings.current())
    shutil.copy(
        next(files(store, "history")[0].parent.glob("*.gz")),
        store / "outbox" / account / f"{1:020d}-{new_id()}.json.gz",
    )
    delivery.submit(new_id())
    assert server.wait_for(2)
    (box,) = delivery._sender._outboxes.values()
    (sending,) = box.sending
    with delivery._sender._changed:
        box.add(sending)  # found in the folder and sent before it was handed over
    assert not delivery.flush(0.3)
    assert not FolderStore(store).lock(account).take()
    server.release.set()

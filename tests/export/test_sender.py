"""How the sender sends: on how few threads, what it reads, and that nothing holds a thread for ever."""

import asyncio
import socket
import threading
import time

import httpx
import pytest
from delivery_kit import AGENT, SECRET, account, files, new_id, run, written
from faultserver import FaultServer, Hang, Reply
from pydantic import SecretStr

from infinium_integrations import settings
from infinium_integrations.client.protocol.http import Channel
from infinium_integrations.client.protocol.messages import Agent, trace_request
from infinium_integrations.errors import TimeoutError as NoAnswerError
from infinium_integrations.export import outbox, sender, transports
from infinium_integrations.storage.memory import MemoryStore, NoLock
from infinium_integrations.storage.record import Record
from infinium_integrations.storage.selector import DeliveryCounters

TRACE = new_id()


# -- what was just written ---------------------------------------------------------------------------------------------

COUNTED = """
    from infinium_integrations.export import outbox
    outbox.HELD_BYTES = {room}
    opened = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    delivery = new_delivery()
    for _ in range(20):
        delivery.submit(new_id())
    print(delivery.flush(30), sum("outbox" in name and name.endswith(".gz") for name in opened))
"""


@pytest.mark.parametrize(("room", "read"), [(8_000_000, 0), (0, 20)], ids=["held", "no room"])
def test_what_was_just_written_is_sent_without_being_read_while_there_is_room(tmp_path, room, read):
    with FaultServer() as server:
        assert run(COUNTED.format(room=room), account(server.url, tmp_path / "store")) == f"True {read}\n"
        assert len(server.accepted) == 20


def test_a_delivered_trace_costs_a_rename_and_no_file_is_opened_for_it_but_the_lock(tmp_path):
    program = """
        from infinium_integrations.export import sender
        sender.QUICK = sender.PATIENCE = 20
        seen = []
        def watch(event, args):
            if threading.current_thread().name == "infinium-sender":
                seen.append((event, str(args[0]) if args else ""))
        delivery = new_delivery()
        delivery.submit(new_id()); assert delivery.flush(30)
        sys.addaudithook(watch)
        for _ in range(50):
            delivery.submit(new_id())
        assert delivery.flush(30)
        of = lambda event: [what for name, what in seen if name == event]
        opened = [what for what in of("open") if not what.endswith(".lock")]
        print(len(of("os.rename")), opened, len(of("os.scandir")) < 5, len(of("socket.connect")) < 2)
    """
    with FaultServer() as server:
        assert run(program, account(server.url, tmp_path / "store")) == "50 [] True True\n"


def test_what_is_held_in_memory_is_bounded_and_let_go_of_when_the_server_is_down(deliver, serve, monkeypatch):
    monkeypatch.setattr(outbox, "HELD_BYTES", 5_000)
    server = serve(then=Hang())
    delivery = deliver()
    written(delivery, *({"trace_id": new_id(), "size": 1_000} for _ in range(20)))
    (box,) = delivery._sender._outboxes.values()
    assert 0 < box._held <= 5_000
    assert box._held == sum(map(outbox._size, box._records.values()))
    server.then = Reply(503, headers={"Retry-After": "100"})
    server.release.set()
    assert not delivery.flush(5)
    assert (box._held, box._records) == (0, {})
    assert delivery.stats()["pending"] == 20


def test_a_trace_that_was_deleted_while_it_waited_in_memory_is_not_sent(deliver, serve, store):
    server = serve(then=Hang(accept=True))
    delivery = deliver()
    for _ in range(sender.IN_FLIGHT):
        delivery.submit(new_id())
    assert server.wait_for(sender.IN_FLIGHT)
    written(delivery, TRACE)
    next(path for path in files(store, "outbox") if TRACE in path.name).unlink()
    server.then = 201
    server.release.set()
    assert delivery.flush(30)
    assert TRACE not in {seen.key for seen in server.requests}
    assert delivery.stats()["pending"] == 0


def test_a_trace_that_is_found_in_the_store_before_it_is_handed_over_is_counted_once(deliver, serve, store):
    server, delivery = serve(), deliver()
    hand_over = delivery._writer._enqueue

    def late(*args):
        delivery._look(settings.current())
        assert server.wait_for_accepted(1)
        while not files(store, "history"):
            time.sleep(0.01)
        hand_over(*args)

    delivery._writer._enqueue = late
    delivery.submit(TRACE)
    assert delivery.flush(30)
    assert server.accepted == {TRACE: 1}
    assert delivery.stats() == {"recorded": 1, "pending": 0, "local": 0, "sent": 1, "rejected": 0, "dropped": 0}


def test_what_another_process_delivers_leaves_nothing_behind_in_memory():
    class Elsewhere(NoLock):
        def take(self):
            return False

    store, found, changed = MemoryStore(), DeliveryCounters(), threading.Condition()
    store.lock = lambda account: Elsewhere()
    box = outbox.Outbox(
        store,
        "a",
        transports.ClientCall(None, None),
        changed=changed,
        counters=found,
        settings=settings.current(),
    )
    with changed:
        for number in range(1_000):
            box.add(f"{number:04d}", Record({}, b"{}"))
            assert not isinstance(box.next(number * outbox.LOCK_LIMIT), outbox.Try)  # by then it is gone
    assert (box.pending, box._held, box._records) == (0, 0, {})
    assert len(box._own) <= outbox.GONE + 1
    assert found.counts()["sent"] == 1_000


# -- threads -----------------------------------------------------------------------------------------------------------


def test_a_quick_server_is_served_by_one_thread_over_one_connection(deliver, serve, monkeypatch):
    server = serve()
    settings.configure(requests_per_second=1_000)
    monkeypatch.setattr(sender, "QUICK", 20)  # on a busy machine
    monkeypatch.setattr(sender, "PATIENCE", 20)
    delivery = deliver()
    for _ in range(50):
        delivery.submit(new_id())
    assert delivery.flush(30)
    assert len({seen.connection for seen in server.requests}) == 1


def senders(before):
    return [one for one in threading.enumerate() if one.name == "infinium-sender" and one not in before]


def all_ended_but(count, before):
    for _ in range(500):
        left = senders(before)
        if len(left) <= count:
            return True
        left[0].join(0.02)
    return False


def test_traces_that_are_waited_for_one_by_one_start_no_thread_each(deliver, serve):
    before, seen, delivery = threading.enumerate(), set(), deliver()
    serve()
    for _ in range(100):
        delivery.submit(new_id())
        assert delivery.flush(30)
        seen |= set(senders(before))
    assert len(seen) <= 3


def test_the_spare_thread_ends_after_a_while(deliver, serve, monkeypatch):
    before, delivery = threading.enumerate(), deliver()
    monkeypatch.setattr(sender, "SPARE_SECONDS", 0.01)
    serve()
    for _ in range(3):
        delivery.submit(new_id())
        assert delivery.flush(30)
    assert all_ended_but(1, before)


def test_a_slow_server_gets_several_requests_at_once_and_the_threads_end_with_them(deliver, serve):
    server, before = serve(then=Reply(201, wait=0.3)), threading.enumerate()

    settings.configure(requests_per_second=1_000)
    delivery = deliver()
    for _ in range(20):
        delivery.submit(new_id())
    assert server.wait_for(sender.IN_FLIGHT)
    assert len(senders(before)) == sender.IN_FLIGHT
    assert delivery.flush(30)
    assert len({seen.connection for seen in server.requests}) == sender.IN_FLIGHT
    assert all_ended_but(2, before)
    assert delivery.shutdown(10)
    assert senders(before) == []


def test_a_server_that_takes_some_time_is_sent_to_by_more_threads_while_more_waits(deliver, serve, monkeypatch):
    """It is quicker than one that a thread would not wait for, and yet one thread would fall behind."""
    server = serve(then=Reply(201, wait=0.05))
    settings.configure(requests_per_second=1_000)
    monkeypatch.setattr(sender, "PATIENCE", 0.2)
    delivery = deliver()
    for _ in range(60):
        delivery.submit(new_id())
    assert delivery.flush(60)
    assert 1 < len({seen.connection for seen in server.requests}) <= sender.IN_FLIGHT


def test_where_no_thread_can_be_started_one_is_started_later(deliver, serve, monkeypatch):
    server, real, refused = serve(), threading.Thread.start, []

    def start(thread):
        if thread.name == "infinium-sender" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    delivery = deliver()
    written(delivery, TRACE)
    assert server.wait_for_accepted(1)
    assert refused


# -- what holds no thread ----------------------------------------------------------------------------------------------


@pytest.fixture
def trickling():
    """Start a server that sends a beginning, then a byte at a time, and never ends."""
    ends, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve(beginning):
        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(beginning)
                while not ends.wait(0.05):
                    try:
                        connection.send(b"x")
                    except OSError:
                        return

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"

    yield serve
    ends.set()
    listener.close()


@pytest.mark.parametrize(
    "beginning",
    [b"HTTP/1.1 201 Created\r\nX-Odd: ", b"HTTP/1.1 201 Created\r\nContent-Length: 60000\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_server_that_trickles_bytes_holds_no_thread_beyond_one_trys_time(trickling, beginning):
    channel, begun = Channel(), time.monotonic()
    request = trace_request(Agent(AGENT, SecretStr(SECRET), trickling(beginning)), b"{}", TRACE)
    reply = channel.exchange(request, begun + 1.0)
    assert isinstance(reply, NoAnswerError)
    assert time.monotonic() - begun < 10  # and not the minutes that the reply takes
    assert str(reply) == "no answer within 1 s"
    channel.close()


def test_a_trace_whose_thread_hangs_where_no_timeout_reaches_is_sent_by_another(deliver, serve, monkeypatch):
    monkeypatch.setattr(transports, "TRY_TIMEOUT", 0.6)
    monkeypatch.setattr(transports, "LATE", 0.1)
    server, hang, real, hung = serve(), threading.Event(), socket.getaddrinfo, []

    def look_up(*args, **given):
        if threading.current_thread().name == "infinium-sender" and not hung:
            hung.append(threading.current_thread())
            hang.wait(60)
        return real(*args, **given)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    delivery = deliver()
    written(delivery, TRACE)
    assert delivery.flush(30)
    assert server.accepted == {TRACE: 1}
    assert hung[0].is_alive()
    assert delivery.stats()["sent"] == 1
    hang.set()
    hung[0].join(30)
    assert server.accepted == {TRACE: 1}  # what it would have sent by then is over its time
    assert delivery.stats()["sent"] == 1


def test_a_transport_that_a_users_test_has_put_in_place_of_httpxs_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: httpx.Response(201, json={}))
    channel = Channel()
    request = trace_request(Agent(AGENT, SecretStr(SECRET), "http://127.0.0.1:9/api/v1"), b"{}", TRACE)
    assert channel.exchange(request, time.monotonic() + 5).status == 201
    channel.close()


# -- proxies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direct", [False, True])
def test_a_proxy_of_the_environment_is_used_but_for_the_hosts_that_it_excepts(tmp_path, direct):
    with FaultServer() as server, FaultServer() as proxy:
        env = account(server.url, tmp_path / "store", HTTP_PROXY=proxy.origin)
        if direct:
            env["NO_PROXY"] = "127.0.0.1"
        assert run("d = new_delivery(); d.submit(new_id()); print(d.flush(30))", env) == "True\n"
        used, other = (server, proxy) if direct else (proxy, server)
        assert other.requests == []
        assert [seen.path.startswith("http://") for seen in used.requests] == [not direct]


# -- clients of the user's ---------------------------------------------------------------------------------------------


def test_the_coroutines_of_a_client_run_in_one_loop_that_is_closed_with_the_thread(deliver):
    loops = []

    class Client:
        async def send_task_data(self, task):
            loops.append(asyncio.get_running_loop())

    delivery, client = deliver(), Client()
    for _ in range(3):
        delivery.submit({"trace_id": new_id(), "client": client})
        assert delivery.flush(10)
    assert len(loops) == 3
    assert len(set(loops)) == 1
    assert delivery.shutdown(10)
    assert loops[0].is_closed()
    delivery.submit({"trace_id": new_id(), "client": client})
    assert delivery.shutdown(10)
    assert len(set(loops)) == 2


def test_a_loop_whose_file_descriptors_the_program_closed_is_replaced_and_closes_none_of_its_files(tmp_path):
    program = """
        got = []
        class Client:
            async def send_task_data(self, task):
                got.append(task.trace_id)
        delivery, client = new_delivery(), Client()
        delivery.submit({"trace_id": new_id(), "client": client}); assert delivery.flush(30)
        os.closerange(3, 256)
        own = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
        before = [os.fstat(one) for one in own]
        delivery.submit({"trace_id": new_id(), "client": client})
        print(delivery.flush(30), len(got), delivery.stats()["sent"])
        assert [os.fstat(one) for one in own] == before
    """
    assert run(program, account("http://127.0.0.1:9", tmp_path / "store"), noisy=True) == "True 2 2\n"


def test_a_shutdown_beside_recording_counts_and_delivers_each_trace_once(deliver, serve):
    server = serve()
    delivery = deliver()
    over = threading.Event()

    def shut_down():
        while not over.is_set():
            delivery.shutdown(0.05)

    other = threading.Thread(target=shut_down)
    other.start()
    try:
        for _ in range(60):
            delivery.submit(new_id())
    finally:
        over.set()
        other.join()
    assert delivery.flush(20)
    assert delivery.stats()["sent"] == 60
    assert len(server.accepted) == 60

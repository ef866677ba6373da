"""Exit, crashes, forks and several processes on one store (rows E, F and G of the matrix)."""

import math
import os
import signal
import time

import pytest
from children import line
from delivery_kit import AGENT, SECRET, account, environment, files, new_delivery, new_id, run, start
from faultserver import FaultServer, Hang, Reply, closed_port

from infinium_integrations import settings
from infinium_integrations.export import writer
from infinium_integrations.storage.folder import make_folder
from infinium_integrations.storage.selector import account_of

SUBMIT = """
    delivery = new_delivery()
    for _ in range({count}):
        delivery.submit(new_id())
"""


def until(holds, timeout=60):
    """Wait until something holds."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def next_process_delivers(store, count, port):
    """Drain a store as the next process would and check that each trace comes once."""
    with FaultServer(port=port) as server:
        settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=server.url, store=str(store))
        delivery = new_delivery()
        assert delivery.shutdown(30)
        assert len(server.accepted) == count
        assert set(server.accepted.values()) <= {1}


def test_a_trace_submitted_on_the_last_line_is_delivered(tmp_path):
    with FaultServer() as server:
        run(SUBMIT.format(count=3), account(server.url, tmp_path / "store"))
        assert len(server.accepted) == 3
    assert len(files(tmp_path / "store", "history")) == 3


def test_an_open_trace_is_sealed_at_exit_and_delivered(tmp_path):
    program = """
        delivery = new_delivery(seal=lambda: delivery.submit(new_id()))
    """
    with FaultServer() as server:
        run(program, account(server.url, tmp_path / "store"))
        assert len(server.accepted) == 1


def test_a_trace_submitted_after_our_exit_hook_is_written(tmp_path):
    program = """
        delivery = new_delivery()
        from infinium_integrations.export import pipeline
        pipeline._at_exit()
        delivery.submit(new_id())
        os._exit(0)
    """
    run(program, account(f"http://127.0.0.1:{closed_port()}", tmp_path / "store"), noisy=True)
    assert len(files(tmp_path / "store", "outbox")) == 1


def test_a_server_that_refuses_ends_the_wait_at_once_and_the_next_process_delivers(tmp_path):
    port = closed_port()
    env = account(f"http://127.0.0.1:{port}/api/v1", tmp_path / "store", INFINIUM_EXIT_TIMEOUT=60)
    process = start(SUBMIT.format(count=5), env)
    process.communicate(timeout=20)  # far less than the 60 seconds that it has
    assert process.returncode == 0
    assert len(files(tmp_path / "store", "outbox")) == 5
    with FaultServer(port=port) as server:
        assert run("print(new_delivery().flush(30))", env) == "True\n"
        assert len(server.requests) == len(server.accepted) == 5


def test_a_server_that_hangs_gets_the_exit_timeout_and_no_more(tmp_path):
    with FaultServer(then=Hang()) as server:
        env = account(server.url, tmp_path / "store", INFINIUM_EXIT_TIMEOUT=0.3)
        process = start(SUBMIT.format(count=5), env)
        out, err = process.communicate(timeout=20)  # one try alone would take 10 seconds, and 60 the server
        assert (process.returncode, out) == (0, "")
        assert err.startswith("5 traces are not delivered yet: ")
        assert err.count("\n") == 1
        port = server.port
    assert len(files(tmp_path / "store", "outbox")) == 5
    next_process_delivers(tmp_path / "store", 5, port=port)


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(7)", 7), ("raise RuntimeError('user')", 1)])
def test_the_exit_code_and_the_output_stay_the_programs_own(tmp_path, ending, code):
    with FaultServer() as server:
        program = SUBMIT.format(count=1) + f"    print('done')\n    {ending}\n"
        process = start(program, account(server.url, tmp_path / "store"))
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (code, "done\n")
        assert "infinium" not in err
        assert len(server.accepted) == 1


def test_what_memory_alone_holds_is_counted_as_lost_at_exit_with_one_warning(tmp_path):
    process = start(SUBMIT.format(count=3), account(f"http://127.0.0.1:{closed_port()}", "memory"))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(err.splitlines()) == 1
    assert "3 traces" in err


def test_without_an_account_nothing_is_printed(tmp_path):
    out = run(SUBMIT.format(count=3), environment(INFINIUM_STORE=tmp_path / "store"))
    assert out == ""
    assert len(files(tmp_path / "store", "history")) == 3


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_loses_nothing_that_was_written(tmp_path, how):
    port = closed_port()
    program = (
        SUBMIT.format(count=20)
        + "    delivery._writer.settle(time.monotonic() + 20); print('ready', flush=True)\n    time.sleep(60)\n"
    )
    process = start(program, account(f"http://127.0.0.1:{port}/api/v1", tmp_path / "store"))
    assert line(process) == "ready\n"
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode != 0
    next_process_delivers(tmp_path / "store", 20, port=port)


def test_a_process_killed_while_it_writes_leaves_no_torn_trace(tmp_path):
    """Whatever is in the outbox is whole; what was not finished is not there."""
    port = closed_port()
    program = """
        delivery = new_delivery()
        print('ready', flush=True)
        while True:
            delivery.submit({"trace_id": new_id(), "size": 2_000})
            time.sleep(0.0005)
    """
    for _ in range(2):
        process = start(program, account(f"http://127.0.0.1:{port}/api/v1", tmp_path / "store"))
        assert line(process) == "ready\n"
        before = len(files(tmp_path / "store", "outbox"))
        until(lambda: len(files(tmp_path / "store", "outbox")) > before)  # noqa: B023  (called at once)
        time.sleep(0.05)
        process.kill()
        process.communicate(timeout=20)
    count = len(files(tmp_path / "store", "outbox"))
    assert count > 0
    next_process_delivers(tmp_path / "store", count, port=port)
    assert list((tmp_path / "store" / "damaged").iterdir()) == []


def test_another_process_takes_over_when_the_one_that_delivers_is_killed(tmp_path):
    with FaultServer(then=Hang()) as server:
        env = account(server.url, tmp_path / "store")
        first = start(SUBMIT.format(count=3) + "    time.sleep(60)\n", env)
        assert server.wait_for(3)
        second = start(SUBMIT.format(count=3) + "    print(delivery.flush(30), delivery.stats()['sent'])\n", env)
        server.then = 201
        first.kill()
        first.communicate(timeout=20)
        out, err = second.communicate(timeout=60)
        assert (out, err) == ("True 6\n", "")
        assert len(server.accepted) == 6
        assert set(server.accepted.values()) == {1}


def test_four_processes_on_one_store_send_100_traces_once_each(tmp_path):
    with FaultServer() as server:
        env = account(server.url, tmp_path / "store")
        program = SUBMIT.format(count=25) + "    print(delivery.flush(50), delivery.stats()['recorded'])\n"
        processes = [start(program, env) for _ in range(4)]
        found = [process.communicate(timeout=60) for process in processes]
        assert found == [("True 25\n", "")] * 4
        assert len(server.accepted) == 100
        assert len(server.requests) == 100
    assert len(files(tmp_path / "store", "history")) == 100
    assert files(tmp_path / "store", "outbox") == []


def test_several_writers_and_drainers_deliver_each_once_over_an_outage(tmp_path):
    script = [503, Reply(500), 201, 503, Reply(429, headers={"Retry-After": "0.2"})]
    with FaultServer(script) as server:
        env = account(server.url, tmp_path / "store")
        writers = [start(SUBMIT.format(count=20) + "    delivery.flush(50)\n", env) for _ in range(2)]
        drainer = start("print(new_delivery().flush(50))", env)
        for process in [*writers, drainer]:
            assert process.communicate(timeout=60)[1] == ""
        assert len(server.accepted) == 40
        assert set(server.accepted.values()) == {1}


# --- fork -------------------------------------------------------------------------------------------------------------

FORKED = """
    import warnings; warnings.simplefilter("ignore")
    delivery = new_delivery()
    {before}
    children = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            for _ in range(4):
                delivery.submit(new_id())
            ok = delivery.flush(30) and delivery.stats()["recorded"] == 4
            sys.exit(0 if ok else 9)
        children.append(pid)
    delivery.submit(new_id())
    codes = [os.waitpid(pid, 0)[1] for pid in children]
    print(delivery.flush(30), codes, delivery.stats()["recorded"])
"""


@pytest.mark.parametrize(
    ("before", "own"),
    [
        ("pass", 1),
        ("delivery.submit(new_id()); assert delivery.flush(30)", 2),
        ("[delivery.submit(new_id()) for _ in range(30)]", 31),
        ("delivery.submit(new_id()); delivery.flush(30); [delivery.submit(new_id()) for _ in range(30)]", 32),
    ],
    ids=["before first use", "after use", "while writing", "while sending"],
)
def test_a_forked_child_delivers_its_own_and_the_parent_its_own_each_once(tmp_path, before, own):
    with FaultServer() as server:
        out = run(FORKED.format(before=before), account(server.url, tmp_path / "store"))
        assert out == f"True [0, 0, 0] {own}\n"
        assert len(server.accepted) == own + 12
        assert set(server.accepted.values()) == {1}


def test_a_forked_child_shares_no_connection_with_its_parent(tmp_path):
    program = """
        import warnings; warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forks beside threads
        delivery = new_delivery()
        delivery.submit(new_id()); assert delivery.flush(30)
        pid = os.fork()
        for _ in range(5):
            delivery.submit({"trace_id": new_id(), "name": "child" if pid == 0 else "parent"})
            assert delivery.flush(30)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    """
    with FaultServer() as server:
        run(program, account(server.url, "memory"))  # where each process sends its own
        assert len(server.accepted) == 11
        by = {"child": set(), "parent": set(), "Triage ticket": set()}
        for seen in server.requests:
            by[seen.json["name"]].add(seen.connection)
        assert by["child"]
        assert by["parent"]
        assert not by["child"] & by["parent"]


def test_a_fork_of_which_python_was_not_told_is_noticed(tmp_path, monkeypatch):
    """uWSGI forks without Python's hooks; the process id tells."""
    settings.configure(store=str(tmp_path / "store"))
    delivery = new_delivery()
    delivery.submit(new_id())
    assert delivery.flush(10)
    writer = delivery._writer
    monkeypatch.setattr(os, "getpid", lambda: 1)
    delivery.submit(new_id())
    assert delivery._writer is not writer
    assert delivery.flush(10)
    assert delivery.stats()["recorded"] == 1
    for one in (writer, delivery._writer):
        one.stop()


def test_a_forked_child_holds_no_lock_of_its_parent(tmp_path):
    """The parent dies while its child lives on; a third process can deliver."""
    program = """
        delivery = new_delivery()
        delivery.submit(new_id())
        threading.Event().wait(0.1)
        if os.fork() == 0:
            print("child", flush=True); time.sleep(60); os._exit(0)
        time.sleep(60)
    """
    with FaultServer(then=Hang()) as server:
        env = account(server.url, tmp_path / "store")
        process = start(program, env, start_new_session=True)
        assert line(process) == "child\n"
        assert server.wait_for(1)
        process.kill()
        server.then = 201
        try:
            assert run("print(new_delivery().flush(30))", env) == "True\n"
            assert len(server.accepted) == 1
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=20)


def test_threads_can_no_longer_be_started_while_the_interpreter_goes(tmp_path):
    """As in Python 3.12 and later: what is sealed at exit is written in place, and sent."""
    program = """
        def refuse(self): raise RuntimeError("can't create new thread at interpreter shutdown")
        delivery = new_delivery(seal=lambda: (setattr(threading.Thread, "start", refuse), delivery.submit(new_id())))
    """
    with FaultServer() as server:
        url = server.url.replace("127.0.0.1", "localhost")  # a name, which is resolved without a thread as well
        run(program, account(url, tmp_path / "store"))
        assert len(server.accepted) == 1
    assert len(files(tmp_path / "store", "history")) == 1


def test_the_process_waits_blocked_while_there_is_nothing_to_do(tmp_path):
    """No polling: between two traces neither thread runs at all."""
    with FaultServer() as server:
        program = (
            SUBMIT.format(count=3)
            + """
    assert delivery.flush(20)
    import gc; gc.collect()
    before = time.process_time()
    threading.Event().wait(1.0)
    print(time.process_time() - before < 0.02)
"""
        )
        assert run(program, account(server.url, tmp_path / "store")) == "True\n"


# --- the exit, in this process ----------------------------------------------------------------------------------------


@pytest.fixture
def leaving(tmp_path):
    """A delivery whose exit is run by hand."""
    settings.configure(store=str(tmp_path / "store"), exit_timeout=5)
    delivery = new_delivery()
    yield delivery
    delivery._exiting = False
    delivery._writer.stop()
    delivery._sender.stop()


def test_the_exit_hook_writes_sends_and_ends_the_sender(leaving):
    with FaultServer([503]) as server:
        settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=server.url)
        leaving.submit(new_id())
        leaving._at_exit()
        assert len(server.accepted) == 1
        assert not leaving._sender._threads
        leaving.submit(new_id())  # by a hook that runs after ours
        assert len(files(settings.current().store, "outbox")) == 1


def test_the_exit_hook_does_not_wait_out_a_retry_after(leaving):
    with FaultServer(then=Reply(503, headers={"Retry-After": "200"})) as server:
        settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=server.url, exit_timeout=60)
        leaving.submit(new_id())
        leaving._at_exit()
        assert len(server.requests) == 1
    assert len(files(settings.current().store, "outbox")) == 1


def test_the_exit_hook_runs_without_a_thread_where_none_can_be_started(leaving, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with FaultServer() as server:
        settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=server.url)
        with monkeypatch.context() as patch:
            patch.setattr(writer.threading.Thread, "start", refuse)
            leaving.submit(new_id())
            leaving._writer.finish(time.monotonic() + 1.0, 1.0)
            assert len(files(settings.current().store, "outbox")) == 1
        leaving._sender._run_here(time.monotonic() + 5)
        assert len(server.accepted) == 1


@pytest.fixture
def elsewhere(leaving, serve):
    """The server, the lock that another process holds, and the outbox that has seen that."""
    server = serve()
    given = settings.current()
    store = leaving._selector.store(given)
    make_folder(store.root / "outbox" / account_of(given))
    lock = store.lock(account_of(given))
    assert lock.take()
    leaving.submit(new_id())
    until(lambda: any(box._elsewhere for box in leaving._sender._outboxes.values()))
    yield server, lock, *leaving._sender._outboxes.values()
    lock.release()


def test_the_exit_hook_sends_what_another_process_has_left_that_ended(leaving, elsewhere):
    server, lock, box = elsewhere
    with leaving._sender._changed:
        box._may_look_at = math.inf  # what was seen of the other is not asked for again but at exit
    lock.release()
    leaving._at_exit()
    assert len(server.accepted) == 1


def test_the_exit_hook_sends_what_another_process_leaves_that_ends_meanwhile(leaving, elsewhere, monkeypatch):
    server, lock, box = elsewhere
    take = box._lock.take

    def refused() -> bool:
        taken = take()
        if leaving._exiting:
            lock.release()
        return taken

    monkeypatch.setattr(box._lock, "take", refused)
    leaving._at_exit()
    assert len(server.accepted) == 1


def test_the_exit_hook_leaves_to_another_process_soon_what_that_holds_on_to(leaving, elsewhere, caplog):
    server, _, box = elsewhere
    settings.configure(exit_timeout=600)
    leaving._at_exit()
    assert (server.requests, box.pending, caplog.text) == ([], 1, "")


def test_what_only_memory_holds_at_exit_is_counted_as_dropped(leaving, caplog):
    settings.configure(
        store="memory", agent_id=AGENT, agent_secret=SECRET, base_url=f"http://127.0.0.1:{closed_port()}"
    )
    leaving.submit(new_id())
    leaving._at_exit()
    assert leaving.stats()["dropped"] == 1
    assert "1 trace kept in memory could not be delivered and is lost" in caplog.text


def test_the_exit_hook_of_a_child_leaves_the_parents_traces_alone(leaving, monkeypatch):
    leaving.submit(new_id())
    monkeypatch.setattr(leaving, "_pid", -1)
    leaving._at_exit()
    assert not leaving._exiting


def test_a_reader_that_was_made_before_a_fork_reads_the_childs_own_traces(tmp_path):
    program = """
        import warnings; warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forks beside threads
        delivery = new_delivery()
        reader = delivery.reader
        delivery.submit({"trace_id": new_id(), "name": "parent"})
        assert [task.name for task in reader.traces()] == ["parent"]
        if os.fork() == 0:
            delivery.submit({"trace_id": new_id(), "name": "child"})
            print([task.name for task in reader.traces()], flush=True)
            os._exit(0)
        os.wait()
    """
    assert run(program, environment(INFINIUM_STORE="memory")) == "['child']\n"


def test_what_the_program_opened_by_the_number_of_a_handle_of_ours_that_it_closed_stays_its_own(tmp_path):
    """A connection's and a lock's, which it closed to daemonise."""
    program = """
        import socket
        from infinium_integrations.storage.locks import Lock

        delivery = new_delivery()
        delivery.submit(new_id()); assert delivery.flush(30)
        lock = Lock(Path(os.environ["INFINIUM_STORE"]) / "mine")
        assert lock.take()
        os.closerange(3, 256)
        own = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
        before = [os.fstat(one) for one in own]
        lock.release()
        delivery.submit(new_id()); print(delivery.shutdown(30), delivery.stats()["sent"])
        assert [os.fstat(one) for one in own] == before
    """
    with FaultServer() as server:
        assert run(program, account(server.url, tmp_path / "store")) == "True 2\n"
        assert set(server.accepted.values()) == {1}

"""What waits is bounded, what can't be sent stays and is said by name, and the numbers are true."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from delivery_kit import LOOKS_FOR_CERTIFICATES, account, assemble, environment, files, new_delivery, new_id
from faultserver import FaultServer, Hang, Reply, closed_port

from infinium_integrations import settings
from infinium_integrations.client.protocol.messages import Verdict
from infinium_integrations.export import outbox, writer
from infinium_integrations.recording import run as records
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Options
from infinium_integrations.storage.folder import FolderStore
from infinium_integrations.storage.record import Record
from infinium_integrations.storage.selector import DeliveryCounters

TRACE = """
from infinium_integrations import flush, stats, trace
def one(name="n"):
    with trace(name):
        pass
"""


def program(code, env, timeout=60):
    """Run a program; return what it printed and what stood on stderr."""
    text = TRACE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", text], env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


says_so = pytest.mark.skipif(not LOOKS_FOR_CERTIFICATES, reason="this httpx passes over a file that is not there")

# -- settings that make a client impossible ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("SSL_CERT_FILE", "/nonexistent.pem", marks=says_so),
        ("ALL_PROXY", "socks9://127.0.0.1:1"),
        ("HTTP_PROXY", "foo:bar"),
        ("SSLKEYLOGFILE", "/nonexistent/keys"),
    ],
)
def test_what_makes_a_client_impossible_is_said_by_name_and_later_runs_deliver(tmp_path, variable, value):
    with FaultServer() as server:
        env = account(server.url, tmp_path / "store")
        out, err = program("one(); print(flush(5), stats()['pending'], stats()['faults'])", {**env, variable: value})
        assert out == "False 1 0\n"
        assert variable in err
        assert "report" not in err
        assert server.requests == []
        out, err = program("one(); print(flush(10), stats()['sent'])", env)
        assert (out, err) == ("True 2\n", "")
        assert len(server.accepted) == 2


@says_so
def test_a_direct_client_names_the_variable_too(monkeypatch):
    from infinium_integrations import InfiniumClient
    from infinium_integrations.errors import ConfigurationError

    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
    client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "s" * 20)
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        client.send_task("n", "d", 1.0)


# -- no file descriptors, closed ones, a store that is gone ------------------------------------------------------------


def test_without_file_descriptors_nothing_is_raised_or_dropped_and_all_is_delivered_afterwards(tmp_path):
    code = """
        import os, resource
        from langchain_core.runnables import RunnableLambda
        from infinium_integrations.langchain import InfiniumCallbackHandler
        chain = RunnableLambda(lambda x: x).with_config(callbacks=[InfiniumCallbackHandler()])
        RunnableLambda(lambda x: x).invoke(1)  # imports what LangChain needs
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for _ in range(5):
            chain.invoke(1)
        first = flush(1)
        before = stats()
        for handle in taken:
            os.close(handle)
        second = flush(20)
        after = stats()
        print(first, before["dropped"], before["pending"], second, after["sent"], after["dropped"], after["faults"])
    """
    pytest.importorskip("langchain_core")
    with FaultServer() as server:
        out, _ = program(code, account(server.url, tmp_path / "store"))
        assert out == "False 0 5 True 5 0 0\n"
        assert len(server.accepted) == 5


def test_a_try_for_which_no_file_descriptor_is_left_is_made_again_soon(tmp_path):
    """It is no setting that a person must put right, which is probed slowly."""
    code = """
        import os, resource
        from infinium_integrations import settings
        from infinium_integrations.export.transports import Connections, Platform, agent_of
        from infinium_integrations.storage.record import Record
        taken = []
        platform = Platform(agent_of(settings.current()), Connections())
        def send():
            outcome = platform.send(Record({"trace_id": "1"}, b"{}"))
            return outcome.verdict.action, outcome.reached
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        print(*send())
        for handle in taken:
            os.close(handle)
        print(*send())
    """
    with FaultServer() as server:
        out, err = program(code, account(server.url, tmp_path / "store"))
        assert (out, err) == ("retry False\ndelivered True\n", "")


def test_a_program_that_closes_every_descriptor_to_daemonise_goes_on_delivering(tmp_path):
    code = """
        import os
        one()
        print(flush(10))
        os.closerange(3, 256)
        one()
        print(flush(10), stats()["sent"])
    """
    with FaultServer() as server:
        out, _ = program(code, account(server.url, tmp_path / "store"))
        assert out == "True\nTrue 2\n"
        assert len(server.accepted) == 2


def test_a_store_that_is_removed_before_its_traces_are_delivered_is_counted_and_said(tmp_path):
    code = f"""
        import shutil
        one()
        flush(1)
        shutil.rmtree({str(tmp_path / "store")!r})
        print(flush(3), stats()["dropped"], stats()["pending"])
        one()
        print(flush(1), stats()["dropped"], stats()["pending"])
    """
    out, err = program(code, account(f"http://127.0.0.1:{closed_port()}", tmp_path / "store"))
    assert out == "False 1 0\nFalse 1 1\n"
    assert "was removed" in err


def test_a_trace_that_goes_with_the_store_while_it_is_sent_waits_no_longer(tmp_path):
    """No look at the store tells of what is in flight."""

    class Removing:
        ready, limit, start_rate = True, 30.0, 10.0
        destination, receiver = "infinium", "Infinium"

        def send(self, record, timeout):
            shutil.rmtree(tmp_path / "store")
            return outbox.Outcome(Verdict("retry", "refused"), reached=False)

    store, found, changed = FolderStore(tmp_path / "store"), DeliveryCounters(), threading.Condition()
    box = outbox.Outbox(store, "a", Removing(), changed=changed, counters=found, settings=settings.current())
    store.put("1", b"", "a")
    with changed:
        box.add("1", Record({}, b"{}"))
        begun = box.next(time.monotonic())
    box.deliver(begun)
    assert (box.pending, box.own, found.counts()["dropped"]) == (0, 0, 1)


# -- at exit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "https://127.0.0.1:{port}", "https://no-such-host.invalid"])
def test_a_short_script_says_in_one_line_what_is_left_and_why(tmp_path, url):
    env = account(url.format(port=closed_port()), tmp_path / "store")
    out, err = program("one(); one()", env)
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("2 traces are not delivered yet: ")
    assert "The next process with this account sends what waits" in err
    assert len(files(tmp_path / "store", "outbox")) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_a_server_that_refuses_leaves_no_script_silent(tmp_path, status):
    with FaultServer(then=Reply(status)) as server:
        _, err = program("one()", account(server.url, tmp_path / "store"))
    assert str(status) in err


@pytest.mark.parametrize("hangs", ["disk", "redact"])
def test_what_hangs_at_exit_is_given_up_counted_and_said_in_time(tmp_path, hangs):
    code = {
        "redact": """
            import time
            from infinium_integrations import trace
            for n in range(3):
                with trace(f"n{n}", redact=lambda text: time.sleep(60) or text):
                    pass
        """,
        "disk": """
            import time
            from infinium_integrations.storage import folder
            folder.write_new = lambda *_: time.sleep(60)
            for _ in range(3):
                one()
        """,
    }[hangs]
    env = account(f"http://127.0.0.1:{closed_port()}", tmp_path / "store", INFINIUM_EXIT_TIMEOUT=1)
    begun = time.monotonic()
    _, err = program(code, env, timeout=30)
    assert time.monotonic() - begun < 20  # and not the minute that one of them takes
    assert "3 traces could not be written in time and are lost." in err


def test_the_trace_that_is_being_written_when_the_rest_is_given_up_is_not_said_to_be_lost(monkeypatch):
    monkeypatch.setattr(writer, "LAST_SECONDS", 20)
    begun, given_up = threading.Event(), threading.Event()

    def assemble(item):
        begun.set()
        assert given_up.wait(20)

    delivery = new_delivery(assemble=assemble)
    for number in range(3):
        delivery.submit(number)
    assert begun.wait(20)
    settle = delivery._writer.settle

    def last(deadline):
        if not delivery._writer._jobs:
            given_up.set()
        return settle(deadline)

    monkeypatch.setattr(delivery._writer, "settle", last)
    assert delivery._writer.finish(time.monotonic(), 0.0) == 2
    assert delivery.stats()["dropped"] == 2
    delivery._writer.stop()


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_the_writers_queue_is_bounded_in_bytes_and_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(writer, "QUEUE_BYTES", 10_000)
    go_on, seen = threading.Event(), []

    def assemble(item):
        go_on.wait(20)
        seen.append(item)

    discarded = []
    delivery = new_delivery(assemble=assemble, discard=discarded.append)
    for number in range(50):
        delivery.submit(number, 1_000)
    while delivery._writer._working != 1 and delivery._writer._done == 0 and not delivery._writer._jobs:
        time.sleep(0.001)
    counted = delivery.stats()
    go_on.set()
    assert delivery._writer.settle(time.monotonic() + 20)
    assert sorted(seen + discarded) == list(range(50))
    assert len(discarded) == counted["dropped"]
    assert seen[-10:] == list(range(40, 50))
    assert 39 <= counted["dropped"] <= 40


def test_a_slow_client_of_one_handler_holds_up_only_its_own_traces(tmp_path):
    settings.configure(store=str(tmp_path / "store"))
    release, entered, got = threading.Event(), threading.Event(), []

    class Slow:
        def send_task_data(self, task):
            entered.set()
            release.wait(30)

    class Quick:
        def send_task_data(self, task):
            got.append(task.trace_id)

    slow, quick = Slow(), Quick()
    delivery = new_delivery()
    delivery.submit({"trace_id": new_id(), "client": slow})
    assert entered.wait(20)
    names = [new_id() for _ in range(3)]
    for name in names:
        delivery.submit({"trace_id": name, "client": quick})
    deadline = time.monotonic() + 20
    while len(got) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(got) == sorted(names)
    assert not delivery.flush(0.2)
    release.set()
    assert delivery.flush(20)
    delivery.shutdown(5)


def test_a_request_that_hangs_holds_up_no_other(tmp_path):
    with FaultServer([Hang()]) as server:
        agent = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
        settings.configure(store=str(tmp_path), agent_id=agent, agent_secret="s" * 20, base_url=server.url)
        delivery = new_delivery()
        delivery.submit(new_id())
        assert server.wait_for(1)
        for _ in range(5):
            delivery.submit(new_id())
        assert server.wait_for(6)
        delivery.shutdown(0.1)


@pytest.mark.parametrize("left_open", [1, 3_000, 12_000])
def test_no_more_than_ten_thousand_steps_are_kept_whatever_is_open(left_open):
    got = []
    recorder = Recorder(got.append)
    root = recorder.begin("root", Options())
    opened = []
    for number in range(13_000):
        run = recorder.start(number, root.id, "tool_use", "t", options=Options(), watch=False)
        if 5_000 <= number < 5_000 + left_open:
            opened.append(run)
        else:
            recorder.finish(run, "ok")
        assert number % 1_000 or len(root.trace.steps) <= records.KEPT_FIRST + records.KEPT_LAST
    for run in opened:
        recorder.finish(run, "ok")
    recorder.finish(root, "ok")
    [trace] = got
    numbers = [run.number for run in trace.steps]
    assert len(numbers) == 10_000
    assert numbers == sorted(set(numbers))
    assert numbers[:5_000] == list(range(1, 5_001))
    assert trace.elided.steps == 3_000


def test_thirty_thousand_that_wait_are_looked_through_once_for_a_delivery(tmp_path, monkeypatch):
    """Counted, not timed: the lists of what waits that one flush makes do not grow with the deliveries."""
    from infinium_integrations.storage.folder import FolderStore

    with FaultServer() as server:
        agent = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
        settings.configure(store=str(tmp_path), agent_id=agent, agent_secret="s" * 20, base_url=server.url)
        looks, listed = [], FolderStore.waiting
        monkeypatch.setattr(FolderStore, "waiting", lambda *args: looks.append(1) or listed(*args))
        delivery = new_delivery()
        for _ in range(300):
            delivery.submit(new_id())
        assert delivery.flush(60)
        assert len(server.accepted) == 300
        assert len(looks) < 60
        delivery.shutdown(5)


# -- any host ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="setuid needs root")
@pytest.mark.parametrize("tracing", ["true", "false"])
def test_without_a_home_folder_and_a_name_traces_are_kept_in_memory(tracing):
    code = f"""
        import os
        from infinium_integrations.export import pipeline
        pipeline.preload_for_writing()
        os.environ["INFINIUM_TRACING"] = {tracing!r}
        os.environ.pop("HOME", None); os.environ.pop("XDG_DATA_HOME", None)
        os.setuid(54_321)
        one()
        print(flush(5), stats()["local"])
    """
    env = {name: value for name, value in environment().items() if name not in {"HOME", "XDG_DATA_HOME"}}
    out, err = program(code, env)
    assert out == ("True 1\n" if tracing == "true" else "True 0\n")
    assert err.count("There is no home folder") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("lock", ["settings._lock", "diagnostics._lock", "runtime._lock"])
def test_a_child_that_is_forked_while_a_lock_of_ours_is_held_records_and_delivers(tmp_path, lock):
    code = f"""
        import os, signal, threading
        from infinium_integrations import diagnostics, runtime, settings
        one()
        flush(10)
        held, go_on = threading.Event(), threading.Event()
        def hold():
            with {lock}:
                held.set()
                go_on.wait(30)
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            settings.reset()
            diagnostics.warn_once("x", "said")
            one()
            os._exit(0 if flush(10) else 1)
        go_on.set()
        holder.join()
        print(os.waitpid(child, 0)[1])
    """
    with FaultServer() as server:
        out, _ = program(code, account(server.url, tmp_path / "store"))
        assert out == "0\n"
        assert len(server.accepted) == 2


def test_a_slow_rule_of_the_users_loses_nothing_at_exit(deliver, store, monkeypatch):
    monkeypatch.setattr("infinium_integrations.export.pipeline.WRITE_PATIENCE", 0.5)

    def assemble_slowly(item):
        time.sleep(0.03)
        return assemble(item)

    delivery = deliver(assemble=assemble_slowly)
    for _ in range(30):
        delivery.submit(new_id())
    delivery._at_exit()
    assert delivery.stats() | {"local": 30, "dropped": 0} == delivery.stats()
    assert len(files(store, "history")) == 30

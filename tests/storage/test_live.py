"""Open traces of other processes, as who looks on sees them."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from children import PATIENCE
from open_traces import PROGRAM, recording

from infinium_integrations import flush, runtime, settings, suppress, trace
from infinium_integrations.storage import live

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs the sockets of a file system")

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def store(monkeypatch, tmp_path):
    folder = tmp_path / "kept"
    monkeypatch.setenv("INFINIUM_STORE", str(folder))
    settings.reset()
    return folder


@pytest.fixture
def reader(store):
    assert settings.current().store == str(store)
    return runtime.current().delivery.reader


def test_an_open_trace_of_another_process_is_seen_with_its_open_step(store, reader):
    with recording(store) as process:
        process.go_on()
        task = seen(reader)
        assert (task.name, task.environment.custom_tags["status"]) == ("Quarterly report <b>", "running")
        done, open_step = task.steps
        assert (done.description, done.metadata["status"]) == ("look_up", "ok")
        assert done.duration_ms is not None
        assert (open_step.description, open_step.metadata["status"]) == ("fetch_page", "running")
        assert open_step.duration_ms is None
        time.sleep(live.FRESH_SECONDS)
        process.go_on()
        later = seen(reader)
        assert later.duration > task.duration
        assert later.steps[1].metadata["status"] == "ok"
        assert reader.count() == 0


def test_what_is_seen_of_it_is_redacted_and_holds_no_content_of_what_has_ended(store, reader):
    with recording(store) as process:
        process.go_on()
        task = seen(reader)
        told = str(task.to_wire())
        assert "apples" in task.input_summary
        assert "page 7" in task.steps[1].input_preview
        assert "hunter2" not in told
        assert "abcdef0123456789" not in told
        assert "kept away until the end" not in told


def test_with_capture_off_nothing_of_what_it_was_given_is_seen(store, reader):
    with recording(store, INFINIUM_CAPTURE_CONTENT="false") as process:
        process.go_on()
        task = seen(reader)
        told = str(task.to_wire())
        assert [step.description for step in task.steps] == ["look_up", "fetch_page"]
        assert "apples" not in told
        assert "page 7" not in told


def test_a_users_own_rule_holds_for_it_too(store, reader):
    program = PROGRAM.replace('"s-7"}', '"s-7"}, redact=lambda text: text.replace("apples", "fruit")')
    with recording(store, program) as process:
        process.go_on()
        task = seen(reader)
        assert "fruit" in task.input_summary
        assert "apples" not in str(task.to_wire())
        assert task.environment.custom_tags["status"] == task.steps[1].metadata["status"] == "running"


def test_an_ended_trace_is_no_longer_open(store, reader):
    with recording(store) as process:
        for halt in ("second", "third", "ended"):
            assert process.go_on() == halt
        assert reader.running() == []
        (task,) = reader.traces()
        assert task.environment.custom_tags["status"] == "ok"
        assert task.steps[1].output_preview is None


def test_a_killed_process_leaves_no_ghost(store, reader):
    with recording(store) as process:
        seen(reader)
        process.process.send_signal(signal.SIGKILL)
        process.process.wait(PATIENCE)
        assert reader.running() == []
        (left,) = (store / "live").iterdir()
        old = time.time() - live.STALE - 1
        os.utime(left, (old, old))
        assert reader.running() == []
        assert list((store / "live").iterdir()) == []


def test_a_process_that_begins_removes_what_killed_ones_left_long_ago_and_leaves_the_living_alone(store, reader):
    with recording(store) as killed, recording(store) as living:
        wait_for(lambda: len(reader.running()) == 2)
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait(PATIENCE)
        old = time.time() - live.ELSEWHERE - 1
        for path in (store / "live").iterdir():
            os.utime(path, (old, old))
        with recording(store):
            wait_for(lambda: len(reader.running()) == 2)
            left = {path.name.split("-")[1] for path in (store / "live").iterdir()}
            assert str(killed.process.pid) not in left
            assert str(living.process.pid) in left


def test_a_stopped_process_holds_nobody_up(store, reader):
    with recording(store) as process:
        process.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert reader.running() == []
        assert time.monotonic() - begun < 3
        process.process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        seen(reader)


def test_a_process_that_ends_takes_its_socket_away(store):
    with recording(store) as process:
        left = wait_for(lambda: next(iter((store / "live").glob("*")), None))
        assert left.stat().st_mode & 0o777 == 0o600
        assert left.parent.stat().st_mode & 0o777 == 0o700
        process.process.stdin.close()
        process.process.wait(PATIENCE)
        assert list((store / "live").iterdir()) == []


@LINUX
def test_while_nobody_looks_no_thread_of_ours_wakes(store):
    with recording(store) as process:
        time.sleep(0.3)
        before = wakes(process.process.pid)
        time.sleep(2)
        assert wakes(process.process.pid) == before
        assert len(before) >= 3


def wakes(pid):
    """Give how often each thread of a process has woken."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found[task.name] = next(line for line in lines if line.startswith("voluntary_ctxt_switches"))
    return found


@pytest.mark.parametrize("given", ["memory", "off"])
def test_without_a_folder_nothing_listens(given):
    settings.configure(store=given)
    with trace("Report", "Research"):
        runtime.current().delivery.wake()
        time.sleep(0.2)
        assert "infinium-live" not in {thread.name for thread in threading.enumerate()}
        assert runtime.current().delivery.reader.running() == []


def test_of_suppressed_code_nobody_is_told_and_nothing_listens(store, reader):
    with suppress(), trace("Secret", "Research"):
        runtime.current().delivery.wake()
        time.sleep(0.2)
        assert not store.exists()
        with trace("Also secret", "Research"):
            pass
        assert reader.running() == []


def test_a_trace_beside_one_of_suppressed_code_is_seen_once_any_was_written(reader):
    begun, done = threading.Event(), threading.Event()

    def work():
        with suppress(), trace("Secret", "Research"):
            begun.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(PATIENCE)
    with trace("First", "Research"):
        pass
    assert flush()
    with trace("Second", "Research"):
        assert seen(reader).name == "Second"
    done.set()
    thread.join()


def test_it_goes_along_when_the_store_is_set_to_another_folder(store, reader, tmp_path):
    with trace("Report", "Research"):
        wait_for(lambda: len(reader.running()) == 1)
        settings_before = list((store / "live").iterdir())
        runtime.configure(store=str(tmp_path / "other"))
        wait_for(lambda: len(reader.running()) == 1)
        assert len(settings_before) == 1
        assert list((store / "live").iterdir()) == []


def test_a_store_with_a_long_path_is_answered_too(tmp_path):
    long = tmp_path / ("a" * 120) / ("b" * 120)
    settings.configure(store=str(long))
    with trace("Report", "Research"):
        wait_for(lambda: len(runtime.current().delivery.reader.running()) == 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_holds_no_ghost_of_its_parent(store, reader):
    program = PROGRAM.replace(
        '    go_on("first")',
        '    import os\n    if os.fork() == 0:\n        import time\n        time.sleep(60)\n    go_on("first")',
    )
    program = program.replace("time.sleep(60)", "sys.stdout.close(); time.sleep(5); os._exit(0)")
    with recording(store, program) as process:
        seen(reader)
        process.process.send_signal(signal.SIGKILL)
        process.process.wait(PATIENCE)
        assert reader.running() == []


def test_what_is_no_answer_is_passed_over(store, reader):
    answers = [b"{", b"[1, {}]", b'{"a": 1}', b"\xff", b"[" * 100_000]
    servers = [live.LiveServer(store, lambda answer=answer: answer) for answer in answers]
    runtime.current().delivery._selector.folder(settings.current()).check()
    for server in servers:
        server.start()
        assert reader.running() == []
    for server in servers:
        server.close()


def seen(reader):
    """Give the one trace that is open, as soon as its process answers."""
    (task,) = wait_for(reader.running)
    return task


def wait_for(what):
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found

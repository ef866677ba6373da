"""What goes on now: a process with open traces answers, by a socket in the store's folder, who asks for them.

Nothing is written and nobody wakes until someone looks. A process that is gone, however it went, answers no more.
"""

import contextlib
import errno
import itertools
import os
import selectors
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic_core import from_json

from infinium_integrations import diagnostics
from infinium_integrations.storage.folder import make_folder

__all__ = ["LiveServer", "ask"]

AREA, SUFFIX = "live", ".sock"
ANSWER_SECONDS = 0.7
"""Seconds in which all processes must have answered; of one that is stopped or too busy nothing is shown."""
SEND_SECONDS = 1.0
FRESH_SECONDS = 0.5
"""Seconds for which an answer is given again, so that many who ask cost no more than one."""
ASKED = 200
"""Processes that are asked, the latest."""
ANSWER_BYTES = 16_000_000
STALE, ELSEWHERE = 60, 86_400
"""Seconds after which a socket at which nobody listens is removed: one of this machine, one of another."""
PATH_BYTES = 100
"""A socket's path may be no longer (it is 104 bytes on some systems)."""

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"


class LiveServer:
    """Answers with the open traces of this process, on a thread that sleeps until it is asked.

    Args:
        root: The store's folder, which is the user's own.
        answer: Returns the answer, a list of payloads as JSON.
    """

    def __init__(self, root: Path, answer: Callable[[], bytes]) -> None:
        self.root = root
        self._answer = answer
        self._path = root / AREA / f"{_HOST}-{os.getpid()}-{time.time_ns()}{SUFFIX}"
        self._socket: socket.socket | None = None
        self._file: os.stat_result | None = None
        """What the socket's handle stood for when it was opened."""
        self._thread: threading.Thread | None = None
        self._known = (-FRESH_SECONDS, b"[]")

    def start(self) -> None:
        """Begin to listen; where the system has no such sockets or no thread to give, nobody is answered.

        Raises:
            OSError: There can be no socket in the folder.
        """
        if not hasattr(socket, "AF_UNIX"):
            return
        make_folder(self._path.parent)
        _clear(self._path.parent, ELSEWHERE)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(OSError):  # only on Linux, where the file is so from its creation
                os.fchmod(listener.fileno(), 0o600)
            with _short(self._path.parent) as place:
                listener.bind(f"{place}/{self._path.name}")
            self._path.chmod(0o600)
            listener.listen()
        except OSError:
            listener.close()
            raise
        self._socket, self._file = listener, os.fstat(listener.fileno())
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="infinium-live", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.close()

    def _serve(self, listener: socket.socket) -> None:
        while self._stands():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(SEND_SECONDS)
                connection.sendall(self._data())

    def _data(self) -> bytes:
        if time.monotonic() - self._known[0] >= FRESH_SECONDS:
            with diagnostics.contained:
                self._known = time.monotonic(), self._answer()
        return self._known[1]

    def _stands(self) -> bool:
        """Whether the handle is still ours: a program that daemonises closes it, and may give its number away."""
        try:
            return (
                self._socket is not None
                and self._file is not None
                and os.path.samestat(os.fstat(self._socket.fileno()), self._file)
            )
        except OSError:
            return False

    def close(self) -> None:
        """Answer no more."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        stands, listener, self._socket = self._stands(), self._socket, None
        if listener is None or not stands:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        listener.close()

    def forget(self) -> None:
        """Close it in a forked child; the parent goes on to answer."""
        stands, listener, self._socket = self._stands(), self._socket, None
        if listener is not None and stands:
            listener.close()
        elif listener is not None:
            listener.detach()


def ask(root: Path) -> list[object]:
    """Ask every process that records into a store for its open traces.

    Args:
        root: The store's folder, which is the user's own.

    Returns:
        What they answer, a payload a trace; nothing of a process that is gone or does not answer in time.
    """
    folder = root / AREA
    try:
        names = [path.name for path in folder.iterdir() if path.suffix == SUFFIX]
    except OSError:
        return []
    if not names or not hasattr(socket, "AF_UNIX"):
        return []
    names.sort(key=lambda name: name.rpartition("-")[2])
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(_short(folder))
        asked = stack.enter_context(selectors.DefaultSelector())
        for name in names[-ASKED:]:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.settimeout(0)
            try:
                connection.connect(f"{place}/{name}")
            except OSError:  # it is gone, or too many ask
                continue
            asked.register(connection, selectors.EVENT_READ, (connection.recv, bytearray()))
        if len(asked.get_map()) < len(names):
            _clear(folder, STALE)
        return [payload for answer in _answers(asked) for payload in answer]


def _answers(asked: selectors.BaseSelector) -> Iterator[list[object]]:
    """Yield what comes whole and in time."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while asked.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in asked.select(left):
            data: bytearray
            receive, data = key.data
            try:
                more: bytes = receive(1_000_000)
            except OSError:
                more, data = b"", bytearray()
            data += more
            if more and len(data) <= ANSWER_BYTES:
                continue
            asked.unregister(key.fileobj)
            with contextlib.suppress(ValueError):  # cut off
                answer = from_json(data)
                if isinstance(answer, list):
                    yield answer


def _clear(folder: Path, age: float) -> None:
    """Remove the sockets of processes that are gone, older than so many seconds; another machine's only after a day."""
    with contextlib.suppress(OSError), _short(folder) as place:
        for path in itertools.islice(folder.iterdir(), ASKED):
            own = path.name.startswith(f"{_HOST}-")
            if time.time() - path.stat().st_mtime > (age if own else ELSEWHERE) and _is_gone(f"{place}/{path.name}"):
                path.unlink()


def _is_gone(path: str) -> bool:
    """Return whether nobody listens at a socket; who listens is not disturbed by one of another kind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        try:
            other.connect(path)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Open a way to a folder: its path; where it is too long for a socket by way of an open handle."""
    if len(os.fsencode(folder)) + 48 < PATH_BYTES or not Path("/proc/self/fd").is_dir():
        yield str(folder)
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)

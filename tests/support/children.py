"""Programs that a test starts: each has an end, whatever becomes of the test."""

import contextlib
import subprocess

PATIENCE = 60
"""Seconds for a child to come to its end, also on a busy machine."""


@contextlib.contextmanager
def child(command, **options):
    """Start a program, and kill it at the end of the block where it has not ended by itself.

    ``Popen`` as a context manager would wait for it, for ever. Ctrl-C's signal ends it also where this process was
    started with that signal ignored, as by ``nohup``: see ``conftest.py`` at the top.
    """
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written to a child that is gone
                    stream.close()


def line(process):
    """Give the next line that a child prints, its end where it prints none in time.

    It is read byte by byte: what a stream has read ahead, no selector sees.
    """
    import os
    import selectors

    stream, said = process.stdout, b""
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while not said.endswith(b"\n"):
            assert ready.select(PATIENCE), "the child prints nothing"
            more = os.read(stream.fileno(), 1)
            if not more:
                break
            said += more
    return said.decode() if hasattr(stream, "encoding") else said

"""``infinium-traces run``: a program as it is, with every run of a framework in it traced.

The program takes the place of this process, so that its exit code, its signals, its terminal and its input are its own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from infinium_integrations import autostart

__all__ = ["run", "traced"]

STARTUP = Path(__file__).parent / "startup"
"""The folder with the ``sitecustomize`` that Python imports at its start."""
NOT_FOUND, NOT_RUNNABLE = 127, 126
"""The exit codes that a shell gives."""


def run(command: tuple[str, ...]) -> NoReturn:
    """Run a program in place of this process; on Windows as a child, for which it waits."""
    env = traced(os.environ)
    try:
        if sys.platform == "win32":
            sys.exit(_wait_for(command, env))
        for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and an ignored signal would stay so
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execvpe(command[0], command, env)  # noqa: S606  (what the user asked for)
    except OSError as error:
        advice = f"; did you mean: infinium-traces run python {command[0]}" if command[0].endswith(".py") else ""
        click.ClickException(f"{command[0]}: {error.strerror or error}{advice}").show()
        sys.exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE)


def traced(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program in which every Python traces what ``INFINIUM_INSTRUMENT`` names, or all."""
    before = environment.get("PYTHONPATH")
    theirs = [folder for folder in before.split(os.pathsep) if folder != str(STARTUP)] if before else []
    return {
        **environment,
        autostart.VARIABLE: environment.get(autostart.VARIABLE) or "all",
        "PYTHONPATH": os.pathsep.join([str(STARTUP), *theirs]),
        "_INFINIUM_RUN": str(os.getpid()),
    }


def _wait_for(command: Sequence[str], env: Mapping[str, str]) -> int:
    with subprocess.Popen(command, env=env) as process:  # noqa: S603  (what the user asked for)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the program has it too, and decides
                continue

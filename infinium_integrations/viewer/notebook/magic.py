"""``%load_ext infinium_integrations``: the magic ``%%trace``, which makes one trace of a cell and shows it below.

``%%trace`` is turned into a line of the cell itself, so that the cell runs as any other: ``await`` at its top level,
its last value's display, its line numbers and its interruption stay what they are.
"""

import argparse
import re
import shlex
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display

from infinium_integrations import instrumentation, runtime
from infinium_integrations.tracing import TraceBuilder, trace

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from infinium_integrations.models import TaskData

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

CELL_SETTLE_SECONDS = 5.0
"""Seconds to wait for what a cell left running, before the trace is shown as it is."""
KNOWN = {"session_id", "user_id"}
"""Tags that name the session and the user, rather than being labels."""


class _Cell:
    """The trace of one run of a cell."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.quiet: bool = asked.quiet
        labels = dict(tag.split("=", 1) for tag in asked.tag if "=" in tag)
        known = {name: labels.pop(name) for name in KNOWN & labels.keys()}
        self._switched = [
            name
            for name in instrumentation.FRAMEWORKS
            if instrumentation.installed(name) and not instrumentation.instrumented(name)
        ]
        self._trace = trace(
            " ".join(asked.name),
            asked.description,
            expected_outcome=asked.expected,
            tags=[tag for tag in asked.tag if "=" not in tag],
            metadata=known,
        )
        if self._switched:
            instrumentation.instrument(*self._switched)
        self.builder: TraceBuilder = self._trace.__enter__()
        if labels:
            self.builder.set_environment(custom_tags=labels)

    def end(self, result: "ExecutionResult | None") -> None:
        """Close the trace after the cell; ``result`` is IPython's, None where the cell was interrupted."""
        error = KeyboardInterrupt() if result is None else (result.error_before_exec or result.error_in_exec)
        # what went in and came out, where the cell does not say: from the outermost steps, and its last value
        value = getattr(result, "result", None)
        built = self.builder.build()
        outer = [step for step in built.steps or [] if not (step.metadata or {}).get("parent_step")]
        if built.input_summary is None and outer and outer[0].input_preview:
            self.builder.set_input_summary(outer[0].input_preview)
        output = value if value is not None else (outer[-1].output_preview if outer else None)
        if built.output_summary is None and output is not None:
            self.builder.set_output_summary(output)
        self._trace.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        if self._switched:
            instrumentation.uninstrument(*self._switched)

    def task(self) -> "TaskData":
        """Return the trace, from the store where it is kept, redacted in any case."""
        current = runtime.current()
        current.recorder.settle(time.perf_counter() + CELL_SETTLE_SECONDS)
        stored: TaskData | None = current.delivery.reader.get(self.builder.trace_id)
        return stored if stored is not None else self.builder.build()


@magics_class
class TraceMagics(Magics):
    """The magic, and what belongs to it."""

    def __init__(self, shell: "InteractiveShell") -> None:
        super().__init__(shell)
        self._shell = shell
        self._open: dict[int, _Cell] = {}

    @line_cell_magic
    def trace(self, line: str, cell: str | None = None) -> None:
        r"""Make one trace of a cell, show it below and leave it in ``_trace``.

        Usage: %%trace NAME [--expected "…"] [--description "…"] [--tag TAG | --tag KEY=VALUE]… [--quiet]

        All LangChain and LlamaIndex work of the cell becomes its steps, in async cells too. As a line, ``%trace NAME``
        does the same for the rest of the cell.

        Args:
            line: What stands behind ``%%trace``: the name, then options.
            cell: The cell's text where a program calls the magic; None in a notebook.

        Raises:
            UsageError: The line is not understood; the text says why.

        Example:
            >>> from IPython.core.interactiveshell import InteractiveShell
            >>> shell = InteractiveShell()
            >>> shell.run_line_magic("load_ext", "infinium_integrations")
            >>> done = shell.run_cell("%%trace Sums --quiet\nanswer = 6 * 7")
            >>> shell.user_ns["_trace"].name, shell.user_ns["answer"]
            ('Sums', 42)
            >>> shell.run_line_magic("unload_ext", "infinium_integrations")
        """
        asked = _parsed(line)
        self.finish(None)  # a run of a cell whose end IPython did not report
        self._open[threading.get_ident()] = _Cell(asked)
        if cell is not None:  # called by a program: as a cell, the text would have come as a line
            self._shell.run_cell(cell)  # type: ignore[no-untyped-call]

    def finish(self, result: "ExecutionResult | None") -> None:
        """End the trace of the cell that has just run, if it has one, and show it."""
        cell = self._open.pop(threading.get_ident(), None)
        if cell is None:
            return
        cell.end(result)
        task = cell.task()
        self._shell.user_ns["_trace"] = task
        if not cell.quiet:
            display(task)  # type: ignore[no-untyped-call]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        text = f"%%trace: {message}\n{self.format_usage()}"
        raise UsageError(text)


def _parsed(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%trace", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="+")
    parser.add_argument("--expected", help="the rubric by which Maestro grades")
    parser.add_argument("--description")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--quiet", action="store_true")
    try:
        return parser.parse_args(shlex.split(line))
    except ValueError as error:
        msg = f"%%trace: {error}"
        raise UsageError(msg) from None


def as_line(lines: list[str]) -> list[str]:
    """Turn a first line ``%%trace …`` into ``%trace …``, before IPython takes the cell for one string."""
    if lines and re.match(r"%%trace(\s|$)", lines[0]):
        return [lines[0][1:], *lines[1:]]
    return lines


_loaded: dict[int, TraceMagics] = {}


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add the magic. ``%load_ext infinium_integrations`` calls this."""
    if id(shell) in _loaded:
        return
    magics = _loaded[id(shell)] = TraceMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(as_line)  # these come before the one that takes cell magics
    shell.events.register("post_run_cell", magics.finish)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Take the magic away. ``%unload_ext infinium_integrations`` calls this."""
    magics = _loaded.pop(id(shell), None)
    if magics is None:
        return
    shell.events.unregister("post_run_cell", magics.finish)
    shell.input_transformers_cleanup.remove(as_line)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("trace", None)

"""How far an experiment is: tqdm's bar where it is installed, else a line in the terminal; nothing elsewhere."""

import sys
import warnings
from typing import Protocol

from infinium_integrations import diagnostics

__all__ = ["Progress", "progress"]


class Progress(Protocol):
    """What is told of each run that ended."""

    def update(self, n: int = 1) -> object: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


class _Line:
    """One line on stderr, written over; silent where that is no terminal."""

    def __init__(self, total: int, name: str, *, visible: bool) -> None:
        self._done, self._total, self._name, self._visible = 0, total, name, visible

    def update(self, n: int = 1) -> None:
        self._done += n
        self._write(f"\r{self._name}: {self._done} of {self._total}")

    def close(self) -> None:
        if self._done:
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._visible:
            diagnostics.tell(text)


def progress(total: int, name: str) -> Progress:
    """Begin to show how far an experiment is; from the caller's thread."""
    ipython = sys.modules.get("IPython")
    notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    terminal = diagnostics.in_terminal()
    label = "".join(letter if letter.isprintable() else " " for letter in name[:40])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a notebook lacks widgets: then the bar is text
            from tqdm.auto import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415  (not ours to require)

            bar: Progress = tqdm(
                total=total, desc=label, unit="run", leave=not notebook, disable=not (notebook or terminal)
            )
            return bar
    except ImportError:
        return _Line(total, label, visible=terminal)

"""Tracing every run of the installed frameworks, in the whole process.

The one module that knows every framework's package; none is imported before it is asked for.
"""

import importlib.util
import sys
from collections.abc import Iterator
from typing import Protocol, Unpack

from infinium_integrations import runtime
from infinium_integrations.autostart import FRAMEWORKS, Framework
from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.recording.options import HandlerOptions

__all__ = ["FRAMEWORKS", "Framework", "installed", "instrument", "instrument_loaded", "instrumented", "uninstrument"]


class _Instrumentor(Protocol):
    def instrument(self, **options: Unpack[HandlerOptions]) -> None: ...

    def instrument_at_first_run(self) -> None: ...

    def uninstrument(self) -> None: ...

    def instrumented(self) -> bool: ...


def instrument(*frameworks: Framework, **options: Unpack[HandlerOptions]) -> None:
    """Trace every run of the named frameworks, or of every installed one, in the whole process.

    Called again, it changes the options.

    Args:
        *frameworks: ``"langchain"`` and ``"llama_index"``.
        **options: What the handlers take.

    Raises:
        ConfigurationError: An unknown framework, or an option that cannot work.
        ValidationError: A name, rubric or section that the platform would refuse.
        ImportError: A framework that was named is not installed; the text says which extra to install.

    Example:
        >>> import infinium_integrations as infinium
        >>> infinium.instrument(tags=["production"])
        >>> infinium.uninstrument()
    """
    for instrumentor in _instrumentors(frameworks):
        instrumentor.instrument(**options)


def uninstrument(*frameworks: Framework) -> None:
    """Stop what ``instrument`` began; runs that are open are finished.

    Args:
        *frameworks: ``"langchain"`` and ``"llama_index"``; every installed one where none is named.

    Raises:
        ConfigurationError: An unknown framework.

    Example:
        >>> import infinium_integrations as infinium
        >>> infinium.uninstrument("langchain")
    """
    for instrumentor in _instrumentors(frameworks):
        instrumentor.uninstrument()


def instrument_loaded(framework: Framework) -> None:
    """Trace every run of a framework that the program has just imported (``INFINIUM_INSTRUMENT``).

    What our threads will need is imported now. Settings are read at the first run: until then a program may load its
    ``.env`` file, or call ``configure()``.
    """
    runtime.preload()
    _instrumentor(framework).instrument_at_first_run()


def instrumented(framework: Framework) -> bool:
    """Return whether every run of a framework is traced now; none is imported for it."""
    loaded = f"{__package__}.{framework}" in sys.modules
    return loaded and _instrumentor(framework).instrumented()


def installed(framework: Framework) -> bool:
    """Return whether a framework's package can be imported; none is imported."""
    try:
        return importlib.util.find_spec(FRAMEWORKS[framework]) is not None
    except ImportError:
        return False


def _instrumentors(frameworks: tuple[Framework, ...]) -> Iterator[_Instrumentor]:
    for name in frameworks:
        if name not in FRAMEWORKS:
            guess = did_you_mean(str(name), FRAMEWORKS) or ";"
            msg = f"{name!r} is not a framework that can be traced{guess} these are: {', '.join(FRAMEWORKS)}"
            raise ConfigurationError(msg)
    return map(_instrumentor, frameworks or [name for name in FRAMEWORKS if installed(name)])


def _instrumentor(framework: Framework) -> _Instrumentor:
    if framework == "langchain":
        from infinium_integrations.langchain import instrumentor as langchain  # noqa: PLC0415  (an extra)

        return langchain
    from infinium_integrations.llama_index import instrumentor as llama_index  # noqa: PLC0415  (an extra)

    return llama_index

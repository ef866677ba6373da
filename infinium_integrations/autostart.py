"""Tracing without a line of code: ``INFINIUM_INSTRUMENT`` names the frameworks whose every run is traced.

A framework is instrumented as soon as the program has imported it; none is imported for that. It stays light: this
module is also loaded in every Python process under ``infinium-traces run``.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from infinium_integrations import _hooks

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # the real one takes as long to load as all the rest

__all__ = ["FRAMEWORKS", "VARIABLE", "Framework", "arrived", "begin", "parse"]

VARIABLE = "INFINIUM_INSTRUMENT"

Framework = Literal["langchain", "llama_index"]

FRAMEWORKS: dict[Framework, str] = {"langchain": "langchain_core", "llama_index": "llama_index.core"}
"""Our package for each framework, and the module that shows that it is installed."""

_BY_MODULE = {module: framework for framework, module in FRAMEWORKS.items()}
_wanted: set[Framework] = set()

_LATER: dict[Framework, str] = {"langchain": "langchain_core.tracers.context"}
"""What a first run loads, where other threads were importing the framework's parts too when it arrived."""


def parse(text: str) -> tuple[list[Framework], str]:
    """Return the frameworks that the variable's text names, and what is wrong with it: nothing where that is empty."""
    names = [name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()]
    unknown = ", ".join(repr(name) for name in names if name != "all" and name not in FRAMEWORKS)
    wrong = f"{VARIABLE}: no framework is called {unknown}; it takes all, or by comma: {', '.join(FRAMEWORKS)}"
    return [each for each in FRAMEWORKS if each in names or "all" in names], wrong if unknown else ""


def begin(text: str) -> None:
    """Trace every run of the frameworks that are named, from when each is imported; a wrong name is one warning."""
    named, wrong = parse(text)
    if wrong:
        from infinium_integrations import diagnostics  # noqa: PLC0415  (it loads ``logging``)

        diagnostics.warn_once("instrument", "%s", wrong)
    _wanted.update(named)
    for framework in named:
        if FRAMEWORKS[framework] in sys.modules:
            arrived(framework)
    if _wanted:
        sys.meta_path.insert(0, _Watch())


def arrived(framework: Framework) -> None:
    """Instrument a framework that has been imported, where the variable names it; once."""
    try:
        _wanted.remove(framework)
    except KeyError:
        return
    from infinium_integrations import diagnostics  # noqa: PLC0415  (the same)

    with diagnostics.contained:
        try:
            _hooks.framework_arrived(framework)
        except (ImportError, RuntimeError) as error:
            if _put_off(framework):
                return
            if not isinstance(error, ImportError):
                raise  # another version than we know, or a part of ours is missing, is a warning
            diagnostics.warn_once(("instrument", framework), "%s: %s can't be traced: %s", VARIABLE, framework, error)


def _put_off(framework: Framework) -> bool:
    """Try again when the first run loads the last part; return whether that may help.

    A thread that imports a part of a framework waits for the whole with the part locked. What we need of it then is a
    deadlock, which Python ends by an error, or by a module that is half made.
    """
    import threading  # noqa: PLC0415  (the same)

    later = _LATER.get(framework)
    if later is None or later in sys.modules or later in _BY_MODULE or threading.active_count() == 1:
        return False
    _BY_MODULE[later] = framework
    _wanted.add(framework)
    return True


class _Watch:
    """Finds the frameworks as the other finders do, and hears when one has been loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        framework = _BY_MODULE.get(fullname)
        if framework not in _wanted:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target) if finder is not self else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, framework)
                return spec
        return None


class _Loader(Loader):
    """Loads as another loader does, which stands in its place again as soon as the module is there."""

    def __init__(self, inner: Loader, framework: Framework) -> None:
        self._inner = inner
        self._framework = framework

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        self._inner.exec_module(module)
        ours = f"{__package__}.{self._framework}"
        if ours not in sys.modules:  # else it is that which imports the framework, and it calls when it is ready
            arrived(self._framework)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

# ruff: noqa: ARG002  (the signatures are LlamaIndex's)
"""The LlamaIndex handlers: one for events, with one for spans inside; all state is in the Recorder."""

import atexit
import inspect
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
from llama_index.core.instrumentation.events.base import BaseEvent
from llama_index.core.instrumentation.span import active_span_id
from llama_index.core.instrumentation.span.base import BaseSpan
from llama_index.core.instrumentation.span_handlers.base import BaseSpanHandler
from llama_index_instrumentation.dispatcher import active_instrument_tags

from infinium_integrations import runtime
from infinium_integrations.diagnostics import guarded, warn_once
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.llama_index import events, spans, streams, trace_metadata
from infinium_integrations.recording.options import HandlerOptions, make_options
from infinium_integrations.recording.run import Options

__all__ = ["InfiniumEventHandler"]

_lock = threading.RLock()
_registered: list["InfiniumEventHandler"] = []
_leaving: list["InfiniumEventHandler"] = []
"""Unregistered in the middle of a run, which they still see to its end."""


_seen = {"made": False, "used": False}
"""Whether there was ever a handler, and one that was registered or got an event."""


def _say_if_unused(_: float = 0.0) -> None:
    if _seen["made"] and not _seen["used"]:
        warn_once("unregistered", "An InfiniumEventHandler was made, but nothing is recorded before .register().")


class _HandlerState:
    """What both handlers share. Lies in their ``__dict__``, since pydantic's private attributes are slow to read."""

    __slots__ = ("on", "options")

    def __init__(self, **options: Unpack[HandlerOptions]) -> None:
        self.options = make_options(**options)
        runtime.tracing(self.options.client)
        self.on = True


class _LateState(_HandlerState):
    """Reads the settings when a run first asks; where they are malformed it warns, and nothing is recorded.

    It has no lock, which a forked child might inherit locked: where two threads are the first, both read the same.
    """

    __slots__ = ()

    def __init__(self) -> None:
        """Leave the slots empty."""

    def __getattr__(self, name: str) -> object:
        """Fill the slots; once they are filled, nobody asks here."""
        if name not in _HandlerState.__slots__:
            raise AttributeError(name)
        try:
            _HandlerState.__init__(self)
        except ConfigurationError as error:
            self.on = False
            warn_once("instrument", "LlamaIndex's runs are not traced: %s", error)
        return object.__getattribute__(self, name)


class _SpanHandler(BaseSpanHandler[BaseSpan]):
    """Hands spans on; keeps none."""

    if TYPE_CHECKING:
        state: _HandlerState

    def __init__(self, state: _HandlerState) -> None:
        super().__init__()
        self.__dict__["state"] = state

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @classmethod
    def class_name(cls) -> str:
        """Return the name by which LlamaIndex knows the handler."""
        return "InfiniumSpanHandler"

    @guarded
    def span_enter(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: object | None = None,
        parent_id: str | None = None,
        tags: dict[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Record that a span started."""
        role = _role(self.state)
        if role is not None:
            known = tags or active_instrument_tags.get()
            spans.enter(id_, bound_args, instance, parent_id, known, self.state.options, new_roots=role)

    @guarded
    def span_exit(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: object | None = None,
        result: object | None = None,
        **kwargs: object,
    ) -> None:
        """Record that a span ended with a result."""
        if _role(self.state) is not None:
            spans.leave(id_, result)
            if _leaving:
                _detach_finished()

    @guarded
    def span_drop(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: object | None = None,
        err: BaseException | None = None,
        **kwargs: object,
    ) -> None:
        """Record that a span ended with an exception."""
        if _role(self.state) is not None:
            spans.drop(id_, err)
            if _leaving:
                _detach_finished()

    def capture_propagation_context(self) -> dict[str, object]:
        """Return our trace's id and the span's, for ``restore_propagation_context`` elsewhere."""
        return trace_metadata.capture(runtime.recorder().surrounding())

    def restore_propagation_context(self, context: dict[str, object]) -> None:
        """Have runs that start here belong to the trace that was captured elsewhere."""
        trace_metadata.restore(context)

    @guarded
    def close(self) -> None:
        """End what is open: the dispatcher shuts down."""
        spans.end_all()

    def new_span(self, *args: object, **kwargs: object) -> None:
        """Make no span object."""

    def prepare_to_exit_span(self, *args: object, **kwargs: object) -> None:
        """Keep no span object."""

    def prepare_to_drop_span(self, *args: object, **kwargs: object) -> None:
        """Keep no span object."""


class InfiniumEventHandler(BaseEventHandler):
    """Records every top-level LlamaIndex run of the process as one trace, and sends it when it has ended.

    ``InfiniumEventHandler().register()`` once is enough; ``with InfiniumEventHandler():`` records what starts inside.
    Any number of threads and tasks may run at once. It never raises into a run, blocks it or changes its result.
    Of several registered handlers, the latest records.

    Args:
        name: Name of each trace; a name that the run itself was given goes first. Default: the run's own.
        description: What the agent does, in a sentence or two.
        expected_outcome: The rubric to grade against: a model, a dict of its fields, or the objective alone.
        sections: Domain sections of the trace by name, as models or dicts.
        tags: Tags of each trace.
        metadata: Facts of each trace; ``session_id``, ``user_id`` and ``thread_id`` among them identify it.
        capture_content: False records timing, tokens and structure, but no text.
        detail: ``"full"`` records the framework's plumbing as steps too.
        redact: Called with each text, on a thread of ours; returns the text to keep.
        client: Sends the traces: anything with ``send_task_data``. Default: the background sender.
        preview_chars: Characters of each step's previews.

    Raises:
        ConfigurationError: An option or a setting cannot work, or no such option exists; the text names it.
        ValidationError: A rubric or section that the platform would refuse.

    Example:
        >>> from llama_index.core.llms import MockLLM
        >>> from infinium_integrations.llama_index import InfiniumEventHandler
        >>> with InfiniumEventHandler(name="Greeter"):
        ...     MockLLM().complete("Hi").text
        'Hi'
    """

    if TYPE_CHECKING:
        state: _HandlerState

    def __init__(self, **options: Unpack[HandlerOptions]) -> None:
        self._prepare(_HandlerState(**options))
        if runtime.recording() is not None:
            runtime.add_settler(_say_if_unused)
            if not _seen["made"]:
                _seen["made"] = True
                atexit.register(_say_if_unused)

    @classmethod
    def at_first_run(cls) -> Self:
        """Return a handler without options that reads the settings when the first run begins."""
        handler = cls.__new__(cls)
        handler._prepare(_LateState())  # noqa: SLF001  (its own)
        return handler

    def _prepare(self, state: _HandlerState) -> None:
        super().__init__()
        self.__dict__.update(state=state, inner=_SpanHandler(state))
        runtime.add_resolver(active_span_id.get)
        runtime.add_resolver(streams.reading)
        runtime.add_settler(streams.settle)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Self:
        return self

    @classmethod
    def class_name(cls) -> str:
        """Return the name by which LlamaIndex knows the handler."""
        return "InfiniumEventHandler"

    @property
    def options(self) -> Options:
        """The checked options."""
        return self.state.options

    @property
    def span_handler(self) -> BaseSpanHandler[BaseSpan]:
        """The handler of spans inside; ``register`` puts both in place."""
        inner: _SpanHandler = self.__dict__["inner"]
        return inner

    @guarded
    def handle(self, event: BaseEvent, **kwargs: object) -> None:
        """Record what an event says."""
        if _role(self.state) is not None:
            _seen["used"] = True
            events.handle(event)
            if _leaving:
                _detach_finished()

    def register(self) -> Self:
        """Record every run of the process that starts from now on; may be called from any thread.

        Returns:
            The handler itself. Registering it again makes no difference.

        Example:
            >>> from infinium_integrations.llama_index import InfiniumEventHandler
            >>> handler = InfiniumEventHandler().register()
            >>> handler.unregister()
        """
        _seen["used"] = True
        with _lock:
            _leaving[:] = [other for other in _leaving if other is not self]
            if not any(other is self for other in _registered):
                _registered.append(self)
            root, inner = get_dispatcher(), self.span_handler
            if not any(other is inner for other in root.span_handlers):
                root.span_handlers = [*root.span_handlers, inner]
            if not any(other is self for other in root.event_handlers):
                root.event_handlers = [*root.event_handlers, self]
            _detach_finished()
        return self

    def unregister(self) -> None:
        """Record no run that starts from now on; an open one is recorded to its end. May be called from any thread.

        Example:
            >>> from infinium_integrations.llama_index import InfiniumEventHandler
            >>> handler = InfiniumEventHandler().register()
            >>> handler.unregister()
        """
        with _lock:
            _registered[:] = [other for other in _registered if other is not self]
            if not _registered and not any(other is self for other in _leaving) and spans.any_open():
                _leaving.append(self)
            else:
                _detach(self)

    def __enter__(self) -> Self:
        return self.register()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unregister()


def any_registered() -> bool:
    """Return whether a handler records new runs now."""
    return bool(_registered)


def _role(state: _HandlerState) -> bool | None:
    """Return whether a handler records new roots (True), only what is open (False), or nothing (None)."""
    if not state.on:
        return None
    if _registered:
        return runtime.recording() is not None if _registered[-1].state is state else None
    if _leaving:
        return False if _leaving[-1].state is state else None
    return runtime.recording() is not None


def _detach_finished() -> None:
    """Take the handlers away whose runs are over, or that another one has relieved."""
    with _lock:
        if _leaving and (_registered or not spans.any_open()):
            gone, _leaving[:] = list(_leaving), []
            for handler in gone:
                _detach(handler)


streams.when_closed.append(_detach_finished)


def _detach(handler: InfiniumEventHandler) -> None:
    root, span_handler = get_dispatcher(), handler.span_handler
    root.event_handlers = [other for other in root.event_handlers if other is not handler]
    root.span_handlers = [other for other in root.span_handlers if other is not span_handler]

"""What the events of LangChain have in common: how a run starts, what is shown of it, how it fails."""

import sys
from collections.abc import Callable, Mapping
from typing import NoReturn, Self, Unpack
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from infinium_integrations import runtime
from infinium_integrations.capture.content import Conversation
from infinium_integrations.diagnostics import contained, warn_once
from infinium_integrations.langchain import classify, resumption, trace_metadata
from infinium_integrations.langchain.content import take
from infinium_integrations.langchain.inline import InlineHandler, model_on_the_stack
from infinium_integrations.recording.exceptions import failed
from infinium_integrations.recording.options import HandlerOptions, make_options
from infinium_integrations.recording.run import Run

__all__ = ["RecordingHandler", "called", "name_of"]


def _surrounding() -> UUID | None:
    """Return the run that LangChain's own context says surrounds the caller."""
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    return getattr(callbacks, "parent_run_id", None)


class _Ignored:
    """LangChain asks a handler what it ignores; the class, passed in place of an instance, ignores all, and says so."""

    def __get__(self, instance: object, kind: type) -> bool:
        if instance is None and sys._getframe(1).f_globals.get("__name__") == "langchain_core.callbacks.manager":  # noqa: SLF001
            name = kind.__name__
            warn_once("class", "%s was passed as a class, so nothing is recorded: pass %s().", name, name)
        return instance is None


_IGNORABLE = ("ignore_chain", "ignore_llm", "ignore_chat_model", "ignore_retriever", "ignore_agent")


class RecordingHandler(InlineHandler):
    """A handler that knows how to record a run; which events do is its subclass's business."""

    ignore_chain = ignore_llm = ignore_chat_model = ignore_retriever = ignore_agent = _Ignored()

    def __init__(self, **options: Unpack[HandlerOptions]) -> None:
        self.__dict__.update(dict.fromkeys(_IGNORABLE, False))  # quicker than a property, and asked at each event
        self.options = make_options(**options)
        runtime.tracing(self.options.client)
        classify.hear(self)
        runtime.add_resolver(_surrounding)
        runtime.add_caller(model_on_the_stack)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        msg = "an InfiniumCallbackHandler cannot be pickled: make one in the process that uses it"
        raise TypeError(msg)

    def _start(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        action: str,
        name: str,
        tags: list[str] | None,
        metadata: Mapping[str, object] | None,
        *,
        is_step: bool = True,
        root_is_step: bool = False,
        watch: bool = True,
    ) -> Run | None:
        recorder = runtime.recording()
        if recorder is None:
            return None
        run = recorder.start(
            run_id,
            parent_id if parent_id and self.options.full else recorder.deeper(parent_id, _surrounding()),
            action,
            name,
            options=self.options,
            is_step=is_step or self.options.full,
            root_is_step=root_is_step,
            watch=watch,
            follow=True,
        )
        if run is None:
            before = None if self.options.capture_content else recorder.get(run_id)
            if before is not None:  # of two handlers that report one run, the one that may not see its content decides
                before.private = True
            return None
        if run.trace.framework is None:
            run.trace.framework = "langchain"
        if run.parent is None:
            classify.hear(self)
            trace_metadata.begin(run, self.options, name, parent_id, tags or (), metadata or {})
        elif not self.options.capture_content:
            run.private = True
        if metadata:
            trace_metadata.keep_own(run, metadata)
        return run

    def _wants(self, run: Run) -> bool:
        return not run.private and (run.is_step or run.parent is None)

    def _take(self, run: Run, value: object, expects: Callable[[Run], bool] | None = None) -> object:
        return "null" if value is None else take(run, value, run.limit, expects)

    def _given(self, run: Run, inputs: object) -> object:
        """Take what a chain or a graph is given."""
        return self._take(run, inputs, _expects_messages)

    def _came(self, run: Run, outputs: object) -> object:
        """Take what a run gave; of a whole trace None is no answer."""
        return None if outputs is None and run.parent is None else self._take(run, outputs, _answers_messages)

    def _late_input(self, run: Run, inputs: object) -> None:
        """Take the real input of a stream, which is known only at its end."""
        if self._wants(run):
            run.input = self._given(run, inputs)

    def _failed(self, run: Run, error: BaseException) -> None:
        status, failure = "error", None
        with contained:  # the run must end all the same
            status, failure = failed(error)
            if failure is not None:
                classify.attempted(run, failure)
            if status == "interrupted":
                resumption.asks(run)
                if self._wants(run):
                    classify.interruption(run, error)
        runtime.recorder().finish(run, status, failure)


def _expects_messages(run: Run) -> bool:
    """Return whether a text that a run is given may be a message: where a user or LangGraph itself gives it."""
    return run.parent is None or classify.is_langgraphs(run)


def _answers_messages(run: Run) -> bool:
    """Return whether a text that a run gave may be a message: where LangGraph gave it some."""
    return isinstance(run.input, Conversation) and classify.is_langgraphs(run)


def called(kwargs: Mapping[str, object], serialized: object, otherwise: str) -> str:
    """Return the name of a run: the one that it was given, unless that is blank, else the runnable's own."""
    name = kwargs.get("name")
    return name if isinstance(name, str) and name.strip() else name_of(serialized) or otherwise


def name_of(serialized: object) -> str | None:
    """Return the name that a runnable has of its own."""
    if not isinstance(serialized, dict):
        return None
    name = serialized.get("name")
    if isinstance(name, str) and name:
        return name
    path = serialized.get("id")
    last = path[-1] if isinstance(path, (list, tuple)) and path else None
    return last if isinstance(last, str) else None

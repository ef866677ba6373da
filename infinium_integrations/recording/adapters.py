"""What the adapters of both frameworks set on a trace and on a model's call."""

from collections.abc import Iterable, Mapping

from infinium_integrations.capture.preview import HIDDEN, is_secret_key, preview
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.run import ModelCall, Options, Run

__all__ = ["NAME_CHARS", "TOOLS_LISTED", "bounded_name", "identify_trace", "set_temperature"]

NAME_CHARS = 300
TOOLS_LISTED = 50

_IDENTITY = {"session_id", "user_id", "thread_id", "conversation_id"}


def identify_trace(
    run: Run,
    options: Options,
    tags: Iterable[str],
    metadata: Mapping[str, object],
    *,
    internal: tuple[str, ...],
    limit: int,
) -> None:
    """Set a new trace's identity, tags and metadata.

    Args:
        run: The root.
        options: The handler's; its tags and metadata are those of every trace.
        tags: The run's own tags.
        metadata: The run's own metadata.
        internal: What the framework's own keys begin with; they are left out.
        limit: Characters of each value.
    """
    trace_tags = run.trace.tags
    trace_tags.update(opts.identify({**options.metadata, **metadata} if options.metadata else metadata))
    own = [*options.tags, *tags]
    if own:
        trace_tags["tags"] = ",".join(dict.fromkeys(own))
    for key, value in metadata.items():
        if isinstance(value, str | int | float) and key not in _IDENTITY and not key.startswith(internal):
            trace_tags.setdefault(key, HIDDEN if is_secret_key(key) else preview(value, limit))


def set_temperature(call: ModelCall, temperature: object) -> None:
    """Set the temperature of a model's call, if it is a number."""
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        call.temperature = float(temperature)


def bounded_name(value: object) -> str | None:
    """Return the beginning of a name; None if it is empty or no text."""
    return value[:NAME_CHARS] if isinstance(value, str) and value else None

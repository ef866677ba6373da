"""What the adapters of both frameworks set on a trace and on a model's call."""

from collections.abc import Iterable, Mapping

from infinium_integrations.capture.preview import HIDDEN, Cut, cut, hides, preview
from infinium_integrations.models import IDENTITY_FACTS, OWN_FACTS
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.run import ModelCall, Options, Run

__all__ = [
    "NAME_CHARS",
    "bounded_name",
    "fact",
    "finish_reason",
    "identify_trace",
    "keep_facts",
    "own_facts",
    "set_temperature",
    "tool_names",
]

NAME_CHARS = 300
TOOLS_LISTED = 50

_IDENTITY = IDENTITY_FACTS | {"conversation_id"}


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
        trace_tags["tags"] = _joined(list(dict.fromkeys(own)))
    for key, value in metadata.items():
        if value is None or key in _IDENTITY or key.startswith(internal):
            continue
        name = f"user.{key}" if key in OWN_FACTS else key  # the trace's own facts are its own
        trace_tags.setdefault(name, HIDDEN if hides(metadata, key, value) else preview(value, limit))


def _joined(tags: list[str]) -> str:
    """Return tags as one text; one that was cut stands at its end only, where it can be told that it was."""
    last = tags.pop()
    text = ",".join([*("…" if type(tag) is Cut else tag for tag in tags), last])
    return Cut(text) if type(last) is Cut else text


FACTS_KEPT = 50
"""Of the user's own facts of one step."""

_PLAIN = frozenset({str, int, float, bool})
_NOTHING: Mapping[str, object] = {}
_ABSENT = object()


def own_facts(
    run: Run, given: Mapping[str, object], *, internal: tuple[str, ...], common: frozenset[str] = frozenset()
) -> dict[str, object]:
    """Return what is a run's own of the user's facts: frameworks hand each run those of all that is around it, too.

    Args:
        run: It remembers them for the runs below it.
        given: What the framework hands it.
        internal: What the framework's own keys begin with.
        common: Those of them that are met most often: looking a key up is cheaper than comparing its beginning.
    """
    if common.issuperset(given):
        return {}
    above = run.parent
    while above is not None and (above.metadata_seen is None or not (above.is_step or above.parent is None)):
        above = above.parent
    known = (above.metadata_seen if above is not None else None) or _NOTHING
    new = [key for key in given if key not in common and known.get(key, _ABSENT) != _token(given[key])]
    own = {key: given[key] for key in new if given[key] is not None and not key.startswith(internal)}
    run.metadata_seen = {**known, **{key: _token(value) for key, value in own.items()}} if own else known
    return own


def keep_facts(run: Run, own: Mapping[str, object], limit: int) -> None:
    """Keep the user's own facts of a step: numbers as they are, anything else as text of so many characters."""
    if not own:
        return
    kept = dict[str, object]()
    for key in list(own)[:FACTS_KEPT]:
        value = own[key]
        plain = type(value) in _PLAIN and type(value) is not str
        kept[key] = HIDDEN if hides(own, key, value) else value if plain else preview(value, limit)
    run.users_metadata = kept


def _token(value: object) -> object:
    """Return what tells a value from another without a call of the user's code; a dict is copied on its way down."""
    if type(value) is dict and len(value) <= FACTS_KEPT:
        return [(id(key), id(item)) for key, item in value.items()]
    return value if type(value) in _PLAIN else id(value)


def set_temperature(call: ModelCall, temperature: object) -> None:
    """Set the temperature of a model's call, if it is a number."""
    if isinstance(temperature, (int, float)) and not isinstance(temperature, bool):
        call.temperature = float(temperature)


def tool_names(tools: object) -> list[str]:
    """Return the names of the tools that a model was offered, in whatever form its provider has them."""
    if isinstance(tools, Mapping) and isinstance(tools.get("tools"), list | tuple):  # Bedrock
        tools = tools["tools"]
    names: list[str] = []
    for tool in (tools if isinstance(tools, (list, tuple)) else ())[:TOOLS_LISTED]:
        names += _names_of(tool)
    return names


def _names_of(tool: object) -> list[str]:
    if not isinstance(tool, Mapping):
        held = getattr(tool, "__dict__", {})
        declared = held.get("function_declarations")
        return tool_names(declared) if declared else [name for name in [bounded_name(held.get("name"))] if name]
    declared = tool.get("function_declarations") or tool.get("functionDeclarations")  # Gemini
    if isinstance(declared, (list, tuple)):
        return tool_names(declared)
    inner = tool.get("function") or tool.get("toolSpec") or tool
    named = bounded_name(inner.get("name")) if isinstance(inner, Mapping) else None
    found = named or bounded_name(tool.get("type"))  # what the provider has built in is named by its type
    return [found] if found else []


def finish_reason(facts: object) -> str | None:
    """Return why a model stopped, from wherever its provider says so; None where it does not.

    Args:
        facts: A mapping, or an object with such attributes.
    """
    if facts is None:
        return None
    for name in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
        found = fact(facts, name)
        word = getattr(found, "name", found)  # Gemini's is an enum's member
        if isinstance(word, str) and word:
            return cut(word, NAME_CHARS)
    status = fact(facts, "status")  # OpenAI's Responses
    if status == "incomplete":
        return bounded_name(fact(fact(facts, "incomplete_details"), "reason")) or status
    return status if isinstance(status, str) and status in {"completed", "failed", "cancelled"} else None


def fact(value: object, name: str) -> object:
    """Read one fact of a mapping or an object."""
    if type(value) is dict:
        return value.get(name)
    if value is None or isinstance(value, (str, int, float, list, tuple)):
        return None
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def bounded_name(value: object) -> str | None:
    """Return the beginning of a name; None if it is empty or no text."""
    return cut(value, NAME_CHARS) if isinstance(value, str) and value else None

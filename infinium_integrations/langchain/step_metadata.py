"""The user's own metadata of one part, as of ``with_config(metadata=…)``: it stands on that step and on none below it.

LangChain hands each run the metadata of all that is around it, too; what the step around has is not the run's own.
"""

from collections.abc import Mapping

from infinium_integrations.capture.preview import HIDDEN, is_secret_key, preview
from infinium_integrations.recording.options import FACT_CHARS
from infinium_integrations.recording.run import Run

__all__ = ["INTERNAL", "keep_own"]

INTERNAL = ("langgraph_", "ls_", "lc_", "checkpoint", "__", "infinium_", "langsmith")
"""What the frameworks' own keys begin with."""

_FRAMEWORK = frozenset({f"langgraph_{name}" for name in ("step", "node", "triggers", "path", "checkpoint_ns")})
_FRAMEWORK |= {f"ls_{name}" for name in ("provider", "model_name", "model_type", "temperature", "integration")}
_FRAMEWORK |= {"checkpoint_ns", "lc_agent_name"}
"""Those of them that are met most often: looking a key up is cheaper than comparing its beginning."""

KEYS_KEPT = 50
_PLAIN = frozenset({str, int, float, bool})
_NOTHING: Mapping[str, object] = {}
_ABSENT = object()


def keep_own(run: Run, metadata: Mapping[str, object]) -> None:
    """Keep what is a run's own of its metadata; a root's own is the trace's."""
    above = run.parent
    while above is not None and (above.metadata_seen is None or not (above.is_step or above.parent is None)):
        above = above.parent
    known = (above.metadata_seen if above is not None else None) or _NOTHING
    new = [key for key in metadata if key not in _FRAMEWORK and known.get(key, _ABSENT) != _token(metadata[key])]
    own = {key: metadata[key] for key in new if metadata[key] is not None and not key.startswith(INTERNAL)}
    run.metadata_seen = {**known, **{key: _token(value) for key, value in own.items()}} if own else known
    if own and run.parent is not None:
        run.users_metadata = {key: _bounded(key, own[key]) for key in list(own)[:KEYS_KEPT]}


def _token(value: object) -> object:
    """Return what tells a value from another without a call of the user's code; a dict is copied on its way down."""
    if type(value) is dict and len(value) <= KEYS_KEPT:
        return [(id(key), id(item)) for key, item in value.items()]
    return value if type(value) in _PLAIN else id(value)


def _bounded(key: str, value: object) -> object:
    if is_secret_key(key):
        return HIDDEN
    return value if type(value) in _PLAIN and type(value) is not str else preview(value, FACT_CHARS)

"""The user's own tags of one part, as of ``instrument_tags(…)``: they stand on its steps and on none below them.

LlamaIndex hands each span the tags of all that is around it, too; what the step around has is not the span's own.
"""

from collections.abc import Mapping

from infinium_integrations.capture.preview import HIDDEN, is_secret_key, preview
from infinium_integrations.recording.run import Run

__all__ = ["INTERNAL", "TAG_CHARS", "keep_own", "listed"]

INTERNAL = ("llamaindex.", "infinium", "run_name")
"""What the framework's and our own keys begin with."""
TAG_CHARS = 500
TAGS_LISTED = 50
KEYS_KEPT = 50

_PLAIN = frozenset({str, int, float, bool})
_NOTHING: Mapping[str, object] = {}
_ABSENT = object()


def keep_own(run: Run, tags: Mapping[str, object]) -> None:
    """Keep what is a run's own of its tags; a root's own is the trace's."""
    if not tags:
        return
    above = run.parent
    while above is not None and (above.metadata_seen is None or not (above.is_step or above.parent is None)):
        above = above.parent
    known = (above.metadata_seen if above is not None else None) or _NOTHING
    own = {
        key: value
        for key, value in tags.items()
        if known.get(key, _ABSENT) != _token(value) and value is not None and not key.startswith(INTERNAL)
    }
    run.metadata_seen = {**known, **{key: _token(value) for key, value in own.items()}} if own else known
    if run.parent is None or not own:
        return
    run.put(tags=listed(own.pop("tags", None)) or None)
    if own:
        run.users_metadata = {key: _bounded(key, own[key]) for key in list(own)[:KEYS_KEPT]}


def listed(tags: object) -> list[str]:
    """Return the tags that were given as a list, or as one text."""
    given = [tags] if isinstance(tags, str) else tags[:TAGS_LISTED] if isinstance(tags, list | tuple) else ()
    return [str(tag)[:TAG_CHARS] for tag in given]


def _token(value: object) -> object:
    """Return what tells a value from another without a call of the user's code."""
    return value if type(value) in _PLAIN else id(value)


def _bounded(key: str, value: object) -> object:
    if is_secret_key(key):
        return HIDDEN
    return value if type(value) in _PLAIN and type(value) is not str else preview(value, TAG_CHARS)

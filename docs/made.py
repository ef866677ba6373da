"""The directive ``made``: tables that are made from the code, so that they say what it does.

``` {made} settings
```
"""

import importlib
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping

import pydantic
from docutils import nodes
from meanings import ACTIONS, CURES, FIELDS, STATUSES, STEP_FACTS, TRACE_FACTS, Meaning
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from infinium_integrations import errors, models, settings
from infinium_integrations.recording import options

__all__ = ["TABLES", "fields", "setup"]

FRAMEWORKS = ("LangChain, LangGraph", "LlamaIndex")
BY_HAND = "yours, by hand"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table as Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def same(known: Iterable[str], told: Mapping[str, object], of: str) -> None:
    """Refuse meanings that are not of exactly these names.

    Raises:
        ValueError: Names are missing, or there are some that the code doesn't know.
    """
    missing, unknown = set(known) - told.keys(), told.keys() - set(known)
    if missing or unknown:
        msg = f"docs/meanings.py, {of}: missing {sorted(missing)}, unknown {sorted(unknown)}"
        raise ValueError(msg)


def sources(meaning: Meaning) -> tuple[str, str]:
    """Return where it comes from in the two frameworks."""
    given = meaning[1:] or (BY_HAND,)
    return given[0], given[-1]


def meant(name: str, known: Iterable[str], told: Mapping[str, Meaning]) -> str:
    """Return a table of names, what they mean, and where they come from."""
    known = list(known)
    same(known, told, name)
    rows = ((f"`{one}`", told[one][0], *sources(told[one])) for one in known)
    return table((name, "what it says", *FRAMEWORKS), rows)


def shown_type(annotation: object) -> str:
    """Return a field's type as people write it."""
    if typing.get_origin(annotation) is typing.Annotated:
        return shown_type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{one}`" for one in typing.get_args(annotation))
    parts = [shown_type(one) for one in typing.get_args(annotation)]
    if typing.get_origin(annotation) in {list, tuple}:
        return f"list of {parts[0]}"
    if typing.get_origin(annotation) is dict:
        return "dict"
    if parts:
        return " or ".join(one for one in parts if one != "None")
    return {"NoneType": "None"}.get(name := getattr(annotation, "__name__", str(annotation)), name)


def limit_of(field: FieldInfo) -> str:
    """Return the characters that a text is cut at."""
    texts = [one for one in field.metadata if isinstance(one, models.Text)]
    bounds = {
        "preview": models.PREVIEW_LIMIT,
        "input_summary": models.INPUT_SUMMARY_LIMIT,
        "output_summary": models.OUTPUT_SUMMARY_LIMIT,
    }
    limits = [one.limit or bounds.get(one.bound or "") for one in texts]
    return next((f", {limit:,} characters" for limit in limits if limit), "")


def typed(field: FieldInfo) -> str:
    """Return a field's type and limit."""
    needed = ", required" if field.is_required() else ""
    return f"{shown_type(field.annotation)}{limit_of(field)}{needed}"


def model_table(name: str) -> str:
    """Return the fields of a model that frameworks fill."""
    known: Mapping[str, FieldInfo] = getattr(models, name).model_fields
    same(known, FIELDS[name], name)
    rows = []
    for one, field in known.items():
        if one in models.SECTIONS:
            continue
        meaning = FIELDS[name][one]
        rows.append((f"`{one}`<br>{typed(field)}", meaning[0], *sources(meaning)))
    return table(("field", "what it says", *FRAMEWORKS), rows)


def fields(name: str) -> str:
    """Return the fields of a model with their types."""
    known: Mapping[str, FieldInfo] = getattr(models, name).model_fields
    return table(("field", "type"), ((f"`{one}`", typed(field)) for one, field in known.items()))


def settings_table() -> str:
    """Return every setting: its variable, default and meaning, which stands below its field.

    Raises:
        ValueError: A setting has no docstring.
    """
    docs = {
        name: " ".join(lines).strip()
        for (owner, name), lines in attribute_docs(settings).items()
        if owner == "Settings"
    }
    same(
        settings.Settings.model_fields,
        {name: docs[name] for name in docs if name in settings.Settings.model_fields},
        "settings.py",
    )
    rows = []
    for name, field in settings.Settings.model_fields.items():
        rows.append((f"`INFINIUM_{name.upper()}`", default_of(field), docs[name].replace("``", "`")))
    return table(("variable", "default", "what it does"), rows)


def attribute_docs(module: object) -> dict[tuple[str, str], list[str]]:
    """Return the docstrings below a module's attributes."""
    analyzer = ModuleAnalyzer.for_module(module.__name__)  # type: ignore[attr-defined]
    analyzer.analyze()
    return analyzer.attr_docs


def default_of(field: FieldInfo) -> str:
    """Return a setting's default, as it is written in the environment."""
    value = field.default
    if value is PydanticUndefined:
        return "your data folder"
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def errors_table() -> str:
    """Return every exception, its cause and its cure."""
    kinds = [kind for name in errors.__all__ if inspect.isclass(kind := getattr(errors, name))]
    same([kind.__name__ for kind in kinds], CURES, "errors.py")
    return table(("exception", "cause", "cure"), ((f"`{name}`", *CURES[name]) for name in CURES))


LIMITS: tuple[tuple[str, str, str, str], ...] = (
    ("a trace's name", "models", "NAME_LIMIT", "characters; a longer one is refused, of a framework's run cut"),
    ("its description", "models", "DESCRIPTION_LIMIT", "characters; likewise"),
    ("its duration", "models", "DURATION_LIMIT", "seconds, a day"),
    ("the input's summary", "models", "INPUT_SUMMARY_LIMIT", "characters; cut, with a mark"),
    ("the output's summary", "models", "OUTPUT_SUMMARY_LIMIT", "characters; cut, with a mark"),
    ("a step's previews", "models", "PREVIEW_LIMIT", "characters each, or the option `preview_chars`"),
    ("a stack trace", "models", "STACK_LIMIT", "characters; its end is kept"),
    ("an error's message", "recording.exceptions", "MESSAGE_CHARS", "characters"),
    ("a system prompt in a step's facts", "payload.captured", "SYSTEM_CHARS", "characters"),
    ("a retrieval's documents in a step's facts", "payload.build", "DOCUMENTS_LISTED", "documents, the first"),
    ("notes on a step", "recording.run", "EVENTS_KEPT", "notes; later ones are counted"),
    ("model calls listed in `llm_usage`", "payload.build", "CALLS_LISTED", "calls; beyond it one entry a model"),
    ("a trace's first steps", "recording.run", "KEPT_FIRST", "steps; the middle is folded into counts and totals"),
    ("a trace's last steps", "recording.run", "KEPT_LAST", "steps; kept steps keep their numbers"),
    ("exceptions of a trace", "recording.run", "FAILURES_KEPT", "exceptions"),
    (
        "what is sent of a trace",
        "payload.shrink",
        "LIMIT",
        "bytes; previews are shortened first, then steps left out from the middle",
    ),
    ("a text that is taken whole", "capture.known", "TEXT_CHARS", "characters; a longer one is cut when it is taken"),
    (
        "texts that a trace refers to until it is stored",
        "capture.content",
        "TRACE_BYTES",
        "bytes; then previews only, with a mark",
    ),
    ("the same of all open and queued traces", "capture.content", "PROCESS_BYTES", "bytes"),
    ("open traces", "recording.lifecycle", "OPEN_TRACES", "traces; past it the oldest ends as `incomplete`"),
    (
        "traces that wait for the writer",
        "export.writer",
        "QUEUE_BYTES",
        "bytes; past it the oldest go, counted as `dropped` and said once",
    ),
    (
        "traces that wait for the sender in memory",
        "export.outbox",
        "HELD_BYTES",
        "bytes; the others are read from the disk",
    ),
    ("traces where there is no folder", "storage.memory", "MEMORY_BYTES", "bytes; the oldest go"),
    ("requests at a time", "export.sender", "IN_FLIGHT", "requests"),
    ("one try to send", "export.transports", "TRY_TIMEOUT", "seconds"),
    (
        "what a server may ask one to wait",
        "client.protocol.retry",
        "RETRY_AFTER_LIMIT",
        "seconds; more is taken for this",
    ),
    ("words of a run that can be searched", "storage.index.contents", "TEXT_LIMIT", "characters"),
)
"""What is limited, the module and the name of the number, its unit and what happens beyond it."""


def limits_table() -> str:
    """Return what is bounded, and by how much."""
    rows = []
    for what, module, name, unit in LIMITS:
        value = getattr(importlib.import_module(f"infinium_integrations.{module}"), name)
        rows.append((what, f"{value:,.0f} {unit}"))
    return table(("what", "at most"), rows)


def options_table() -> str:
    """Return the options that handlers take; their meaning stands below them.

    Raises:
        ValueError: An option has no docstring.
    """
    docs = {
        name: " ".join(lines).strip() for (owner, name), lines in attribute_docs(options).items() if owner in OPTIONS
    }
    known = options.HandlerOptions.__annotations__
    same(known, docs, "recording/options.py")
    return table(("option", "what it does"), ((f"`{name}`", docs[name].replace("``", "`")) for name in known))


OPTIONS = {"TraceOptions", "HandlerOptions"}

NESTED = {"cache_read", "cache_creation", "reasoning", "id", "score", "preview"}
"""Facts that stand within others."""

TABLES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "options": options_table,
    "limits": limits_table,
    "errors": errors_table,
    "error tree": lambda: "```text\n" + inspect.getdoc(errors).partition("\n\n")[2] + "\n```",  # type: ignore[union-attr]
    "statuses": lambda: meant("status", STATUSES, {name: STATUSES[name] for name in STATUSES}),
    "actions": lambda: meant("action", ACTIONS, ACTIONS),
    "trace facts": lambda: meant("fact", TRACE_FACTS, TRACE_FACTS),
    "step facts": lambda: meant("fact", STEP_FACTS, STEP_FACTS),
    **{name: (lambda name=name: model_table(name)) for name in FIELDS},  # type: ignore[misc]
}


def check() -> None:
    """Refuse meanings of statuses, actions and facts that the models don't have, and lack none of theirs.

    Raises:
        ValueError: They differ.
    """
    same(models.STATUSES, STATUSES, "STATUSES")
    same(models.ACTIONS, ACTIONS, "ACTIONS")
    same(models.TRACE_FACTS, TRACE_FACTS, "TRACE_FACTS")
    same((models.STEP_FACTS | models.STEP_NAMES) - NESTED, STEP_FACTS, "STEP_FACTS")


class Made(SphinxDirective):
    """Puts a table in its place, by its name in ``TABLES`` or as ``fields NAME``."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        what = self.arguments[0]
        made = fields(what.removeprefix("fields ")) if what.startswith("fields ") else TABLES[what]()
        return self.parse_text_to_nodes(made)


def without_schema(
    _app: Sphinx, _what: str, _name: str, it: object, _options: object, _signature: str | None, _returns: str | None
) -> tuple[str, None] | None:
    """Leave out the signature of a model: it would be its whole schema, and the fields stand in tables."""
    return ("", None) if inspect.isclass(it) and issubclass(it, pydantic.BaseModel) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    check()
    app.add_directive("made", Made)
    app.connect("autodoc-process-signature", without_schema)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

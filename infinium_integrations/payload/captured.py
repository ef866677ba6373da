"""What the runs of one trace hold becomes JSON: redacted, each message and each text once. On the writer's thread."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from pydantic_core import to_json

from infinium_integrations import settings
from infinium_integrations.capture.content import (
    GOES_ON,
    Command,
    Conversation,
    Documents,
    Fields,
    Message,
    Part,
    Streamed,
)
from infinium_integrations.capture.folding import Json, Reference, folded
from infinium_integrations.capture.media import Media
from infinium_integrations.capture.preview import is_small, to_json_value
from infinium_integrations.diagnostics import contained
from infinium_integrations.payload import preview
from infinium_integrations.payload.finalize import Finisher, Limits
from infinium_integrations.payload.preview import JsonMessage
from infinium_integrations.recording.adapters import tool_names
from infinium_integrations.recording.run import Run, Trace
from infinium_integrations.redaction.key_names import SLACK, Cut, Redacted
from infinium_integrations.redaction.redactor import Redactor, process_secrets, shorten

__all__ = ["Capture", "capture_of"]

SYSTEM_CHARS = 1_000
MANY = 100
"""Messages of a call that its step names each by its index; of more it names spans, so that a long run stays linear."""
LEAST_CHARS = 8_000
"""Of each text, for the previews and summaries alone."""
_BOUNDS = {"items": 10_000, "depth": 60, "room": 16_000_000}


class Capture:
    """Renders what the runs of one trace hold.

    Args:
        redactor: Takes the secrets out.
        chars: Of each text; 0 keeps no content beside the payload.
    """

    def __init__(self, redactor: Redactor, chars: int) -> None:
        self.redactor = redactor
        self._finisher = Finisher(redactor, cut=True, limits=Limits())
        self._kept = chars > 0
        self._wanted, self._chars = chars, max(chars, LEAST_CHARS)
        self.messages: list[JsonMessage] = []
        self._spoken: list[JsonMessage] = []
        """The same as they are read: of texts that go on, one text."""
        self._references: dict[int, Reference] = {}
        """To messages, by their identity; ``_held`` keeps them alive."""
        self._held: list[Message] = []
        self._same: dict[bytes, Reference] = {}
        self._clean: dict[str, str] = {}
        self._values: dict[int, tuple[object, Json]] = {}
        self._systems: dict[str, int] = {}
        self._tools: dict[int, object] = {}
        """The definitions of tools that were met, by their identity."""
        self._called: dict[object, str] = {}
        """The names of the tools that were called, by the ids of the calls."""

    # -- redaction -------------------------------------------------------------------------------------------------

    def value(self, taken: Any) -> Json:
        """Return a taken value as redacted JSON, its messages as references."""
        kind = type(taken)
        if kind is str:
            return self.text(taken)
        if kind in _ATOMS and (kind is not float or isfinite(taken)):
            return taken
        known = self._values.get(id(taken))
        if known is None or known[0] is not taken:
            known = self._values[id(taken)] = taken, _CONVERTED.get(kind, Capture._other)(self, taken)
        return known[1]

    def _dict(self, taken: dict[str, object]) -> Json:
        return self._finisher.mapping(taken, lambda value, _: self.value(value))

    def _list(self, taken: Sequence[object]) -> Json:
        return [self.value(item) for item in taken]

    def _conversation(self, taken: Conversation) -> Json:
        messages = self._referring(taken.messages)
        rest = self.value(taken.rest)
        more = {} if rest is None else rest if isinstance(rest, dict) else {"state": rest}
        if taken.structured is not None:
            more = {**more, "structured_response": self.value(taken.structured)}
        return {"messages": messages, **more} if more else messages

    def _goto(self, taken: Command) -> str:
        return ", ".join(preview.value_text(self.value(name)) for name in taken.goto)

    def _streamed(self, taken: Streamed) -> Json:
        message = taken.message()
        return None if message is None else self.value(message)

    def _cut(self, taken: Cut) -> str:
        limit = min(self._chars, len(taken) - SLACK)
        return self._finisher.text(taken[: limit + SLACK], limit) if limit > 0 else "…"

    def _other(self, taken: object) -> Json:
        return self.text(str(taken)) if isinstance(taken, str) else to_json_value(taken, self._chars, **_BOUNDS)

    def text(self, text: str) -> str:
        """Return a text without its secrets; each distinct one is looked at once."""
        clean = self._clean.get(text)
        if clean is None:
            clean = self._clean[text] = self._finisher.text(text, self._chars)
        return clean

    def message(self, message: Message) -> Reference:
        """Return a reference to a message, having added it where it is new."""
        known = self._references.get(id(message))
        if known is not None:
            return known
        self._held.append(message)
        found = None
        with contained:  # one that can't be read takes no other with it
            found = self._read(message)
        clean, read = found or self._unreadable(message)
        written = to_json(clean)
        reference = self._same.get(written)
        if reference is None:
            reference = self._same[written] = Reference(len(self.messages))
            self.messages.append(clean)
            self._spoken.append(read)
        self._references[id(message)] = reference
        return reference

    def _referring(self, messages: Sequence[Message]) -> list[Json]:
        known = self._references.get
        return [known(id(message)) or self.message(message) for message in messages]

    def _said(self, messages: Sequence[Message]) -> list[JsonMessage]:
        spoken = self._spoken
        return [spoken[reference.index] for reference in self._referring(messages)]

    def _unreadable(self, message: Message) -> tuple[JsonMessage, JsonMessage]:
        clean = JsonMessage({"role": self.text(str(message.role)), "parts": [{"type": "text", "content": _UNREADABLE}]})
        return clean, clean

    def _read(self, message: Message) -> tuple[JsonMessage, JsonMessage]:
        """Return a message as it is kept, and as it is read."""
        clean = JsonMessage({"role": self.text(message.role)})
        parts = message.parts()
        if len(parts) > 1:
            parts = self._whole(parts)
        name = message.name
        for part in parts:
            if part["type"] == "tool_call":
                if part["name"] and type(part["id"]) in _IDS:
                    self._called[part["id"]] = part["name"]
            elif not name and part["type"] == "tool_call_response" and type(part["id"]) in _IDS:
                name = self._called.get(part["id"])
        if name and (message.name or message.role == "tool"):
            clean["name"] = self.text(name)
        clean["parts"] = [self._part(part) for part in parts]
        return clean, _spoken(clean, parts)

    def _part(self, part: Mapping[str, Json]) -> dict[str, Json]:
        if len(part) == _PLAIN and part["type"] == "text" and type(part["content"]) is str:
            return {"type": "text", "content": self.text(part["content"])}
        own = {key: value for key, value in part.items() if key != GOES_ON}
        return self._finisher.mapping(own, lambda value, _: self._within(value))

    def _within(self, value: object) -> Json:
        return self._finisher.value(value.part()) if isinstance(value, Media) else self._plain(value)

    def _plain(self, value: object) -> Json:
        """Redact a value that holds no messages."""
        plain = isinstance(value, str) or is_small(value)
        return self.value(value if plain else to_json_value(value, 1_000_000, **_BOUNDS))

    def _whole(self, parts: list[Part]) -> list[Part]:
        """Return parts in which neighbouring texts that make up a secret together are one."""
        whole: list[Part] = []
        for neighbours in _neighbours(parts):
            some = neighbours
            texts = [part["content"] for part in some] if some[0]["type"] in _SPOKEN else []
            if len(texts) > 1 and all(type(text) in _TEXTS for text in texts):
                cut = type(texts[-1]) is Cut
                texts = list(map(str, texts))
                joined = "".join(texts)
                clean = self.text if len(joined) <= self._chars else self.redactor.text  # nothing is cut here
                if clean(joined) != "".join(map(clean, texts)):
                    citations = [one for part in some for one in part.get("citations", ())]
                    content = self.redactor.together(texts)
                    content = Cut(content) if cut else content
                    some = [{**some[0], "content": content, **({"citations": citations} if citations else {})}]
            whole += some
        return whole

    # -- what stands on the wire -----------------------------------------------------------------------------------

    def input(self, run: Run, limit: int) -> str | None:
        """Return the text of what a run was given."""
        return self._shown(run.input, limit, given=True, summary=run.parent is None and not run.trace.root_is_step)

    def output(self, run: Run, limit: int) -> str | None:
        """Return the text of what a run gave: of a tool its own result first."""
        if run.tool is not None:
            text = None
            with contained:
                text = self._tool_text(run.output, run.tool.call_id, limit)
            if text is not None:
                return Redacted(text)
        return self._shown(run.output, limit, given=False, summary=False)

    def _tool_text(self, taken: object, call_id: object, limit: int) -> str | None:
        """Return a tool's own result, and then what else its ``Command`` does; None where it gave no messages."""
        goes = self._goto(taken) if isinstance(taken, Command) else ""
        update = taken.update if isinstance(taken, Command) else taken
        if not isinstance(update, Conversation):
            return None
        messages = self._said(update.messages)
        rest = None if update.rest is None else self.readable(self.value(update.rest))
        called = None if call_id is None else self.value(call_id)
        return preview.tool_text(messages, called, limit, f"→ {goes}" if goes else "", rest)

    def summary(self, taken: object, limit: int, *, given: bool) -> str | None:
        """Return the text of a question or an answer, and nothing else."""
        return self._shown(taken, limit, given=given, summary=True)

    def _shown(self, taken: object, limit: int, *, given: bool, summary: bool) -> str | None:
        text = None
        if taken is not None:
            with contained:
                text = self._text(taken, limit, given=given, summary=summary)
        return None if text is None else Redacted(shorten(text, limit))

    def _text(self, taken: object, limit: int, *, given: bool, summary: bool) -> str | None:  # noqa: PLR0911  (a table in the form of code)
        if isinstance(taken, Streamed):
            taken = taken.message()
            if taken is None:
                return None
        if isinstance(taken, Message):
            if not given:
                (message,) = self._said([taken])
                return _bare([message], limit, given=False) if summary else preview.said(message, limit)
            taken = Conversation([taken])
        if isinstance(taken, Conversation):
            messages = self._said(taken.messages)
            rest = None if taken.rest is None else self.readable(self.value(taken.rest))
            if taken.choices and not summary:
                return preview.choices_text(messages, limit)
            structured = (
                None if taken.structured is None else preview.value_text(self.readable(self.value(taken.structured)))
            )
            if summary:
                text = _bare(messages[:1] if taken.choices else messages, limit, given=given)
            else:
                write = preview.input_text if given else preview.output_text
                text = write(messages, limit, rest)
            return "\n".join(filter(None, (text, structured)))
        if isinstance(taken, Documents):
            return preview.documents_text(taken.count, self.value(taken), limit)
        if isinstance(taken, Command):
            update = None if taken.update is None else self._text(taken.update, limit, given=given, summary=summary)
            return "\n".join(filter(None, (f"→ {self._goto(taken)}", update)))
        return preview.value_text(self.readable(self.value(taken)))

    def readable(self, value: Json) -> Json:
        """Return a value in which each message is its text."""
        if isinstance(value, Reference):
            message = self._spoken[value.index]
            return preview.input_text([message], self._chars)
        if isinstance(value, dict):
            return {key: self.readable(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.readable(item) for item in value]
        return value

    def system(self, run: Run) -> dict[str, object]:
        """Return the system prompt of a model's call, or at which step it stands."""
        if not isinstance(run.input, Conversation):
            return {}
        prompt = preview.system_text(self._said([one for one in run.input.messages if one.role == "system"]))
        if not prompt:
            return {}
        first = self._systems.setdefault(prompt, run.number)
        return {"system": Redacted(shorten(prompt, SYSTEM_CHARS))} if first == run.number else {"system_step": first}

    def documents(self, run: Run) -> list[dict[str, Json]] | None:
        """Return the documents that a run found."""
        return self.value(run.output) if isinstance(run.output, Documents) else None

    # -- what stands beside the payload ----------------------------------------------------------------------------

    def captured(self, trace: Trace) -> dict[str, Json] | None:
        """Return what is kept beside the payload; None where nothing is."""
        if not self._kept:
            return None
        definitions: list[Json] = []
        steps: dict[str, Json] = {}
        for run in trace.steps:
            with contained:  # one that can't be read takes no other with it
                if found := self._step(run, definitions):
                    steps[str(run.number)] = found
        captured: dict[str, Json] = {"messages": self.messages, "tool_definitions": definitions}
        if not trace.root.private and not trace.root_is_step:
            for key, taken in (("input", trace.root.input), ("output", trace.root.output)):
                with contained:
                    if (value := self.value(taken)) is not None:
                        captured[key] = value
        captured["steps"] = steps
        if trace.content.cut:
            captured["cut"] = True
        if not (self.messages or steps or "input" in captured or "output" in captured):
            return None
        return folded(captured if self._wanted == self._chars else _shortened(captured, self._wanted))

    def _step(self, run: Run, definitions: list[Json]) -> dict[str, Json]:
        if run.private:
            return {}
        given, came = self.value(run.input), self.value(run.output)
        if run.llm is not None and not run.llm.as_given:
            found = self._model(run, given, came, definitions)
        elif run.tool is not None:
            if isinstance(came, Reference):  # of a message its text
                parts = self.messages[came.index]["parts"]
                if len(parts) == 1 and parts[0]["type"] == "tool_call_response":
                    came = parts[0].get("response")
            found = {"arguments": given, "result": came}
        elif isinstance(run.output, Documents):
            found = {"input": given, "documents": came}
        else:
            found = {"input": given, "output": came}
        return {key: value for key, value in found.items() if value is not None}

    def _model(self, run: Run, given: Json, came: Json, definitions: list[Json]) -> dict[str, Json]:
        request = run.request or {}
        tools = request.get("tools") or request.get("functions")
        names = None
        if isinstance(tools, (list, tuple)):
            for tool in tools:
                if id(tool) not in self._tools:
                    definition = self._plain(tool)
                    self._tools[id(tool)] = tool  # held, so that no other gets its identity
                    if definition not in definitions:
                        definitions.append(definition)
            names = [self._finisher.name(name) for name in tool_names(tools)]
        asked = {key: value for key, value in request.items() if key not in _NO_PARAMETERS and value is not None}
        return {
            "input_messages": _indexes(given),
            "output_messages": _indexes(came),
            "tools": names,
            "parameters": self._plain(asked) if asked else None,
        }


def capture_of(trace: Trace) -> Capture:
    """Return what renders a trace by the settings of this moment, with this process's secrets and the trace's rule."""
    redactor = Redactor(secrets=process_secrets(), user=trace.options.redact)
    return Capture(redactor, settings.current().content_chars)


_PLAIN = 2
_UNREADABLE = "<unreadable>"
_IDS = frozenset({str, int})
_ATOMS = frozenset({float, bool, type(None)})
_CONVERTED: dict[type, Callable[[Capture, Any], Json]] = {
    dict: Capture._dict,  # noqa: SLF001  (as all here: a table of its own methods)
    Fields: Capture._dict,  # noqa: SLF001
    list: Capture._list,  # noqa: SLF001
    tuple: Capture._list,  # noqa: SLF001
    Cut: Capture._cut,  # noqa: SLF001
    Message: Capture.message,
    Conversation: Capture._conversation,  # noqa: SLF001
    Documents: lambda capture, taken: [capture.value(taken.read(one)) for one in taken.held],
    Command: lambda capture, taken: {"goto": capture._goto(taken), "update": capture.value(taken.update)},  # noqa: SLF001
    Streamed: Capture._streamed,  # noqa: SLF001
}
_SPOKEN = frozenset({"text", "reasoning"})
_TEXTS = frozenset({str, Cut})
_NAMES = frozenset({"type", "modality", "mime_type", "name", "id"})
_NO_PARAMETERS = frozenset({"tools", "functions", "_type", "model", "model_name"})


def _shortened(captured: dict[str, Json], chars: int) -> dict[str, Json]:
    """Return redacted content in which no text is longer, the names of roles, speakers and tools aside."""
    messages = [
        {
            **message,
            "parts": [
                {key: item if key in _NAMES else _cut_to(item, chars) for key, item in part.items()}
                for part in message["parts"]
            ],
        }
        for message in captured["messages"]
    ]
    steps = {
        number: {key: item if key == "tools" else _cut_to(item, chars) for key, item in step.items()}
        for number, step in captured["steps"].items()
    }
    return {**_cut_to(captured, chars), "messages": messages, "steps": steps}


def _cut_to(value: Json, chars: int) -> Json:
    if isinstance(value, str):
        return shorten(value, chars)
    if isinstance(value, dict):
        return {key: _cut_to(item, chars) for key, item in value.items()}
    return [_cut_to(item, chars) for item in value] if isinstance(value, list) else value


def _neighbours(parts: list[Part]) -> Iterator[list[Part]]:
    """Return the parts by runs of one type; after a text that was cut begins another, since something is between."""
    run: list[Part] = []
    for part in parts:
        if run and (part["type"] != run[-1]["type"] or type(run[-1].get("content")) is Cut):
            yield run
            run = []
        run.append(part)
    if run:
        yield run


def _spoken(clean: JsonMessage, parts: Sequence[Part]) -> JsonMessage:
    """Return a message in which texts that go on where the one before ended are one."""
    if not any(GOES_ON in part for part in parts):
        return clean
    read: list[Part] = []
    for part, written in zip(parts, clean["parts"], strict=True):
        if GOES_ON in part:
            read[-1] = {**read[-1], "content": read[-1]["content"] + written["content"]}
        else:
            read.append(written)
    return JsonMessage({**clean, "parts": read})


def _indexes(value: Json) -> list[int] | list[Reference] | None:
    """Return the indexes of messages; of many as references, which ``folded`` writes as spans."""
    if isinstance(value, dict):
        value = value.get("messages")
    found = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Reference)]
    return found if len(found) > MANY else [one.index for one in found] or None


def _bare(messages: list[JsonMessage], limit: int, *, given: bool) -> str | None:
    """Return the newest question, or the last answer, without a role."""
    if not messages:
        return None
    asked_last = next((one for one in reversed(messages) if one["role"] == "user"), None) if given else None
    return preview.bare(asked_last or messages[-1], limit)

"""What the steps of one trace unfold to, as HTML: each message whole at the step where it is new, within a bound."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.conversation import Conversation, Message, StepContent, parsed, pieces
from infinium_integrations.viewer.html.texts import WHOLE, json_view, markdown
from infinium_integrations.viewer.summary import asking
from infinium_integrations.viewer.timeline import Node, Tree

__all__ = ["ROOM", "Panels"]

ROOM = 2_000_000
"""Characters of HTML that the steps of one page take, with what they unfold to."""
ROW, LEAST_ROOM = 1_200, 300_000
"""What a row of the tree takes, and what is left for the rest in any case."""
REPEATED = 100_000
"""Characters of HTML that show messages again at later steps; beyond, those are named."""
MARKED_UP, MARKING_SECONDS = 400_000, 2.0
"""Characters of text that is looked at as Markdown, and how long that may take in all."""
ROLES = ("system", "user", "assistant", "tool")
LIKE = {"developer": "system", "function": "tool", "model": "assistant", "human": "user", "ai": "assistant"}
FOLDED_CHARS, FOLDED_LINES = 4_000, 60
SYSTEM_CHARS, SYSTEM_LINES = 500, 8
NAMED_FIRST, NAMED_LAST = 2, 4
"""Of many earlier messages those that are named."""
WEB = ("http://", "https://")


@dataclass
class Panels:
    """Renders what the steps of a trace unfold to.

    Args:
        environment: Jinja's.
        tree: The trace's.
        conversation: What its steps saw and said.
        ids: What its anchors begin with.
        address: Where a page's server has each step whole, as ``{address}/steps/{number}``; empty where there is none.
        room: Characters of HTML in all, the tree's rows included.
        repeated: Of these, for messages that earlier steps show.
        chars: Of each text.
    """

    environment: Environment
    tree: Tree
    conversation: Conversation
    ids: str = ""
    address: str = ""
    room: int = ROOM
    repeated: int = REPEATED
    chars: int = formatting.TEXT_LIMIT
    left_out: int = 0
    """Steps whose texts found no room."""
    _marked_up: int = MARKED_UP
    _marking: float = 0.0
    _made: dict[int, Markup] = field(default_factory=dict)
    _messages: dict[int, Markup] = field(default_factory=dict)
    _anchored: set[int | None] = field(default_factory=set)

    def render(self, wanted: Callable[[Node], bool] = lambda _: True) -> None:
        """Render all panels, of steps that stand out first; those that aren't wanted, or find no room, say so."""
        around = {id(node.inner) for node in self.tree.nodes if node.inner is not None}
        shown = [node for node in self.tree.nodes if id(node) not in around]
        first = [node for node in shown if node.failed or node.slow or node.hungry]
        known = {id(node) for node in first}
        self.room = max(self.room - ROW * len(shown), LEAST_ROOM)
        for node in (*first, *(node for node in shown if id(node) not in known)):
            self._made[id(node)] = (
                self._within(node) if wanted(node) or wanted(node.inner or node) else self._without(node)
            )

    def __getitem__(self, node: Node) -> Markup:
        """Return the panel of a step."""
        return self._made[id(node)]

    def whole(self, node: Node) -> Markup:
        """Return a step's panel with all its texts; that of a node and its only call is one."""
        inner = node.inner or node
        around = node if node.inner is not None else None
        made: Markup = self._panel.panel(inner, self.content(inner), around, self)
        return made

    def _within(self, node: Node) -> Markup:
        """Return a step's panel where there is room for it; previews always find some."""
        content = self.content(node.inner or node)
        if content is None:
            return self.whole(node)
        made = self.whole(node) if self.room > 0 else None
        if made is None or len(made) > self.room:
            self._anchored.difference_update(self.conversation.index(message) for message in content.new())
            made = self._without(node)
        self.room -= len(made)
        return made

    def _without(self, node: Node) -> Markup:
        self.left_out += 1
        content = self.content(node.inner or node) or StepContent()
        anchors = [anchor for message in content.new() if (anchor := self._anchor(message)) is not None]
        made: Markup = self._panel.left_out(node.inner or node, anchors, self)
        return made

    # -- what the templates call -----------------------------------------------------------------------------------

    def content(self, node: Node) -> StepContent | None:
        """Return what a step saw and said."""
        return self.conversation.step(node.step)

    def ran_at(self, call_id: object) -> int | None:
        """Return the step that ran a tool's call."""
        return self.conversation.ran_at(call_id)

    def new(self, message: Message) -> Markup:
        """Return a message where it is new."""
        anchor = self._anchor(message)
        if anchor is None:
            return self._message(message)
        return Markup('<div id="{}m{}">{}</div>').format(self.ids, anchor, self._message(message))

    def again(self, messages: Sequence[Message], number: int) -> Markup:
        """Return messages that earlier steps show: whole while there is room for it, else named."""
        shown, left = list[Markup](), self.repeated
        while left > 0 and len(shown) < len(messages):
            shown.append(self._message(messages[len(shown)]))
            left -= len(shown[-1])
        made: Markup
        if len(shown) == len(messages):
            self.repeated = left
            made = self._panel.again(messages, Markup("").join(shown), [], 0, number, self)
        else:
            made = self._panel.again(messages, None, *self._lines(messages), number, self)
        return made

    def elsewhere(self, messages: Sequence[Message]) -> Markup:
        """Name messages that a model's step shows."""
        made: Markup = self._panel.listed(*self._lines(messages), self)
        return made

    def prose(self, text: str, role: str) -> Markup:
        """Return a text of a message: JSON as such, an assistant's Markdown rendered, long ones of others folded."""
        value = parsed(text)
        if not isinstance(value, str):
            return json_view(value, raw=bool(self.address))
        if role == "assistant" and self._marked_up > 0 and self._marking < MARKING_SECONDS:
            started = time.perf_counter()
            made = markdown(text)
            self._marking += time.perf_counter() - started
            self._marked_up -= len(text)
            if made is not None:
                raw = Markup(' data-raw="{}"').format(formatting.clean(text)) if self.address else ""
                return Markup('<div class="ifm-md"{}>{}</div>').format(raw, made)
        chars, lines = (SYSTEM_CHARS, SYSTEM_LINES) if role == "system" else (FOLDED_CHARS, FOLDED_LINES)
        return self.words(text, chars, lines)

    def words(self, text: str, chars: int = FOLDED_CHARS, lines: int = FOLDED_LINES) -> Markup:
        """Return a text as it is, folded where it is long."""
        shown = Markup('<pre class="ifm-words">{}</pre>').format(
            formatting.clean(formatting.clipped(text, self.chars, WHOLE))
        )
        if len(text) <= chars and text.count("\n") < lines:
            return shown
        head = Markup('<bdi>{}</bdi> <span class="ifm-muted">{} characters</span>').format(
            formatting.clean(formatting.clipped_line(text, 110)), f"{len(text):,}"
        )
        return Markup('<details class="ifm-fold ifm-longer"><summary>{}</summary>{}</details>').format(head, shown)

    def value(self, value: object) -> Markup:
        """Return a value: a text as text, JSON as JSON."""
        value = parsed(value) if isinstance(value, str) else value
        return self.words(value) if isinstance(value, str) else json_view(value, raw=bool(self.address))

    def question(self, asked: object) -> Markup:
        """Return what a person was asked: first the question itself, where it is told from the rest."""
        question, rest = asking(asked)
        if question is None:
            return self.value(asked)
        return Markup("{}{}").format(self.words(question), self.value(rest) if rest else "")

    def citation(self, citation: object) -> Markup:
        """Return what a citation says of its source, an address of the web as a link."""
        if not isinstance(citation, Mapping):
            return escape(formatting.clean(formatting.clipped_line(str(citation), 300)))
        texts = [formatting.clean(formatting.clipped_line(str(text), 300)) for text in citation.values()]
        link = Markup('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>')
        plain = Markup("<bdi>{}</bdi>")
        return Markup(" · ").join(
            (link if text.startswith(WEB) and " " not in text else plain).format(text) for text in texts if text
        )

    def tools(self, tools: Iterable[tuple[str, object]]) -> Markup:
        """Return the definitions of tools; of each the name alone where no more is known."""
        return json_view({name: definition for name, definition in tools})  # noqa: C416  (pairs of a list)

    def tool_names(self, tools: Sequence[tuple[str, object]]) -> str:
        """Return the names of tools in one line."""
        return formatting.clipped_line(", ".join(name for name, _ in tools), 110)

    def brief(self, parameters: Mapping[str, Any]) -> str:
        """Return a call's parameters in one line."""
        return formatting.clipped_line(", ".join(f"{name} {value}" for name, value in parameters.items()), 110)

    # --------------------------------------------------------------------------------------------------------------

    @property
    def _panel(self) -> Any:
        return self.environment.get_template("panel.html").module

    def _message(self, message: Message) -> Markup:
        made = self._messages.get(id(message))
        if made is None:
            said = str(message.get("role"))
            role = said if said in ROLES else LIKE.get(said, "other")
            said_html: Any = self.environment.get_template("said.html").module
            made = self._messages[id(message)] = said_html.message(message, pieces(message), role, self)
        return made

    def _anchor(self, message: Message) -> int | None:
        """Return the number of a message that has no anchor yet."""
        index = self.conversation.index(message)
        if index is None or index in self._anchored:
            return None
        self._anchored.add(index)
        return index

    def _lines(self, messages: Sequence[Message]) -> tuple[list[tuple[str, str, int | None, int | None]], int]:
        more = len(messages) - NAMED_FIRST - NAMED_LAST
        named = [*messages[:NAMED_FIRST], *messages[-NAMED_LAST:]] if more > 0 else messages
        return [self._line(message) for message in named], max(more, 0)

    def _line(self, message: Message) -> tuple[str, str, int | None, int | None]:
        texts = (
            f"→ {one.name}"
            if one.kind == "call"
            else one.text or next((part.text for part in one.inner if part.text), "")
            for one in pieces(message)
        )
        text = next((text for text in texts if text.strip()), "")
        place = self.conversation.shown_at(message)
        role = " ".join(str(message[key]) for key in ("role", "name") if message.get(key))
        return role, text, self.conversation.index(message) if place is not None else None, place

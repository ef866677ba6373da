"""What a trace and a step say of themselves, as labelled text. Nothing here is trusted, and nothing is escaped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infinium_integrations.models import RUNNING, ErrorDetail, ExecutionStep, TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.conversation import StepContent
from infinium_integrations.viewer.timeline import Node

__all__ = [
    "BOOKKEEPING",
    "KINDS",
    "MARKS",
    "Document",
    "TraceSummary",
    "alike",
    "asking",
    "documents",
    "error_facts",
    "kind",
    "leftovers",
    "questions",
    "split_tags",
    "step_facts",
    "texts",
    "whole_documents",
]

MARKS = {
    "ok": "✓",
    "error": "✕",
    "cancelled": "⊘",
    "abandoned": "↩",
    "interrupted": "‖",
    "handoff": "→",
    "incomplete": "…",
    RUNNING: "●",
}
"""A sign for each status, so that colour never speaks alone."""

KINDS = {
    "llm_inference": "model",
    "tool_use": "tool",
    "retrieval": "search",
    "embedding": "embed",
    "rerank": "rerank",
    "chain": "chain",
    "agent": "agent",
    "workflow_step": "step",
    "custom": "custom",
}
"""A short word for each action."""

ASKING = ("question", "message", "prompt", "prefix", "query", "text", "description")
"""Under which the question stands in what a person is asked."""

DELIVERY = {
    "local": "kept on this machine",
    "pending": "waiting to be sent",
    "sent": "delivered to Infinium",
    "rejected": "refused by Infinium",
}

OWN_TAGS = frozenset(
    {"status", "trace_id", "run_id", "session_id", "user_id", "thread_id", "tags", "resumed_from", "left_open"}
)
BOOKKEEPING = frozenset({"experiment_run", "example", "example_id", "repetition"})
"""Tags by which an experiment finds its runs again: too many for a table."""
SHOWN_ELSEWHERE = frozenset(
    {
        *("parent_step", "started_ms", "status", "name", "documents", "usage_details", "attempt", "ttft_ms"),
        *("estimated_cost_usd", "interrupts"),
    }
)
SAID_IN_CONTENT = frozenset({"system", "system_step", "messages", "tools", "document_count"})
"""Metadata that repeats what a step's content says."""
SOURCES = ("source", "file_path", "file_name", "url", "title", "page_label")
"""Where a document's metadata says what it comes from."""
TAG_WIDTH = 12


class TraceSummary:
    """What a trace says of itself, each thing looked up in the place where it may stand."""

    def __init__(self, task: TaskData) -> None:
        self.task = task
        self.custom: dict[str, str] = (task.environment.custom_tags if task.environment else None) or {}

    @property
    def status(self) -> str:
        """How it ended; a trace sent by hand is an error where it names one that it did not get past."""
        failed = any(not error.recoverable for error in self.task.errors or [])
        return self.custom.get("status") or ("error" if failed else "ok")

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return self.task.duration * 1000.0

    @property
    def tokens(self) -> int | None:
        """All tokens; None where unknown."""
        usage = self.task.llm_usage
        if usage is None or usage.total_tokens is not None:
            return usage.total_tokens if usage else None
        known = [n for n in (usage.prompt_tokens, usage.completion_tokens) if n is not None]
        return sum(known) if known else None

    @property
    def cost(self) -> float | None:
        """What the models are thought to have cost, in US dollars."""
        return self.task.llm_usage.estimated_cost_usd if self.task.llm_usage else None

    @property
    def models(self) -> str | None:
        """The model's name, or those of several."""
        usage = self.task.llm_usage
        names = dict.fromkeys(step.llm_call.model for step in self.task.steps or [] if step.llm_call)
        return ", ".join(names) or (usage.model if usage else None)

    @property
    def session(self) -> str | None:
        """The session, else the thread, it belongs to."""
        return self.custom.get("session_id") or self.custom.get("thread_id")

    @property
    def tags(self) -> list[str]:
        """The tags that stand in one comma-joined text."""
        return split_tags(self.custom.get("tags"))

    @property
    def labels(self) -> dict[str, str]:
        """The user's own tags that have a value, such as ``experiment: prompt-v2``."""
        return {name: value for name, value in self.custom.items() if name not in OWN_TAGS}

    @property
    def delivery(self) -> str | None:
        """Where it stands on its way to Infinium, in words."""
        state = self.task.delivery
        return None if state is None else DELIVERY[state.status] + (f": {state.reason}" if state.reason else "")

    def lines(self) -> list[tuple[str, str]]:
        """Return what the head of the picture says, label and text, unknown things left out."""
        usage, env = self.task.llm_usage, self.task.environment
        tokens = formatting.count(self.tokens)
        if usage and usage.prompt_tokens is not None and usage.completion_tokens is not None:
            tokens += f" ({formatting.count(usage.prompt_tokens)} in, {formatting.count(usage.completion_tokens)} out)"
        lines = [
            ("Duration", formatting.duration(self.duration_ms)),
            ("Steps", formatting.count(len(self.task.steps or []))),
            ("Tokens", tokens if self.tokens is not None else None),
            ("Cost", formatting.cost(self.cost) if self.cost is not None else None),
            ("Model", self.models),
            ("User", self.custom.get("user_id")),
            ("As of" if self.status == RUNNING else "Ended", formatting.moment(self.task.current_datetime)),
            ("Framework", " ".join(filter(None, (env.framework, env.framework_version))) if env else None),
            ("Resumed from", self.custom.get("resumed_from")),
            ("Left open", self.custom.get("left_open")),
            ("Delivery", self.delivery),
            *((name, value) for name, value in self.labels.items()),
        ]
        return [(label, text) for label, text in lines if text]


@dataclass(frozen=True)
class Document:
    """One retrieved document. ``share`` is its score from 0 to 100, where the score lies between 0 and 1."""

    name: str
    score: str
    share: float | None
    preview: str
    source: str = ""
    facts: list[tuple[str, object]] = field(default_factory=list)


def split_tags(joined: str | None) -> list[str]:
    """Return the tags of a comma-joined text."""
    return [tag.strip() for tag in (joined or "").split(",") if tag.strip()]


def kind(action: str) -> tuple[str, str]:
    """Return an action's style (one of ``KINDS``' words or ``other``) and the word that is shown."""
    word = KINDS.get(action)
    return (word, word) if word else ("other", formatting.clipped_line(action, TAG_WIDTH))


def texts(node: Node) -> list[tuple[str, str]]:
    """Return what went into a step and what came out of it, label and text, each once."""
    step, call = node.step, node.step.tool_call
    lines = [
        ("Arguments", call.input_summary if call else None),
        ("Input", step.input_preview),
        ("Result", call.output_summary if call else None),
        ("Output", step.output_preview),
    ]
    seen: dict[str, str] = {}
    for label, text in lines:
        if text:
            seen.setdefault(text, label)
    return [(label, text) for text, label in seen.items()]


def step_facts(node: Node) -> list[tuple[str, str]]:
    """Return what is known of a step besides its texts, label and text."""
    step, meta = node.step, node.meta
    return [
        ("Running for" if node.running else "Took", formatting.duration(node.known_length)),
        *([("Own time", formatting.duration(node.own_time))] if node.children else []),
        *([("Status", node.status)] if node.status != "ok" else []),
        *_call_facts(node),
        *([("HTTP status", str(step.tool_call.http_status))] if step.tool_call and step.tool_call.http_status else []),
        *([("Attempt", str(meta["attempt"]))] if meta.get("attempt") else []),
        ("Started", formatting.duration(node.start)),
        ("Step", str(step.step_number)),
        ("Action", step.action),
    ]


def _call_facts(node: Node) -> list[tuple[str, str]]:
    call, first, usage = node.step.llm_call, formatting.number(node.meta.get("ttft_ms")), node.meta.get("usage_details")
    price = formatting.number(node.meta.get("estimated_cost_usd"))
    if call is None:
        return []
    lines = [
        ("Tokens in", None if call.prompt_tokens is None else formatting.count(call.prompt_tokens)),
        ("Tokens out", None if call.completion_tokens is None else formatting.count(call.completion_tokens)),
        *(
            (str(name).replace("_", " ").capitalize(), formatting.count(n) if type(n) is int else str(n))
            for name, n in (usage.items() if isinstance(usage, dict) else ())
        ),
        ("Cost", None if price is None else formatting.cost(price)),
        ("First token", formatting.duration(first) if first is not None else None),
        ("Model", call.model),
        ("Provider", call.provider),
        ("Temperature", None if call.temperature is None else f"{call.temperature:g}"),
        ("Purpose", call.purpose),
    ]
    return [(label, text) for label, text in lines if text]


def alike(errors: Iterable[ErrorDetail]) -> list[tuple[ErrorDetail, int]]:
    """Return errors, of those with the same type and message the first, and how many there are."""
    found: dict[tuple[str, str], list[ErrorDetail]] = {}
    for error in errors:
        found.setdefault((error.error_type, error.message), []).append(error)
    return [(same[0], len(same)) for same in found.values()]


def error_facts(error: ErrorDetail) -> list[tuple[str, str]]:
    """Return what is known of an error besides its type, message and stack."""
    lines = [
        ("Recovered", "yes, the run went on" if error.recoverable else None),
        ("Retries", str(error.retry_count) if error.retry_count else None),
        ("Code", error.error_code),
    ]
    return [(label, text) for label, text in lines if text]


def documents(node: Node) -> list[Document]:
    """Return the documents that a step found, whatever their list looks like."""
    found = node.meta.get("documents")
    return [_document(one, place) for place, one in enumerate(found if isinstance(found, list) else [], 1)]


def whole_documents(content: StepContent) -> list[Document]:
    """Return the documents that a step found, with their whole texts."""
    return [_document(one, place) for place, one in enumerate(content.documents, 1)]


def _document(one: object, place: int) -> Document:
    if not isinstance(one, Mapping):
        return Document(f"Document {place}", "", None, str(one))
    score, told = one.get("score"), one.get("metadata")
    number = formatting.number(score)
    metadata: Mapping[str, object] = told if isinstance(told, Mapping) else {}
    source = next((str(metadata[name]) for name in SOURCES if metadata.get(name)), "")
    text = one.get("content", one.get("preview"))
    return Document(
        name=str(one.get("id") or source or f"Document {place}"),
        score=f"{number:.3g}" if number is not None else str(score or ""),
        share=100.0 * number if number is not None and 0 <= number <= 1 else None,
        preview=text if isinstance(text, str) else "" if text is None else formatting.pretty(text),
        source=source,
        facts=_rows(metadata),
    )


def questions(step: ExecutionStep) -> list[object]:
    """Return what a step asked a person, and the run ended with it."""
    asked = (step.metadata or {}).get("interrupts")
    return asked if isinstance(asked, list) else [asked] if asked else []


def asking(asked: object) -> tuple[str | None, object]:
    """Return the question itself, None where it is not told from the rest, and the rest of what a person was asked."""
    key = next((key for key in ASKING if isinstance(asked, dict) and isinstance(asked.get(key), str)), None)
    if key is None or not isinstance(asked, dict):
        return None, asked
    return asked[key], {name: value for name, value in asked.items() if name != key}


def leftovers(node: Node, content_shown: bool = False) -> list[tuple[str, object]]:  # noqa: FBT001, FBT002  (a template calls it)
    """Return the metadata that is shown nowhere else: label and value, a text where it is no list and no mapping."""
    elsewhere = SHOWN_ELSEWHERE | SAID_IN_CONTENT if content_shown else SHOWN_ELSEWHERE
    return _rows({name: value for name, value in node.meta.items() if name not in elsewhere})


def _rows(metadata: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(str(name), value if isinstance(value, dict | list) else str(value)) for name, value in metadata.items()]

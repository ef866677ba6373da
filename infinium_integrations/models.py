"""The trace that is sent: ``TaskData`` and its parts, as Infinium documents them.

Dicts are accepted wherever a model is; an unknown field is an error. Limits are the platform's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from infinium_integrations._hooks import drawn, interpreted
from infinium_integrations.errors import did_you_mean

__all__ = [
    "ACTIONS",
    "SECTIONS",
    "STATUSES",
    "ApiResponse",
    "BatchResult",
    "Captured",
    "CapturedStep",
    "Content",
    "Customer",
    "DeliveryState",
    "Development",
    "EnvironmentContext",
    "ErrorDetail",
    "ExecutionStep",
    "Executive",
    "ExpectedOutcome",
    "General",
    "LlmCall",
    "LlmUsage",
    "Marketing",
    "Project",
    "PromptContent",
    "PromptStudio",
    "PromptUse",
    "Research",
    "Sales",
    "Support",
    "TaskData",
    "TimeTracking",
    "ToolCall",
    "field_errors",
    "iso_now",
]

NAME_LIMIT = 500
DESCRIPTION_LIMIT = 10_000
STACK_LIMIT = 1_000
PREVIEW_LIMIT = 500
INPUT_SUMMARY_LIMIT = 3_000
OUTPUT_SUMMARY_LIMIT = 8_000
DURATION_LIMIT = 86_400.0
"""Seconds: a day."""


Status = Literal["ok", "error", "cancelled", "abandoned", "interrupted", "handoff", "incomplete"]
"""How a run ended."""
Action = Literal[
    "llm_inference", "tool_use", "retrieval", "embedding", "rerank", "chain", "agent", "workflow_step", "custom"
]
"""What kind of step it is."""
STATUSES: frozenset[str] = frozenset(get_args(Status))
RUNNING = "running"
"""The status of a trace, and of a step, that has not ended; no trace that is stored or sent has it."""
ACTIONS: frozenset[str] = frozenset(get_args(Action))
TRACE_FACTS: frozenset[str] = frozenset(
    {
        *("status", "trace_id", "run_id", "session_id", "user_id", "thread_id", "tags", "resumed_from", "left_open"),
        "adjusted",
    }
)
"""What this library writes into ``environment.custom_tags``."""
IDENTITY_FACTS = frozenset({"session_id", "user_id", "thread_id"})
"""Those of them that the user gives."""
OWN_FACTS = TRACE_FACTS - IDENTITY_FACTS
"""Those that the user's own metadata does not replace: of such a name it stands under ``user.`` and the name."""
STEP_FACTS: frozenset[str] = frozenset(
    {
        *("parent_step", "started_ms", "status", "name", "run_id", "tool_call_id", "attempt", "agent", "node"),
        *("ttft_ms", "model_requested", "usage_details", "cache_read", "cache_creation", "reasoning", "cached"),
        *("partial", "documents", "id", "score", "preview", "tags", "events"),
    }
)
"""What this library writes into a step's ``metadata``, the keys inside ``usage_details`` and ``documents`` included."""
STEP_NAMES: frozenset[str] = STEP_FACTS - {"cache_read", "cache_creation", "reasoning", "id", "score", "preview"} | {
    *("usage_details", "finish_reason", "estimated_cost_usd", "system", "system_step", "tools", "messages"),
    *("document_count", "interrupts", "events_left_out"),
}
"""The names in a step's ``metadata`` that are taken: the user's own facts of such a name stand under ``user``."""


@dataclass(frozen=True, slots=True)
class Text:
    """How a text (or each of a list) is finished before it leaves: the wire's schema, read by ``payload``."""

    redact: Literal["free", "required", "name", "action", "machine", "stack"] = "free"
    """Where nothing is left, a ``free`` text goes, a ``required`` one or a ``name`` becomes ``[REDACTED]``.

    A ``machine``'s word is not shown to the user's rule, nor is an ``action`` that this library knows.
    """
    limit: int | None = None
    """Characters kept, always."""
    bound: str | None = None
    """The field of ``payload.finalize.Limits`` that bounds it where it was recorded in the background."""
    preview: bool = False
    """It is shortened first where a step is too large."""


def iso_now() -> str:
    """Return the time now as ISO 8601 in UTC, with microseconds and ``Z``."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """Write an aware moment as ISO 8601 in UTC, with microseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def field_errors(error: ValidationError, prefix: str = "") -> list[tuple[str, str]]:
    """Return what pydantic found wrong as (dotted path of the field, what is wrong with it), never showing a value."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    before = (prefix,) if prefix else ()
    return [
        (".".join(str(part) for part in (*before, *one["loc"])), one["msg"].removeprefix("Value error, "))
        for one in found
    ]


def _not_blank(value: str) -> str:
    if not value.strip():
        msg = "must not be blank: give at least one visible character"
        raise ValueError(msg)
    return value


def _utc(value: object) -> object:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            msg = "must be ISO 8601, such as 2026-01-31T12:00:00Z (client.get_current_iso_datetime() gives one)"
            raise ValueError(msg) from None
    else:
        return value
    if not 1900 <= moment.year <= 2100:  # noqa: PLR2004  (the platform's bounds)
        msg = "must be of a year from 1900 to 2100"
        raise ValueError(msg)
    if isinstance(value, str) and value.endswith("Z"):
        return value
    return iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _at_most(limit: int) -> AfterValidator:
    """Bound a text; a check of our own, because pydantic's refuses lone surrogates."""

    def check(value: str) -> str:
        if len(value) > limit:
            msg = f"has {len(value):,} characters; the limit is {limit:,}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Required = Annotated[str, AfterValidator(_not_blank)]
Name = Annotated[Required, Text("name", limit=NAME_LIMIT)]
Free = Annotated[str | None, Text()]
Machine = Annotated[str | None, Text("machine")]
Preview = Annotated[str | None, Text(bound="preview", preview=True)]
Moment = Annotated[str, BeforeValidator(_utc), Text("machine")]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]


OTHERS_NAMES = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
"""What other libraries call fields of these models."""


class _Part(BaseModel):
    """A part of a trace: unknown fields are refused, and assignments are checked as construction is."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _guess_what_was_meant(cls, data: Any) -> Any:
        known = cls.model_fields
        if not isinstance(data, dict) or data.keys() <= known.keys():
            return data
        lines: list[InitErrorDetails] = []
        for name in data.keys() - known.keys():
            others = OTHERS_NAMES.get(name, "")
            meant = f"; did you mean {others!r}?" if others in known else did_you_mean(str(name), known)
            problem = PydanticCustomError("extra_forbidden", "there is no such field{meant}", {"meant": meant})
            lines.append({"type": problem, "loc": (name,), "input": data[name]})
        raise ValidationError.from_exception_data(cls.__name__, lines)


class ErrorDetail(_Part):
    """One error that happened, as a fact.

    Args:
        error_type: The exception's class.
        message: What it said.
        recoverable: Whether the run went on.
        retry_count: Attempts after the first.
        stack_trace: At most 1,000 characters.
        error_code: The provider's code, such as ``429``.

    Example:
        >>> from infinium_integrations import ErrorDetail
        >>> ErrorDetail(error_type="TimeoutError", message="no answer in 30 s").retry_count
        0
    """

    error_type: Name
    message: Annotated[str, Text("required", bound="message")]
    recoverable: bool = False
    retry_count: Count = 0
    stack_trace: Annotated[
        Annotated[str, _at_most(STACK_LIMIT)] | None, Text("stack", limit=STACK_LIMIT, preview=True)
    ] = None
    error_code: Free = None


class ToolCall(_Part):
    """One call of a tool or function; ``duration_ms`` is in milliseconds.

    Example:
        >>> from infinium_integrations import ToolCall
        >>> ToolCall(tool_name="search", duration_ms=120, input_summary="refund policy").tool_name
        'search'
    """

    tool_name: Name
    duration_ms: Milliseconds | None = None
    input_summary: Preview = None
    output_summary: Preview = None
    error: ErrorDetail | None = None
    http_status: int | None = None


class LlmCall(_Part):
    """One call of a model; ``latency_ms`` is in milliseconds.

    Tokens are ``None`` where unknown, and 0 where the provider said 0.

    Example:
        >>> from infinium_integrations import LlmCall
        >>> LlmCall(model="gpt-4o", prompt_tokens=12, completion_tokens=3).provider is None
        True
    """

    model: Annotated[Required, Text("machine")]
    provider: Machine = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    latency_ms: Milliseconds | None = None
    temperature: float | None = None
    purpose: Free = None


@dataclass(frozen=True, slots=True)
class CapturedStep:
    """What one step saw and said, whole as far as it was kept; None where there is none of it.

    Messages are dicts of ``role``, ``parts`` and perhaps ``name``, in the words of OpenTelemetry's GenAI conventions:
    ``{"role": "user", "parts": [{"type": "text", "content": "…"}]}``.

    Example:
        >>> from infinium_integrations.models import CapturedStep
        >>> CapturedStep(arguments={"city": "Paris"}, result="18 degrees").result
        '18 degrees'
    """

    input_messages: list[dict[str, Any]] | None = None
    """Of a model's call: all that was sent, the system prompt included."""
    output_messages: list[dict[str, Any]] | None = None
    """Of a model's call: its answer, or several choices."""
    tools: list[str] | None = None
    """Of a model's call: the names of the tools that it was offered."""
    parameters: dict[str, Any] | None = None
    """Of a model's call: temperature, limits and the like."""
    arguments: Any = None
    """Of a tool's call."""
    result: Any = None
    """Of a tool's call."""
    documents: list[dict[str, Any]] | None = None
    """Of a retrieval: ``content``, ``metadata``, ``id`` and ``score`` of each."""
    input: Any = None
    output: Any = None


@dataclass(frozen=True, slots=True)
class Captured:
    """What a whole run saw and said, whole as far as it was kept.

    Example:
        >>> from infinium_integrations.models import Captured
        >>> Captured(messages=[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]).messages[0]["role"]
        'user'
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    """Each distinct message once, in the order in which they came up."""
    tool_definitions: list[Any] = field(default_factory=list)
    input: Any = None
    """Of the run itself."""
    output: Any = None
    cut: bool = False
    """Something was cut when it was taken: the trace, or the process, held more text than is kept (8 and 64 MiB)."""


class ExecutionStep(_Part):
    """One step of a run; ``step_number`` counts from 1 in order of start, ``duration_ms`` is in milliseconds.

    Example:
        >>> from infinium_integrations import ExecutionStep
        >>> ExecutionStep(step_number=1, action="tool_use", description="look up the order").action
        'tool_use'
    """

    step_number: Annotated[int, Field(ge=1)]
    action: Annotated[Required, Text("action", limit=NAME_LIMIT)]
    description: Annotated[str, Text("required", bound="description")]
    duration_ms: Milliseconds | None = None
    input_preview: Preview = None
    output_preview: Preview = None
    error: ErrorDetail | None = None
    tool_call: ToolCall | None = None
    llm_call: LlmCall | None = None
    metadata: dict[str, Any] | None = None

    _captured: CapturedStep | None = PrivateAttr(default=None)

    @property
    def captured(self) -> CapturedStep | None:
        """What it saw and said, for a trace read back from the store; None where nothing was kept."""
        return self._captured


class ExpectedOutcome(_Part):
    """What the agent was asked for: the rubric by which Maestro grades.

    Example:
        >>> from infinium_integrations import ExpectedOutcome
        >>> ExpectedOutcome(task_objective="Triage a ticket", constraints=["under 200 words"]).constraints
        ['under 200 words']
    """

    task_objective: Annotated[Required, Text("name", limit=DESCRIPTION_LIMIT)]
    required_deliverables: list[str] | None = None
    constraints: list[str] | None = None
    acceptance_criteria: list[str] | None = None


class EnvironmentContext(_Part):
    """Where the run happened. The trace's own facts stand in ``custom_tags``.

    Example:
        >>> from infinium_integrations import EnvironmentContext
        >>> EnvironmentContext(region="eu-west-1", custom_tags={"team": "support"}).region
        'eu-west-1'
    """

    framework: Machine = None
    framework_version: Machine = None
    python_version: Machine = None
    sdk_version: Machine = None
    runtime: Free = None
    region: Free = None
    custom_tags: dict[str, str] | None = None


class LlmUsage(_Part):
    """Tokens, cost (US dollars) and time (milliseconds) of all model calls.

    With several models, ``model`` and ``provider`` read ``multiple``.

    Example:
        >>> from infinium_integrations import LlmUsage
        >>> LlmUsage(prompt_tokens=12, completion_tokens=3, total_tokens=15).total_tokens
        15
    """

    model: Machine = None
    provider: Machine = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    estimated_cost_usd: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_finite)] = None
    api_calls_count: Count | None = None
    total_latency_ms: Milliseconds | None = None
    calls: list[LlmCall] | None = None


class TimeTracking(_Part):
    """When the work began and ended.

    Example:
        >>> from infinium_integrations.models import TimeTracking
        >>> TimeTracking(start_time="2026-01-31T12:00:00Z").start_time
        '2026-01-31T12:00:00Z'
    """

    start_time: str | None = None
    end_time: str | None = None


class Customer(_Part):
    """Whom the work was for.

    Example:
        >>> from infinium_integrations.models import Customer
        >>> Customer(customer_name="Ada", client_company="Acme").client_company
        'Acme'
    """

    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_address: str | None = None
    client_company: str | None = None
    client_industry: str | None = None


class Support(_Part):
    """A support case.

    Example:
        >>> from infinium_integrations.models import Support
        >>> Support(call_id="17", priority="high", follow_up_required=False).priority
        'high'
    """

    call_id: str | None = None
    issue_description: str | None = None
    issue_type: str | None = None
    resolution: str | None = None
    priority: str | None = None
    follow_up_required: bool | None = None
    agent_notes: str | None = None


class Sales(_Part):
    """A sale.

    Example:
        >>> from infinium_integrations.models import Sales
        >>> Sales(sales_stage="closed", deal_value=1200.0).deal_value
        1200.0
    """

    lead_source: str | None = None
    sales_stage: str | None = None
    deal_value: float | None = None
    conversion_rate: float | None = None
    sales_notes: str | None = None


class Marketing(_Part):
    """A campaign.

    Example:
        >>> from infinium_integrations.models import Marketing
        >>> Marketing(campaign_name="Spring", marketing_channel="email").campaign_name
        'Spring'
    """

    campaign_name: str | None = None
    campaign_type: str | None = None
    target_audience: str | None = None
    marketing_channel: str | None = None
    engagement_metrics: str | None = None
    conversion_metrics: str | None = None


class Content(_Part):
    """A piece of content.

    Example:
        >>> from infinium_integrations.models import Content
        >>> Content(content_type="blog post", content_length=900).content_length
        900
    """

    content_type: str | None = None
    content_format: str | None = None
    content_length: int | None = None
    content_topic: str | None = None
    target_platform: str | None = None


class Research(_Part):
    """A piece of research.

    Example:
        >>> from infinium_integrations.models import Research
        >>> Research(research_topic="tides", sources_consulted=4).sources_consulted
        4
    """

    research_topic: str | None = None
    research_method: str | None = None
    data_sources: str | list[str] | None = None
    research_findings: str | None = None
    analysis_type: str | None = None
    sources_consulted: int | None = None
    key_findings: list[str] | None = None
    confidence_level: str | None = None
    data_quality: str | None = None


class Project(_Part):
    """A project's state.

    Example:
        >>> from infinium_integrations.models import Project
        >>> Project(project_name="Atlas", blockers=["no budget"]).blockers
        ['no budget']
    """

    project_name: str | None = None
    project_phase: str | None = None
    deliverables: str | list[str] | None = None
    stakeholders: str | list[str] | None = None
    project_status: str | None = None
    milestone_achieved: str | None = None
    task_priority: str | None = None
    resource_utilization: float | None = None
    risk_assessment: str | None = None
    blockers: list[str] | None = None


class Development(_Part):
    """Software work.

    Example:
        >>> from infinium_integrations.models import Development
        >>> Development(programming_language="Python", tests_run=12, tests_passed=12).tests_passed
        12
    """

    programming_language: str | None = None
    framework_used: str | None = None
    bugs_found: int | None = None
    bugs_fixed: int | None = None
    test_coverage: float | None = None
    performance_metrics: str | dict[str, Any] | None = None
    deployment_status: str | None = None
    technical_debt: str | None = None
    files_modified: list[str] | None = None
    tests_run: int | None = None
    tests_passed: int | None = None


class Executive(_Part):
    """An assistant's work for an executive.

    Example:
        >>> from infinium_integrations.models import Executive
        >>> Executive(meeting_type="board", attendees_count=7).attendees_count
        7
    """

    meeting_type: str | None = None
    attendees_count: int | None = None
    agenda_items: str | list[str] | None = None
    action_items: str | list[str] | None = None
    calendar_conflicts: int | None = None
    decisions_made: list[str] | None = None


class General(_Part):
    """Anything that fits no other section.

    Example:
        >>> from infinium_integrations.models import General
        >>> General(tools_used=["search"], retries=1).tools_used
        ['search']
    """

    tools_used: str | list[str] | None = None
    agent_notes: str | None = None
    errors_encountered: list[ErrorDetail] | None = None
    retries: int | None = None
    warnings: list[str] | None = None
    external_apis_called: list[str] | None = None
    data_sources_accessed: list[str] | None = None
    tags: list[str] | None = None


SECTIONS: dict[str, type[_Part]] = {
    "time_tracking": TimeTracking,
    "customer": Customer,
    "support": Support,
    "sales": Sales,
    "marketing": Marketing,
    "content": Content,
    "research": Research,
    "project": Project,
    "development": Development,
    "executive": Executive,
    "general": General,
}
"""The eleven domain sections by name, in the order in which they are sent."""


class PromptUse(_Part):
    """A managed prompt that the run fetched; ``variables_used`` are the names of the placeholders it filled.

    Example:
        >>> from infinium_integrations.models import PromptUse
        >>> PromptUse(prompt_id="p-1", prompt_name="Triage", version=3, variables_used=["ticket"]).version
        3
    """

    prompt_id: Annotated[str, Text("machine")]
    prompt_name: Annotated[str, Text("name", limit=NAME_LIMIT)]
    version: int
    source: Annotated[Literal["prompt_studio"], Text("machine")] = "prompt_studio"
    variables_used: Annotated[list[str] | None, Text()] = None
    fetched_at: Machine = None


class PromptStudio(_Part):
    """The managed prompts that the run fetched.

    Example:
        >>> from infinium_integrations.models import PromptStudio, PromptUse
        >>> studio = PromptStudio(prompts_used=[PromptUse(prompt_id="p-1", prompt_name="Triage", version=3)])
        >>> studio.prompts_used[0].source
        'prompt_studio'
    """

    prompts_used: list[PromptUse] = Field(default_factory=list)


class DeliveryState(BaseModel):
    """Where a stored trace stands on its way to Infinium.

    Example:
        >>> from infinium_integrations.models import DeliveryState
        >>> DeliveryState(status="sent", remote_trace_id="t-1").status
        'sent'
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["local", "pending", "sent", "rejected"]
    """``local``: kept here, no account; ``pending``: not delivered yet; ``sent``; ``rejected``: refused for good."""
    path: str | None = None
    """The file that holds it."""
    reason: str | None = None
    """Why it was refused."""
    remote_trace_id: str | None = None
    """Infinium's id for it, once delivered."""


class TaskData(_Part):
    """One run of an agent, as Infinium grades it.

    Each domain section is a field of its own here and stands under ``sections`` on the wire, which
    ``model_validate`` reads back.

    Args:
        name: At most 500 characters, not blank.
        description: At most 10,000 characters, not blank.
        current_datetime: When the run ended, ISO 8601 or an aware ``datetime``; now when left out.
        duration: Seconds, at most a day.
        **fields: The other fields; an unknown one is an error.

    Raises:
        pydantic.ValidationError: A field is unknown, missing or beyond its limit.

    Example:
        >>> from infinium_integrations import TaskData
        >>> task = TaskData(name="Triage", description="Triage ticket 17", duration=1.5)
        >>> sorted(task.to_wire())
        ['current_datetime', 'description', 'duration', 'name']
    """

    WIRE_ORDER: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "current_datetime",
        "duration",
        "input_summary",
        "output_summary",
        "expected_outcome",
        "steps",
        "errors",
        "llm_usage",
        "sections",
        "environment",
        "prompt_studio",
    )

    name: Annotated[str, _at_most(NAME_LIMIT), AfterValidator(_not_blank), Text("name", limit=NAME_LIMIT)]
    description: Annotated[
        str, _at_most(DESCRIPTION_LIMIT), AfterValidator(_not_blank), Text("name", limit=DESCRIPTION_LIMIT)
    ]
    current_datetime: Moment = Field(default_factory=iso_now)
    duration: Annotated[float, Field(ge=0, le=DURATION_LIMIT, allow_inf_nan=False)]
    input_summary: Annotated[str | None, Text(bound="input_summary")] = None
    output_summary: Annotated[str | None, Text(bound="output_summary")] = None
    expected_outcome: ExpectedOutcome | None = None
    steps: list[ExecutionStep] | None = None
    errors: list[ErrorDetail] | None = None
    llm_usage: LlmUsage | None = None
    time_tracking: TimeTracking | None = None
    customer: Customer | None = None
    support: Support | None = None
    sales: Sales | None = None
    marketing: Marketing | None = None
    content: Content | None = None
    research: Research | None = None
    project: Project | None = None
    development: Development | None = None
    executive: Executive | None = None
    general: General | None = None
    environment: EnvironmentContext | None = None
    prompt_studio: PromptStudio | None = None

    _delivery: DeliveryState | None = PrivateAttr(default=None)
    _captured: Captured | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _sections_unfolded(cls, data: Any) -> Any:
        if isinstance(data, dict) and "outcome" in data:  # Infinium's SDK for Node has it; an agent never grades itself
            data = {key: value for key, value in data.items() if key != "outcome"}
        if not isinstance(data, dict) or "sections" not in data:
            return data
        unfolded = dict(data)
        sections = unfolded.pop("sections")
        if not isinstance(sections, dict):
            msg = "sections must be an object holding the domain sections"
            raise ValueError(msg)  # noqa: TRY004  (pydantic turns a ValueError into its own)
        for name, section in sections.items():
            if name not in SECTIONS:
                guess = did_you_mean(str(name), SECTIONS) or ";"
                msg = f"sections.{name} is not a section{guess} the sections are: {', '.join(SECTIONS)}"
                raise ValueError(msg)
            if name in unfolded:
                msg = f"{name} is given twice, as a field and under sections"
                raise ValueError(msg)
            unfolded[name] = section
        return unfolded

    @property
    def trace_id(self) -> str | None:
        """Our own id of this trace, also sent as ``Idempotency-Key``."""
        return self._tag("trace_id")

    @property
    def status(self) -> str | None:
        """How the run ended: ``ok``, ``error``, ``cancelled``, … (see the README)."""
        return self._tag("status")

    @property
    def delivery(self) -> DeliveryState | None:
        """Where it stands on its way to Infinium, for a trace read back from the store."""
        return self._delivery

    def with_delivery(self, state: DeliveryState) -> Self:
        """Return this trace with its delivery state set.

        Args:
            state: Where it stands; ``delivery`` returns it.

        Example:
            >>> from infinium_integrations import TaskData
            >>> from infinium_integrations.models import DeliveryState
            >>> task = TaskData(name="Triage", description="Triage ticket 17", duration=1.5)
            >>> task.with_delivery(DeliveryState(status="local")).delivery.status
            'local'
        """
        self._delivery = state
        return self

    @property
    def captured(self) -> Captured | None:
        """What the run saw and said, for a trace read back from the store; None where nothing was kept."""
        return self._captured

    def with_captured(self, captured: Mapping[str, Any] | None) -> Self:
        """Return this trace with what it saw and said set, on itself and on its steps.

        Args:
            captured: As it lies in the file: ``messages``, ``tool_definitions``, ``input``, ``output``, and ``steps``
                by number, whose ``input_messages`` and ``output_messages`` are indexes of ``messages``.

        Example:
            >>> from infinium_integrations import TaskData
            >>> task = TaskData(name="Triage", description="Triage ticket 17", duration=1.5)
            >>> task.with_captured({"output": "urgent"}).captured.output
            'urgent'
        """
        if captured is None:
            return self
        messages = captured.get("messages") or []
        ends = {key: captured.get(key) for key in ("input", "output")}
        self._captured = Captured(
            messages, captured.get("tool_definitions") or [], **ends, cut=captured.get("cut") is True
        )
        steps = captured.get("steps") or {}
        for step in self.steps or ():
            found = steps.get(str(step.step_number))
            if found is not None:
                said = {
                    key: [messages[one] if isinstance(one, int) else one for one in found[key]]
                    for key in ("input_messages", "output_messages")
                    if key in found
                }
                known = {key: value for key, value in found.items() if key in CapturedStep.__dataclass_fields__}
                step._captured = CapturedStep(**{**known, **said})  # noqa: SLF001  (its own part)
        return self

    def wait_for_interpretation(self, timeout: float = 120.0, client: Any = None) -> Any:
        """Return Maestro's result of this trace, delivering the trace first where it still waits.

        Args:
            timeout: Seconds in all.
            client: The ``InfiniumClient`` that asks; the account of the settings where left out.

        Returns:
            An object with ``result`` and ``response`` that shows itself in a notebook.

        Raises:
            InfiniumError: The trace was not sent to Infinium; the text says why.
            TimeoutError: The result is not there in time.

        Example:
            >>> from infinium_integrations import TaskData
            >>> from infinium_integrations.errors import InfiniumError
            >>> task = TaskData(name="Triage", description="Triage ticket 17", duration=1.5)
            >>> try:
            ...     task.wait_for_interpretation(timeout=1)
            ... except InfiniumError:
            ...     print("it was never sent")
            it was never sent
        """
        return interpreted(self, timeout, client)

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        return drawn(self)

    def _tag(self, name: str) -> str | None:
        tags = self.environment.custom_tags if self.environment else None
        return tags.get(name) if tags else None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that is sent, before redaction and the limit on its size.

        Keys stand in the platform's order; ``None``, empty lists and empty objects are left out; ``metadata``
        and ``custom_tags`` stand as given.

        Example:
            >>> from infinium_integrations import TaskData
            >>> from infinium_integrations.models import Support
            >>> task = TaskData(name="Triage", description="Triage", duration=1.5, support=Support(call_id="17"))
            >>> task.to_wire()["sections"]
            {'support': {'call_id': '17'}}
        """
        wire: dict[str, Any] = {}
        for key in self.WIRE_ORDER:
            if key == "sections":
                value = {name: part for name in SECTIONS if (part := _wire(getattr(self, name))) is not None} or None
            else:
                value = _wire(getattr(self, key))
            if value is not None:
                wire[key] = value
        return wire


def _wire(value: Any) -> Any:
    """Turn a model into a plain object; None where nothing of it is left."""
    if isinstance(value, _Part):
        fields = {name: wire for name in type(value).model_fields if (wire := _wire(getattr(value, name))) is not None}
        return fields or None
    if isinstance(value, list):
        return [wire for item in value if (wire := _wire(item)) is not None] or None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class ApiResponse(BaseModel):
    """What the platform answered to a direct call. ``data`` is the reply's JSON, ``trace_id`` its ``traceId``.

    Example:
        >>> from infinium_integrations import ApiResponse
        >>> ApiResponse(success=True, status_code=201, data={"traceId": "t-1"}).trace_id
        't-1'
    """

    success: bool
    status_code: int | None = None
    message: str = ""
    data: dict[str, Any] | None = None

    @property
    def trace_id(self) -> str | None:
        """The platform's id of the trace, from the reply to a sent trace."""
        found = (self.data or {}).get("traceId")
        return found if isinstance(found, str) else None


class BatchResult(BaseModel):
    """What became of a batch: one result per task, in the order given; ``errors`` has a line for each that failed.

    Example:
        >>> from infinium_integrations.models import ApiResponse, BatchResult
        >>> answers = [ApiResponse(success=True), ApiResponse(success=False)]
        >>> BatchResult(successful=1, failed=1, results=answers, errors=["task 2: rejected"]).failed
        1
    """

    successful: int
    failed: int
    results: list[ApiResponse]
    errors: list[str]


class PromptContent(BaseModel):
    """A managed prompt. ``rendered_content`` has its placeholders filled, where variables were given.

    Example:
        >>> from infinium_integrations.models import PromptContent
        >>> PromptContent(prompt_id="p-1", name="Triage", version=3, content="…", created_at="2026-01-31").version
        3
    """

    prompt_id: str
    name: str
    version: int
    content: str
    created_at: str
    rendered_content: str | None = None

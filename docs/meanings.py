"""What the fields and facts of a trace mean, and where they come from; ``made`` checks the names against the models.

Each entry is (meaning, source in LangChain and LangGraph, source in LlamaIndex): two items if both frameworks share a
source, one if neither supplies it.
"""

Meaning = tuple[str, ...]

FIELDS: dict[str, dict[str, Meaning]] = {
    "TaskData": {
        "name": (
            "The run's name.",
            "`config['run_name']`, else the handler's `name`, else the runnable's name",
            "the tag `run_name`, else the handler's `name`, else the class and method",
        ),
        "description": ("What it does.", "the handler's `description`, else the name"),
        "current_datetime": ("When it ended, in UTC.", "the end of the root, or of the last step if that ended later"),
        "duration": ("Seconds from its start to that time.", "measured on a monotonic clock"),
        "input_summary": (
            "What it was asked, without message roles.",
            "the root's inputs: the newest question in messages; `input`, `question`, `query`, … in a dict",
            "the root's arguments: the query, the message, the start event",
        ),
        "output_summary": (
            "What it answered, without message roles. If the run stopped early, what there is so far.",
            "the root's outputs: the answer in messages; `answer`, `output`, `result`, … in a dict",
            "the root's result, including the whole text of a stream",
        ),
        "expected_outcome": (
            "The rubric that Maestro grades by.",
            "the handler's `expected_outcome`, or `config['metadata']['infinium_expected_outcome']` for one run",
            "the handler's `expected_outcome`",
        ),
        "steps": (
            "What it did, in order of start.",
            "every callback run except plumbing",
            "every span except plumbing",
        ),
        "errors": ("Each distinct exception once.", "`on_…_error`", "the exception that ended a span"),
        "llm_usage": (
            "Totals over its model calls, excluding answers from a cache.",
            "its `llm_inference` steps",
        ),
        "environment": ("Where it ran, plus the trace's facts.", "the process"),
        "prompt_studio": (
            "The managed prompts it fetched.",
            "calls to `client.get_prompt()` while the run was `current_trace()`",
        ),
        **dict.fromkeys(
            (
                *("time_tracking", "customer", "support", "sales", "marketing", "content", "research", "project"),
                *("development", "executive", "general"),
            ),
            ("A domain section.", "the handler's `sections`, or a builder's `set_section()`"),
        ),
    },
    "ExecutionStep": {
        "step_number": ("Counts from 1, in order of start.", "counted"),
        "action": ("The kind of step.", "see [Actions](#actions)"),
        "description": (
            "Its name; for a model call, also whom it belongs to.",
            "the run's name, with the agent, node or enclosing step",
            "the class or the tool; for an agent's turn, the agent and the turn's number",
        ),
        "duration_ms": (
            "Milliseconds.",
            "from the run's start to its end",
            "from the span's start to its end, or to the end of its stream",
        ),
        "input_preview": (
            "What it was given; for a model call, the messages with their roles, newest first.",
            "inputs, messages, prompts, the query, a tool's arguments",
            "the bound arguments; for a model call, the messages in its start event",
        ),
        "output_preview": (
            "What it returned; for a model call, the answer, then `→ tool(arguments)`, then the reasoning.",
            "outputs, the generation, documents, a tool's result",
            "the span's result; for a model call, the response in its end event, or what was streamed",
        ),
        "error": ("What it raised.", "`on_…_error`", "the span's exception, or a tool's output with `is_error`"),
        "tool_call": ("Tool calls only.", "`on_tool_start`, `on_tool_end`", "a tool's span"),
        "llm_call": (
            "Model calls only.",
            "`on_chat_model_start`, `on_llm_start`, `on_llm_end`",
            "a model's span and its events",
        ),
        "metadata": ("Facts about the step.", "see [A step's facts](#a-steps-facts)"),
    },
    "LlmCall": {
        "model": (
            "The model that answered; `unknown` if nothing names it.",
            "`response_metadata` (`model_name`, `model`), else the model requested: `ls_model_name`, the parameters",
            "the reply's `raw.model`, else the model requested: the model object's `model`, `model_name`, …",
        ),
        "provider": (
            "The model's provider.",
            "`ls_provider`, else the model's type or module; the reply's `model_provider`",
            "the class in the start event, else the package `llama_index.llms.…`, else the class",
        ),
        "prompt_tokens": (
            "Input tokens, as the provider reported them.",
            "`usage_metadata`, else the reply's `token_usage`, `usage`, …",
            "`raw.usage`, `raw.usage_metadata`, else the response's `additional_kwargs`",
        ),
        "completion_tokens": ("Output tokens, as the provider reported them.", "the same places"),
        "latency_ms": ("Milliseconds.", "the step's duration"),
        "temperature": (
            "The temperature requested.",
            "`ls_temperature`, else the parameters",
            "the model object, else the start event",
        ),
        "purpose": ("What the call was for.",),
    },
    "ToolCall": {
        "tool_name": ("The tool's name.", "the run's name, which is the tool's", "the tool's metadata"),
        "duration_ms": ("Milliseconds.", "the step's"),
        "input_summary": ("Its arguments.", "the step's `input_preview`"),
        "output_summary": ("Its result.", "the step's `output_preview`"),
        "error": ("What it raised.", "the step's"),
        "http_status": ("The HTTP status, if the tool makes an HTTP call.",),
    },
    "ErrorDetail": {
        "error_type": ("The exception's class.", "its class; `ToolError` if a tool only returned an error"),
        "message": (
            "Its message, at most 1,000 characters; for an exception group, also the exceptions in it.",
            "its text",
        ),
        "recoverable": (
            "Whether the run continued after it.",
            "false if the root ended with it, or with an exception raised from it",
        ),
        "retry_count": (
            "Attempts before this one.",
            "attempts by `with_retry` or a `RetryPolicy`; repeated calls of a tool or model",
            "not used: see a step's `attempt`",
        ),
        "stack_trace": ("The last 12 frames, excluding this library's own.", "its traceback"),
        "error_code": ("The provider's error code, such as `429`.", "its `code`, else its `status_code`"),
    },
    "LlmUsage": {
        "model": ("The model, or `multiple` if there are several.", "the calls"),
        "provider": ("The provider, or `multiple` if there are several providers or models.", "the calls"),
        "prompt_tokens": ("The sum of the known values.", "the calls"),
        "completion_tokens": ("The sum of the known values.", "the calls"),
        "total_tokens": ("The sum; if the provider reports a total for a call, that total counts.", "the calls"),
        "estimated_cost_usd": (
            "US dollars; absent if the price of any call is unknown.",
            "prices of `genai-prices` (extra `cost`)",
        ),
        "api_calls_count": ("The number of model calls.", "the calls"),
        "total_latency_ms": ("The sum, in milliseconds.", "the calls"),
        "calls": ("Each call; if there are more than 100, one entry per model and provider.", "the calls"),
    },
    "EnvironmentContext": {
        "framework": (
            "`langchain` or `llama_index`.",
            "the handler that recorded it; LangGraph counts as `langchain`",
            "the handler that recorded it",
        ),
        "framework_version": ("The framework's version.", "`langchain-core`'s version", "`llama-index-core`'s version"),
        "python_version": ("Python's version.", "the process"),
        "sdk_version": ("This library's version.", "the process"),
        "runtime": ("The runtime it runs in.",),
        "region": ("The region it runs in.",),
        "custom_tags": ("The trace's facts and your own metadata.", "see [The trace's facts](#the-traces-facts)"),
    },
    "ExpectedOutcome": {
        "task_objective": ("The task's goal.",),
        "required_deliverables": ("What the run must deliver.",),
        "constraints": ("What the run must comply with.",),
        "acceptance_criteria": ("What makes the result acceptable.",),
    },
}

TRACE_FACTS: dict[str, Meaning] = {
    "status": ("How the run ended: see [Statuses](#statuses).", "the root's callbacks", "the root's span"),
    "trace_id": ("This library's id for the trace, sent as `Idempotency-Key`.", "generated"),
    "run_id": ("The framework's id for the root.", "`run_id`", "the span's id"),
    "session_id": (
        "The session's id.",
        "the metadata's `session_id`, else `conversation_id`, else `thread_id`",
        "the same keys in `instrument_tags`",
    ),
    "user_id": ("The user's id.", "the metadata's `user_id`", "the same key in `instrument_tags`"),
    "thread_id": (
        "The id of the thread: LangGraph's, or a workflow context's.",
        "the metadata's or the config's `thread_id`",
        "the same key in `instrument_tags`",
    ),
    "tags": (
        "The tags, separated by commas.",
        "the handler's and the config's `tags`",
        "the handler's `tags` and the key `tags` in `instrument_tags`",
    ),
    "resumed_from": (
        "The `trace_id` of the interrupted trace that this one resumes, if this process saw it.",
        "matched by thread and graph, by checkpoint, or by the task that asked",
        "matched by the saved context; with certainty if there is a `thread_id`",
    ),
    "left_open": ("How many steps were still open when the trace was completed.", "counted"),
    "adjusted": (
        "Fields passed to `trace()` at run time that did not fit and were cut, converted, replaced or dropped.",
    ),
}

STEP_FACTS: dict[str, Meaning] = {
    "parent_step": (
        "The number of the enclosing step; null directly under the root.",
        "`parent_run_id`",
        "the span's parent",
    ),
    "started_ms": ("Milliseconds from the trace's start.", "measured"),
    "status": ("How it ended: see [Statuses](#statuses).", "the run's last callback", "the span's end"),
    "name": ("The framework's name for the run.", "the run's name", "the class, the method or the tool"),
    "run_id": ("The framework's id for the run.", "`run_id`", "the span's id"),
    "tool_call_id": (
        "The id that the model gave to the call.",
        "the tool call's `id`",
        "the `tool_id` in the workflow's `ToolCall`",
    ),
    "attempt": (
        "The number of the attempt, from 1, if something was retried.",
        "`with_retry`, a node's `RetryPolicy`, a tool or model call repeated after it failed",
        "a workflow step that is run again after it failed",
    ),
    "agent": (
        "The agent that the step belongs to.",
        "`lc_agent_name`, else the agent's graph",
        "the agent currently at work in the workflow",
    ),
    "node": ("The graph's node.", "`langgraph_node`", "not used"),
    "ttft_ms": (
        "Milliseconds to the first token of a stream.",
        "the first `on_llm_new_token`",
        "the first event with text",
    ),
    "model_requested": ("The model requested, if a different one answered.", "as for `llm_call.model`"),
    "usage_details": (
        "`cache_read`, `cache_creation`, `reasoning` and the like, in tokens.",
        "if the provider reports them",
    ),
    "cached": (
        "The answer came from LangChain's cache, so no tokens were paid for.",
        "`usage_metadata` with a total cost of 0",
        "not used",
    ),
    "partial": (
        "The stream broke off or was abandoned; tokens and text are those received.",
        "a stream that did not end",
    ),
    "finish_reason": ("Why the model stopped.", "the reply's `finish_reason`, `stop_reason`, …"),
    "estimated_cost_usd": ("US dollars.", "prices of `genai-prices` (extra `cost`)"),
    "messages": ("How many messages were sent to the model.", "`on_chat_model_start`", "the start event"),
    "system": ("The system prompt, up to 1,000 characters, on the first step that uses it.", "the messages"),
    "system_step": ("The number of the step that shows the same system prompt.", "the messages"),
    "tools": ("The names of the tools offered to the model.", "the call's parameters", "the start event"),
    "document_count": (
        "How many documents were returned.",
        "`on_retriever_end`",
        "the result of a retriever or reranker",
    ),
    "documents": ("`id`, `score`, `preview` and `metadata` of the first 50.", "the documents", "the nodes"),
    "interrupts": (
        "What the human is asked.",
        "the values of `interrupt()`",
        "the fields of an `InputRequiredEvent`, or of the event waited for",
    ),
    "tags": ("The step's own tags.", "the run's tags", "the key `tags` in `instrument_tags`"),
    "events": (
        "Notes: custom events and retries, each with `name`, `at_ms` and more.",
        "`dispatch_custom_event`, `on_retry`",
        "your own events",
    ),
    "events_left_out": ("How many notes beyond the first 100 were left out.", "counted"),
}

STATUSES: dict[str, Meaning] = {
    "ok": ("It finished.", "an end without an exception"),
    "error": (
        "It raised; each exception is listed once, with the step it came from.",
        "an exception other than control flow",
    ),
    "cancelled": (
        "It was cancelled, timed out, or stopped with Ctrl-C.",
        "`CancelledError`, `KeyboardInterrupt`, `SystemExit`",
        "the same, or a cancelled workflow",
    ),
    "abandoned": ("A stream whose reader stopped before its end.", "a closed generator"),
    "interrupted": (
        "It is waiting for a human.",
        "`interrupt()`, a breakpoint",
        "a workflow left waiting for an answer",
    ),
    "handoff": (
        "It handed off to another agent.",
        "a command to the parent graph",
        "not used: a hand-off is a call to the tool `handoff`",
    ),
    "incomplete": ("It never ended.", "still open at the idle timeout, the cap on open traces, or `shutdown()`"),
}

ACTIONS: dict[str, Meaning] = {
    "llm_inference": (
        "A model call.",
        "chat models and text models",
        "model classes; a provider's own structured prediction",
    ),
    "tool_use": (
        "A tool call, including one that no tool ran: the model invented the tool, or the call was refused.",
        "tools",
        "tools",
    ),
    "retrieval": ("A retriever call.", "retrievers", "retrievers"),
    "embedding": ("Turning texts into vectors.", "no callback reports it", "embedding models"),
    "rerank": ("Reordering documents.", "no callback reports it", "node postprocessors"),
    "chain": (
        "Anything that calls other components.",
        "runnables, lambdas, graph nodes",
        "engines, workflows, ingestion pipelines",
    ),
    "agent": (
        "An agent.",
        "graphs from `create_agent` and `create_react_agent`, and nodes that are agents",
        "agent workflows",
    ),
    "workflow_step": ("A step of a workflow.", "not used", "methods decorated with `@step`"),
    "custom": ("Your own steps.", "a custom event under the root", "your own spans, and events under the root"),
}

CURES: dict[str, tuple[str, str]] = {
    "InfiniumError": ("Any error that this library raises on purpose.", "Catch this class to catch them all."),
    "ConfigurationError": (
        "A setting, option or query cannot work: an incomplete account, a malformed variable, an unknown name.",
        "The message names it and says what to do. `infinium-traces doctor` checks all settings.",
    ),
    "ValidationError": (
        "A field of a trace has a value that the platform would reject; `field` is its dotted path.",
        "Correct that field; [What a trace says](trace.md) lists the limits.",
    ),
    "TransportError": (
        "No usable answer: connection refused or reset, an unresolved host name, a reply not from the platform.",
        "Check `INFINIUM_BASE_URL`, the network and `HTTPS_PROXY`. Background traces are kept meanwhile.",
    ),
    "TimeoutError": (
        "No answer within the timeout, or Maestro's result was not ready in time.",
        "Try again later, or pass a larger `timeout`.",
    ),
    "BatchError": (
        "A batch with `fail_fast=True` stopped at its first failure; `successful_count` traces were delivered.",
        "Fix what its `__cause__` reports, and send the rest.",
    ),
    "ApiError": (
        "The platform answered with an error: see `status_code` and `data`. The class itself means any other status.",
        "Read its message: it comes from the platform.",
    ),
    "AuthenticationError": ("401: the agent's id or secret is wrong.", "Copy both from the platform again."),
    "PermissionDeniedError": (
        "403: the credentials are valid but do not permit this.",
        "Have the agent's permissions changed on the platform.",
    ),
    "NotFoundError": ("404: no such agent, trace or prompt.", "Check the id and `INFINIUM_BASE_URL`."),
    "UnprocessableError": (
        "422: the platform rejected a field; `field` names it if the reply does. Also a `ValidationError`.",
        "Correct that field.",
    ),
    "RateLimitError": (
        "429 after all retries; `retry_after` is the wait in seconds, if the platform gave one.",
        "Wait that long; lower the client's `requests_per_second`, or send in the background.",
    ),
    "ServerError": ("5xx after all retries.", "Try again later. Background traces are kept meanwhile."),
}

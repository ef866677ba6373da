"""What the fields and facts of a trace mean, and where they come from; ``made`` holds it against the models.

Each is (what it says, in LangChain and LangGraph, in LlamaIndex); two where both are told the same way, one
where it comes from neither.
"""

Meaning = tuple[str, ...]

FIELDS: dict[str, dict[str, Meaning]] = {
    "TaskData": {
        "name": (
            "What the run is called.",
            "`config['run_name']`, else the handler's `name`, else the runnable's name",
            "the tag `run_name`, else the handler's `name`, else the class and method",
        ),
        "description": ("What it does.", "the handler's `description`; the name where left out"),
        "current_datetime": ("When it ended, in UTC.", "the time when its root, or the last step after it, ended"),
        "duration": ("Seconds from its start to that end.", "measured on a monotonic clock"),
        "input_summary": (
            "What it was asked, without a role.",
            "the root's inputs; of messages the newest question, of a dict its `input`, `question`, `query`, …",
            "the root's arguments: the query, the message, the start event",
        ),
        "output_summary": (
            "What it answered, without a role. Of a run that was left: what there is.",
            "the root's outputs; of messages the answer, of a dict its `answer`, `output`, `result`, …",
            "the root's result, the whole text of a stream included",
        ),
        "expected_outcome": (
            "The rubric by which Maestro grades.",
            "the handler's `expected_outcome`, or `config['metadata']['infinium_expected_outcome']` of one run",
            "the handler's `expected_outcome`",
        ),
        "steps": ("What it did, in order of start.", "every callback's run but plumbing", "every span but plumbing"),
        "errors": ("Each distinct exception once.", "`on_…_error`", "the exception that a span ended with"),
        "llm_usage": (
            "Sums over its model calls; answers from a cache are not among them.",
            "its `llm_inference` steps",
        ),
        "environment": ("Where it ran, and the trace's own facts.", "the process"),
        "prompt_studio": (
            "The managed prompts that it fetched.",
            "`client.get_prompt()` while the run was `current_trace()`",
        ),
        **dict.fromkeys(
            (
                *("time_tracking", "customer", "support", "sales", "marketing", "content", "research", "project"),
                *("development", "executive", "general"),
            ),
            ("A domain section.", "the handler's `sections`, or `set_section()` of a builder"),
        ),
    },
    "ExecutionStep": {
        "step_number": ("From 1, in order of start.", "counted"),
        "action": ("What kind of step it is.", "see [Actions](#actions)"),
        "description": (
            "Its name; of a model's call with whose it is.",
            "the run's name, with the agent, the node or the step around it",
            "the class or the tool; of an agent's turn the agent and the turn's number",
        ),
        "duration_ms": (
            "Milliseconds.",
            "from the run's start to its end",
            "from the span's start to its end, or to a stream's",
        ),
        "input_preview": (
            "What it was given; of a model's call the newest message first, each under its role.",
            "inputs, messages, prompts, the query, a tool's arguments",
            "the bound arguments; of a model's call the messages of its start event",
        ),
        "output_preview": (
            "What it gave; of a model's call the answer, then `→ tool(arguments)`, then the reasoning.",
            "outputs, the generation, documents, a tool's result",
            "the span's result; of a model's call the response of its end event, or what was streamed",
        ),
        "error": ("What it raised.", "`on_…_error`", "the exception of the span, or a tool's output with `is_error`"),
        "tool_call": ("Of a tool's call.", "`on_tool_start`, `on_tool_end`", "a span of a tool"),
        "llm_call": (
            "Of a model's call.",
            "`on_chat_model_start`, `on_llm_start`, `on_llm_end`",
            "a span of a model and its events",
        ),
        "metadata": ("Facts of the step.", "see [A step's facts](#a-steps-facts)"),
    },
    "LlmCall": {
        "model": (
            "Who answered; `unknown` where nothing names it.",
            "`response_metadata` (`model_name`, `model`), else what was asked for: `ls_model_name`, the parameters",
            "the reply's `raw.model`, else what was asked for: the model object's `model`, `model_name`, …",
        ),
        "provider": (
            "Whose model it is.",
            "`ls_provider`, else the type or module of the model; `model_provider` of the reply",
            "the class in the start event, else the package `llama_index.llms.…`, else the class",
        ),
        "prompt_tokens": (
            "Tokens sent, as the provider reported them.",
            "`usage_metadata`, else `token_usage`, `usage`, … of the reply",
            "`raw.usage`, `raw.usage_metadata`, else the response's `additional_kwargs`",
        ),
        "completion_tokens": ("Tokens answered, likewise.", "the same places"),
        "latency_ms": ("Milliseconds.", "the step's duration"),
        "temperature": (
            "As it was asked for.",
            "`ls_temperature`, else the parameters",
            "the model object, else the start event",
        ),
        "purpose": ("What for.",),
    },
    "ToolCall": {
        "tool_name": ("The tool.", "the run's name, which is the tool's", "the tool's metadata"),
        "duration_ms": ("Milliseconds.", "the step's"),
        "input_summary": ("Its arguments.", "the step's `input_preview`"),
        "output_summary": ("Its result.", "the step's `output_preview`"),
        "error": ("What it raised.", "the step's"),
        "http_status": ("Where the tool is a call over HTTP.",),
    },
    "ErrorDetail": {
        "error_type": ("The exception's class.", "its class; `ToolError` of a tool that only answered with an error"),
        "message": ("What it says, at most 1,000 characters; of a group of exceptions also those in it.", "its text"),
        "recoverable": (
            "Whether the run went on past it.",
            "false where the root ended with it, or with one raised from it",
        ),
        "retry_count": (
            "Attempts before this one.",
            "the attempt of `with_retry`, a `RetryPolicy`, a repeated call of a tool or model",
            "not used: a step's `attempt` says it",
        ),
        "stack_trace": ("The last 12 frames, without this library's.", "its traceback"),
        "error_code": ("The provider's code, such as `429`.", "its `code`, else its `status_code`"),
    },
    "LlmUsage": {
        "model": ("The model; `multiple` where there are several.", "the calls"),
        "provider": ("Likewise.", "the calls"),
        "prompt_tokens": ("Sum of those known.", "the calls"),
        "completion_tokens": ("Sum of those known.", "the calls"),
        "total_tokens": ("Sum; what a provider reports as the total of a call counts.", "the calls"),
        "estimated_cost_usd": (
            "US dollars; none where the price of one call is unknown.",
            "prices of `genai-prices` (extra `cost`)",
        ),
        "api_calls_count": ("Calls of models.", "the calls"),
        "total_latency_ms": ("Milliseconds, added up.", "the calls"),
        "calls": ("Each call; beyond 100 one entry a model.", "the calls"),
    },
    "EnvironmentContext": {
        "framework": (
            "`langchain` or `llama_index`.",
            "which handler recorded it; LangGraph is `langchain`",
            "which handler recorded it",
        ),
        "framework_version": ("Its version.", "of langchain-core", "of llama-index-core"),
        "python_version": ("Python's version.", "the process"),
        "sdk_version": ("This library's version.", "the process"),
        "runtime": ("What it runs in.",),
        "region": ("Where.",),
        "custom_tags": ("The trace's facts, and your own metadata.", "see [The trace's facts](#the-traces-facts)"),
    },
    "ExpectedOutcome": {
        "task_objective": ("What was asked for.",),
        "required_deliverables": ("What there must be in the end.",),
        "constraints": ("What must be kept to.",),
        "acceptance_criteria": ("By what it is accepted.",),
    },
}

TRACE_FACTS: dict[str, Meaning] = {
    "status": ("How the run ended: see [Statuses](#statuses).", "the root's callbacks", "the root's span"),
    "trace_id": ("This library's id of the trace, sent as `Idempotency-Key`.", "made"),
    "run_id": ("The framework's id of the root.", "`run_id`", "the span's id"),
    "session_id": (
        "The session.",
        "the metadata's `session_id`, else `conversation_id`, else `thread_id`",
        "the same keys of `instrument_tags`",
    ),
    "user_id": ("The user.", "the metadata's `user_id`", "the same key of `instrument_tags`"),
    "thread_id": (
        "LangGraph's thread, or a context's.",
        "the metadata's or the config's `thread_id`",
        "the same key of `instrument_tags`",
    ),
    "tags": (
        "By comma.",
        "the handler's and the config's `tags`",
        "the handler's `tags` and the key `tags` of `instrument_tags`",
    ),
    "resumed_from": (
        "The `trace_id` of the interrupted trace that this one goes on with, where this process saw it.",
        "the thread and graph, the checkpoint, or the task that asked",
        "the saved context; for certain with a `thread_id`",
    ),
    "left_open": ("How many steps had not ended when the trace was complete.", "counted"),
    "adjusted": ("Fields given to `trace()` at run time that did not fit and were cut or left out.",),
}

STEP_FACTS: dict[str, Meaning] = {
    "parent_step": (
        "The number of the step around it; null directly under the root.",
        "`parent_run_id`",
        "the span's parent",
    ),
    "started_ms": ("Milliseconds from the trace's start.", "measured"),
    "status": ("How it ended: see [Statuses](#statuses).", "the run's last callback", "the span's end"),
    "name": ("The framework's name of the run.", "the run's name", "the class, the method or the tool"),
    "run_id": ("The framework's id.", "`run_id`", "the span's id"),
    "tool_call_id": (
        "The id that the model gave the call.",
        "the tool call's `id`",
        "the `tool_id` of the workflow's `ToolCall`",
    ),
    "attempt": (
        "From 1, where something was tried again.",
        "`with_retry`, a node's `RetryPolicy`, the same call of a tool or model again after it failed",
        "a workflow's step that is run again after it failed",
    ),
    "agent": (
        "Whose step it is.",
        "`lc_agent_name`, else the agent's graph",
        "the agent that is at work in the workflow",
    ),
    "node": ("The graph's node.", "`langgraph_node`", "not used"),
    "ttft_ms": (
        "Milliseconds to the first token of a stream.",
        "the first `on_llm_new_token`",
        "the first event with text",
    ),
    "model_requested": ("What was asked for, where another model answered.", "as `llm_call.model`"),
    "usage_details": (
        "`cache_read`, `cache_creation`, `reasoning` and the like, in tokens.",
        "where the provider reports them",
    ),
    "cached": (
        "The answer came from LangChain's cache: no tokens were paid.",
        "`usage_metadata` with a total cost of 0",
        "not used",
    ),
    "partial": ("The stream broke off or was left; tokens and text are those seen.", "a stream without its end"),
    "finish_reason": ("Why the model stopped.", "`finish_reason`, `stop_reason`, … of the reply"),
    "estimated_cost_usd": ("US dollars.", "prices of `genai-prices` (extra `cost`)"),
    "messages": ("How many messages the model was sent.", "`on_chat_model_start`", "the start event"),
    "system": ("The system prompt, 1,000 characters, at the first step that uses it.", "the messages"),
    "system_step": ("The number of the step that has this system prompt.", "the messages"),
    "tools": ("The names of the tools that the model was offered.", "the call's parameters", "the start event"),
    "document_count": ("How many documents were found.", "`on_retriever_end`", "the result of a retriever or reranker"),
    "documents": ("`id`, `score`, `preview` and `metadata` of the first 50.", "the documents", "the nodes"),
    "interrupts": (
        "What a human is asked.",
        "the values of `interrupt()`",
        "the fields of an `InputRequiredEvent`, or of what is waited for",
    ),
    "tags": ("Its own tags.", "the run's tags", "the key `tags` of `instrument_tags`"),
    "events": (
        "Notes: custom events and retries; `name`, `at_ms` and more.",
        "`dispatch_custom_event`, `on_retry`",
        "your own events",
    ),
    "events_left_out": ("How many notes came beyond 100.", "counted"),
}

STATUSES: dict[str, Meaning] = {
    "ok": ("It finished.", "an end without an exception"),
    "error": (
        "It raised; each exception is listed once, with the step that it came from.",
        "an exception that is no control flow",
    ),
    "cancelled": (
        "Cancelled, timed out, or Ctrl-C.",
        "`CancelledError`, `KeyboardInterrupt`, `SystemExit`",
        "the same, and a workflow that was cancelled",
    ),
    "abandoned": ("A stream whose reader left.", "a generator that was closed"),
    "interrupted": (
        "It waits for a human.",
        "`interrupt()`, a breakpoint",
        "a workflow that was left waiting for an answer",
    ),
    "handoff": (
        "It handed off to another agent.",
        "a command to the parent graph",
        "not used: there a hand-off is a call of the tool `handoff`",
    ),
    "incomplete": ("It never ended.", "still open at the idle limit, at the cap on open traces, or at `shutdown()`"),
}

ACTIONS: dict[str, Meaning] = {
    "llm_inference": (
        "A model's call.",
        "chat models and text models",
        "classes of models; a provider's own structured prediction",
    ),
    "tool_use": ("A tool's call, also one that no tool ran: invented by the model, or refused.", "tools", "tools"),
    "retrieval": ("A retriever's answer.", "retrievers", "retrievers"),
    "embedding": ("Texts into vectors.", "no callback tells of it", "embedding models"),
    "rerank": ("Documents in another order.", "no callback tells of it", "node postprocessors"),
    "chain": (
        "Anything that calls others.",
        "runnables, lambdas, graph nodes",
        "engines, workflows, ingestion pipelines",
    ),
    "agent": (
        "An agent.",
        "graphs of `create_agent` and `create_react_agent`, and nodes that are agents",
        "agent workflows",
    ),
    "workflow_step": ("A step of a workflow.", "not used", "methods under `@step`"),
    "custom": ("Your own.", "a custom event under the root", "your own spans, and events under the root"),
}

CURES: dict[str, tuple[str, str]] = {
    "InfiniumError": ("Anything that this library raises on purpose.", "Catch it to catch all of them."),
    "ConfigurationError": (
        "A setting, an option or a query cannot work: half an account, a malformed variable, an unknown name.",
        "The text names it and says what to do. `infinium-traces doctor` checks all settings.",
    ),
    "ValidationError": (
        "A field of a trace has a value that the platform would refuse; `field` is its dotted path.",
        "Correct that field; [the trace](trace.md) lists the limits.",
    ),
    "TransportError": (
        "No usable answer: refused, reset, a name that does not resolve, a reply that is not the platform's.",
        "Check `INFINIUM_BASE_URL`, the network and `HTTPS_PROXY`. Traces in the background are kept until then.",
    ),
    "TimeoutError": (
        "No answer in the time given; also Maestro's result that is not there yet.",
        "Try again later, or give a larger `timeout`.",
    ),
    "BatchError": (
        "A batch with `fail_fast=True` was ended by its first failure; `successful_count` had arrived by then.",
        "Mend what its `__cause__` says, and send the rest.",
    ),
    "ApiError": (
        "The platform answered with an error; `status_code` and `data` have what it said. Itself: any other status.",
        "Read its text: it is the platform's.",
    ),
    "AuthenticationError": ("401: the agent's id or secret is wrong.", "Copy both again from the platform."),
    "PermissionDeniedError": (
        "403: the credentials are valid and may not do this.",
        "Ask for the agent's permissions on the platform.",
    ),
    "NotFoundError": ("404: no such agent, trace or prompt.", "Check the id, and `INFINIUM_BASE_URL`."),
    "UnprocessableError": (
        "422: the platform refuses a field; `field` names it where the reply does. Also a `ValidationError`.",
        "Correct that field.",
    ),
    "RateLimitError": (
        "429 after all retries; `retry_after` is in seconds, where the platform said it.",
        "Wait so long; lower the client's `requests_per_second`, or let the background send.",
    ),
    "ServerError": ("5xx after all retries.", "Try again later. Traces in the background are kept until then."),
}

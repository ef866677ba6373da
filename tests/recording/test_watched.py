"""A call that ``watch()`` of Infinium's published SDK captures is one step of the trace around it."""

import asyncio
import contextvars
import threading

import pytest

from infinium_integrations import current_trace, suppress, trace
from infinium_integrations.testing import captured_traces

infinium = pytest.importorskip("infinium", reason="uv pip install infinium-o2")
openai = pytest.importorskip("openai", reason="uv pip install openai")

from infinium.integrations import OpenAIInstrumentor, get_current_trace_context, watch  # noqa: E402
from provider_server import Providers  # noqa: E402
from scripted import AGENT, SECRET, Scripted, answer  # noqa: E402

ASKED = [{"role": "user", "content": "Which colour is the sky?"}]
USAGE = {"stream_options": {"include_usage": True}}
TOKENS = (13, 7)
PROMPT = "0f5b4f0e-1d3c-4f0a-9f39-5a1f6f3c2b11"


@pytest.fixture(scope="module")
def providers():
    server = Providers()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(providers):
    with openai.OpenAI(api_key="x", base_url=providers.url, max_retries=0) as made:
        yield watch(made)


@pytest.fixture
def telling(providers):
    """A client whose texts are captured, too."""
    with openai.OpenAI(api_key="x", base_url=providers.url, max_retries=0) as made:
        yield watch(made, capture_content=True)


@pytest.fixture
def traces():
    with captured_traces() as caught:
        yield caught


def ask(client, model="gpt-4o", **options):
    return client.chat.completions.create(model=model, messages=ASKED, **options)


def only_call(traces):
    """The one step of the one trace, which is a call of a model; its tokens are those of the trace."""
    [task] = traces
    [step] = [step for step in task.steps if step.llm_call is not None]
    call = step.llm_call
    tokens = (call.prompt_tokens, call.completion_tokens)
    assert (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens) == tokens
    assert task.llm_usage.api_calls_count == 1
    return task, step, tokens


class TestInATrace:
    def test_a_call_is_a_step_with_model_provider_tokens_and_temperature(self, client, traces):
        with trace("Ask"):
            ask(client, temperature=0.5)
        task, step, tokens = only_call(traces)
        assert (task.status, len(task.steps), tokens) == ("ok", 1, TOKENS)
        assert (step.action, step.llm_call.model, step.llm_call.provider) == ("llm_inference", "gpt-4o-2026", "openai")
        assert step.llm_call.temperature == 0.5
        assert step.llm_call.latency_ms >= 0
        assert step.metadata["model_requested"] == "gpt-4o"

    def test_texts_are_there_where_the_sdk_captures_them(self, telling, traces):
        with trace("Ask"):
            ask(telling)
        _, step, _ = only_call(traces)
        assert (step.input_preview, step.output_preview) == ("[user] Which colour is the sky?", "It is blue")

    def test_texts_are_not_there_where_the_trace_wants_none(self, telling, traces):
        with trace("Ask", capture_content=False):
            ask(telling)
        _, step, tokens = only_call(traces)
        assert (step.input_preview, step.output_preview, tokens) == (None, None, TOKENS)

    def test_a_stream_has_the_tokens_of_its_last_chunk(self, telling, traces):
        with trace("Ask"):
            said = [chunk for chunk in ask(telling, stream=True, **USAGE) if chunk.choices]
        _, step, tokens = only_call(traces)
        assert (len(said), tokens, step.output_preview) == (4, TOKENS, "It is blue")
        assert step.metadata["status"] == "ok"

    def test_a_stream_that_is_read_after_the_trace_belongs_to_it(self, client, traces):
        with trace("Ask"):
            stream = ask(client, stream=True, **USAGE)
        assert traces == []
        list(stream)
        assert only_call(traces)[2] == TOKENS

    def test_a_stream_that_is_left_ends_with_it(self, client, traces):
        with trace("Ask"):
            next(iter(ask(client, stream=True)))
        task, step, _ = only_call(traces)
        assert (task.status, step.metadata["status"], step.metadata["partial"]) == ("ok", "abandoned", True)

    def test_a_failed_call_is_an_error_that_the_run_went_on_past(self, client, traces):
        with trace("Ask"), pytest.raises(openai.NotFoundError):
            ask(client, "refused")
        task, step, _ = only_call(traces)
        [error] = task.errors
        assert (task.status, step.metadata["status"]) == ("ok", "error")
        assert (step.error.error_type, error.recoverable) == ("NotFoundError", True)
        assert "no such model" in step.error.message

    def test_a_failure_that_ends_the_trace_is_told_once(self, client, traces):
        with pytest.raises(openai.NotFoundError), trace("Ask"):
            ask(client, "refused")
        task, step, _ = only_call(traces)
        [error] = task.errors
        assert (task.status, error.recoverable, step.error.message) == ("error", False, error.message)

    def test_a_call_while_an_exception_is_handled_has_not_failed(self, client, traces):
        with trace("Ask"):
            try:
                raise LookupError
            except LookupError:
                ask(client)
        task, step, tokens = only_call(traces)
        assert (task.errors, step.metadata["status"], tokens) == (None, "ok", TOKENS)

    def test_it_stands_below_the_step_around_it(self, client, traces):
        with trace("Ask") as t, t.step("custom", "Think"):
            ask(client)
        [task] = traces
        assert [(step.action, step.metadata["parent_step"]) for step in task.steps] == [
            ("custom", None),
            ("llm_inference", 1),
        ]

    def test_a_step_that_was_made_for_it_is_its_step(self, client, traces):
        with trace("Ask") as t, t.step("llm_inference", "Ask the model"):
            ask(client)
        task, step, tokens = only_call(traces)
        assert (len(task.steps), step.description, tokens) == (1, "Ask the model", TOKENS)

    def test_what_is_recorded_by_hand_as_well_counts_once(self, client, traces):
        with trace("Ask") as t, t.step("llm_inference", "Ask the model") as step:
            usage = ask(client).usage
            step.record_llm_call("gpt-4o", prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens)
        assert only_call(traces)[2] == TOKENS

    def test_several_calls_in_a_step_are_told_apart(self, client, traces):
        with trace("Ask") as t, t.step("llm_inference", "Ask the model twice"):
            ask(client)
            ask(client)
        [task] = traces
        assert (task.llm_usage.prompt_tokens, task.llm_usage.api_calls_count) == (26, 2)

    def test_a_decorated_function_has_the_calls_in_it(self, client, traces):
        @trace("Ask")
        def agent():
            return ask(client).choices[0].message.content

        assert agent() == "It is blue"
        task, _, tokens = only_call(traces)
        assert (task.output_summary, tokens) == ("It is blue", TOKENS)

    def test_a_generator_has_the_calls_in_it_in_whatever_context_it_goes_on(self, client, traces):
        @trace("Ask")
        def agent():
            for model in ("one", "two"):
                yield ask(client, model).choices[0].message.content

        answers = agent()
        for _ in range(3):
            contextvars.copy_context().run(next, answers, None)
        [task] = traces
        assert [step.llm_call.model for step in task.steps] == ["one-2026", "two-2026"]

    def test_anthropics_client_is_captured_in_the_same_way(self, providers, traces):
        anthropic = pytest.importorskip("anthropic", reason="uv pip install anthropic")
        with anthropic.Anthropic(api_key="x", base_url=providers.url, max_retries=0) as made, trace("Ask"):
            watch(made).messages.create(model="claude", messages=ASKED, max_tokens=9)
        _, step, tokens = only_call(traces)
        assert (step.llm_call.provider, tokens) == ("anthropic", (5, 7))

    def test_the_sdks_record_of_a_call_stays_what_it_is(self, client, traces):
        own = infinium.integrations.TraceContext()
        before = infinium.integrations.set_trace_context(own)
        try:
            with trace("Ask"):
                ask(client)
        finally:
            infinium.integrations._context._current_trace_ctx.reset(before)
        [call] = own.calls
        assert (type(call).__name__, call.prompt_tokens, call.error_type) == ("CapturedLlmCall", 13, None)
        assert only_call(traces)[2] == TOKENS


class TestAsync:
    @pytest.fixture
    def asking(self, providers):
        """Run a coroutine function with a watched client."""

        def run(agent):
            async def main():
                async with openai.AsyncOpenAI(api_key="x", base_url=providers.url, max_retries=0) as made:
                    await agent(watch(made))

            asyncio.run(main())

        return run

    def test_a_call_is_a_step(self, asking, traces):
        async def agent(client):
            async with trace("Ask"):
                await ask(client)

        asking(agent)
        assert only_call(traces)[2] == TOKENS

    def test_a_stream_is_a_step(self, asking, traces):
        async def agent(client):
            async with trace("Ask"):
                async for _ in await ask(client, stream=True, **USAGE):
                    pass

        asking(agent)
        assert only_call(traces)[2] == TOKENS

    def test_a_failed_call_is_a_step_with_its_error(self, asking, traces):
        async def agent(client):
            async with trace("Ask"):
                with pytest.raises(openai.NotFoundError):
                    await ask(client, "refused")

        asking(agent)
        assert only_call(traces)[1].error.error_type == "NotFoundError"

    def test_tasks_keep_to_their_own_traces(self, asking, traces):
        async def agent(client):
            async def one(number):
                async with trace(f"Ask {number}"):
                    await ask(client, f"model-{number}")

            await asyncio.gather(*[one(number) for number in range(10)])

        asking(agent)
        told = sorted((task.name, task.steps[0].llm_call.model) for task in traces)
        assert told == [(f"Ask {number}", f"model-{number}-2026") for number in range(10)]

    def test_a_thread_that_asyncio_starts_is_in_the_trace(self, client, traces):
        async def main():
            async with trace("Ask"):
                await asyncio.to_thread(ask, client)

        asyncio.run(main())
        assert only_call(traces)[2] == TOKENS


class TestThreads:
    def started(self, function, *args):
        thread = threading.Thread(target=function, args=args)
        thread.start()
        return thread

    def test_a_thread_in_a_copy_of_the_context_is_in_the_trace(self, client, traces):
        with trace("Ask"):
            self.started(contextvars.copy_context().run, ask, client).join()
        assert only_call(traces)[2] == TOKENS

    def test_a_trace_that_a_thread_opens_has_its_calls(self, client, traces):
        def agent():
            with trace("Ask"):
                ask(client)

        self.started(agent).join()
        assert only_call(traces)[2] == TOKENS

    def test_a_call_that_outlasts_the_trace_is_waited_for(self, client, providers, traces):
        begun, go = threading.Event(), threading.Event()

        def agent():
            stream = ask(client, stream=True, **USAGE)
            begun.set()
            go.wait(30)
            list(stream)

        with trace("Ask"):
            thread = self.started(contextvars.copy_context().run, agent)
            begun.wait(30)
        assert traces == []
        go.set()
        thread.join()
        assert only_call(traces)[2] == TOKENS


class TestElsewhere:
    def test_outside_any_trace_nothing_is_recorded(self, client, traces):
        ask(client)
        with trace("Another"):
            pass
        ask(client)
        [task] = traces
        assert (task.steps, task.llm_usage) == (None, None)

    def test_what_is_suppressed_is_not_recorded(self, client, traces):
        with trace("Ask"), suppress():
            ask(client)
        [task] = traces
        assert task.steps is None

    def test_without_a_trace_of_ours_the_sdks_own_has_its_calls(self, client, traces):
        sent = []

        class Client:
            def send_task_data(self, task):
                sent.append(task)

        infinium.trace_agent("Theirs", Client())(lambda: ask(client))()
        assert [len(task.llm_usage.calls) for task in sent] == [1]
        assert traces == []

    def test_a_trace_of_ours_in_one_of_the_sdks_takes_nothing_from_it(self, client, traces):
        sent = []

        class Client:
            def send_task_data(self, task):
                sent.append(task)

        @infinium.trace_agent("Theirs", Client())
        def agent():
            with trace("Ours"):
                ask(client)

        agent()
        assert sent[0].llm_usage.prompt_tokens == 13
        assert only_call(traces)[2] == TOKENS

    def test_a_client_that_is_not_watched_is_left_alone(self, providers, traces):
        with openai.OpenAI(api_key="x", base_url=providers.url) as made, trace("Ask"):
            ask(made)
        [task] = traces
        assert task.steps is None

    def test_a_fault_of_ours_does_not_reach_the_call(self, client, monkeypatch):
        from infinium_integrations import diagnostics
        from infinium_integrations.recording import watched

        monkeypatch.setattr(watched, "_take", None)
        before = diagnostics.count()
        with trace("Ask"):
            assert ask(client).choices[0].message.content == "It is blue"
        assert diagnostics.count() == before + 1


class TestFrameworks:
    @pytest.fixture
    def handler(self):
        pytest.importorskip("langchain_core", reason="uv pip install -e '.[langchain]'")
        from infinium_integrations.langchain import InfiniumCallbackHandler

        return {"callbacks": [InfiniumCallbackHandler()]}

    @pytest.fixture
    def tool(self, handler, client):
        from langchain_core.tools import tool

        @tool
        def sky(colour: str) -> str:
            "Ask for the sky's colour."
            return ask(client, colour).choices[0].message.content

        return sky

    def test_a_call_in_a_tool_is_a_step_below_it(self, tool, handler, traces):
        assert tool.invoke({"colour": "any"}, handler) == "It is blue"
        task, step, tokens = only_call(traces)
        assert [each.action for each in task.steps] == ["tool_use", "llm_inference"]
        assert (step.metadata["parent_step"], tokens) == (1, TOKENS)

    def test_a_failed_call_in_a_tool_is_one_error(self, tool, handler, traces):
        with pytest.raises(openai.NotFoundError):
            tool.invoke({"colour": "refused"}, handler)
        task, step, _ = only_call(traces)
        assert (len(task.errors), step.error.error_type) == (1, "NotFoundError")

    def test_a_call_in_a_coroutine_tool_is_a_step_below_it(self, handler, providers, traces):
        from langchain_core.tools import tool

        @tool
        async def sky(colour: str) -> str:
            "Ask for the sky's colour."
            async with openai.AsyncOpenAI(api_key="x", base_url=providers.url) as made:
                return (await ask(watch(made), colour)).choices[0].message.content

        assert asyncio.run(sky.ainvoke({"colour": "any"}, handler)) == "It is blue"
        _, step, tokens = only_call(traces)
        assert (step.metadata["parent_step"], tokens) == (1, TOKENS)

    def test_calls_in_the_threads_of_a_batch_keep_to_their_own_traces(self, tool, handler, traces):
        tool.batch([{"colour": f"model-{number}"} for number in range(6)], handler)
        told = sorted(task.steps[1].llm_call.model for task in traces)
        assert told == [f"model-{number}-2026" for number in range(6)]

    def test_langchains_own_model_over_an_instrumented_client_counts_once(self, handler, providers, traces):
        langchain_openai = pytest.importorskip("langchain_openai", reason="uv pip install langchain-openai")
        model = langchain_openai.ChatOpenAI(model="gpt-4o", api_key="x", base_url=providers.url, max_retries=0)
        instrumentor = OpenAIInstrumentor()
        instrumentor.instrument()
        try:
            with trace("Ask"):
                model.invoke("Which colour is the sky?", handler)
            model.invoke("Which colour is the sky?", handler)
        finally:
            instrumentor.uninstrument()
        for task in traces:
            [step] = task.steps
            assert step.captured.input_messages[0]["role"] == "user"
            assert (task.llm_usage.prompt_tokens, task.llm_usage.api_calls_count) == (13, 1)
        assert len(traces) == 2

    @pytest.mark.parametrize("instrumented", ["alone", "with the SDK's instrumentor"])
    def test_llama_indexes_own_model_over_an_instrumented_client_counts_once(self, instrumented, providers, traces):
        like = pytest.importorskip("llama_index.llms.openai_like", reason="uv pip install llama-index-llms-openai-like")
        from infinium_integrations.llama_index import InfiniumEventHandler

        instrumentor = OpenAIInstrumentor()
        if instrumented != "alone":
            instrumentor.instrument()
        try:
            with InfiniumEventHandler(), trace("Ask"):
                model = like.OpenAILike(model="gpt-4o", api_key="x", api_base=providers.url, is_chat_model=True)
                model.complete("Which colour is the sky?")
        finally:
            instrumentor.uninstrument()
        _, step, tokens = only_call(traces)
        assert (step.captured.input_messages[0]["role"], tokens) == ("user", TOKENS)

    def test_a_call_in_a_llama_index_tool_is_a_step_below_it(self, client, traces):
        tools = pytest.importorskip("llama_index.core.tools", reason="uv pip install -e '.[llama-index]'")
        from infinium_integrations.llama_index import InfiniumEventHandler

        def sky(colour: str) -> str:
            "Ask for the sky's colour."
            return ask(client, colour).choices[0].message.content

        with InfiniumEventHandler(), trace("Ask"):
            tools.FunctionTool.from_defaults(sky).call(colour="any")
        assert only_call(traces)[2] == TOKENS


class TestPrompts:
    @pytest.fixture
    def published(self, prompts):
        with infinium.InfiniumClient(AGENT, SECRET, base_url=prompts.url) as made:
            yield made

    def test_a_prompt_that_the_sdk_fetches_is_in_the_trace(self, published, traces):
        with trace("Ask"):
            published.get_prompt(PROMPT, "the-key", variables={"tone": "dry"})
        [task] = traces
        [used] = task.prompt_studio.prompts_used
        assert (used.prompt_id, used.prompt_name, used.version) == (PROMPT, "Greeting", 3)
        assert (used.source, used.variables_used) == ("prompt_studio", ["tone"])
        assert used.fetched_at

    def test_a_prompt_that_our_client_fetches_is_in_the_trace(self, prompts, traces):
        from infinium_integrations import InfiniumClient

        with InfiniumClient(AGENT, SECRET, base_url=prompts.url) as ours, trace("Ask"):
            ours.get_prompt(PROMPT, "the-key", variables={"tone": "dry"})
        [task] = traces
        assert task.prompt_studio.prompts_used[0].variables_used == ["tone"]

    def test_outside_a_trace_it_is_noted_nowhere(self, published, traces):
        assert published.get_prompt(PROMPT, "the-key").content == "Be {{tone}}."
        assert (current_trace(), traces) == (None, [])

    @pytest.fixture
    def prompts(self):
        server = Scripted()
        server.always = answer(
            200,
            {
                "promptId": PROMPT,
                "name": "Greeting",
                "version": 3,
                "content": "Be {{tone}}.",
                "createdAt": "2026-01-01",
            },
        )
        yield server
        server.close()


def test_where_the_sdk_is_not_loaded_its_context_is_not_touched(monkeypatch, traces):
    import sys

    monkeypatch.delitem(sys.modules, "infinium.integrations")
    context = contextvars.Context()

    def agent():
        with trace("Ask"):
            return get_current_trace_context()

    assert context.run(agent) is None

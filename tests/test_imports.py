"""Our threads import nothing: an import beside the user's own may hand the user half-imported modules."""

import subprocess
import sys
import textwrap

import pytest
from delivery_kit import account, environment
from faultserver import FaultServer, Reply

WATCH = """
import sys, threading

class Watch:
    found = []
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name.startswith("infinium"):
            self.found.append(name)

sys.meta_path.insert(0, Watch())
"""

PROGRAMS = {
    "langchain": """
        from langchain_core.language_models import GenericFakeChatModel
        from langchain_core.messages import AIMessage
        from langchain_core.runnables import RunnableLambda
        from infinium_integrations.langchain import InfiniumCallbackHandler
        said = AIMessage(
            "hi",
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            response_metadata={"model_name": "gpt-4o", "model_provider": "openai"},
        )
        config = {"callbacks": [InfiniumCallbackHandler()]}
        model = GenericFakeChatModel(messages=iter([said] * 3))
        (model | RunnableLambda(lambda message: message.content)).invoke("key sk-ant-api03-abcdefghijkl", config)
        list(model.stream("x", config))
        try:
            RunnableLambda(lambda x: 1 / 0).invoke(1, config)
        except ZeroDivisionError:
            pass
    """,
    "llama_index": """
        import asyncio
        from llama_index.core.llms import MockLLM
        from llama_index.core.agent.workflow import FunctionAgent
        from infinium_integrations.llama_index import InfiniumEventHandler
        InfiniumEventHandler().register()
        MockLLM().complete("x")
        list(MockLLM().stream_complete("x y"))
        asyncio.run(MockLLM().acomplete("x"))
    """,
    "trace": """
        from infinium_integrations import trace
        @trace("one", sections={"sales": {"deal_value": 3}}, expected_outcome="x", redact=lambda text: text)
        def one():
            return {"a": 1}
        one()
        with trace("two") as t, t.step("llm_inference", "x") as step:
            step.record_llm_call("gpt-4o", provider="openai", prompt_tokens=3, completion_tokens=4)
            step.set_error(ValueError("x"))
    """,
    "client": """
        from infinium_integrations import trace
        class Client:
            def send_task_data(self, task): ...
        client = Client()
        with trace("x", client=client):
            pass
    """,
    "async client": """
        import os
        from infinium_integrations import AsyncInfiniumClient, trace
        client = AsyncInfiniumClient(os.environ["INFINIUM_AGENT_ID"], os.environ["INFINIUM_AGENT_SECRET"])
        with trace("x", client=client):
            pass
    """,
    "configured later": """
        import os
        kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("INFINIUM_AGENT")}
        from infinium_integrations import configure, trace
        with trace("x"):
            pass
        configure(agent_id=kept["INFINIUM_AGENT_ID"], agent_secret=kept["INFINIUM_AGENT_SECRET"])
        with trace("y"):
            pass
    """,
}

NEEDS = {"langchain": "langchain_core", "llama_index": "llama_index.core"}


def looked_up(program, env):
    code = f"{WATCH}\n{textwrap.dedent(program)}\nfrom infinium_integrations import flush\nflush(3)\nprint(Watch.found)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_recorded_and_delivered_looks_no_module_up_on_a_thread_of_ours(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    with FaultServer([Reply(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]) as server:
        assert looked_up(PROGRAMS[name], account(server.url, tmp_path)) == "[]"


@pytest.mark.parametrize(
    "url", ["http://localhost:9/api", "https://127.0.0.1:9/api", "https://no-such-host.invalid/api"]
)
def test_a_server_that_can_not_be_reached_has_none_looked_up_either(url, tmp_path):
    assert looked_up(PROGRAMS["trace"], account(url, tmp_path)) == "[]"


def test_a_server_that_speaks_no_tls_has_none_looked_up(tmp_path):
    with FaultServer() as server:
        url = server.url.replace("http://", "https://")
        assert looked_up(PROGRAMS["trace"], account(url, tmp_path)) == "[]"


def test_a_program_without_an_account_loads_no_http_client(tmp_path):
    program = textwrap.dedent(PROGRAMS["trace"]).replace(", prompt_tokens=3", "")
    # the extra `cost` loads one of its own
    code = f"import sys; sys.modules['genai_prices'] = None\n{program}\nprint('httpx' in sys.modules)"
    env = environment(INFINIUM_STORE=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr

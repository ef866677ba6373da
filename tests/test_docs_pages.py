"""The examples of `docs/howto/sdk.md` and `docs/howto/pytest.md` run."""

import contextlib
import re
from pathlib import Path

import pytest
from provider_server import Providers

from infinium_integrations import flush, traces

with contextlib.suppress(ImportError):
    import numpy as np  # noqa: F401  (pytester unloads what a test has loaded, and this can't be loaded twice)

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / page).read_text(), re.DOTALL)


def test_a_program_for_the_sdk_runs_with_our_name_in_it(platform):
    exec(blocks("sdk.md")[0], {"__name__": "example"})
    [seen] = platform.requests
    assert (seen.json["name"], seen.json["output_summary"]) == ("Email classifier", "billing")


def test_a_watched_call_is_a_step(monkeypatch):
    pytest.importorskip("infinium", reason="uv pip install infinium-o2")
    pytest.importorskip("openai", reason="uv pip install openai")
    providers = Providers()
    monkeypatch.setenv("OPENAI_BASE_URL", providers.url)
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    made = {"__name__": "example"}
    exec(blocks("sdk.md")[1], made)
    made["model"].close()
    providers.shutdown()
    providers.server_close()
    assert flush()
    [task] = traces()
    assert [(step.action, step.llm_call.prompt_tokens) for step in task.steps] == [("llm_inference", 13)]


def test_a_test_of_an_agent_passes_with_and_without_instrument(pytester, monkeypatch):
    pytest.importorskip("langchain_core", reason="uv pip install -e '.[langchain]'")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    test, conftest = blocks("pytest.md")
    pytester.makepyfile(test_it=test)
    arguments = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-q"]
    if not pytester._request.config.pluginmanager.has_plugin("infinium"):
        arguments += ["-p", "_infinium_pytestplugin"]
    pytester.runpytest_subprocess(*arguments, timeout=100).assert_outcomes(passed=1)
    pytester.makeconftest(conftest)
    pytester.runpytest_subprocess(*arguments, timeout=100).assert_outcomes(passed=1)

"""What users import is there, is listed, and costs nothing that they did not ask for."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import infinium_integrations
from infinium_integrations import client, errors, langchain, models, testing, tracing

PROMISED = [
    "ApiResponse",
    "AsyncInfiniumClient",
    "EnvironmentContext",
    "ErrorDetail",
    "ExecutionStep",
    "ExpectedOutcome",
    "InfiniumClient",
    "LlmCall",
    "LlmUsage",
    "StepContext",
    "TaskData",
    "ToolCall",
    "TraceBuilder",
    "aexperiment",
    "compare",
    "configure",
    "current_trace",
    "experiment",
    "experiments",
    "flush",
    "instrument",
    "shutdown",
    "stats",
    "suppress",
    "trace",
    "traces",
    "uninstrument",
]
FRAMEWORKS = ("langchain_core", "langgraph", "llama_index", "pandas", "IPython")
HEAVY = (*FRAMEWORKS, "httpx", "sqlite3", "jinja2", "starlette", "uvicorn", "genai_prices", "opentelemetry", "click")
NEEDED_BY_OURS = {"langchain": "langchain_core", "llama_index": "llama_index.core"}


def our_modules():
    found = pkgutil.walk_packages(infinium_integrations.__path__, "infinium_integrations.")
    return [one.name for one in found if not one.name.endswith("__main__")]


def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = error.__cause__ or error
        if not isinstance(missing, ModuleNotFoundError) or missing.name.startswith("infinium_integrations"):
            raise
        pytest.skip(str(error))


def loaded_by(code):
    """Run code in a new process and give the modules that are loaded after it."""
    told = f"{code}\nimport sys\nsys.stdout.write(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    return set(result.stdout.split())


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_is_given_and_listed(name):
    assert getattr(infinium_integrations, name).__module__.startswith("infinium_integrations")
    assert name in infinium_integrations.__all__
    assert name in dir(infinium_integrations)


def test_no_name_is_listed_that_was_not_promised():
    assert sorted(infinium_integrations.__all__) == PROMISED


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"infinium_integrations.*'send_everything'"):
        _ = infinium_integrations.send_everything


@pytest.mark.parametrize("name", our_modules())
def test_every_module_says_what_it_gives(name):
    module = imported(name)
    public = [each for each in vars(module) if not each.startswith("_")]
    assert set(module.__all__) <= {*public, *dir(module)}
    assert len(set(module.__all__)) == len(module.__all__)


def test_the_handlers_stand_where_the_readme_says():
    assert langchain.__all__ == ["InfiniumCallbackHandler"]


@pytest.mark.parametrize("section", models.SECTIONS)
def test_each_section_can_be_imported(section):
    kind = models.SECTIONS[section]
    assert kind.__name__ in models.__all__


def test_errors_have_one_root():
    tree = [getattr(errors, name) for name in errors.__all__]
    raised = [kind for kind in tree if isinstance(kind, type) and issubclass(kind, Exception)]
    assert raised
    assert all(issubclass(kind, errors.InfiniumError) for kind in raised)


def test_the_package_loads_no_framework_and_no_http_client():
    assert not loaded_by("import infinium_integrations").intersection(HEAVY)


def test_recording_by_hand_loads_no_framework_and_no_http_client():
    loaded = loaded_by("from infinium_integrations import TraceBuilder, trace, configure, ExpectedOutcome")
    assert not loaded.intersection(HEAVY)


def test_the_client_loads_no_framework():
    assert not loaded_by("from infinium_integrations import InfiniumClient").intersection(FRAMEWORKS)


def test_the_langchain_handler_loads_no_other_framework():
    loaded = loaded_by("from infinium_integrations.langchain import InfiniumCallbackHandler")
    assert not loaded.intersection({"langgraph", "llama_index", "pandas"})


@pytest.mark.parametrize(("ours", "theirs"), NEEDED_BY_OURS.items())
def test_a_framework_that_is_missing_is_named_with_its_extra(ours, theirs):
    code = f"""
import sys
sys.modules[{theirs.partition(".")[0]!r}] = None
try:
    import infinium_integrations.{ours}
except ImportError as error:
    sys.stdout.write(str(error))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"infinium-integrations[{ours.replace('_', '-')}]" in told


def test_the_modules_that_others_build_on_are_there():
    assert {tracing.trace, tracing.TraceBuilder} == {infinium_integrations.trace, infinium_integrations.TraceBuilder}
    assert client.InfiniumClient is infinium_integrations.InfiniumClient
    assert testing.captured_traces

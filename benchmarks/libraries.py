"""How each library is set up for a program: what goes into ``callbacks``, and how what it recorded is delivered.

Each function takes the address of the sink and returns a pair; it runs in a process of its own.
"""

import os
import tempfile
from pathlib import Path


def bare(url):
    return [], lambda: None


def nothing(url):
    """Handlers that do nothing: what the framework itself pays for having one."""
    from langchain_core.callbacks import BaseCallbackHandler

    class Nothing(BaseCallbackHandler):
        run_inline = True

    return [Nothing()], lambda: None


def ours(url):
    _account(url)
    import infinium_integrations as infinium
    from infinium_integrations.langchain import InfiniumCallbackHandler

    return [InfiniumCallbackHandler(tags=["bench"])], lambda: infinium.flush(60)


def _account(url):
    os.environ.update(
        INFINIUM_AGENT_ID="00000000-0000-4000-8000-000000000001",
        INFINIUM_AGENT_SECRET="benchmark-secret",
        INFINIUM_BASE_URL=f"{url}/api/v1",
        INFINIUM_STORE=str(Path(tempfile.mkdtemp()) / "store"),
    )


def langfuse(url):
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    client = Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", host=url)
    return [CallbackHandler()], client.flush


def openinference(url):
    from openinference.instrumentation.langchain._tracer import OpenInferenceTracer

    provider = _otel(url)
    tracer = OpenInferenceTracer(provider.get_tracer("bench"), separate_trace_from_runtime_context=False)
    return [tracer], provider.force_flush


def _otel(url):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces"), max_queue_size=50_000)
    )
    return provider


def langsmith(url):
    from langchain_core.tracers import LangChainTracer
    from langsmith import Client

    client = Client(api_url=url, api_key="ls-1")
    return [LangChainTracer(client=client)], client.flush


def opik(url):
    os.environ.update(OPIK_URL_OVERRIDE=f"{url}/api", OPIK_TRACK_DISABLE="false", OPIK_CONFIG_PATH="/nonexistent")
    import opik as package
    from opik.integrations.langchain import OpikTracer

    tracer = OpikTracer()
    return [tracer], lambda: (tracer.flush(), package.flush_tracker())


def mlflow(url):
    """Its traces go into a folder: its server's protocol is more than a sink can speak."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow as package

    package.set_tracking_uri(f"file:{tempfile.mkdtemp()}")
    package.set_experiment("bench")
    package.langchain.autolog(log_traces=True)
    return [], lambda: package.flush_trace_async_logging(terminate=False)


LANGCHAIN = {
    "bare": bare,
    "nothing": nothing,
    "ours": ours,
    "langfuse": langfuse,
    "openinference": openinference,
    "langsmith": langsmith,
    "opik": opik,
    "mlflow": mlflow,
}


def llama_nothing(url):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
    from llama_index.core.instrumentation.span_handlers.base import BaseSpanHandler

    class NoEvents(BaseEventHandler):
        @classmethod
        def class_name(cls):
            return "NoEvents"

        def handle(self, event, **kwargs):
            pass

    class NoSpans(BaseSpanHandler):
        def span_enter(self, *args, **kwargs):
            pass

        span_exit = span_drop = new_span = prepare_to_exit_span = prepare_to_drop_span = span_enter

    get_dispatcher().add_event_handler(NoEvents())
    get_dispatcher().add_span_handler(NoSpans())
    return [], lambda: None


def llama_ours(url):
    _account(url)
    import infinium_integrations as infinium
    from infinium_integrations.llama_index import InfiniumEventHandler

    InfiniumEventHandler(tags=["bench"]).register()
    return [], lambda: infinium.flush(60)


def llama_openinference(url):
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    provider = _otel(url)
    LlamaIndexInstrumentor().instrument(tracer_provider=provider)
    return [], provider.force_flush


LLAMA_INDEX = {"bare": bare, "nothing": llama_nothing, "ours": llama_ours, "openinference": llama_openinference}

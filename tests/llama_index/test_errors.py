"""One exception is one error at the step it came from; what is no error is none."""

import asyncio
import gc

import pytest
from kit import Scripted, an_engine, an_index, one, status, steps
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever


def raising(error):
    class Raising(BaseRetriever):
        def _retrieve(self, query_bundle):
            raise error

    return RetrieverQueryEngine.from_args(Raising(), llm=Scripted(replies=["x"]))


def test_a_models_error_under_a_query_is_one_error(traces):
    with pytest.raises(RuntimeError):
        an_engine(Scripted(replies=[(RuntimeError("no model"), [])])).query("q?")
    trace = one(traces)
    assert status(trace) == "error"
    (error,) = trace.errors
    assert (error.error_type, error.message, error.recoverable) == ("RuntimeError", "no model", False)
    assert "no model" in error.stack_trace
    failed = [step for step in trace.steps if step.error]
    assert [step.action for step in failed] == ["llm_inference"]


def test_a_retrievers_error_is_sent(traces):
    with pytest.raises(LookupError):
        raising(LookupError("no index")).query("q?")
    trace = one(traces)
    assert [error.message for error in trace.errors] == ["no index"]
    assert steps(trace, "retrieval")[0].metadata["status"] == "error"


def test_an_interrupted_run_is_cancelled_and_goes_on_raising(traces):
    with pytest.raises(KeyboardInterrupt):
        raising(KeyboardInterrupt()).query("q?")
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors


def test_a_cancelled_query_is_cancelled(traces):
    class Hanging(BaseRetriever):
        def _retrieve(self, query_bundle):
            raise NotImplementedError

        async def _aretrieve(self, query_bundle):
            await asyncio.sleep(30)

    async def go():
        task = asyncio.create_task(RetrieverQueryEngine.from_args(Hanging(), llm=Scripted()).aquery("q?"))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")
def test_a_pending_query_whose_loop_is_closed_is_cancelled(traces):
    class Hanging(BaseRetriever):
        def _retrieve(self, query_bundle):
            raise NotImplementedError

        async def _aretrieve(self, query_bundle):
            await asyncio.sleep(30)

    loop = asyncio.new_event_loop()
    task = loop.create_task(RetrieverQueryEngine.from_args(Hanging(), llm=Scripted()).aquery("q?"))
    loop.run_until_complete(asyncio.sleep(0.02))
    task._log_destroy_pending = False
    loop.close()
    del task
    gc.collect()
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors


def test_a_wrong_call_that_no_span_tells_of_does_no_harm(traces):
    with pytest.raises(TypeError):
        an_index().as_query_engine(llm=Scripted()).query()
    assert not traces


def test_an_error_that_was_survived_is_recoverable(traces):
    from infinium_integrations import trace as tracing

    with tracing("Try"):
        with pytest.raises(LookupError):
            raising(LookupError("no index")).query("q?")
        an_engine(Scripted(replies=["b"])).query("again?")
    trace = one(traces)
    assert status(trace) == "ok"
    assert [error.recoverable for error in trace.errors] == [True]


def test_an_index_that_cannot_be_built_is_a_trace(traces):
    class Broken(MockEmbedding):
        def _get_text_embeddings(self, texts):
            raise ValueError("no embedding")

        _get_text_embedding = _get_text_embeddings

    with pytest.raises(ValueError, match="no embedding"):
        VectorStoreIndex.from_documents([Document(text="a")], embed_model=Broken(8))
    assert traces[-1].status == "error"
    assert traces[-1].errors[0].message == "no embedding"


def test_a_local_function_under_a_span_has_its_own_name(traces):
    @get_dispatcher(__name__).span
    def clean(text):
        return text.strip()

    assert clean(" a ") == "a"
    assert traces[-1].name == "clean"

"""An ingestion pipeline shows one step a transformation; what builds an index has a name that says so."""

import asyncio
import json
import multiprocessing
import subprocess
import sys

import pytest
from delivery_kit import environment
from kit import Scripted, actions, ended, one, parent, status, steps
from llama_index.core import Document, PropertyGraphIndex, VectorStoreIndex
from llama_index.core.async_utils import run_jobs
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.extractors import KeywordExtractor
from llama_index.core.indices.property_graph import ImplicitPathExtractor, SimpleLLMPathExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode, TransformComponent

from infinium_integrations import trace
from infinium_integrations.llama_index import InfiniumEventHandler


def documents():
    return [Document(text="one two three", doc_id=f"doc-{at}") for at in range(2)]


class Halves(TransformComponent):
    def __call__(self, nodes, **kwargs):
        return [TextNode(text=half) for node in nodes for half in (node.text[:5], node.text[5:])]


class First(TransformComponent):
    """Keeps the first node."""

    def __call__(self, nodes, **kwargs):
        return nodes[:1]


class Broken(TransformComponent):
    def __call__(self, nodes, **kwargs):
        raise ValueError("cannot clean")


class NoVectors(MockEmbedding):
    def _get_text_embedding(self, text):
        raise ValueError("no embedding")

    _get_text_embeddings = _get_query_embedding = _get_text_embedding


def run(pipeline):
    return pipeline.run(documents=documents())


def arun(pipeline):
    return asyncio.run(pipeline.arun(documents=documents()))


@pytest.mark.parametrize("work", [run, arun])
def test_each_transformation_is_a_step_with_its_nodes_counted_and_its_calls_below(traces, work):
    extractor = KeywordExtractor(llm=MockLLM(max_tokens=2), keywords=1)
    given = work(IngestionPipeline(transformations=[Halves(), extractor, First(), MockEmbedding(embed_dim=4)]))
    assert len(given) == 1
    task = one(traces)
    shown = [(found.description, found.input_preview, found.output_preview) for found in steps(task, "chain")]
    assert shown == [
        ("Halves", "2 documents", "4 nodes"),
        ("KeywordExtractor", "4 nodes", "4 nodes"),
        ("First", "4 nodes", "1 node"),
    ]
    assert [found.metadata["nodes_out"] for found in steps(task, "chain")] == [4, 4, 1]
    calls = steps(task, "llm_inference")
    assert len(calls) == 4
    assert {parent(task, call).description for call in calls} == {"KeywordExtractor"}
    (embedding,) = steps(task, "embedding")
    assert (embedding.description, parent(task, embedding)) == ("MockEmbedding", None)


@pytest.mark.parametrize("work", [run, arun])
def test_a_transformation_that_works_on_many_nodes_at_once_has_its_name(traces, work):
    work(IngestionPipeline(transformations=[First(), SimpleLLMPathExtractor(llm=MockLLM(max_tokens=2))]))
    task = one(traces)
    assert [found.description for found in steps(task, "chain")] == ["First", "SimpleLLMPathExtractor"]
    assert parent(task, steps(task, "llm_inference")[0]).description == "SimpleLLMPathExtractor"
    assert "coroutine" not in task.model_dump_json()


@pytest.mark.parametrize("work", [run, arun])
def test_a_transformation_that_fails_is_the_step_of_the_error(traces, work):
    with pytest.raises(ValueError, match="cannot clean"):
        work(IngestionPipeline(transformations=[First(), Broken()]))
    task = one(traces)
    assert (status(task), task.errors[0].message) == ("error", "cannot clean")
    assert [(found.description, found.metadata["status"]) for found in steps(task)] == [
        ("First", "ok"),
        ("Broken", "error"),
    ]


def test_a_pipeline_in_a_trace_is_a_step_with_its_transformations_below(traces):
    with trace("Nightly"):
        run(IngestionPipeline(transformations=[First()]))
    task = one(traces)
    pipeline, first = steps(task)
    assert (pipeline.description, pipeline.input_preview) == ("IngestionPipeline.run", "2 documents")
    assert parent(task, first) == pipeline


def test_what_is_cached_is_no_step(traces):
    pipeline, given = IngestionPipeline(transformations=[First()]), documents()
    pipeline.run(documents=given)
    pipeline.run(documents=given)
    assert [len(steps(task)) for task in ended(traces, 2)] == [1, 0]


def build(**options):
    extractors = [SimpleLLMPathExtractor(llm=MockLLM(max_tokens=2)), ImplicitPathExtractor()]
    return PropertyGraphIndex.from_documents(
        documents(),
        kg_extractors=extractors,
        embed_model=MockEmbedding(embed_dim=4),
        transformations=[First()],
        **options,
    )


@pytest.mark.parametrize("use_async", [True, False])
def test_a_property_graph_s_trace_is_named_after_the_index_and_what_is_at_work(traces, use_async):
    build(use_async=use_async)
    task = one(traces)
    assert task.name == "PropertyGraphIndex.from_documents: SimpleLLMPathExtractor"
    assert actions(task) == ["llm_inference"]
    assert "coroutine" not in task.model_dump_json()
    if use_async:
        assert task.input_summary == "1 node"


def test_a_document_that_is_inserted_later_says_so(traces):
    index = build()
    index.insert(Document(text="later"))
    assert ended(traces, 2)[1].name == "PropertyGraphIndex.insert: SimpleLLMPathExtractor"


def test_a_name_that_the_user_gave_stays(caught):
    with InfiniumEventHandler(name="Nightly"):
        build()
    assert one(caught).name == "Nightly"


def test_jobs_that_the_user_runs_are_counted_and_are_no_transformation_s(traces):
    llm = Scripted(replies=["a", "b"])

    async def work():
        return await run_jobs([llm.acomplete("1"), llm.acomplete("2")])

    asyncio.run(work())
    task = one(traces)
    assert (task.name, task.input_summary) == ("run_jobs", "2 jobs")


def test_an_index_that_cannot_be_built_is_named_after_the_index(traces):
    with pytest.raises(ValueError, match="cannot clean"):
        VectorStoreIndex.from_documents(documents(), transformations=[Broken()], embed_model=MockEmbedding(embed_dim=4))
    with pytest.raises(ValueError, match="no embedding"):
        VectorStoreIndex.from_documents(documents(), transformations=[First()], embed_model=NoVectors(embed_dim=4))
    first, second = ended(traces, 2)
    assert (first.name, status(first)) == ("VectorStoreIndex.from_documents: Broken", "error")
    assert (second.name, status(second)) == ("VectorStoreIndex.from_documents", "error")
    assert actions(second) == ["embedding"]


@pytest.mark.parametrize("ask", ["get_text_embedding", "get_query_embedding"])
def test_a_bare_embedding_call_that_fails_is_a_trace_of_its_own_name(traces, ask):
    with pytest.raises(ValueError, match="no embedding"):
        getattr(NoVectors(embed_dim=4), ask)("alone")
    task = one(traces)
    assert (task.name, status(task), actions(task)) == (f"NoVectors.{ask}", "error", ["embedding"])
    assert task.errors[0].message == "no embedding"


WORKERS = """
import asyncio
import json
import sys

from llama_index.core import Document
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.extractors import KeywordExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode, TransformComponent

from infinium_integrations import flush, instrument, traces


class Same(TransformComponent):
    def __call__(self, nodes, **kwargs):
        if not nodes[0].text:
            raise ValueError("empty")
        return [TextNode(text=node.text) for node in nodes]


def work(way, text):
    extractor = KeywordExtractor(llm=MockLLM(max_tokens=2), keywords=1, show_progress=False)
    pipeline = IngestionPipeline(transformations=[Same(), extractor, MockEmbedding(embed_dim=4)])
    given = {"documents": [Document(text=text) for _ in range(4)], "num_workers": 2}
    if way == "run":
        return pipeline.run(**given)
    return asyncio.run(pipeline.arun(**given))


if __name__ == "__main__":
    instrument()
    try:
        work(*sys.argv[1:])
    except ValueError:
        pass
    flush(10)
    print(json.dumps([task.model_dump(mode="json") for task in traces()]))
"""


def in_processes(tmp_path, way, text):
    """Return the traces of a pipeline that leaves its work to two processes, its own first."""
    (tmp_path / "program.py").write_text(WORKERS)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "program.py"), way, text]
    env = environment(INFINIUM_STORE=tmp_path / "store")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=True)
    tasks = json.loads(done.stdout)
    return sorted(tasks, key=lambda task: not task["name"].startswith("IngestionPipeline"))


@pytest.mark.parametrize("way", ["run", "arun"])
def test_transformations_that_processes_of_the_pipeline_s_own_do_are_steps_without_times(tmp_path, way):
    pipeline, *forked = in_processes(tmp_path, way, "one two")
    shown = [(found["action"], found["description"]) for found in pipeline["steps"]]
    assert shown == [("chain", "Same"), ("chain", "KeywordExtractor"), ("embedding", "MockEmbedding")]
    assert {(found["metadata"]["workers"], found["metadata"]["status"]) for found in pipeline["steps"]} == {(2, "ok")}
    assert {found["duration_ms"] for found in pipeline["steps"]} == {None}
    assert pipeline["output_summary"] == "4 nodes"
    for task in forked:
        assert task["name"] == "KeywordExtractor.aextract"
        found = task["environment"]["custom_tags"]
        assert found["parent_trace_id"] == pipeline["environment"]["custom_tags"]["trace_id"]
    assert len(forked) == (2 if way == "arun" and multiprocessing.get_start_method() == "fork" else 0)


def test_a_pipeline_whose_processes_fail_is_an_error_and_names_no_step_as_done(tmp_path):
    pipeline, *_ = in_processes(tmp_path, "arun", "")
    assert (pipeline["environment"]["custom_tags"]["status"], pipeline["steps"]) == ("error", None)
    assert pipeline["errors"][0]["message"] == "empty"

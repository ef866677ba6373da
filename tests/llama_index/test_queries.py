"""One query is one trace: retrieval, embedding, model, reranker, with what each took and gave."""

import asyncio

import pytest
from kit import Scripted, actions, an_engine, an_index, by_number, ended, one, parent, status, steps, tags
from llama_index.core import Document, QueryBundle
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen.types import SubQuestion
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool


def test_a_query_is_one_trace_with_retrieval_and_one_model_call(traces):
    answer = an_engine(Scripted(replies=["Paris"])).query("What is the capital?")
    trace = one(traces)
    assert str(answer) == "Paris"
    assert trace.name == "RetrieverQueryEngine.query"
    assert trace.input_summary == "What is the capital?"
    assert trace.output_summary == "Paris"
    assert status(trace) == "ok"
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]
    assert trace.environment.framework == "llama_index"
    assert trace.errors is None or trace.errors == []
    assert trace.llm_usage.api_calls_count == 1
    assert (trace.llm_usage.prompt_tokens, trace.llm_usage.completion_tokens) == (10, 8)


def test_an_async_query_is_the_same_trace(traces):
    asyncio.run(an_engine(Scripted(replies=["Paris"])).aquery("What is the capital?"))
    trace = one(traces)
    assert (trace.input_summary, trace.output_summary) == ("What is the capital?", "Paris")
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]


def test_retrieved_documents_carry_id_score_and_preview(traces):
    an_index("the sky is blue").as_retriever().retrieve("sky?")
    trace = one(traces)
    (retrieval,) = steps(trace, "retrieval")
    (document,) = retrieval.metadata["documents"]
    assert document["preview"] == "the sky is blue"
    assert document["score"] == pytest.approx(1.0)
    assert document["id"]
    assert retrieval.output_preview.startswith("1 document\nthe sky is blue")
    assert retrieval.input_preview == "sky?"
    assert trace.input_summary == "sky?"


def test_a_retriever_that_the_user_wrote_is_recorded(traces):
    class Mine(BaseRetriever):
        def _retrieve(self, query_bundle):
            return [NodeWithScore(node=TextNode(text="mine", id_="n1"), score=0.5)]

    Mine().retrieve(QueryBundle("q?"))
    (retrieval,) = steps(one(traces), "retrieval")
    assert retrieval.description == "Mine"
    assert retrieval.input_preview == "q?"
    assert retrieval.metadata["documents"] == [{"id": "n1", "score": 0.5, "preview": "mine"}]


def test_embedding_says_how_many_texts_and_batches_and_never_vectors(traces):
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), MockEmbedding(embed_dim=4, embed_batch_size=2)])
    pipeline.run(documents=[Document(text=f"text {at}") for at in range(5)])
    trace = one(traces)
    (embedding,) = steps(trace, "embedding")
    assert (embedding.metadata["texts"], embedding.metadata["batches"]) == (5, 3)
    assert "0.5" not in embedding.model_dump_json()
    assert trace.name == "IngestionPipeline.run"
    assert (trace.input_summary, trace.output_summary) == ("5 documents", "5 nodes")


def test_building_an_index_or_embedding_alone_sends_nothing(traces):
    an_index("a", "b", "c")
    MockEmbedding(embed_dim=4).get_text_embedding("alone")
    SentenceSplitter().get_nodes_from_documents([Document(text="parsed")])
    ended(traces, 0)


def test_building_an_index_is_sent_with_full_detail(caught):
    from infinium_integrations.llama_index import InfiniumEventHandler

    with InfiniumEventHandler(detail="full"):
        MockEmbedding(embed_dim=4).get_text_embedding("alone")
    assert actions(one(caught))[0] == "embedding"


def test_full_detail_keeps_the_plumbing_and_counts_the_model_once(caught):
    from infinium_integrations.llama_index import InfiniumEventHandler

    engine = an_engine(Scripted(replies=["Paris"]))
    with InfiniumEventHandler(detail="full"):
        engine.query("capital?")
    trace = one(caught)
    assert len(trace.steps) > 8
    assert trace.llm_usage.api_calls_count == 1


def test_a_reranker_says_what_went_in_and_came_out(traces):
    llm = Scripted(replies=["Doc: 1, Relevance: 9", "Paris"])
    an_engine(llm, "one", "two", node_postprocessors=[LLMRerank(llm=llm, top_n=1)]).query("q?")
    trace = one(traces)
    (rerank,) = steps(trace, "rerank")
    assert rerank.metadata["document_count"] == 1
    assert rerank.input_preview == "q?"
    assert [parent(trace, call) for call in steps(trace, "llm_inference")] == [rerank, None]


def test_a_postprocessor_without_a_model_is_a_rerank_step(traces):
    an_engine(None, "one", node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.0)]).query("q?")
    assert actions(one(traces)) == ["retrieval", "embedding", "rerank", "llm_inference"]


def test_a_router_keeps_the_selection_and_the_query_inside(traces):
    llm = Scripted(replies=['[{"choice": 1, "reason": "only one"}]', "from the tool"])
    tool = QueryEngineTool.from_defaults(an_engine(llm), name="facts", description="facts")
    RouterQueryEngine(selector=LLMSingleSelector.from_defaults(llm=llm), query_engine_tools=[tool], llm=llm).query("q?")
    trace = one(traces)
    assert trace.output_summary == "from the tool"
    assert trace.llm_usage.api_calls_count == 2
    (nested,) = steps(trace, "chain")
    assert nested.description == "RetrieverQueryEngine.query"
    assert parent(trace, steps(trace, "retrieval")[0]) == nested


def test_sub_questions_asked_at_once_stay_in_one_trace(traces):
    class Generator:
        def generate(self, tools, query):
            return [SubQuestion(sub_question=f"sub {at}", tool_name="facts") for at in range(2)]

        async def agenerate(self, tools, query):
            return self.generate(tools, query)

    llm = Scripted(replies=["one", "two", "both"])
    tool = QueryEngineTool.from_defaults(an_engine(llm), name="facts", description="facts")
    engine = SubQuestionQueryEngine.from_defaults(
        query_engine_tools=[tool], question_gen=_as_generator(Generator()), llm=llm, use_async=True, verbose=False
    )
    engine.query("q?")
    trace = one(traces)
    assert trace.llm_usage.api_calls_count == 3
    assert len(steps(trace, "retrieval")) == 2
    assert trace.output_summary == "both"


def _as_generator(inner):
    from llama_index.core.question_gen.types import BaseQuestionGenerator

    class Generator(BaseQuestionGenerator):
        def generate(self, tools, query):
            return inner.generate(tools, query)

        async def agenerate(self, tools, query):
            return inner.generate(tools, query)

        def _get_prompts(self):
            return {}

        def _update_prompts(self, prompts):
            pass

    return Generator()


def test_a_fusion_retriever_keeps_its_retrievers_and_its_model_inside(traces):
    llm = Scripted(replies=["other words", "answer"])
    index = an_index("one", "two")
    fusion = QueryFusionRetriever([index.as_retriever()], llm=llm, num_queries=2, use_async=True)
    RetrieverQueryEngine.from_args(fusion, llm=llm).query("q?")
    trace = one(traces)
    assert trace.llm_usage.api_calls_count == 2
    outer, *inner = steps(trace, "retrieval")
    assert outer.description == "QueryFusionRetriever"
    assert inner
    assert all(parent(trace, step) == outer for step in inner)


def test_instrument_tags_name_session_user_and_what_the_user_likes(traces):
    with instrument_tags({"session_id": "s-1", "user_id": "u-1", "plan": "pro", "run_name": "Ask", "api_key": "k" * 9}):
        an_engine().query("q?")
    trace = one(traces)
    assert trace.name == "Ask"
    assert (tags(trace)["session_id"], tags(trace)["user_id"], tags(trace)["plan"]) == ("s-1", "u-1", "pro")
    assert tags(trace)["api_key"] == "[REDACTED]"


def test_the_handlers_name_description_tags_and_rubric_are_the_traces(caught):
    from infinium_integrations.llama_index import InfiniumEventHandler

    handler = InfiniumEventHandler(
        name="Ask", description="Asks", tags=["a", "b"], metadata={"user_id": "u"}, expected_outcome="An answer"
    )
    engine = an_engine()
    with handler:
        engine.query("q?")
    trace = one(caught)
    assert (trace.name, trace.description) == ("Ask", "Asks")
    assert (tags(trace)["tags"], tags(trace)["user_id"]) == ("a,b", "u")
    assert trace.expected_outcome.task_objective == "An answer"


def test_without_content_no_text_is_kept(caught):
    from infinium_integrations.llama_index import InfiniumEventHandler

    engine = an_engine(Scripted(replies=["the secret answer"]), "a secret document")
    with InfiniumEventHandler(capture_content=False):
        engine.query("my secret question")
    trace = one(caught)
    assert "secret" not in trace.model_dump_json()
    assert trace.llm_usage.prompt_tokens == 10


def test_a_users_own_span_and_event_are_recorded(traces):
    from llama_index.core.instrumentation.events.base import BaseEvent

    class Noted(BaseEvent):
        what: str = "x"

    dispatcher = get_dispatcher(__name__)

    @dispatcher.span
    def my_function(question, llm):
        dispatcher.event(Noted(what="seen"))
        return llm.complete(question).text

    my_function("q?", Scripted(replies=["a"]))
    trace = one(traces)
    assert trace.output_summary == "a"
    (note,) = steps(trace, "custom")
    assert note.metadata["events"][0]["data"] == {"what": "seen"}
    assert len(steps(trace, "llm_inference")) == 1


def test_each_step_says_which_one_is_around_it(traces):
    an_engine().query("q?")
    trace = one(traces)
    embedding = steps(trace, "embedding")[0]
    assert by_number(trace, embedding.metadata["parent_step"]).action == "retrieval"


def test_a_model_without_events_is_recorded_all_the_same(traces):
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata

    class Bare(CustomLLM):
        @property
        def metadata(self):
            return LLMMetadata(model_name="bare-1")

        def complete(self, prompt, formatted=False, **kwargs):
            return CompletionResponse(text="plain", raw={"usage": {"input_tokens": 3, "output_tokens": 0}})

        def stream_complete(self, prompt, formatted=False, **kwargs):
            raise NotImplementedError

    Bare().complete("hi")
    (call,) = steps(one(traces), "llm_inference")
    assert (call.input_preview, call.output_preview) == ("user: hi", "plain")
    assert (call.llm_call.prompt_tokens, call.llm_call.completion_tokens) == (3, 0)


def test_predicting_by_template_is_one_model_call(traces):
    from llama_index.core import PromptTemplate

    MockLLM(max_tokens=2).predict(PromptTemplate("Say {word}"), word="hi")
    trace = one(traces)
    assert actions(trace) == ["llm_inference"]
    assert "hi" in trace.input_summary

"""A summary is the bare question or the bare answer of a chain, whatever the chain works with beside it."""

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from lc_support import Model, call, one, ordinary
from pydantic import BaseModel

QUESTION, ANSWER = "How far is the moon?", "Far."


class Finds(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        return [Document("The moon is far.", metadata={"page": 3})]


def summaries(task):
    return task.input_summary, task.output_summary


def talker():
    return FakeListChatModel(responses=[ANSWER])


def test_a_chain_that_hands_its_sources_on_is_asked_and_answers(traces):
    found = RunnablePassthrough.assign(context=lambda given: Finds().invoke(given["question"]))
    answers = ChatPromptTemplate.from_template("{context} {question}") | talker() | StrOutputParser()
    found.assign(answer=answers).invoke({"question": QUESTION}, ordinary())
    task = one(traces)
    assert summaries(task) == (QUESTION, ANSWER)
    assert task.captured.output["context"][0]["content"] == "The moon is far."


def test_a_chain_that_is_asked_by_a_text_and_hands_it_on_answers(traces):
    found = {"question": RunnablePassthrough(), "context": Finds()} | RunnablePassthrough.assign(
        answer=lambda _: ANSWER
    )
    found.invoke(QUESTION, ordinary())
    assert summaries(one(traces)) == (QUESTION, ANSWER)


class State(TypedDict, total=False):
    question: str
    documents: list[Any]
    generation: Any
    web_search: str


@pytest.mark.parametrize("answer", [ANSWER, AIMessage(ANSWER)], ids=["text", "message"])
def test_a_graph_answers_by_the_generation_of_its_state(traces, answer):
    made = StateGraph(State)
    made.add_node("work", lambda _: {"documents": [Document("d")], "generation": answer, "web_search": "No"})
    made.set_entry_point("work")
    made.compile().invoke({"question": QUESTION}, ordinary())
    assert summaries(one(traces)) == (QUESTION, ANSWER)


def classic(name):
    chains = pytest.importorskip("langchain_classic.chains")
    return getattr(chains, name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*deprecated")
class TestClassicChains:
    def test_a_retrieval_chain(self, traces):
        combine = pytest.importorskip("langchain_classic.chains.combine_documents")
        prompt = ChatPromptTemplate.from_template("{context} {input}")
        made = combine.create_stuff_documents_chain(talker(), prompt)
        classic("create_retrieval_chain")(Finds(), made).invoke({"input": QUESTION}, ordinary())
        assert summaries(one(traces)) == (QUESTION, ANSWER)

    @pytest.mark.parametrize("sources", [True, False])
    def test_retrieval_qa(self, traces, sources):
        chain = classic("RetrievalQA").from_chain_type(talker(), retriever=Finds(), return_source_documents=sources)
        chain.invoke({"query": QUESTION}, ordinary())
        assert summaries(one(traces)) == (QUESTION, ANSWER)

    def test_an_llm_chain(self, traces):
        prompt = ChatPromptTemplate.from_template("{question}")
        classic("LLMChain")(llm=talker(), prompt=prompt).invoke({"question": QUESTION}, ordinary())
        assert summaries(one(traces)) == (QUESTION, ANSWER)

    def test_a_conversation(self, traces):
        classic("ConversationChain")(llm=talker()).invoke({"input": QUESTION}, ordinary())
        assert summaries(one(traces)) == (QUESTION, ANSWER)

    def test_an_executor_of_an_agent_that_hands_its_steps_on(self, traces):
        agents = pytest.importorskip("langchain_classic.agents")
        prompt = ChatPromptTemplate.from_messages([("user", "{input}"), ("placeholder", "{agent_scratchpad}")])
        model = Model(replies=[AIMessage("", tool_calls=[call("look", {"page": "3"})]), ANSWER])
        look = _look()
        agent = agents.create_tool_calling_agent(model, [look], prompt)
        agents.AgentExecutor(agent=agent, tools=[look], return_intermediate_steps=True).invoke(
            {"input": QUESTION}, ordinary()
        )
        assert summaries(one(traces)) == (QUESTION, ANSWER)


def _look():
    from langchain_core.tools import tool

    @tool
    def look(page: str) -> str:
        """Look a page up."""
        return f"Page {page}"

    return look


class Verdict(BaseModel):
    answer: str
    confidence: float = 0.3


class Pair(BaseModel):
    question: str = "Who?"
    answer: str = "Ann."


class Single(BaseModel):
    answer: str = "Ann."


ALIKE = {"answer": "x", "confidence": 0.3}
DICTS = {  # what a chain is given, what it gives, and what it is asked and answers
    "one that answers alone": ({"question": "q"}, {"answer": "x"}, "q", "x"),
    "a text": ({"query": "q"}, {"text": "x"}, "q", "x"),
    "a message": ({"input": HumanMessage("q")}, {"response": AIMessage("x")}, "q", "x"),
    "context beside": ({"question": "q", "context": "c"}, {"generation": "x", "source_documents": []}, "q", "x"),
    "a state that is empty yet": (
        {"question": "q", "documents": [], "generation": "", "messages": [], "error": None},
        "x",
        "q",
        "x",
    ),
    "nothing but an error": ("q", {"answer": "x", "error": None}, "q", '{"answer": "x", "error": null}'),
    "parameters": ({"topic": "bears", "style": "short"}, "x", '{"topic": "bears", "style": "short"}', "x"),
    "a question with parameters": (
        {"question": "q", "language": "en"},
        "x",
        '{"question": "q", "language": "en"}',
        "x",
    ),
    "a structured answer": ({"question": "q"}, ALIKE, "q", '{"answer": "x", "confidence": 0.3}'),
    "a structured answer with sources": (
        "q",
        {"answer": "x", "sources": ["a"]},
        "q",
        '{"answer": "x", "sources": ["a"]}',
    ),
    "a model": ("q", Verdict(answer="x"), "q", '{"answer": "x", "confidence": 0.3}'),
    "a model that asks and answers": ("make one", Pair(), "make one", '{"question": "Who?", "answer": "Ann."}'),
    "a model of one field": ("q", Single(), "q", '{"answer": "Ann."}'),
    "two answers": ("q", {"answer": "x", "text": "y"}, "q", '{"answer": "x", "text": "y"}'),
    "an answer that was given": (
        {"question": "q", "answer": "a"},
        {"question": "q", "answer": "a", "score": 1},
        '{"question": "q", "answer": "a"}',
        '{"question": "q", "answer": "a", "score": 1}',
    ),
    "an empty answer": ("q", {"answer": ""}, "q", '{"answer": ""}'),
    "a structured answer under its name": ("q", {"answer": {"a": 1}}, "q", '{"answer": {"a": 1}}'),
    "a question among messages and the answer beside them": (
        {"messages": [("user", "q")]},
        {"messages": [("user", "q")], "answer": "x"},
        "q",
        "x",
    ),
}


@pytest.mark.parametrize("form", DICTS)
def test_a_dict_stands_for_the_question_or_the_answer_only_where_it_says_nothing_else(traces, form):
    given, came, question, answer = DICTS[form]
    RunnableLambda(lambda _: came).invoke(given, ordinary())
    assert summaries(one(traces)) == (question, answer)


@pytest.mark.parametrize(
    ("answer", "summary"),
    [
        (AIMessage("It is 5.", tool_calls=[call("add", {"a": 1})]), "It is 5."),
        (AIMessage("", tool_calls=[call("add", {"a": 1})]), '→ add({"a": 1})'),
        (AIMessage([{"type": "thinking", "thinking": "Hm."}]), "Hm."),
        (
            AIMessage([{"type": "thinking", "thinking": "Hm."}], tool_calls=[call("add", {"a": 1})]),
            '→ add({"a": 1})',
        ),
    ],
    ids=["text and calls", "calls", "reasoning", "reasoning and calls"],
)
def test_the_summary_of_an_answer_is_its_text_else_its_calls_else_its_reasoning(traces, answer, summary):
    Model(replies=[answer]).invoke("hi", ordinary())
    assert one(traces).output_summary == summary


class Place(BaseModel):
    city: str


def placed(strategy):
    agents = pytest.importorskip("langchain.agents")
    structured = pytest.importorskip("langchain.agents.structured_output")
    if strategy == "by the provider":
        model, form = Model(replies=['{"city":"Rome"}']), structured.ProviderStrategy(Place)
    else:
        answer = AIMessage("", tool_calls=[call("Place", {"city": "Rome"})])
        model, form = Model(replies=[answer]), structured.ToolStrategy(Place)
    return agents.create_agent(model, [], response_format=form)


@pytest.mark.parametrize("strategy", ["by the provider", "by a tool"])
def test_a_structured_answer_is_said_once(traces, strategy):
    placed(strategy).invoke({"messages": "Where?"}, ordinary())
    task = one(traces)
    assert summaries(task) == ("Where?", '{"city": "Rome"}')
    assert task.captured.output["structured_response"] == {"city": "Rome"}


def asking(*said):
    """A graph that says something, if anything, and then asks a human."""
    made = StateGraph(MessagesState)
    made.add_node("say", lambda _: {"messages": list(said)})
    made.add_node("ask", lambda _: {"messages": [HumanMessage(f"approved {interrupt('ok?')}")]})
    made.add_edge(START, "say")
    made.add_edge("say", "ask")
    return made.compile(checkpointer=InMemorySaver())


async def read_to_its_end(graph, given, config):
    return [chunk async for chunk in graph.astream(given, config)]


RUNS = {
    "invoke": lambda graph, *given: graph.invoke(*given),
    "ainvoke": lambda graph, *given: asyncio.run(graph.ainvoke(*given)),
    "stream": lambda graph, *given: list(graph.stream(*given)),
    "astream": lambda graph, *given: asyncio.run(read_to_its_end(graph, *given)),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("said", [None, "I need a yes."])
def test_a_run_that_stops_to_ask_has_answered_what_was_said_and_nothing_else(traces, run, said):
    before = [HumanMessage("Hello!"), AIMessage("Hi!"), HumanMessage(QUESTION)]
    graph = asking(*([AIMessage(said)] if said else []))
    RUNS[run](graph, {"messages": before}, {**ordinary(), "configurable": {"thread_id": "t"}})
    task = one(traces)
    assert task.environment.custom_tags["status"] == "interrupted"
    assert summaries(task) == (QUESTION, said)

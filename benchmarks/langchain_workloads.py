"""LangChain programs: each is a function of a config, with the number of its events and how often it is run a turn."""

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

TOKENS = 500


class Model(BaseChatModel):
    """Asks for ``calls`` tools one after the other, then answers; streams 500 tokens."""

    calls: int = 0

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}])

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        asked = 0
        for message in reversed(messages):
            if isinstance(message, HumanMessage):
                break
            asked += isinstance(message, AIMessage)
        call = {"name": "add", "args": {"a": asked, "b": 2}, "id": f"call_{asked}"}
        usage = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
        answer = AIMessage(f"hello {asked}", tool_calls=[call] if asked < self.calls else [], usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for number in range(TOKENS):
            chunk = ChatGenerationChunk(message=AIMessageChunk(f"token{number} "))
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Shelf(BaseRetriever):
    """Finds 20 documents of 4 KB."""

    documents: list = []  # noqa: RUF012

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


def _agent(calls, history=0):
    agent = create_agent(Model(calls=calls), [add], system_prompt="You are a careful assistant. " * 20)
    before = [(HumanMessage if n % 2 == 0 else AIMessage)(f"message {n} " + "word " * 40) for n in range(history)]

    def run(config):
        agent.invoke({"messages": [*before, HumanMessage("1+2?")]}, {**config, "recursion_limit": 1_000})

    return run


def workloads():
    model = Model()
    prompt = ChatPromptTemplate.from_messages([("system", "You are helpful"), ("human", "{x}")])
    chain = prompt | model | StrOutputParser()
    shelf = Shelf(documents=[Document(page_content="text " * 800, metadata={"source": f"d{n}"}) for n in range(20)])
    step = RunnableLambda(lambda number: number + 1)

    def thousand(config):
        def run(number, config):
            for _ in range(1_000):
                number = step.invoke(number, config)
            return number

        RunnableLambda(run).invoke(0, config)

    return {
        "W1": (lambda config: chain.invoke({"x": "hi"}, config), 8, 60),
        "W3": (_agent(3), 30, 12),
        "W3x30": (_agent(30), 246, 2),
        "H300": (_agent(19, history=300), 158, 2),
        "W4": (lambda config: [None for _ in model.stream("hi", config)], 502, 8),
        "W5": (lambda config: shelf.invoke("find", config), 2, 60),
        "W6x1000": (thousand, 2_002, 1),
    }

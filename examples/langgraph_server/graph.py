"""A graph of LangGraph's server, whose every run is a trace."""

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from infinium_integrations.langchain import InfiniumCallbackHandler


def reply(state: MessagesState) -> dict:
    if state["messages"][-1].content == "refund":
        return {"messages": [("ai", f"You said {interrupt('Refund it?')}")]}
    return {"messages": [("ai", "Hello!")]}


builder = StateGraph(MessagesState).add_node("reply", reply).add_edge(START, "reply")
graph = builder.compile(name="Support").with_config(callbacks=[InfiniumCallbackHandler()])

"""A refund that a person has to approve: LangGraph stops, and goes on with the answer.

    pip install "infinium-integrations[langchain]" langgraph
    python examples/langgraph_interrupt.py [yes|no]

It makes two traces. The first is `interrupted`; the second is `ok` and names the first in `resumed_from`. The model is
a stand-in that needs no key.
"""

import sys
from typing import TypedDict

from langchain_core.language_models import FakeListChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from infinium_integrations import flush, traces
from infinium_integrations.langchain import InfiniumCallbackHandler

model = FakeListChatModel(responses=["The vase arrived broken, so the customer is owed 49 euros."])


class Ticket(TypedDict, total=False):
    text: str
    proposal: str
    outcome: str


def propose(ticket: Ticket) -> Ticket:
    return {"proposal": model.invoke(f"What is this customer owed? {ticket['text']}").text}


def approve(ticket: Ticket) -> Ticket:
    answer = interrupt(f"{ticket['proposal']} Refund?")  # the graph stops here until somebody answers
    return {"outcome": "refunded" if answer == "yes" else "refused"}


graph = StateGraph(Ticket)
graph.add_node("propose", propose)
graph.add_node("approve", approve)
graph.add_edge(START, "propose")
graph.add_edge("propose", "approve")
graph.add_edge("approve", END)
agent = graph.compile(checkpointer=InMemorySaver(), name="Refund desk")

if __name__ == "__main__":
    config = {"callbacks": [InfiniumCallbackHandler()], "configurable": {"thread_id": "ticket-4711"}}
    asked = agent.invoke({"text": "My vase arrived broken."}, config)
    print("The agent asks:", asked["__interrupt__"][0].value)
    done = agent.invoke(Command(resume=sys.argv[1] if len(sys.argv) > 1 else "yes"), config)
    print("Outcome:", done["outcome"])

    flush(timeout=10)
    for task in reversed(traces(name="Refund desk", limit=2)):
        print(task.trace_id, task.status, "resumed from", task.environment.custom_tags.get("resumed_from"))

"""Which prompt sorts tickets better? Two of them over the same four tickets, side by side.

    pip install "infinium-integrations[langchain]"
    python examples/experiment.py

Every run is a trace with a rubric of its own. The model is a stand-in that needs no key; with INFINIUM_AGENT_ID and
INFINIUM_AGENT_SECRET set, Maestro grades each run, and `better.wait()` brings its results into the table.
"""

from langchain_core.language_models import SimpleChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from infinium_integrations import experiment

TICKETS = [
    {"id": "charged", "input": {"ticket": "I was charged twice."}, "expected_outcome": "Says billing"},
    {"id": "crash", "input": {"ticket": "The app crashes."}, "expected_outcome": "Says technical"},
    {"id": "both", "input": {"ticket": "It crashes when I pay."}, "expected_outcome": "Says technical"},
    {"id": "thanks", "input": {"ticket": "Thank you!"}, "expected_outcome": "Says other"},
]


class Sorter(SimpleChatModel):
    """A model that knows a few words, and only the departments that its prompt names."""

    @property
    def _llm_type(self):
        return "sorter"

    def _call(self, messages, *_args, **_kwargs):
        told, ticket = messages[0].text, messages[-1].text
        words = {"crash": "technical", "charged": "billing", "pay": "billing"}
        found = [department for word, department in words.items() if word in ticket]
        return found[0] if found else "other" if "other" in told else "billing"


def chain(instructions):
    prompt = ChatPromptTemplate.from_messages([("system", instructions), ("user", "{ticket}")])
    return prompt | Sorter() | StrOutputParser()


if __name__ == "__main__":
    first = experiment(chain("Say billing or technical."), TICKETS, name="Two departments")
    better = experiment(chain("Say billing, technical or other."), TICKETS, name="Three departments")
    print(better)
    print(first.compare(better))
    right = {"charged": "billing", "crash": "technical", "both": "technical", "thanks": "other"}
    for each in (first, better):
        print(each.name, sum(row.output == right[row.example_id] for row in each), "of", len(each), "right")

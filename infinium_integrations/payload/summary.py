"""The question and the answer of a run, out of what was taken of its input and output; on the writer's thread.

Chains are often asked, and often answer, by a dict. Where it holds the question or the answer beside what the chain
works with, or beside what was said before, that is what counts; any other dict is itself the question or the answer,
and stays whole.
"""

from itertools import takewhile

from infinium_integrations.capture.content import HISTORIES, Conversation, Fields, Message

__all__ = ["answered", "asked", "has_history", "said_so_far"]

_QUESTIONS = ("input", "question", "query", "user_input", "user_query", "user_msg", "prompt")
_ANSWERS = ("answer", "output", "result", "response", "text", "generation", "output_text")
"""What chains call what they are asked and what they answer."""
_WORKED_WITH = HISTORIES | {
    *("agent_scratchpad", "generated_question", "input_documents", "intermediate_steps", "source_documents"),
    "source_nodes",
}
"""What they call what they work with, and hand out beside the answer."""
_EMPTY: tuple[object, ...] = ("", [], {})
_CONTEXT = frozenset({"context", "docs", "documents"})


def asked(taken: object) -> object:
    """Return the question out of what a run was given; what is no such dict as it is."""
    if not isinstance(taken, dict):
        return taken
    if messages := _messages(taken):
        return Conversation(messages)
    named = [name for name in _QUESTIONS if _says(taken.get(name))]
    beside = {name for name, value in taken.items() if value is not None and value not in _EMPTY}
    alone = len(named) == 1 and beside - {named[0]} <= _CONTEXT | _WORKED_WITH
    return taken[named[0]] if named and (alone or has_history(taken)) else taken


def answered(taken: object, given: object) -> object:
    """Return the answer out of what a run gave; what is no such dict as it is.

    Args:
        taken: As it was taken.
        given: What the run was given: what a chain hands on of it is no answer, and shows that its output is a state.
    """
    if isinstance(taken, Conversation):
        if taken.structured is not None:  # the text beside it says the same, or that there is one
            return taken.structured
        beside = taken.rest if isinstance(taken.rest, dict) and _ends_with_a_question(taken) else {}
        return _answer(beside, given) or taken
    if not isinstance(taken, dict) or isinstance(taken, Fields):
        return taken
    messages = _messages(taken)
    return Conversation(messages) if messages else _answer(taken, given) or taken


def said_so_far(taken: object, given: object) -> object:
    """Return what there is of an answer where a run has stopped to ask a human; None where nothing is said yet.

    Args:
        taken: The state as it was taken then: most of it is what the run was given.
        given: What the run was given.
    """
    if isinstance(taken, Conversation):
        messages = taken.messages
    elif isinstance(taken, dict):
        messages = _messages(taken)
    else:
        return taken
    since = takewhile(lambda message: message.role != "user", reversed(messages))
    said = next((message for message in since if message.role == "assistant"), None)
    beside = taken.rest if isinstance(taken, Conversation) else taken
    return said or (_answer(beside, given) if isinstance(beside, dict) else None)


def _ends_with_a_question(taken: Conversation) -> bool:
    return bool(taken.messages) and taken.messages[-1].role == "user"


def has_history(taken: object) -> bool:
    """Whether a value is a dict that holds what was said before."""
    return isinstance(taken, dict) and not HISTORIES.isdisjoint(taken)


def _answer(fields: dict[str, object], given: object) -> object:
    """Return the one answer that fields hold; None where there is none, or another may be meant."""
    handed_on = {name for name, value in fields.items() if _says(value) and _is_given(name, value, given)}
    found = [name for name in _ANSWERS if name not in handed_on and _says(fields.get(name))]
    alone = len(found) == 1 and (
        bool(handed_on) or all(name == found[0] or _is_worked_with(name, value) for name, value in fields.items())
    )
    return fields[found[0]] if found and (alone or has_history(fields)) else None


def _is_given(name: str, value: object, given: object) -> bool:
    fields = given.rest if isinstance(given, Conversation) else given
    if not isinstance(fields, dict):
        return name in _QUESTIONS and value == fields
    return fields.get(name) == value or (name in _QUESTIONS and value in fields.values())


def _is_worked_with(name: str, value: object) -> bool:
    """Whether a field is no answer by its name, or for holding documents."""
    if name in _WORKED_WITH:
        return True
    return name in _CONTEXT and type(value) is list and all(type(one) is dict and "content" in one for one in value)


def _says(value: object) -> bool:
    return (isinstance(value, str) and bool(value)) or isinstance(value, Message)


def _messages(fields: dict[str, object]) -> list[Message]:
    """Return the messages of a state."""
    found = fields.get("messages")
    return found if type(found) is list and all(isinstance(one, Message) for one in found) else []

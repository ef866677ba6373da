"""Whatever a program does to its history between two calls, each call's messages are those that it was given then."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage

from infinium_integrations.capture.content import Content
from infinium_integrations.capture.known import NEWEST
from infinium_integrations.langchain import messages

words = st.text("ab ", max_size=3)


def answer(text, arguments):
    calls = [{"name": "f", "args": {"a": one, "deep": [one]}, "id": str(n)} for n, one in enumerate(arguments)]
    return AIMessage(text, tool_calls=calls)


message = st.one_of(
    st.tuples(words, st.none() | st.just("alice")).map(lambda one: HumanMessage(one[0], name=one[1])),
    st.lists(words, max_size=2).map(lambda texts: HumanMessage([{"type": "text", "text": text} for text in texts])),
    words.map(SystemMessage),
    st.tuples(words, st.lists(words, max_size=2)).map(lambda one: answer(*one)),
    words.map(lambda text: AIMessage("so", additional_kwargs={"reasoning_content": text})),
    st.tuples(words, st.none() | st.just([1])).map(lambda one: ToolMessage(one[0], tool_call_id="1", artifact=one[1])),
    st.just(None).map(lambda _: RemoveMessage(id="x")),
    words.map(lambda text: ("human", text)),
    words,
)


def number(history, *_):
    for one in history:
        if getattr(one, "id", "") is None:
            one.id = f"id {id(one)}"


def replace(history, place, new, _):
    history[place] = new


def copy(history, place, *_):
    history[place] = history[place].model_copy()


def say(history, place, _, text):
    history[place].content = text


def name(history, place, _, text):
    history[-(place % NEWEST) - 1].name = text


def change_within(history, place, _, text):
    one = history[-(place % NEWEST) - 1]
    if getattr(one, "tool_calls", None):
        one.tool_calls[0]["args"]["deep"][0] = text
    else:
        one.content[0]["text"] = text


CHANGES = [
    *(number, replace, copy, say, name, change_within),
    lambda history, _, new, __: history.append(new),
    lambda history, place, *_: history.pop(place),
    lambda history, place, *_: history.__delitem__(slice(None, place)),
    lambda history, _, __, text: history.insert(0, SystemMessage(text)),
]
change = st.tuples(st.sampled_from(CHANGES), st.integers(0, 60), message, words)


def said(taken):
    return [(one.role, one.name, one.parts()) for one in taken]


@settings(max_examples=500, deadline=None)
@given(st.lists(message, min_size=1, max_size=30), st.lists(st.lists(change, max_size=3), max_size=6))
def test_each_call_has_the_messages_that_it_was_given(history, turns):
    content = Content()
    for changes in [[], *turns]:
        for make, place, new, text in changes:
            with contextlib.suppress(AttributeError, IndexError, TypeError):  # not every message has what is changed
                make(history, place % max(len(history), 1), new, text)
        if not history:
            history.append(HumanMessage("from the start"))
        messages.take_all(content, history, 500, every=False)  # a step's state
        taken = messages.take_all(content, history, 500)
        assert said(taken) == said([messages.take_any(Content(), one, 500) for one in history])

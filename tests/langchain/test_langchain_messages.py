"""What a model saw and said in every form that providers have: answers first, reasoning as text, nothing lost."""

import gc
import json
import sys
import weakref
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Model, one, ordinary

from infinium_integrations.capture.content import Content, Conversation
from infinium_integrations.capture.folding import folded, unfolded
from infinium_integrations.langchain import llm_calls, messages
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Options
from infinium_integrations.viewer.terminal.transcript import as_json

SEALED = "EuYBCkQYAiJA" + "A1b2C3d4" * 60


class Says(BaseChatModel):
    answer: Any = None

    @property
    def _llm_type(self):
        return "says"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.answer)])


def said(traces, message, given="hi"):
    Says(answer=message).invoke(given, ordinary())
    return one(traces)


def text(content, **more):
    return {"type": "text", "content": content, **more}


def thought(content):
    return {"type": "reasoning", "content": content}


def call(name, arguments, identity=None, **more):
    return {"type": "tool_call", "id": identity, "name": name, "arguments": arguments, **more}


ANSWERS = {
    "Claude's thinking and a call": (
        AIMessage(
            [
                {"type": "thinking", "thinking": "Let me add", "signature": SEALED},
                {"type": "text", "text": "It is 5."},
                {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
            ],
            tool_calls=[{"name": "add", "args": {"a": 1}, "id": "t1"}],
        ),
        [thought("Let me add"), text("It is 5."), call("add", {"a": 1}, "t1")],
        'It is 5.\n→ add({"a": 1})\nreasoning: Let me add',
        "It is 5.",
    ),
    "sealed thinking": (
        AIMessage([{"type": "redacted_thinking", "data": SEALED}, {"type": "text", "text": "ok"}]),
        [thought("<sealed by the provider, 369 bytes>"), text("ok")],
        "ok\nreasoning: <sealed by the provider, 369 bytes>",
        "ok",
    ),
    "Responses": (
        AIMessage(
            [
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "Hmm"}],
                    "encrypted_content": SEALED,
                },
                {"type": "web_search_call", "id": "w1", "action": {"type": "search", "query": "q"}},
                {"type": "text", "text": "Hello", "annotations": [{"type": "url_citation", "url": "u", "title": "T"}]},
            ]
        ),
        [
            thought("Hmm"),
            {**call("web_search", {"type": "search", "query": "q"}, "w1"), "type": "server_tool_call"},
            text("Hello", citations=[{"title": "T", "url": "u"}]),
        ],
        'Hello\n→ web_search({"type": "search", "query": "q"})\nreasoning: Hmm',
        "Hello",
    ),
    "a call of Responses, which has two ids": (
        AIMessage(
            [{"type": "function_call", "id": "fc_1", "call_id": "t1", "name": "add", "arguments": '{"a": 1}'}],
            tool_calls=[{"name": "add", "args": {"a": 1}, "id": "t1"}],
        ),
        [call("add", {"a": 1}, "t1")],
        '→ add({"a": 1})',
        '→ add({"a": 1})',
    ),
    "DeepSeek": (
        AIMessage("Answer", additional_kwargs={"reasoning_content": "deep"}),
        [thought("deep"), text("Answer")],
        "Answer\nreasoning: deep",
        "Answer",
    ),
    "Bedrock": (
        AIMessage(
            [
                {"type": "reasoning_content", "reasoning_content": {"text": "bed", "signature": SEALED}},
                {"type": "text", "text": "rock"},
            ]
        ),
        [thought("bed"), text("rock")],
        "rock\nreasoning: bed",
        "rock",
    ),
    "a malformed call": (
        AIMessage("", invalid_tool_calls=[{"name": "add", "args": '{"a": 1', "id": "t1", "error": "cut"}]),
        [call("add", '{"a": 1', "t1", error="cut")],
        '→ add({"a": 1)',
        '→ add({"a": 1)',
    ),
    "a refusal beside": (
        AIMessage("", additional_kwargs={"refusal": "I can't."}),
        [{"type": "refusal", "content": "I can't."}],
        "I can't.",
        "I can't.",
    ),
    "a refusal in a block": (
        AIMessage([{"type": "refusal", "refusal": "No."}]),
        [{"type": "refusal", "content": "No."}],
        "No.",
        "No.",
    ),
    "a legacy call": (
        AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": '{"x": 1}'}}),
        [call("f", {"x": 1})],
        '→ f({"x": 1})',
        '→ f({"x": 1})',
    ),
    "text cut up by citations": (
        AIMessage(
            [
                {"type": "text", "text": "It is ", "citations": None},
                {"type": "text", "text": "sunny", "citations": [{"title": "Weather", "cited_text": "sun"}]},
                {"type": "text", "text": "."},
            ]
        ),
        [text("It is sunny.", citations=[{"title": "Weather", "cited_text": "sun"}])],
        "It is sunny.",
        "It is sunny.",
    ),
    "spoken": (
        AIMessage("", additional_kwargs={"audio": {"data": "UklGR" + "Aa1B2b3C" * 100, "transcript": "Spoken"}}),
        [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "size": 603}, text("Spoken")],
        "<audio/wav, 603 bytes>\nSpoken",
        "<audio/wav, 603 bytes>\nSpoken",
    ),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_an_answer_is_told_from_its_calls_and_its_reasoning(traces, form):
    message, parts, preview, summary = ANSWERS[form]
    task = said(traces, message)
    (found,) = task.steps
    assert found.captured.output_messages == [{"role": "assistant", "parts": parts}]
    assert (found.output_preview, task.output_summary) == (preview, summary)


QUESTIONS = {
    "a document": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}, "title": "Doc"},
        text("Doc\nHello"),
    ),
    "a declared picture": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "Ab1C2d3E" * 1000}},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "size": 6000},
    ),
    "a picture elsewhere": (
        {"type": "image_url", "image_url": {"url": "https://x.y/z.png"}},
        {"type": "uri", "modality": "image", "uri": "https://x.y/z.png"},
    ),
    "a file of the provider's": (
        {"type": "file", "file_id": "f-1"},
        {"type": "file", "modality": "file", "file_id": "f-1"},
    ),
    "plain text": ({"type": "text-plain", "text": "words", "title": "T"}, text("T\nwords")),
}


@pytest.mark.parametrize("form", QUESTIONS)
def test_what_a_message_carries_is_text_where_it_can_be_read_and_type_and_size_elsewhere(traces, form):
    block, part = QUESTIONS[form]
    task = said(traces, AIMessage("x"), [HumanMessage([block])])
    assert task.steps[0].captured.input_messages == [{"role": "user", "parts": [part]}]


def test_the_system_prompt_stands_once_and_in_no_preview(traces):
    history = [SystemMessage("Be brief. " * 300), HumanMessage("one")]

    def twice(_):
        for _ in range(2):
            Says(answer=AIMessage("ok")).invoke(history)

    RunnableLambda(twice).invoke("x", ordinary())
    first, second = one(traces).steps
    assert first.metadata["system"] == ("Be brief. " * 300)[:999] + "…"
    assert (second.metadata["system_step"], "system" in second.metadata) == (1, False)
    assert first.input_preview == second.input_preview == "user: one"
    assert first.captured.input_messages[0] is second.captured.input_messages[0]


def test_earlier_messages_fill_the_room_and_tools_are_named(traces):
    given = [
        HumanMessage("Where is it?"),
        AIMessage("", tool_calls=[{"name": "find_order", "args": {"id": 7}, "id": "c1"}]),
        ToolMessage("shipped", tool_call_id="c1", name="find_order"),
    ]
    task = said(traces, AIMessage("It is on its way."), given)
    assert (
        task.steps[0].input_preview
        == 'tool find_order: shipped\nassistant: → find_order({"id": 7})\nuser: Where is it?'
    )
    assert task.input_summary == "Where is it?"


def test_a_long_answer_leaves_room_for_the_calls(traces):
    calls = [{"name": "search", "args": {"query": "q" * 300}, "id": "c1"}]
    (found,) = said(traces, AIMessage("a" * 5_000, tool_calls=calls)).steps
    answer, asked = found.output_preview.split("\n")
    assert (len(found.output_preview), len(asked), answer[-1], asked[-1]) == (500, 150, "…", "…")
    assert asked.startswith('→ search({"query": "qqq')


def test_of_a_long_history_each_message_is_taken_once_and_what_changes_in_it_is_seen():
    content = Content()
    given = [HumanMessage(f"message {number}") for number in range(60)]
    first = messages.take_all(content, given, 500)
    again = messages.take_all(content, [*given, AIMessage("new")], 500)
    assert again[:60] == first
    given[3].content = "changed"
    given[57].additional_kwargs["reasoning"] = "thought of later"
    given[30] = HumanMessage("another")
    changed = messages.take_all(content, given, 500)
    assert [one is other for one, other in zip(first, changed, strict=True)].count(False) == 3
    assert [changed[number].held["content"] for number in (3, 30)] == ["changed", "another"]
    mixed = [("human", "a pair"), {"role": "user", "content": "a dict"}, *given[2:]]
    assert [one.role for one in messages.take_all(content, mixed, 500)] == ["user"] * 60
    assert [one.held["content"] for one in messages.take_all(content, given[:25], 500)][3] == "changed"


def test_messages_that_get_an_id_later_are_the_same_and_none_is_taken_twice():
    content = Content()
    call = {"name": "f", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    given = [HumanMessage(f"message {number}") for number in range(40)]
    given += [AIMessage("", tool_calls=[call]), ToolMessage("found", tool_call_id="1"), HumanMessage("and now?")]
    first, counted = messages.take_all(content, given, 500), content.bytes
    for number, message in enumerate(given):
        message.id = str(number)
    assert messages.take_all(content, given, 500) == first
    alone = AIMessage("an answer")
    taken = messages.take(content, alone, 500)
    alone.id, alone.name = "x", "planner"
    assert (messages.take(content, alone, 500), taken.name) == (taken, "planner")
    assert content.bytes == counted + len("an answer")


def test_of_a_long_history_what_is_more_than_a_text_is_taken_as_it_is_alone():
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 40
    given = [HumanMessage(f"message {number}") for number in range(12)]
    given += [
        AIMessage("asked", name="planner"),
        HumanMessage(picture),
        AIMessage("thought", additional_kwargs={"reasoning_content": "of it"}),
        AIMessage("", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1", "type": "tool_call"}]),
        *(SystemMessage(f"rule {number}") for number in range(12)),
        HumanMessage.model_construct(content="made without a look at its fields"),
    ]
    together, alone = Content(), Content()
    taken = messages.take_all(together, given, 500)
    apart = [messages.take(alone, message, 500) for message in given]
    assert [(one.role, one.name, one.parts()) for one in taken] == [(one.role, one.name, one.parts()) for one in apart]
    assert together.bytes == alone.bytes


@pytest.mark.parametrize("order", [("", "be brief", "be kind"), ("be brief", "", "be kind")])
def test_a_history_with_a_system_prompt_before_it_is_the_one_without(order):
    content = Content()
    given = [HumanMessage(f"message {number}") for number in range(60)]
    first = None
    for prompt in order:
        taken = messages.take_all(content, [SystemMessage(prompt), *given] if prompt else given, 500)
        assert [one.held["content"] for one in taken[:-60]] == [prompt] * bool(prompt)
        first = first or taken[-60:]
        assert all(one is other for one, other in zip(first, taken[-60:], strict=True))
    assert len(content._histories) == 1


def test_a_history_that_is_made_anew_each_time_is_not_taken_for_the_last_one():
    content = Content()
    for number in range(50):
        call = {"name": f"t{number}", "args": {}, "id": str(number), "type": "tool_call"}
        given = [AIMessage("", tool_calls=[call]), *(HumanMessage("again") for _ in range(25))]
        taken = messages.take_all(content, given, 500)
        assert taken[0].held["calls"][0]["name"] == f"t{number}"
        del given, taken


def test_what_changes_inside_an_early_message_of_a_long_history_is_seen():
    content = Content()
    call = {"name": "t", "args": {"x": 1}, "id": "1", "type": "tool_call"}
    given = [HumanMessage([{"type": "text", "text": "one"}]), AIMessage("", tool_calls=[call])]
    given += [HumanMessage(f"message {number}") for number in range(40)]
    before = messages.take_all(content, given, 500)
    given[0].content[0]["text"] = "removed"
    given[1].tool_calls[0]["args"]["x"] = 2
    after = messages.take_all(content, given, 500)
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, False, *[True] * 40]


def test_once_a_trace_is_sealed_nothing_of_the_programs_is_held_by_it():
    class Own:
        pass

    sealed = []
    recorder = Recorder(sealed.append)
    run = recorder.start("root", None, "chain", "root", options=Options())
    in_metadata, in_message = Own(), Own()
    gone = weakref.ref(in_metadata), weakref.ref(in_message)
    message = HumanMessage("asked", response_metadata={"own": in_message})
    llm_calls.begin(run, {"mine": in_metadata, "ls_provider": "openai"}, {}, None)
    run.input = Conversation(messages.take_all(run.trace.content, [message] * 30, 500))
    del message, in_metadata, in_message
    recorder.finish(run, "ok")
    gc.collect()
    assert [one() for one in gone] == [None, None]
    assert sealed[0].root.input.messages[0].held["content"] == "asked"
    sealed[0].root.read()
    assert sealed[0].root.llm.provider == "openai"


def test_a_secret_key_in_what_is_copied_at_once_reaches_neither_content_nor_payload(traces):
    found = [Document("text", metadata={"password": "hunter2hunter2", "page": 3})]
    call = {"name": "login", "args": {"api_key": "abcd1234abcd1234", "user": "u"}, "id": "1", "type": "tool_call"}

    def work(state):
        Says(answer=AIMessage("", tool_calls=[call])).invoke([HumanMessage("go")])
        return {"found": found, "token": "efgh5678efgh5678", "deep": {"secret": "ijkl9012ijkl9012"}}

    RunnableLambda(work).invoke({"client_secret": "mnop3456mnop3456"}, ordinary())
    task = one(traces)
    told = json.dumps([task.to_wire(), as_json(task)], default=str)
    for secret in ("hunter2", "abcd1234", "efgh5678", "ijkl9012", "mnop3456"):
        assert secret not in told
    assert '"page": 3' in told


def test_what_a_tool_keeps_for_the_program_is_not_held():
    class Large:
        def __eq__(self, other):
            raise AttributeError

        __hash__ = None

    content, artifact = Content(), Large()
    gone = weakref.ref(artifact)
    message = ToolMessage("ok", tool_call_id="1", artifact=artifact)
    messages.take(content, message, 500)
    message.artifact = artifact = None
    message.artifact = Large()
    messages.take(content, message, 500)
    assert gone() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.tool_calls[0]["args"].update(a=2),
        lambda message: message.tool_calls.append({"name": "g", "args": {}, "id": "2", "type": "tool_call"}),
        lambda message: message.additional_kwargs.update(refusal="no"),
        lambda message: message.content[0].update(text="other"),
        lambda message: setattr(message, "content", "other"),
        lambda message: setattr(message, "tool_calls", []),
    ],
)
def test_whatever_changes_in_a_message_makes_it_another(change):
    content = Content()
    call = {"name": "f", "args": {"a": 1, "deep": {"b": [1, {"c": 2}]}}, "id": "1", "type": "tool_call"}
    message = AIMessage([{"type": "text", "text": "one"}], tool_calls=[call])
    before = messages.take(content, message, 500)
    assert messages.take(content, message, 500) is before
    change(message)
    assert messages.take(content, message, 500) is not before


def test_nothing_of_a_large_picture_is_held():
    content = Content()
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 100_000
    message = HumanMessage([{"type": "image_url", "image_url": {"url": picture}}])
    held = sys.getrefcount(picture)
    messages.take(content, message, 500)
    del message
    assert sys.getrefcount(picture) < held


def test_a_message_that_was_changed_is_another_and_one_that_was_not_is_the_same(traces):
    message = HumanMessage("before")
    blocks = HumanMessage([{"type": "text", "text": "in a block"}])

    def work(_):
        for _ in range(3):
            Says(answer=AIMessage("ok")).invoke([message, blocks])
        message.content = "after"
        blocks.content[0]["text"] = "changed in place"
        Says(answer=AIMessage("ok")).invoke([message, blocks])

    RunnableLambda(work).invoke("x", ordinary())
    task = one(traces)
    asked = [[part["parts"][0]["content"] for part in step.captured.input_messages] for step in task.steps]
    assert asked == [["before", "in a block"]] * 3 + [["after", "changed in place"]]
    assert len(task.captured.messages) == 5


def test_without_content_nothing_is_kept_of_it(traces):
    Model().invoke([SystemMessage("canary")], ordinary(capture_content=False))
    task = one(traces)
    assert task.captured is None
    assert "canary" not in json.dumps(task.to_wire())


def test_content_chars_cuts_each_text_and_zero_keeps_previews_only(traces, monkeypatch):
    from infinium_integrations import settings

    settings.configure(content_chars=0)
    Model().invoke([HumanMessage("hi")], ordinary())
    task = one(traces)
    assert (task.captured, task.steps[0].input_preview) == (None, "user: hi")
    settings.configure(content_chars=9_000)
    Model().invoke([HumanMessage("x" * 20_000)], ordinary())
    (message,) = traces[1].steps[0].captured.input_messages
    assert message["parts"][0]["content"] == "x" * 8_999 + "…"
    settings.configure(content_chars=100)
    Model().invoke([HumanMessage("x" * 20_000)], ordinary())
    (message,) = traces[2].steps[0].captured.input_messages
    assert message == {"role": "user", "parts": [{"type": "text", "content": "x" * 99 + "…"}]}
    assert traces[2].steps[0].input_preview == "user: " + "x" * 493 + "…"
    settings.configure(content_chars=10)
    call = {"id": "call_0123456789", "name": "look_it_up", "args": {"name": "x" * 50}}
    Model().invoke([HumanMessage("hi"), AIMessage("", tool_calls=[call])], ordinary())
    (part,) = traces[3].steps[0].captured.input_messages[1]["parts"]
    assert (part["id"], part["name"], part["arguments"]) == (call["id"], call["name"], {"name": "x" * 9 + "…"})
    settings.reset()


def test_what_is_kept_grows_with_what_was_said_and_not_with_its_square(traces):
    agents = pytest.importorskip("langchain.agents")

    def asked(number):
        return AIMessage("", tool_calls=[{"name": "look_up", "args": {"page": number}, "id": f"c{number}"}])

    @tool
    def look_up(page: int) -> str:
        """Look a page up."""
        return f"Page {page}: " + "words of this page alone. ".replace("this", str(page)) * 20

    def sizes(calls):
        model = Model(replies=[*map(asked, range(calls)), "That is all."])
        agent = agents.create_agent(model, [look_up], system_prompt="Read the book. " * 20)
        agent.invoke({"messages": [("user", "What does it say?")]}, {**ordinary(), "recursion_limit": 200})
        task = traces[-1]
        kept = json.dumps(folded(as_json(task)), separators=(",", ":"))
        said = {part.get("content") or part.get("response") for one in task.captured.messages for part in one["parts"]}
        return len(kept), sum(len(text or "") for text in said), len(task.steps)

    few, _, _ = sizes(15)
    many, texts, steps = sizes(30)
    assert many < 2.1 * few
    assert many <= 1.25 * texts + 300 * steps


def test_what_was_said_before_is_neither_the_question_nor_the_answer(traces):
    history = [HumanMessage("an earlier question"), AIMessage("an earlier answer")]
    chain = RunnableLambda(lambda given: {**given, "answer": "it is new"})
    chain.invoke({"input": "what is new?", "chat_history": history}, ordinary())
    task = one(traces)
    assert (task.input_summary, task.output_summary) == ("what is new?", "it is new")


def test_blocks_that_were_cut_for_want_of_room_show_no_half_of_a_secret(traces, monkeypatch):
    monkeypatch.setattr("infinium_integrations.capture.content.TRACE_BYTES", 10_000)
    block = {"type": "text", "text": "w " * 375 + "sk-proj-Ab3dEf6hIj9lMn2pQr5tUvWx2yZa4bCd" + " w" * 500}
    cited = {**block, "citations": [{"cited_text": "w", "title": "W"}]}
    messages = [HumanMessage("x" * 20_000), ToolMessage([block, block], tool_call_id="c1"), AIMessage([cited, cited])]
    Model().invoke(messages, ordinary())
    said = str(one(traces).captured.messages)
    assert "sk-proj" not in said
    assert said.count("…") >= 4


def test_a_run_of_many_calls_grows_with_the_conversation(traces, monkeypatch):
    files = []
    monkeypatch.setattr("infinium_integrations.testing.unfolded", lambda kept: files.append(kept) or unfolded(kept))

    def ask(calls, config):
        said = []
        for number in range(calls):
            said.append(HumanMessage(f"question {number}"))
            said.append(Model(replies=[f"answer {number}"]).invoke(list(said), config))

    for calls in (150, 300):
        RunnableLambda(ask).invoke(calls, ordinary())
        steps = as_json(traces[-1])["steps"]
        assert steps[str(calls)]["input_messages"] == list(range(2 * calls - 1))
    few, many = (len(json.dumps(file["steps"])) for file in files)
    assert many < 2.2 * few

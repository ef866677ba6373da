"""What LlamaIndex's own values say, whole and in the words of the conventions."""

import asyncio
from types import SimpleNamespace

import pytest
from kit import Scripted
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.tools import FunctionTool
from pydantic import AnyUrl, BaseModel

from infinium_integrations.capture.content import Content
from infinium_integrations.llama_index import llm_calls, messages

types = pytest.importorskip("llama_index.core.base.llms.types")


def steps(traces, action):
    return [step for task in traces for step in task.steps if step.action == action]


def test_an_answers_text_calls_and_thinking_stand_apart(traces):
    if not hasattr(types, "ToolCallBlock") or not hasattr(types, "ThinkingBlock"):
        pytest.skip("this core has no such blocks")
    blocks = [
        types.ThinkingBlock(content="Let me add"),
        types.TextBlock(text="It is 5."),
        types.ToolCallBlock(tool_call_id="t1", tool_name="add", tool_kwargs={"a": 1}),
    ]
    Scripted(replies=["ok"]).chat(
        [ChatMessage(role="user", content="2 + 3?"), ChatMessage(role="assistant", blocks=blocks)]
    )
    (call,) = steps(traces, "llm_inference")
    assert call.captured.input_messages[1]["parts"] == [
        {"type": "reasoning", "content": "Let me add"},
        {"type": "text", "content": "It is 5."},
        {"type": "tool_call", "id": "t1", "name": "add", "arguments": {"a": 1}},
    ]
    assert call.input_preview == 'assistant: It is 5.\n→ add({"a": 1})\nuser: 2 + 3?'


def test_a_tools_answer_is_named_by_the_call_that_it_answers(traces):
    calls = [{"id": "c1", "function": {"name": "find_order", "arguments": '{"id": 7}'}}]
    asked = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": calls})
    given = ChatMessage(role="tool", content="shipped", additional_kwargs={"tool_call_id": "c1"})
    Scripted(replies=["ok"]).chat([asked, given])
    (call,) = steps(traces, "llm_inference")
    assert call.input_preview == 'tool find_order: shipped\nassistant: → find_order({"id": 7})'


def test_a_message_sent_again_is_one_and_a_changed_one_another(traces):
    model, message = Scripted(replies=["a", "b", "c"]), ChatMessage(role="user", content="before")

    def ask():
        return model.chat([message])

    tool = FunctionTool.from_defaults(lambda: [ask(), ask(), change(), ask()], name="asks", description="Ask.")

    def change():
        message.blocks[0].text = "after"

    tool()
    first, second, third = steps(traces, "llm_inference")
    assert first.captured.input_messages[0] is second.captured.input_messages[0]
    assert third.captured.input_messages[0]["parts"] == [{"type": "text", "content": "after"}]


class CallToolResult(BaseModel):
    """As the MCP package has it."""

    content: list
    isError: bool = False


class TextContent(BaseModel):
    type: str = "text"
    text: str


@pytest.mark.parametrize("failed", [False, True])
def test_an_mcp_servers_tool_gives_its_text_and_says_that_it_failed(traces, failed):
    tool = FunctionTool.from_defaults(
        lambda: CallToolResult(content=[TextContent(text="it rains")], isError=failed),
        name="weather",
        description="Tell.",
    )
    tool()
    (call,) = steps(traces, "tool_use")
    assert (call.output_preview, call.captured.result) == ("it rains", "it rains")
    assert call.metadata["status"] == ("error" if failed else "ok")
    assert (call.error is not None) == failed


def test_a_prompt_is_its_text_and_a_tool_its_name(traces):
    from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate

    prompt = ChatPromptTemplate([ChatMessage(role="user", content="Say {x}")])
    asyncio.run(Scripted(replies=["hi"]).apredict(prompt, x="hi"))
    Scripted(replies=["hi"]).predict(PromptTemplate("Say {x}"), x="hi")
    assert traces[1].input_summary == '{"prompt": "Say {x}", "x": "hi"}'
    assert "Say {x}" in traces[0].input_summary
    assert "<" not in traces[0].input_summary


def test_documents_have_their_metadata(traces):
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding

    document = Document(text="The sea is salty. " * 100, metadata={"file_name": "sea.txt", "page": 3})
    VectorStoreIndex.from_documents([document], embed_model=MockEmbedding(8)).as_retriever().retrieve("salt?")
    (found,) = steps(traces, "retrieval")
    assert found.metadata["documents"][0]["metadata"] == {"file_name": "sea.txt", "page": 3}
    assert found.captured.documents[0]["content"] == ("The sea is salty. " * 100).strip()


def test_a_citation_is_of_the_text_beside_it_and_no_second_answer(traces):
    if not hasattr(types, "CitationBlock"):
        pytest.skip("this core has no such blocks")
    quoted = types.TextBlock(text="20 days a year")
    source = {"source": "manual.pdf", "title": "Manual", "additional_location_info": {}}
    blocks = [types.TextBlock(text="You get 20 days."), types.CitationBlock(cited_content=quoted, **source)]
    Scripted(replies=["ok"]).chat([ChatMessage(role="assistant", blocks=blocks)])
    (call,) = steps(traces, "llm_inference")
    cited = {"title": "Manual", "source": "manual.pdf", "cited_text": "20 days a year"}
    assert call.captured.input_messages[0]["parts"] == [
        {"type": "text", "content": "You get 20 days.", "citations": [cited]}
    ]


def test_neighbouring_blocks_of_a_message_read_as_llama_index_itself_reads_them(traces):
    blocks = [types.TextBlock(text="The moon is far."), types.TextBlock(text="How far?")]
    asked = ChatMessage(role="user", blocks=blocks)
    Scripted(replies=["far"]).chat([asked])
    (task,) = traces
    assert task.input_summary == asked.content
    assert task.captured.messages[0]["parts"] == [{"type": "text", "content": block.text} for block in blocks]


def test_texts_of_an_mcp_servers_tool_are_put_together_as_the_model_reads_them(traces):
    several = [TextContent(text="it rains"), TextContent(text="it pours")]
    FunctionTool.from_defaults(lambda: CallToolResult(content=several), name="weather", description="Tell.")()
    (call,) = steps(traces, "tool_use")
    assert (call.output_preview, call.captured.result) == ("it rains\nit pours", "it rains\nit pours")


def test_an_address_is_written_later_and_no_code_of_it_runs_before(monkeypatch):
    address = AnyUrl("https://a.example/moon.png")
    asked = ChatMessage(role="user", blocks=[types.ImageBlock(url=address, image_mimetype="image/png")])
    written = []
    kind, write = type(address), type(address).__str__
    monkeypatch.setattr(kind, "__str__", lambda self: written.append(self) or write(self))
    taken = messages.take(Content(), asked, 500)
    assert written == []
    assert taken.parts() == [
        {"type": "uri", "modality": "image", "uri": "https://a.example/moon.png", "mime_type": "image/png"}
    ]


def test_a_picture_as_an_address_is_its_type_and_size(traces):
    address = "data:image/png;base64," + "iVBORw0KGgo" * 200
    picture = types.ImageBlock(url=AnyUrl(address), image_mimetype="image/png")
    Scripted(replies=["ok"]).chat([ChatMessage(role="user", blocks=[picture])])
    (part,) = traces[0].captured.messages[0]["parts"]
    assert (part["type"], part["mime_type"]) == ("blob", "image/png")
    assert "iVBOR" not in traces[0].model_dump_json()


def test_a_picture_in_a_file_is_told_by_its_path(tmp_path):
    path = tmp_path / "moon.png"
    path.write_bytes(b"x")
    asked = ChatMessage(role="user", blocks=[types.ImageBlock(path=path, image_mimetype="image/png")])
    (part,) = messages.take(Content(), asked, 500).parts()
    assert part["uri"] == str(path)


class Tag:
    def __str__(self):
        raise AssertionError("called")


def test_no_code_of_a_tag_runs(traces):
    with instrument_tags({"tags": ["a", Tag()]}):
        Scripted(replies=["ok"]).chat([ChatMessage(role="user", content="hi")])
    assert "a" in traces[0].environment.custom_tags["tags"]


def test_an_answer_stays_where_the_calls_beside_it_found_no_room():
    answer = messages.answered(Content(), "It is 7.", 500)
    ran = [{"id": "m1", "arguments": "{"}, "<McpCall>", {"type": "mcp_call", "id": "m2", "name": "roll", "output": "7"}]
    parts = messages.with_hosted(answer, ran).parts()
    assert [part["type"] for part in parts] == ["server_tool_call", "server_tool_call_response", "text"]


def test_what_a_hosted_tool_waits_for_leave_to_do_or_patches_is_shown():
    output = [
        {"type": "mcp_approval_request", "id": "r", "name": "roll", "arguments": '{"n": 20}'},
        {"type": "apply_patch_call", "id": "p", "operation": {"type": "delete_file", "path": "a.py"}},
    ]
    ran = llm_calls._hosted(SimpleNamespace(output=output))
    asked = [(part["type"], part["name"], part["arguments"]) for part in messages.with_hosted(None, ran).parts()]
    patch = {"type": "delete_file", "path": "a.py"}
    assert asked == [("server_tool_call", "roll", {"n": 20}), ("server_tool_call", "apply_patch", patch)]

"""Blocks of every provider: what is said is the answer, what a hosted tool gave stands beside its call."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from lc_support import Model, one, ordinary

SEALED = "gAAAA" + "Zq9x" * 300
SAID = {"type": "text", "text": "It is 7."}
UNSAID = {
    "tools of a server": {"type": "mcp_list_tools", "id": "l", "server_label": "dice", "tools": [{"name": "roll"}]},
    "a compaction": {"type": "compaction", "id": "c", "encrypted_content": SEALED},
    "what nobody knows": {"type": "hologram", "id": "h", "beams": [1, 2]},
}


@pytest.mark.parametrize("form", UNSAID)
@pytest.mark.parametrize("standard", [False, True], ids=["as the provider has it", "as LangChain wraps it"])
def test_a_block_that_says_nothing_is_kept_and_not_said(traces, form, standard):
    block = UNSAID[form]
    held = {"type": "non_standard", "value": block} if standard else block
    Model(replies=[AIMessage([held, SAID])]).invoke("How much?", ordinary())
    task = one(traces)
    (step,) = task.steps
    kept, said = step.captured.output_messages[-1]["parts"]
    assert (kept["type"], kept["id"], said["content"]) == (block["type"], block["id"], "It is 7.")
    assert (step.output_preview, task.output_summary) == ("It is 7.", "It is 7.")
    assert SEALED[:40] not in str(kept)


@pytest.mark.parametrize("form", UNSAID)
def test_an_answer_of_such_a_block_alone_is_a_short_mark(traces, form):
    Model(replies=[AIMessage([UNSAID[form]])]).invoke("How much?", ordinary())
    assert one(traces).output_summary == f"<{UNSAID[form]['type']}>"


HOSTED = {
    "an MCP tool": (
        {"type": "mcp_call", "id": "x", "name": "roll", "arguments": '{"n": 20}', "output": "seven"},
        ("roll", {"n": 20}, "seven"),
    ),
    "a failed MCP tool": (
        {"type": "mcp_call", "id": "x", "name": "roll", "arguments": "{}", "output": None, "error": "no dice"},
        ("roll", {}, "no dice"),
    ),
    "a file search": (
        {"type": "file_search_call", "id": "x", "queries": ["refund"], "results": [{"text": "30 days"}]},
        ("file_search", ["refund"], [{"text": "30 days"}]),
    ),
    "a code interpreter": (
        {"type": "code_interpreter_call", "id": "x", "code": "6*7", "outputs": [{"type": "logs", "logs": "42"}]},
        ("code_interpreter", "6*7", [{"type": "logs", "logs": "42"}]),
    ),
    "a web search": (
        {"type": "web_search_call", "id": "x", "action": {"query": "dice", "sources": [{"url": "https://a.example"}]}},
        ("web_search", {"query": "dice"}, [{"url": "https://a.example"}]),
    ),
}


@pytest.mark.parametrize("form", HOSTED)
def test_what_a_hosted_tool_gave_stands_beside_its_call(traces, form):
    block, (name, arguments, response) = HOSTED[form]
    Model(replies=[AIMessage([block, SAID])]).invoke("How much?", ordinary())
    called, came, said = one(traces).steps[0].captured.output_messages[-1]["parts"]
    assert called == {"type": "server_tool_call", "id": "x", "name": name, "arguments": arguments}
    assert came == {"type": "server_tool_call_response", "id": "x", "response": response}
    assert (said["content"], one(traces).output_summary) == ("It is 7.", "It is 7.")


ASKED = {
    "leave to call an MCP tool": (
        {"type": "mcp_approval_request", "id": "x", "name": "delete", "arguments": '{"n": 20}', "server_label": "dice"},
        ("delete", {"n": 20}),
        '→ delete({"n": 20})',
    ),
    "a patch": (
        {"type": "apply_patch_call", "id": "x", "call_id": "c", "operation": {"type": "delete_file", "path": "a.py"}},
        ("apply_patch", {"type": "delete_file", "path": "a.py"}),
        '→ apply_patch({"type": "delete_file", "path": "a.py"})',
    ),
}


@pytest.mark.parametrize("form", ASKED)
@pytest.mark.parametrize("standard", [False, True], ids=["as the provider has it", "as LangChain wraps it"])
def test_what_a_hosted_tool_is_asked_is_shown(traces, form, standard):
    block, (name, arguments), shown = ASKED[form]
    Model(replies=[AIMessage([{"type": "non_standard", "value": block} if standard else block])]).invoke(
        "?", ordinary()
    )
    task = one(traces)
    (called,) = task.steps[0].captured.output_messages[-1]["parts"]
    assert called == {"type": "server_tool_call", "id": "x", "name": name, "arguments": arguments}
    assert task.output_summary == task.steps[0].output_preview == shown


def responses(block):
    return AIMessage([block, SAID], response_metadata={"model_provider": "openai"})


@pytest.mark.parametrize("form", HOSTED)
def test_what_a_hosted_tool_gave_is_kept_in_langchains_own_blocks_as_well(traces, form):
    block, (name, _, response) = HOSTED[form]
    standard = responses(block).content_blocks
    Model(replies=[AIMessage(standard)]).invoke("How much?", ordinary())
    called, came, _ = one(traces).steps[0].captured.output_messages[-1]["parts"]
    assert (called["name"], came["id"]) == (name, "x")
    assert str(response) in str(came["response"])


@pytest.mark.parametrize("standard", [False, True], ids=["responses/v1", "v1"])
def test_a_custom_tools_call_stands_once(traces, standard):
    block = {"type": "custom_tool_call", "id": "ctc", "call_id": "c1", "name": "exec", "input": "print(1)"}
    calls = [{"name": "exec", "args": {"__arg1": "print(1)"}, "id": "c1"}]
    held = {"type": "non_standard", "value": block} if standard else block
    Model(replies=[AIMessage([held], tool_calls=calls)]).invoke("Run it.", ordinary())
    (part,) = one(traces).steps[0].captured.output_messages[-1]["parts"]
    assert part == {"type": "tool_call", "id": "c1", "name": "exec", "arguments": {"__arg1": "print(1)"}}


FOUND = {
    "type": "search_result",
    "title": "Refund policy",
    "source": "https://a.example/refunds",
    "content": [{"type": "text", "text": "Refund within "}, {"type": "text", "text": "30 days"}],
}
FOUND_TEXT = "Refund policy\nhttps://a.example/refunds\nRefund within 30 days"
CALL = {"name": "search", "args": {"q": "r"}, "id": "c1"}


def test_what_a_tool_found_is_read_with_its_title_and_source(traces):
    @tool
    def search(q: str) -> list:
        """Search."""
        return [FOUND]

    answer = search.invoke({**CALL, "type": "tool_call"}, ordinary())
    (step,) = one(traces).steps
    assert (step.captured.result, step.output_preview) == (FOUND_TEXT, FOUND_TEXT)
    traces.clear()
    Model(replies=["30 days"]).invoke([HumanMessage("q"), AIMessage("", tool_calls=[CALL]), answer], ordinary())
    (step,) = one(traces).steps
    assert step.captured.input_messages[-1]["parts"][0]["response"] == FOUND_TEXT
    assert step.input_preview.startswith(f"tool search: {FOUND_TEXT}")


def test_what_a_user_found_is_read_with_its_title_and_source(traces):
    Model(replies=["30 days"]).invoke([HumanMessage([FOUND, {"type": "text", "text": "How long?"}])], ordinary())
    assert one(traces).input_summary == f"{FOUND_TEXT}\nHow long?"


ANSWERS = {
    "a custom tool's": ([{"type": "custom_tool_call_output", "output": "res 42"}], "res 42"),
    "a custom tool's in blocks": (
        [{"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "res 42"}]}],
        "res 42",
    ),
    "a computer's": (
        [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f1"}}],
        "<image f1>",
    ),
    "data": ([{"type": "json", "json": {"a": 1}}], '{"type": "json", "json": {"a": 1}}'),
    "a document": (
        [{"type": "document", "title": "T", "source": {"type": "content", "content": [FOUND["content"][0], "ever"]}}],
        "T\nRefund within ever",
    ),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_a_tools_answer_is_read_in_whatever_blocks_it_comes(traces, form):
    blocks, text = ANSWERS[form]
    asked = AIMessage("", tool_calls=[CALL])
    Model(replies=["ok"]).invoke([HumanMessage("q"), asked, ToolMessage(blocks, tool_call_id="c1")], ordinary())
    assert one(traces).steps[0].input_preview.startswith(f"tool search: {text}\n")


@pytest.mark.parametrize("where", ["a user's", "a tool's"])
def test_a_documents_chunks_read_alike_wherever_it_stands_and_hold_no_mark_of_ours(traces, where):
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/y.png"}}
    paper = ANSWERS["a document"][0][0]
    asked = [HumanMessage([paper, picture])]
    if where == "a tool's":
        asked = [HumanMessage("q"), AIMessage("", tool_calls=[CALL]), ToolMessage([paper, picture], tool_call_id="c1")]
    Model(replies=["ok"]).invoke(asked, ordinary())
    task = one(traces)
    assert "T\nRefund within ever\n<image" in task.steps[0].input_preview
    assert "goes_on" not in str(task.captured.messages)


BEDROCKS = {
    "a picture": ({"image": {"format": "png", "source": {"bytes": b"x" * 3000}}}, "<png>"),
    "a paper": ({"document": {"format": "pdf", "name": "Terms", "source": {"bytes": b"x" * 3000}}}, "<pdf Terms>"),
    "a tool's answer": ({"toolResult": {"toolUseId": "c1", "content": [{"text": "Page 3."}]}}, "Page 3."),
}


@pytest.mark.parametrize("form", BEDROCKS)
def test_blocks_in_the_form_of_bedrock_are_said(traces, form):
    block, text = BEDROCKS[form]
    Model(replies=["ok"]).invoke([HumanMessage([block, {"text": "What is it?"}])], ordinary())
    assert one(traces).input_summary == f"{text}\nWhat is it?"

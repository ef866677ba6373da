"""What providers put beside the content: calls that they ran themselves, and where the text is from."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from lc_support import Model, one, ordinary

GROUNDING = {
    "web_search_queries": ["oslo weather"],
    "grounding_chunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"maps": {"title": "M"}}],
    "grounding_supports": [{"segment": {"text": "It is 7."}}],
    "search_entry_point": {"rendered_content": "<style>"},
}
SOURCES = [{"type": "document", "id": "d1", "document": {"title": "Birds", "url": "https://b.example", "snippet": "s"}}]
CITED = {
    "Perplexity": (
        {"citations": ["https://a.example", "https://b.example"], "search_results": [{"title": "A", "url": "https://a.example"}]},
        [{"title": "A", "url": "https://a.example"}, {"url": "https://b.example"}],
    ),
    "Perplexity, addresses alone": ({"citations": ["https://a.example"]}, [{"url": "https://a.example"}]),
    "Cohere": (
        {"citations": [{"start": 0, "end": 2, "text": "It", "sources": SOURCES}]},
        [{"title": "Birds", "url": "https://b.example", "text": "It"}],
    ),
    "Cohere, documents of the user's": (
        {"citations": [{"start": 0, "end": 2, "text": "It", "document_ids": ["d1"]}]},
        [{"text": "It", "document_ids": ["d1"]}],
    ),
}  # fmt: skip


def said(traces, message):
    Model(replies=[message]).invoke("How much?", ordinary())
    task = one(traces)
    assert task.output_summary == "It is 7."
    return task.steps[0].captured.output_messages[-1]["parts"]


@pytest.mark.parametrize("form", CITED)
def test_citations_beside_the_content_stand_on_the_text(traces, form):
    beside, citations = CITED[form]
    parts = said(traces, AIMessage("It is 7.", additional_kwargs=beside))
    assert parts == [{"type": "text", "content": "It is 7.", "citations": citations}]


def test_what_gemini_searched_and_found_is_kept(traces):
    parts = said(traces, AIMessage("It is 7.", response_metadata={"grounding_metadata": GROUNDING}))
    asked = {"type": "server_tool_call", "id": None, "name": "google_search", "arguments": ["oslo weather"]}
    citations = [{"title": "A", "url": "https://a.example"}, {"title": "M"}]
    assert parts == [asked, {"type": "text", "content": "It is 7.", "citations": citations}]


def test_citations_in_the_content_are_not_doubled(traces):
    block = {"type": "text", "text": "It is 7.", "annotations": [{"type": "citation", "url": "https://a.example"}]}
    parts = said(traces, AIMessage([block], response_metadata={"grounding_metadata": GROUNDING}))
    assert parts[-1]["citations"] == [{"url": "https://a.example"}]


def test_what_groq_ran_stands_beside_its_call(traces):
    ran = [
        {"index": 0, "type": "python", "arguments": '{"code": "3+4"}', "output": "7"},
        {"index": 1, "type": "search", "arguments": "{}", "output": None, "search_results": {"results": ["seven"]}},
    ]
    *parts, text = said(traces, AIMessage("It is 7.", additional_kwargs={"executed_tools": ran}))
    assert [(part.get("name"), part.get("arguments"), part.get("response"), part["id"]) for part in parts] == [
        ("python", {"code": "3+4"}, None, "0"),
        (None, None, "7", "0"),
        ("search", {}, None, "1"),
        (None, None, {"results": ["seven"]}, "1"),
    ]
    assert text == {"type": "text", "content": "It is 7."}
    assert one(traces).steps[0].output_preview == 'It is 7.\n→ python({"code": "3+4"}), search({})'


@pytest.mark.parametrize("odd", [7, "x", [None, 7, [1]], [{"url": [1], "title": {"a": 1}}], {"a": 1}])
def test_odd_facts_beside_the_content_cost_no_text(traces, odd):
    kwargs = dict.fromkeys(("citations", "search_results", "executed_tools"), odd)
    grounding = {"grounding_metadata": {"grounding_chunks": odd, "web_search_queries": odd}}
    parts = said(traces, AIMessage("It is 7.", additional_kwargs=kwargs, response_metadata=grounding))
    assert parts[-1]["content"] == "It is 7."


def test_what_a_user_keeps_beside_a_question_is_no_citation(traces):
    Model().invoke([HumanMessage("q", additional_kwargs={"citations": ["https://a.example"]})], ordinary())
    assert one(traces).captured.messages[0]["parts"] == [{"type": "text", "content": "q"}]

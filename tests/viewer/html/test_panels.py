"""What steps unfold to: conversations, documents, values."""

import re
import sys
from html.parser import HTMLParser

import conversations
import pytest
import samples
from test_html import ALLOWED, Page

from infinium_integrations.models import TaskData
from infinium_integrations.viewer.html import markdown as markdown_module
from infinium_integrations.viewer.html.json_view import json_view
from infinium_integrations.viewer.html.markdown import markdown
from infinium_integrations.viewer.html.render import (
    render_fragment,
    render_trace,
    step_panel,
    trace_context,
)

MARKED = ALLOWED | {
    *("b", "blockquote", "br", "em", "hr", "s", "strong", "table", "tbody", "td", "th", "thead", "tr"),
}


class Words(HTMLParser):
    """The text of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_data(self, data):
        self.found.append(data)

    def __contains__(self, text: str) -> bool:
        return text in "".join(self.found)


@pytest.fixture(params=[True, False], ids=["document", "notebook"])
def standalone(request):
    return request.param


@pytest.mark.parametrize("name", [name for name in conversations.everything() if name != "long-talk"])
def test_every_conversation_becomes_well_formed_html_of_known_elements(name, standalone):
    page = Page(render_trace(conversations.everything()[name], standalone=standalone))
    assert page.tags <= MARKED
    ids = [value for value in page.values("id") if not value.endswith("s3")]  # one sample has two steps of that number
    assert len(ids) == len(set(ids))


def test_hostile_content_brings_no_script_no_handler_no_style_and_no_foreign_address(standalone):
    page = Page(render_trace(conversations.hostile(), standalone=standalone))
    assert not page.tags & {"script", "img", "iframe", "form", "button", "object", "link", "base"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in {"style", "src", "srcdoc"}]
    addresses = [value for value in page.values("href") if not value.startswith("#")]
    assert addresses
    assert all(value.startswith(("https://", "http://", "mailto:")) for value in addresses)


def test_hostile_content_says_its_invisible_characters(standalone):
    text = render_trace(conversations.hostile(), standalone=standalone)
    assert not {"\0", "\u202e", "\x1b"} & set(text)
    text.encode("utf-8")


def test_every_link_to_a_message_has_a_target(standalone):
    for task in (conversations.agent(), conversations.talk(120, 300)):
        page = Page(render_trace(task, standalone=standalone))
        targets = {f"#{value}" for value in page.values("id")}
        assert {value for value in page.values("href") if value.startswith("#")} <= targets


@pytest.fixture(scope="module")
def chat():
    return render_trace(conversations.agent(), standalone=True)


@pytest.fixture(scope="module")
def words(chat):
    return Words(chat)


def test_a_model_step_shows_who_said_what(chat, words):
    for role in ("system", "user", "assistant", "tool"):
        assert f'ifm-r-{role}"' in chat
    for said in (
        "You are the support desk of Northwind Cycles.",
        "I bought the annual plan 20 days ago",
        "I need the policy, the order and the customer.",
        "I will look up the policy, the order and the customer.",
        "policy_search",
        '"refund annual plan 20 days"',
        "Tokens in",
        "1,240",
        "$0.0206",
        "3 earlier messages",
        "new since step 1",
        "Tools offered",
        "Call get_order.",
        "max_tokens",
    ):
        assert said in words


def test_a_long_system_prompt_is_folded(chat):
    assert re.search(r'ifm-r-system"><p[^>]*>.{0,60}?</p><details class="ifm-fold ifm-longer"><summary>', chat)


def test_an_assistants_markdown_is_rendered(chat):
    assert "<strong>20 days old</strong>" in chat
    assert "<td><strong>€240.00</strong></td>" in chat
    link = (
        '<a href="https://example.com/refunds" title="https://example.com/refunds" rel="noopener noreferrer nofollow"'
    )
    assert link in chat


def test_a_users_markdown_is_shown_as_it_was_sent():
    assert "**Turn 0**" in Words(render_trace(conversations.talk(1, 3), standalone=True))


def test_documents_are_cards_with_source_score_and_text(words):
    for said in ("3 documents", "refunds.md#2", "handbook/refunds.md", "score 0.912", "1,240 characters", "faq.md"):
        assert said in words


def test_a_tools_json_is_folded_and_highlighted(chat):
    assert '<span class="ifm-jk">order_id</span>: <span class="ifm-jn">58213</span>' in chat
    assert '<span class="ifm-jk">history</span>: <span class="ifm-muted">[…] 27 items</span>' in chat


def test_a_call_leads_to_the_step_that_ran_it(chat):
    assert '<a class="ifm-goto" href="#s6">step 6</a>' in chat


def test_the_whole_of_a_text_is_shown_where_the_preview_has_its_beginning():
    found = Words(render_trace(conversations.agent(), standalone=True))
    assert "Your access ends on 30 Nov 2026." in found


def test_refusals_media_and_malformed_calls_are_said():
    found = Words(render_trace(conversations.hostile(), standalone=True))
    for said in ("⊘ Refused", "123 KB", "✕ arguments are no JSON", "run by the provider", "result, from the provider"):
        assert said in found


def test_several_answers_are_counted():
    assert "2 answers" in Words(render_trace(conversations.hostile(), standalone=True))


def test_a_trace_without_content_says_so_in_one_line(standalone):
    line = "no whole content was kept beside this trace"
    assert line in render_trace(samples.agent(), standalone=standalone)
    assert line not in render_trace(conversations.agent(), standalone=standalone)


def test_a_call_that_is_made_again_says_that_nothing_is_new():
    assert "nothing new since step 2" in Words(render_trace(conversations.talk(6, 6), standalone=True))


def test_a_message_of_a_long_talk_stands_once_in_a_page():
    task = conversations.talk(1_000, 300)
    page = render_fragment("trace.html", trace_context(task, address="/traces/x"))
    counts = [page.count(f"(mark-{n}-end)") for n in range(299)]
    assert min(counts) >= 1
    assert sum(counts) / len(counts) < 4
    assert len(page) < 2_500_000
    assert 'data-load="/traces/x/steps/500"' in page


def test_a_saved_file_is_bounded_and_says_what_it_left_out(standalone):
    said = [conversations.text("user", f"{n} " + "word " * 3_000) for n in range(300)]
    steps = {str(n + 1): {"input_messages": [n]} for n in range(300)}
    task = samples.trace("Large", 30.0, [samples.llm(n + 1, 100 * n, 90, (1, 1)) for n in range(300)])
    text = render_trace(task.with_captured({"messages": said, "steps": steps}), standalone=standalone)
    assert len(text) < 2_500_000
    assert re.search(r"The texts of 1\d\d steps are left out here, to keep this file small", text)
    assert "Its texts are left out here" in text


def test_one_huge_step_is_left_out_of_a_saved_file_and_links_to_its_messages_still_lead_somewhere(standalone):
    huge = [conversations.text("user", "x " * 9_000) for _ in range(200)]
    steps = {"1": {"input_messages": list(range(200))}, "2": {"input_messages": list(range(200))}}
    task = samples.trace("Huge", 1.0, [samples.llm(1, 0, 10, (1, 1)), samples.llm(2, 20, 10, (1, 1))])
    page = Page(text := render_trace(task.with_captured({"messages": huge, "steps": steps}), standalone=standalone))
    assert len(text) < 1_000_000
    targets = {f"#{value}" for value in page.values("id")}
    assert {value for value in page.values("href") if value.startswith("#")} <= targets


def test_a_step_alone_has_all_messages_that_it_was_given():
    found = step_panel(conversations.talk(1_000, 300), 600, "/traces/x")
    assert found is not None
    assert all(f"(mark-{n}-end)" in found for n in range(297))
    assert step_panel(conversations.talk(3, 5), 9, "/traces/x") is None


def test_a_node_and_its_only_call_are_one_row(standalone):
    page = Page(render_trace(conversations.nodes_with_one_call(), standalone=standalone))
    rows = [value for value in page.values("class") if value == "ifm-row"]
    assert len(rows) == 5
    assert sum(value.endswith(("s1", "s2", "s3", "s4", "s5", "s6", "s7")) for value in page.values("id")) == 7
    assert "Around it" in page.words


def test_a_node_alone_shows_its_call():
    task = conversations.nodes_with_one_call()
    assert step_panel(task, 2, "/t") == step_panel(task, 1, "/t")


def test_equal_errors_are_one_with_a_count():
    text = render_trace(conversations.repeated_error(), standalone=True)
    head = text[text.index("<header") : text.index("</header>")]
    assert head.count("ReadTimeout") == 1
    assert "<strong>\N{MULTIPLICATION SIGN} 10</strong>" in head


def test_equal_errors_that_no_step_carries_are_one_with_a_count():
    error = {"error_type": "Timeout", "message": "gone"}
    given = {**samples.bare().model_dump(), "errors": [error, {**error, "message": "other"}, error]}
    text = render_trace(TaskData.model_validate(given), standalone=True)
    assert text.count('class="ifm-fault"') == 2
    assert "Timeout</bdi> \N{MULTIPLICATION SIGN} 2</strong>" in text


def test_an_interrupts_question_stands_on_top():
    text = render_trace(conversations.interrupted(), standalone=True)
    assert "Refund €740.00 to Ada Lovelace?" in text[: text.index("</header>")]


def test_metadata_is_a_table_of_facts(chat):
    assert '<span class="ifm-key">tool_call_id</span> <bdi>c2</bdi>' in chat
    assert '<span class="ifm-key">node</span> <bdi>plan</bdi>' in chat


def test_where_there_is_no_room_for_all_steps_that_failed_come_first():
    said = [conversations.text("user", f"(mark-{n}-end) " + "word " * 3_000) for n in range(300)]
    steps = {str(n + 1): {"input_messages": [n]} for n in range(300)}
    calls = [samples.llm(n + 1, 100 * n, 90, (1, 1), status="error" if n == 298 else "ok") for n in range(300)]
    task = samples.trace("Large", 30.0, calls).with_captured({"messages": said, "steps": steps})
    text = render_trace(task, standalone=True)
    assert [f"(mark-{n}-end)" in text for n in (0, 297, 298, 299)] == [True, False, True, False]


WIDE_TABLE = f"|{'a|' * 200}\n|{'-|' * 200}\n" + "a\n" * 9_000


class TestMarkdown:
    @pytest.mark.parametrize(
        "address",
        ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "#here", "/there", "//x.y"],
    )
    def test_addresses_of_other_schemes_stay_text(self, address):
        assert "<a" not in markdown(f"[click]({address})")

    @pytest.mark.parametrize("address", ["https://example.com/a", "http://example.com", "mailto:ada@example.com"])
    def test_addresses_of_the_web_and_of_mail_are_links(self, address):
        assert f'<a href="{address}"' in markdown(f"[click]({address})")
        assert 'rel="noopener noreferrer nofollow"' in markdown(f"[click]({address})")

    def test_a_picture_is_its_description_and_address(self):
        made = markdown("![a chart](https://evil.example/pixel.png)")
        assert "<img" not in made
        assert "a chart <code>https://evil.example/pixel.png</code>" in made

    def test_html_is_text(self):
        assert "&lt;script&gt;" in markdown(samples.HOSTILE)
        assert Page(markdown(samples.HOSTILE)).tags <= {"p", "a"}

    @pytest.mark.parametrize("text", ["[" * 20_000, "|" * 20_000, "*a " * 6_000, "x" * 30_000, WIDE_TABLE])
    def test_what_would_take_long_is_left_as_it_is(self, text):
        assert markdown(text) is None

    def test_without_the_parser_it_is_left_as_it_is(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "markdown_it", None)
        markdown_module._parser.cache_clear()
        try:
            assert markdown("**bold**") is None
            assert "**20 days old**" in render_trace(conversations.agent(), standalone=True)
        finally:
            markdown_module._parser.cache_clear()


class TestJson:
    def test_a_short_value_is_one_line(self):
        assert Words(json_view({"a": [1, None, "x"]})).found == [
            *("{", '"a"', ": [", "1", ", ", "null", ", ", '"x"', "]}"),
        ]

    def test_a_long_value_is_folded_where_it_is_long(self):
        made = json_view({"short": 1, "long": {f"k{n}": "v" * 30 for n in range(30)}, "text": "line\n" * 20})
        assert made.count("<details") == 2
        assert "{…} 30 fields" in made
        assert "100 characters" in made

    def test_many_items_are_cut_and_counted(self):
        made = json_view([{"n": n} for n in range(500)])
        assert "… 400 more" in made
        assert len(made) < 30_000

    @pytest.mark.parametrize("value", [float("nan"), "\ud800", {"a": "\u202e\0"}, [[]] * 3, {}, {"x": {"y": object()}}])
    def test_any_value_becomes_html(self, value):
        json_view(value).encode("utf-8")

    def test_names_are_told_from_texts(self):
        made = json_view({'a"b': 'c": 1'})
        assert '<span class="ifm-jk">"a\\"b"</span>' in made
        assert '<span class="ifm-js">"c\\": 1"</span>' in made

    def test_a_deep_value_ends_somewhere(self):
        value: object = "x" * 100
        for _ in range(100):
            value = {"inner": value, "pad": "y" * 100}
        assert json_view(value).count("<details") < 20

import re
from html.parser import HTMLParser

import pytest
import samples

from infinium_integrations.models import ErrorDetail, TaskData
from infinium_integrations.viewer.html import render
from infinium_integrations.viewer.html.render import render_trace
from infinium_integrations.viewer.notebook.plain_text import trace_bundle

VOID = {"meta", "link", "img", "br", "input", "hr"}
ALLOWED = {
    "a",
    "bdi",
    "body",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "h1",
    "h3",
    "head",
    "header",
    "html",
    "input",
    "label",
    "li",
    "main",
    "meta",
    "ol",
    "p",
    "pre",
    "rect",
    "section",
    "span",
    "strong",
    "style",
    "summary",
    "svg",
    "text",
    "title",
    "ul",
}


class Page(HTMLParser):
    """Reads HTML and keeps what matters; fails on an element that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(params=[True, False], ids=["document", "notebook"])
def standalone(request):
    return request.param


@pytest.mark.parametrize("name", list(samples.everything()))
def test_every_trace_becomes_well_formed_html_of_known_elements(name, standalone):
    page = Page(render_trace(samples.everything()[name], standalone=standalone))
    assert page.tags <= ALLOWED


def test_a_hostile_trace_brings_no_script_no_handler_no_style_and_no_address(standalone):
    page = Page(render_trace(samples.hostile(), standalone=standalone))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in {"style", "src", "srcdoc"}]
    assert all(value.startswith("#") for value in page.values("href"))
    assert any("<script>alert(document.cookie)</script>" in text for text in page.words)


def test_a_hostile_trace_says_its_invisible_characters(standalone):
    text = render_trace(samples.hostile(), standalone=standalone)
    assert "\0" not in text
    assert "\u202e" not in text
    assert "⟨U+202E⟩" in text
    assert "␀" in text


def test_nothing_is_asked_for_from_elsewhere(standalone):
    text = render_trace(samples.agent(), standalone=standalone)
    assert not re.search(r"https?:|@import|url\(", text)


def test_a_saved_document_forbids_everything_but_its_own_styles():
    text = render_trace(samples.agent(), standalone=True)
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in text


def test_the_header_says_what_people_ask_first():
    words = " ".join(Page(render_trace(samples.agent(), standalone=True)).words)
    for said in (
        "Refund request",
        "ok",
        "11.5 s",
        "9,930 (8,930 in, 1,000 out)",
        "$0.0323",
        "gpt-4o, gpt-4o-mini",
        "chat-4711",
        "u-ada",
        "support",
        "prompt-v2",
        "Decide on the refund and answer the customer",
        "Names the amount",
        "2026-11-20 09:37:11 UTC",
    ):
        assert said in words


def test_a_step_unfolds_to_all_that_is_known_of_it():
    words = " ".join(Page(render_trace(samples.agent(), standalone=True)).words)
    for said in (
        '{"email": "ada@example.com"}',
        "httpx.ReadTimeout: timed out after 2.0 s",
        "yes, the run went on",
        "refunds.md#2",
        "0.912",
        "Annual plans are refunded in full within 30 days of purchase.",
        "Cache read",
        "4,096",
        "610 ms",
        "tool_call_id",
        "call_1a",
        "try 2",
        "Order found, eligible",
    ):
        assert said in words


def test_the_critical_path_is_said_in_words_and_drawn():
    text = render_trace(samples.agent(), standalone=True)
    assert text.count(", on the critical path") == 10
    assert text.count('class="ifm-c"') == 10
    assert ", on the critical path" not in render_trace(samples.single(), standalone=True)


def test_failed_steps_are_linked_from_the_header_and_the_link_has_a_target(standalone):
    page = Page(render_trace(samples.agent(), standalone=standalone))
    targets = {f"#{value}" for value in page.values("id")}
    assert page.values("href")
    assert set(page.values("href")) <= targets


def test_two_traces_in_one_notebook_have_anchors_of_their_own():
    first, second = (Page(render_trace(samples.agent(), standalone=False)).values("id") for _ in range(2))
    assert not set(first) & set(second)


def test_every_style_is_bound_to_the_trace_so_that_a_notebook_keeps_its_own():
    sheet = re.sub(r"/\*.*?\*/", "", render.style(), flags=re.DOTALL)
    selectors = re.findall(r"([^{};]+)\{", sheet)
    assert len(selectors) > 100
    for selector in selectors:
        assert ".ifm" in selector or selector.strip().startswith("@"), selector


def test_without_styles_a_notebook_still_shows_bars_made_of_letters():
    text = render_trace(samples.single(), standalone=False)
    assert "████████████████████████" in text
    assert "████" not in render_trace(samples.single(), standalone=True)


def test_a_very_long_run_in_a_notebook_keeps_only_the_texts_of_the_steps_that_stand_out():
    run = samples.run(2_500)
    short, whole = render_trace(run, standalone=False), render_trace(run, standalone=True)
    assert len(short) < 0.75 * len(whole)
    assert short.count("no page 194<") == whole.count("no page 194<") > 0
    assert "Its texts are left out here" in short


def test_one_error_more_than_are_named_is_no_plural():
    steps = [
        samples.tool(n, "find", n, 1, "", None, error=ErrorDetail(error_type="E", message=str(n))) for n in range(1, 7)
    ]
    assert "and 1 more error</li>" in render_trace(samples.trace("Six errors", 1.0, steps), standalone=True)


def test_groups_say_all_the_steps_that_are_in_them():
    text = re.sub(r"<[^>]*>", "", render_trace(samples.run(1_000), standalone=True))
    assert re.findall(r"Steps ([\d,]+ to [\d,]+)", text) == ["1 to 250", "251 to 500", "501 to 750", "751 to 1,000"]


def test_errors_that_no_step_carries_are_shown_in_the_header():
    task = samples.bare()
    task = TaskData.model_validate({**task.model_dump(), "errors": [{"error_type": "Timeout", "message": "gone"}]})
    text = render_trace(task, standalone=True)
    assert "Timeout" in text
    assert "ifm-is-error" in text


def test_a_trace_without_steps_says_so():
    assert "This trace has no steps." in render_trace(samples.bare(), standalone=True)


def test_long_texts_can_be_scrolled_with_the_keyboard():
    task = samples.bare()
    task.output_summary = "line\n" * 50
    assert ' tabindex="0" role="region" aria-label="Output">' in render_trace(task, standalone=True)


def test_managed_prompts_are_shown_like_the_sections():
    task = samples.bare()
    use = {"prompt_id": "p", "prompt_name": "Greeting", "version": 3}
    shown = render_trace(
        TaskData.model_validate({**task.model_dump(), "prompt_studio": {"prompts_used": [use]}}), standalone=True
    )
    assert "Prompt studio" in shown
    assert "Greeting" in shown


def test_a_notebook_gets_html_and_text():
    shown = trace_bundle(samples.agent())
    assert set(shown) == {"text/plain", "text/html"}
    assert shown["text/plain"].splitlines()[0] == "✓ ok  Refund request  (11.5 s, 11 steps, 9,930 tokens, $0.0323)"
    assert "    tool  crm_lookup  2.00 s  ✕ ReadTimeout" in shown["text/plain"].splitlines()


def test_the_text_of_a_long_run_is_short():
    lines = trace_bundle(samples.run(200))["text/plain"].splitlines()
    assert len(lines) == 62
    assert lines[-1] == "  … 140 more steps"


def test_without_jinja2_a_notebook_still_gets_text(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "infinium_integrations.viewer.html.render", None)
    assert set(trace_bundle(samples.agent())) == {"text/plain"}

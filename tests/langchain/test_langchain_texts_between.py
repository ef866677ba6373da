"""Texts of one answer between which other blocks stand: a reference cuts no sentence, another message begins a line."""

import pytest
from langchain_core.messages import AIMessage
from lc_support import Model, one, ordinary


def answered(traces, *blocks):
    message = AIMessage(list(blocks))
    Model(replies=[message]).invoke("q", ordinary())
    task = one(traces)
    return task.output_summary, task.captured.messages[-1]["parts"], message


def text(said, **more):
    return {"type": "text", "text": said, **more}


def test_a_reference_between_texts_cuts_no_sentence(traces):
    blocks = [text("Nobel "), {"type": "reference", "reference_ids": [1]}, text("prize"), text(" won.")]
    summary, parts, message = answered(traces, *blocks, {"type": "reference", "reference_ids": [2]})
    assert summary == "Nobel prize won." == str(message.text)
    cited = [{"type": "reference", "reference_ids": [1]}, {"type": "reference", "reference_ids": [2]}]
    assert parts == [{"type": "text", "content": "Nobel prize won.", "citations": cited}]


def test_a_secret_across_a_reference_is_hidden(traces):
    reference = {"type": "reference", "reference_ids": [1]}
    summary, parts, _ = answered(traces, text("it is sk-proj-Ab3dE6"), reference, text("gH9jK2mN5pQ8sT1vW4xY7z"))
    assert summary == "it is [REDACTED]"
    assert "gH9jK2" not in str(parts)


def test_a_reference_without_a_text_before_it_is_kept(traces):
    reference = {"type": "reference", "reference_ids": [1]}
    assert answered(traces, reference, text("so"))[1] == [reference, {"type": "text", "content": "so"}]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (("m1", "m2"), "Look.\nFinal."),
        (("m1", "m1"), "Look.Final."),
        (("m1", None), "Look.Final."),
        (("lc_1", "lc_2"), "Look.Final."),
    ],
)
def test_two_messages_of_one_answer_stand_on_lines_of_their_own(traces, ids, said):
    blocks = [text(words, **({"id": own} if own else {})) for words, own in zip(("Look.", "Final."), ids, strict=True)]
    assert answered(traces, *blocks)[0] == said

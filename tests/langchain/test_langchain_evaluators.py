"""Evaluators with their scores, and prompts as values: what a person would look for, not what it is made of."""

import asyncio

import pytest
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Model, one, ordinary, step

from infinium_integrations import trace
from infinium_integrations.langchain import InfiniumCallbackHandler

GIVEN = {"prediction": "a", "input": "b"}


def evaluating(name, result):
    return RunnableLambda(lambda _: result).with_config(run_name=name)


def ways(evaluator, handler):
    evaluator.evaluate_strings(**GIVEN, callbacks=[handler])
    asyncio.run(evaluator.aevaluate_strings(**GIVEN, callbacks=[handler]))


@pytest.mark.parametrize(
    ("kind", "answer", "facts"),
    [
        ("criteria", "Because.\nY", {"evaluator": "conciseness", "score": "1", "verdict": "Y"}),
        ("score_string", "fine [[7]]", {"evaluator": "conciseness", "score": "7"}),
    ],
)
def test_an_evaluation_chain_names_its_criterion_and_its_score(traces, kind, answer, facts):
    load = pytest.importorskip("langchain_classic.evaluation").load_evaluator
    ways(load(kind, llm=Model(replies=[answer]), criteria="conciseness"), InfiniumCallbackHandler())
    for task in traces:
        assert facts.items() <= task.environment.custom_tags.items()
    assert len(traces) == 2


def test_an_evaluation_chain_that_answers_in_words_says_them(traces):
    load = pytest.importorskip("langchain_classic.evaluation").load_evaluator
    evaluator = load("qa", llm=Model(replies=["CORRECT"]))
    evaluator.evaluate_strings(**GIVEN, reference="a", callbacks=[InfiniumCallbackHandler()])
    assert one(traces).environment.custom_tags["verdict"] == "CORRECT"


@pytest.mark.parametrize("name", ["CriteriaEvalChain", "MyEvaluator"])
def test_an_evaluation_within_a_trace_has_its_score_on_its_step(traces, name):
    with trace("Whole"):
        evaluating(name, {"results": {"score": 0, "value": "N"}}).invoke("x", ordinary())
        evaluating(name, {"score": 0.25}).invoke("x", ordinary())
    first, second = one(traces).steps
    assert [found.metadata["evaluator"] for found in (first, second)] == [name, name]
    assert (first.metadata["score"], first.metadata["verdict"]) == (0, "N")
    assert second.metadata["score"] == 0.25


def test_a_function_that_gives_an_evaluators_result_is_one(traces):
    result = {"key": "correctness", "score": True, "comment": "as it should be"}
    (RunnableLambda(lambda x: x) | evaluating("judge", result)).invoke("x", ordinary())
    assert step(one(traces), "judge").metadata["evaluator"] == "correctness"
    assert step(one(traces), "judge").metadata["score"] is True


@pytest.mark.parametrize("result", [{"score": 0.9, "label": "spam"}, {"score": "high", "key": "k"}, {"results": []}])
def test_other_results_with_a_score_are_no_evaluations(traces, result):
    (RunnableLambda(lambda x: x) | evaluating("classify", result)).invoke("x", ordinary())
    assert "evaluator" not in step(one(traces), "classify").metadata


def test_without_content_a_score_is_kept_and_no_text(traces):
    result = {"results": {"score": 1, "value": "secret words"}}
    evaluating("SomeEvalChain", result).invoke("x", ordinary(capture_content=False))
    assert one(traces).environment.custom_tags["score"] == "1"
    assert "secret words" not in one(traces).model_dump_json()


# -- prompts -----------------------------------------------------------------------------------------------------------

CHAT = ChatPromptTemplate.from_messages(
    [("system", "Be {tone}."), MessagesPlaceholder("history"), ("human", "{question}"), ("ai", "Well,")]
)


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (PromptTemplate.from_template("Say {x}"), "Say {x}"),
        (
            CHAT,
            '[{"system": "Be {tone}."}, {"messages": "history"}, {"user": "{question}"}, {"assistant": "Well,"}]',
        ),
        (
            FewShotPromptTemplate(
                examples=[],
                example_prompt=PromptTemplate.from_template("{x}"),
                prefix="Like this:",
                suffix="Now {q}",
                input_variables=["q"],
            ),
            '["Like this:", "Now {q}"]',
        ),
        (
            ChatPromptTemplate.from_messages(
                [HumanMessagePromptTemplate.from_template([{"type": "text", "text": "What is {x}?"}])]
            ),
            '[{"user": ["What is {x}?"]}]',
        ),
    ],
    ids=["text", "chat", "few shots", "parts"],
)
def test_a_prompt_that_is_handed_on_shows_its_text(traces, prompt, shown):
    @tool
    def fill(x: str, template: object) -> str:
        """Fill."""
        return "filled"

    RunnableLambda(lambda _: "done").invoke(prompt, ordinary())
    RunnableLambda(lambda _: "done").invoke({"prompt": prompt, "n": 1}, ordinary())
    fill.invoke({"x": "a", "template": prompt}, ordinary())
    as_json = shown if shown[0] == "[" else f'"{shown}"'
    bare, within, given = (task.input_summary for task in traces)
    assert bare == shown
    assert within == f'{{"prompt": {as_json}, "n": 1}}'
    assert given == f'{{"x": "a", "template": {as_json}}}'

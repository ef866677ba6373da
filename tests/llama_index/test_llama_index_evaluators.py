"""An evaluation has its evaluator's name and shows what was judged; a prediction shows its prompt."""

import asyncio

import pytest
from kit import Scripted, actions, ended, one, parent, steps, tags
from llama_index.core import ChatPromptTemplate, PromptTemplate
from llama_index.core.evaluation import (
    BatchEvalRunner,
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    GuidelineEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.evaluation.base import BaseEvaluator, EvaluationResult
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import ChatMessage

from infinium_integrations import trace
from infinium_integrations.llama_index import InfiniumEventHandler


class Brief(BaseEvaluator):
    """Of the user's own."""

    def __init__(self, llm):
        self.llm = llm

    async def aevaluate(self, query=None, response=None, contexts=None, **kwargs):
        said = await self.llm.apredict(PromptTemplate("Is {response} brief?"), response=response)
        return EvaluationResult(passing=said == "yes", score=1.0)

    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass


def of(kind, *replies):
    return kind(llm=Scripted(replies=list(replies)))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("evaluator", "given", "shown", "said"),
    [
        (
            lambda: of(FaithfulnessEvaluator, "YES"),
            {"query": "q?", "response": "r", "contexts": ["c"]},
            '{"query": "q?", "response": "r", "contexts": ["c"]}',
            "YES",
        ),
        (
            lambda: of(RelevancyEvaluator, "NO"),
            {"query": "q?", "response": "r", "contexts": ["c"]},
            '{"query": "q?", "response": "r", "contexts": ["c"]}',
            "NO",
        ),
        (
            lambda: of(CorrectnessEvaluator, "4.5\nGood."),
            {"query": "q?", "response": "r", "reference": "ref"},
            '{"query": "q?", "response": "r", "reference": "ref"}',
            "4.5\nGood.",
        ),
        (
            lambda: of(GuidelineEvaluator, '{"passing": true, "feedback": "ok"}'),
            {"query": "q?", "response": "r"},
            '{"query": "q?", "response": "r"}',
            '{"passing": true, "feedback": "ok"}',
        ),
        (lambda: of(Brief, "yes"), {"response": "r"}, '{"response": "r"}', "yes"),
    ],
    ids=["Faithfulness", "Relevancy", "Correctness", "Guideline", "own"],
)
def test_an_evaluation_has_its_evaluators_name_and_what_was_judged_and_said(
    traces, asynchronous, evaluator, given, shown, said
):
    judge = evaluator()
    if asynchronous:
        asyncio.run(judge.aevaluate(**given))
    else:
        judge.evaluate(**given)
    task = one(traces)
    assert (task.name, task.input_summary, task.output_summary) == (type(judge).__name__, shown, said)
    assert actions(task)[-1] == "llm_inference"


def test_evaluations_in_a_batch_are_told_apart(traces):
    runner = BatchEvalRunner(
        {
            "faithful": of(FaithfulnessEvaluator, "YES", "YES"),
            "correct": of(CorrectnessEvaluator, "4\nGood.", "2\nBad."),
        }
    )
    given = {"queries": ["q1", "q2"], "response_strs": ["r1", "r2"], "contexts_list": [["c"], ["c"]]}
    asyncio.run(runner.aevaluate_response_strs(**given, reference=["a", "b"]))
    tasks = ended(traces, 4)
    assert sorted(task.name for task in tasks) == ["CorrectnessEvaluator"] * 2 + ["FaithfulnessEvaluator"] * 2
    assert len({task.input_summary for task in tasks}) == 4


def test_an_evaluation_in_a_trace_is_a_step_with_its_calls_below(traces):
    with trace("Check"):
        of(CorrectnessEvaluator, "4\nGood.").evaluate(query="q?", response="r", reference="ref")
        of(FaithfulnessEvaluator, "YES").evaluate(query="q?", response="r", contexts=["c"])
    task = one(traces)
    first, second = steps(task, "chain")
    assert [first.description, second.description] == ["CorrectnessEvaluator", "FaithfulnessEvaluator"]
    assert (first.output_preview, second.output_preview) == ("4\nGood.", "YES")
    assert [parent(task, call) for call in steps(task, "llm_inference")] == [first, second]


@get_dispatcher(__name__).span
def graded(answer):
    return of(CorrectnessEvaluator, answer).evaluate(query="q?", response="r", reference="ref")


@get_dispatcher(__name__).span
async def agraded(answer):
    return await of(CorrectnessEvaluator, answer).aevaluate(query="q?", response="r", reference="ref")


WAYS = {"sync": graded, "async": lambda answer: asyncio.run(agraded(answer))}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_score_that_a_span_of_the_users_gives_on_is_its_traces_or_its_steps(traces, way):
    way("4.5\nGood.")
    with trace("Check"):
        way("2\nBad.")
    alone, checked = ended(traces, 2)
    assert (tags(alone)["score"], tags(alone)["passing"]) == ("4.5", "True")
    (step,) = steps(checked, "custom")
    assert (step.metadata["score"], step.metadata["passing"]) == (2.0, False)
    assert parent(checked, steps(checked, "chain")[0]) == step


def test_what_is_judged_is_not_shown_where_content_is_not_captured(caught):
    with InfiniumEventHandler(capture_content=False):
        of(CorrectnessEvaluator, "4\nGood.").evaluate(query="q?", response="secret", reference="ref")
    task = one(caught)
    assert (task.name, task.input_summary, task.output_summary) == ("CorrectnessEvaluator", None, None)


def test_a_prediction_shows_its_prompt_s_text_and_what_it_is_filled_with(traces):
    chat = ChatPromptTemplate(message_templates=[ChatMessage(role="user", content="Where is {x}?")])
    Scripted(replies=["a"]).predict(PromptTemplate("Where is {x}?"), x="it")
    asyncio.run(Scripted(replies=["a"]).apredict(chat, x="it"))
    first, second = ended(traces, 2)
    assert first.input_summary == '{"prompt": "Where is {x}?", "x": "it"}'
    assert second.input_summary == '{"prompt": ["user: Where is {x}?"], "x": "it"}'
    assert {task.steps[0].input_preview for task in traces} == {"user: Where is it?"}

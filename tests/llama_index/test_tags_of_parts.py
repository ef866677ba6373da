"""Tags that the user gives for one part stand on that part's steps, and on none below them."""

import asyncio

from kit import Scripted, an_engine, one, steps, tags
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.instrumentation.dispatcher import instrument_tags

from infinium_integrations import trace


class Opaque:
    def __str__(self):
        raise AssertionError

    __repr__ = __eq__ = __str__
    __hash__ = None


def own(step, *names):
    return {name: step.metadata[name] for name in names if name in step.metadata}


def test_the_tags_of_one_part_are_on_its_step_alone(traces):
    engine = an_engine(Scripted(replies=["a", "b"]))
    with trace("Ask"):
        engine.query("first?")
        with instrument_tags({"team": "blue", "level": 3, "tags": ["fast", "cheap"]}):
            engine.query("second?")
    task = one(traces)
    shown = {step.step_number: own(step, "team", "level", "tags") for step in steps(task)}
    second = steps(task, "chain")[1].step_number
    assert shown.pop(second) == {"team": "blue", "level": 3, "tags": ["fast", "cheap"]}
    assert not any(shown.values())


def test_the_tags_of_the_whole_run_are_the_traces_and_on_no_step(traces):
    with instrument_tags({"team": "red"}):
        an_engine(Scripted(replies=["a"])).query("q?")
    task = one(traces)
    assert tags(task)["team"] == "red"
    assert not any("team" in step.metadata for step in steps(task))


def test_of_a_part_inside_another_only_what_it_adds_is_its_own(traces):
    llm = Scripted(replies=["a", "b"])
    with trace("Ask"), instrument_tags({"team": "blue", "plan": "x"}):
        engine = an_engine(llm)
        engine.query("q?")
        with instrument_tags({"team": "blue", "plan": "x", "part": "inner"}):
            llm.complete("again?")
    task = one(traces)
    (query,) = steps(task, "chain")
    assert own(query, "team", "plan") == {"team": "blue", "plan": "x"}
    assert own(steps(task, "llm_inference")[-1], "part") == {"part": "inner"}


def test_a_tool_s_part_of_an_agents_run_has_its_tags(traces):
    inner = Scripted(replies=["found"])

    def look(question: str) -> str:
        """Look it up."""
        with instrument_tags({"source": "archive"}):
            return inner.complete(question).text

    async def ask():
        llm = Scripted(replies=[("", [("look", {"question": "q?"})]), "done"])
        with instrument_tags({"team": "red"}):
            return await FunctionAgent(tools=[look], llm=llm).run("go")

    asyncio.run(ask())
    task = one(traces)
    assert [step.metadata["source"] for step in steps(task) if "source" in step.metadata] == ["archive"]
    assert tags(task)["team"] == "red"
    assert not any("team" in step.metadata for step in steps(task))
    assert not any(name.startswith("llamaindex.") for step in steps(task) for name in step.metadata)


def test_values_of_any_kind_are_bounded_secrets_hidden_and_our_own_facts_kept(traces):
    with trace("Ask"), instrument_tags({"api_key": "sk-1", "status": "mine", "odd": Opaque(), "long": "x" * 5_000}):
        Scripted(replies=["a"]).complete("q?")
    (step,) = steps(one(traces))
    assert step.metadata["api_key"] == "[REDACTED]"
    assert (step.metadata["status"], step.metadata["user"]) == ("ok", {"status": "mine"})
    assert step.metadata["odd"] == "<Opaque>"
    assert len(step.metadata["long"]) < 1_000

"""Which entry of a dict is a secret: by its key, or by the name beside it, as data and in what is kept of a trace."""

import dataclasses
import json

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import ChatMessage, MockLLM

from infinium_integrations import trace
from infinium_integrations.capture.preview import preview, to_json_value
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import captured_traces

SECRET = "hunter2x9"


def said(traces):
    return json.dumps(
        [[task.to_wire(), dataclasses.asdict(task.captured) if task.captured else None] for task in traces], default=str
    )


def chain(value, **config):
    with captured_traces() as traces:
        RunnableLambda(lambda _: "done").invoke(value, {"callbacks": [InfiniumCallbackHandler()], **config})
    return said(traces)


PAIRS = [
    {name: "DB_PASSWORD", value: SECRET}
    for name in ("name", "key", "Name", "KEY", "header", "field", "variable", "id", "k")
    for value in ("value", "Value", "VALUE", "v")
]


@pytest.mark.parametrize("columns", ["columns", "column_names", "fields", "headers"])
@pytest.mark.parametrize("rows", ["rows", "data", "records"])
def test_a_secret_column_of_rows_is_hidden_as_data_and_the_others_stay(columns, rows):
    value = {columns: ["user", "password"], rows: [["ada", SECRET], ["bob", None]], "count": 2}
    told = chain(value) + chain({"x": [value]}) + chain({"question": "?"}, metadata={"m": value})
    assert SECRET not in told
    assert "ada" in told
    with captured_traces() as traces, trace("t", metadata={"m": value}) as own, own.step("custom", "s") as step:
        step.set_metadata({"more": value})
    assert SECRET not in said(traces)
    assert "ada" in said(traces)


def test_of_more_rows_than_are_kept_a_secret_column_is_hidden_too():
    value = {"columns": ["user", "password"], "rows": [["ada", SECRET]] * 3_000}
    with captured_traces() as traces, trace("t", metadata={"m": value}) as own, own.step("custom", "s") as step:
        step.set_metadata({"more": value})
    assert SECRET not in said(traces)
    assert "more" in said(traces)


@pytest.mark.parametrize(
    "value",
    [
        {"columns": ["user", "password"], "rows": [["ada", "x"], SECRET]},
        {"columns": ["user", "password"], "more": [["ada", SECRET]]},
        {"columns": ["user", "token_count"], "rows": [["ada", SECRET]]},
        {"columns": "password", "rows": [[SECRET]]},
    ],
)
def test_what_is_no_secret_column_stays(value):
    assert SECRET in chain(value)


@pytest.mark.parametrize(
    "value",
    [
        *PAIRS,
        {"name": "prod", "key": "password", "value": SECRET},
        {"headers": [["Authorization", SECRET], ["Accept", "text/html"]]},
        [("password", SECRET)],
        {"e": ValueError("password", SECRET)},
        {"a": {"b": {"name": "Authorization", "value": SECRET}}},
        {"type": "tool_call", "name": "api_key", "value": SECRET},
        {"cookies": [{"name": "sid", "value": SECRET, "path": "/", "httpOnly": True}]},
        [{"httpOnly": False, "name": "sid", "value": SECRET}],
    ],
)
def test_a_value_beside_a_secrets_name_is_hidden_as_data_and_in_a_trace(value):
    assert SECRET not in preview(value, 500)
    assert SECRET not in json.dumps(to_json_value(value))
    told = chain(value) + chain({"x": value}) + chain([value]) + chain({"question": "?"}, metadata={"m": value})
    assert SECRET not in told
    with captured_traces() as traces, trace("t", metadata={"m": value}) as own, own.step("custom", "s") as step:
        step.set_metadata({"more": value})
    assert SECRET not in said(traces)


def test_a_pair_in_the_metadata_of_a_part_is_hidden():
    part = RunnableLambda(lambda _: "x", name="part").with_config(metadata={"name": "password", "value": SECRET})
    with captured_traces() as traces:
        (part | RunnableLambda(lambda _: "y")).invoke("?", {"callbacks": [InfiniumCallbackHandler()]})
    assert SECRET not in said(traces)


def test_data_of_an_event_with_a_secrets_name_is_hidden():
    with captured_traces() as traces:
        RunnableLambda(lambda _: dispatch_custom_event("password", SECRET) or "x").invoke(
            "?", {"callbacks": [InfiniumCallbackHandler()]}
        )
    assert SECRET not in said(traces)


@pytest.mark.parametrize("block", [{"type": "header", "name": "Authorization", "value": SECRET}, {"api_key": SECRET}])
def test_a_block_of_no_known_type_hides_what_its_names_say(block):
    assert SECRET not in chain([AIMessage([block])])
    message = ChatMessage(role="user", content="hi")
    message.additional_kwargs["refusal"] = block
    with captured_traces() as traces, InfiniumEventHandler():
        MockLLM().chat([message])
    assert SECRET not in said(traces)


def test_a_list_of_names_is_no_pair():
    assert to_json_value({"required": ["password", "username"]}) == {"required": ["password", "username"]}


SCHEMA = {
    "password": {"type": "string", "description": "their password", "minLength": 8, "default": SECRET},
    "api_key": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Api Key", "examples": [SECRET]},
    "auth": {"enum": ["basic", "oauth"]},
}


def test_a_tools_schema_says_of_its_secrets_all_but_their_values():
    told = to_json_value({"properties": SCHEMA})["properties"]
    assert told["password"] == {
        "type": "string",
        "description": "their password",
        "minLength": 8,
        "default": "[REDACTED]",
    }
    assert told["api_key"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert told["auth"] == {"enum": ["basic", "oauth"]}
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize("entry", [{"token": 5}, {"api_key": True}, {"auth": "basic"}, {"password": ""}])
def test_what_is_no_secret_under_a_telling_name_stays_in_metadata_too(entry):
    (key, value), *_ = entry.items()
    assert to_json_value(entry) == entry
    assert to_json_value({"name": key, "value": value}) == {"name": key, "value": value}
    part = RunnableLambda(lambda _: "x", name="part").with_config(metadata=entry)
    with captured_traces() as traces:
        (part | RunnableLambda(lambda _: "y")).invoke("?", {"callbacks": [InfiniumCallbackHandler()]})
    assert traces[0].steps[0].metadata[key] == value


class Unkind(dict):
    def items(self):
        raise RuntimeError("the user's own code")


def test_looking_for_a_name_beside_a_value_calls_nothing_of_the_users():
    entry = Unkind(name="password", value=SECRET)
    assert to_json_value(entry) == {"name": "password", "value": "[REDACTED]"}
    assert SECRET not in chain({"x": entry}, metadata={"m": entry})


def test_an_event_whose_name_is_no_text_is_noted():
    handler = InfiniumCallbackHandler()
    run = RunnableLambda(lambda _: "x", name="part")
    with captured_traces() as traces:

        def told(_, config):
            manager = config["callbacks"]
            handler.on_custom_event(5, {"city": "Paris"}, run_id=manager.parent_run_id)
            return run.invoke("?", config)

        RunnableLambda(told).invoke("?", {"callbacks": [handler]})
    assert "Paris" in said(traces)

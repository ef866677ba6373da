"""Our body is the published SDK's for the same trace, as JSON and in the order of its keys."""

import dataclasses
import json
import types
from typing import Annotated, Any, Union, get_args, get_origin

import infinium.types
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from infinium import InfiniumClient as PublishedClient
from pydantic import BaseModel
from scripted import AGENT, SECRET

from infinium_integrations import InfiniumClient, TaskData, models

WORDS = st.text("abcxyz ÄöÅ漢字🙂\n\t\"'\\/<&{}.,;:%", max_size=40)
SAID = WORDS.map(lambda text: f"a{text}")
SCALARS = {
    str: SAID,
    int: st.integers(0, 10**12),
    float: st.floats(0, 1e9),
    bool: st.booleans(),
    type(None): st.none(),
    Any: st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | SAID, lambda inner: st.lists(inner, max_size=2)),
}
LIMITED = {
    "current_datetime": st.just("2026-01-31T12:00:00Z"),
    "duration": st.floats(0, 86_400, allow_nan=False),
    "step_number": st.integers(1, 99),
    "metadata": st.dictionaries(SAID, SCALARS[Any], max_size=3),
}


def made(annotation):
    """A strategy for a field's values; empty lists, objects and None among them."""
    kind, inner = get_origin(annotation), get_args(annotation)
    strategies = {
        Annotated: lambda: made(inner[0]),
        list: lambda: st.lists(made(inner[0]), max_size=2),
        dict: lambda: st.dictionaries(SAID, made(inner[1]), max_size=2),
        types.UnionType: lambda: st.one_of([made(one) for one in inner]),
        Union: lambda: st.one_of([made(one) for one in inner]),
        None: lambda: SCALARS[annotation] if annotation in SCALARS else fields(annotation),
    }
    return strategies[kind]()


def fields(model):
    needed, optional = {}, {}
    for name, field in model.model_fields.items():
        if name != "prompt_studio":
            here = needed if field.is_required() or name == "current_datetime" else optional
            here[name] = LIMITED.get(name) if name in LIMITED else made(field.annotation)
    return st.fixed_dictionaries(needed, optional=optional)


def published(value):
    """The same trace in the published SDK's dataclasses."""
    if isinstance(value, BaseModel):
        kind = getattr(infinium.types, type(value).__name__)
        known = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: published(getattr(value, name)) for name in type(value).model_fields if name in known})
    return [published(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def clients():
    with PublishedClient(agent_id=AGENT, agent_secret=SECRET) as theirs:
        yield InfiniumClient(AGENT, SECRET), theirs


@given(given=fields(models.TaskData))
@how(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_bodies_are_equal(clients, given):
    task = TaskData.model_validate(given)
    ours = json.loads(clients[0]._core.prepare(task).body)
    theirs = json.loads(json.dumps(clients[1]._task_data_to_dict(published(task))))
    assert ours == theirs
    assert list(ours.get("sections", {})) == list(theirs.get("sections", {}))
    assert list(ours) == [key for key in TaskData.WIRE_ORDER if key in ours]

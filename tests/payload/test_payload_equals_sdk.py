"""Our payload is the published SDK's, for the same trace."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infinium.client import InfiniumClient
from payload_strategies import traces

from infinium_integrations.models import TaskData
from infinium_integrations.payload.finalize import build_payload, encode
from infinium_integrations.redaction.redactor import Redactor


@pytest.fixture(scope="module")
def sdk():
    client = InfiniumClient(agent_id="123e4567-e89b-12d3-a456-426614174000", agent_secret="x" * 20)
    yield client
    client.close()


def as_json(payload):
    return json.dumps(payload)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(trace=traces)
def test_our_payload_equals_the_published_sdks(sdk, trace):
    theirs = json.loads(json.dumps(sdk._task_data_to_dict(trace.theirs())))
    ours = json.loads(encode(build_payload(TaskData(**trace.ours()), Redactor())))
    assert ours == theirs
    assert list(ours) == list(theirs)


@given(trace=traces, prompts=st.lists(st.sampled_from(["a", "b"]), max_size=2))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=10)
def test_fetched_prompts_are_sent_as_the_sdk_sends_them(sdk, trace, prompts):
    used = [
        {
            "prompt_id": prompt,
            "prompt_name": "n",
            "version": 1,
            "source": "prompt_studio",
            "variables_used": ["v"],
            "fetched_at": "t",
        }
        for prompt in prompts
    ]
    task = trace.theirs()
    if used:
        task._prompt_studio = {"prompts_used": used}
    ours = TaskData(**trace.ours(), prompt_studio={"prompts_used": used})
    assert json.loads(encode(build_payload(ours, Redactor()))) == json.loads(json.dumps(sdk._task_data_to_dict(task)))

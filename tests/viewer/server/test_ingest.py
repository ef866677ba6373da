import contextlib
import json
import uuid

import httpx
import infinium
import pytest
import samples
from memory_source import MemorySource
from serving import serving

from infinium_integrations.models import TaskData
from infinium_integrations.viewer.server.ingest import BODY_LIMIT

AGENT = "0b8f2c1e-6f6e-4a43-9a53-0c4b7a8b1c2d"
URL = f"/api/v1/agents/{AGENT}/trace"


@pytest.fixture
def source():
    return MemorySource()


@pytest.fixture
def api(source):
    with serving(source) as address, httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def test_a_sent_trace_is_shown(api, source):
    answer = api.post(URL, json=samples.agent().to_wire())
    assert answer.status_code == 200
    reply = answer.json()
    assert reply["success"] is True
    assert uuid.UUID(reply["traceId"])
    assert source.get(reply["traceId"], exact=True).to_wire() == samples.agent().to_wire()
    assert "Refund request" in api.get("/").text


def test_a_trace_keeps_its_own_id(api):
    task = samples.agent()
    assert api.post(URL, json=task.to_wire()).json()["traceId"] == task.trace_id


@pytest.mark.parametrize("key", ["order-58213", str(uuid.uuid4())], ids=["any", "uuid"])
def test_the_same_key_stores_once_and_gets_the_same_answer(api, source, key):
    answers = [api.post(URL, json=samples.bare().to_wire(), headers={"idempotency-key": key}) for _ in range(3)]
    assert len({answer.json()["traceId"] for answer in answers}) == 1
    assert len(source.all) == 1


def test_without_a_key_each_is_a_trace_of_its_own(api, source):
    for _ in range(3):
        assert api.post(URL, json=samples.bare().to_wire()).status_code == 200
    assert len(source.all) == 3


def test_a_key_that_is_too_long_is_400(api, source):
    answer = api.post(URL, json=samples.bare().to_wire(), headers={"idempotency-key": "k" * 201})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    assert source.all == []


def test_far_too_large_a_body_is_not_read_to_its_end(api):
    def chunks():
        for _ in range(24 * 16):
            yield b" " * 65_536

    with contextlib.suppress(httpx.TransportError):  # where the server hung up before all was sent
        assert api.post(URL, content=chunks(), headers={"content-type": "application/json"}).status_code == 413


def test_keys_of_two_agents_do_not_meet(api, source):
    for agent in (AGENT, str(uuid.uuid4())):
        api.post(f"/api/v1/agents/{agent}/trace", json=samples.bare().to_wire(), headers={"idempotency-key": "1"})
    assert len(source.all) == 2


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_413(api):
    wire = {"name": "big", "description": "big", "duration": 1.0, "input_summary": ""}
    wire["input_summary"] = "x" * (BODY_LIMIT - len(json.dumps(wire)))
    headers = {"content-type": "application/json"}
    assert api.post(URL, content=json.dumps(wire).encode(), headers=headers).status_code == 200
    assert api.post(URL, content=json.dumps(wire).encode() + b" ", headers=headers).status_code == 413


def test_too_large_a_body_without_a_length_is_413(api):
    def chunks():
        for _ in range(40):
            yield b" " * 65_536

    answer = api.post(URL, content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": "a", "duration": Infinity}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_bad_json_is_400(api, source, body):
    answer = api.post(URL, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert source.all == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"duration": -1}, "duration"),
        ({"duration": None}, "duration"),
        ({"steps": [{"step_number": 1, "action": ""}]}, "steps.0"),
        ({"nonsense": 1}, "nonsense"),
        ({"sections": {"nonsense": {}}}, "nonsense"),
        ({"current_datetime": "soon"}, "current_datetime"),
        ({"environment": {"custom_tags": {"a": 1}}}, "custom_tags"),
    ],
)
def test_a_bad_field_is_422_and_named(api, change, field):
    answer = api.post(URL, json={**samples.bare().to_wire(), **change})
    assert answer.status_code == 422
    assert field in answer.json()["error"]


def test_a_body_that_is_no_object_is_422(api):
    assert api.post(URL, json=[1]).status_code == 422


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-encoding": "gzip", "content-type": "application/json"}]
)
def test_only_plain_json_is_taken(api, headers):
    assert api.post(URL, content=b"{}", headers=headers).status_code == 415


def test_an_agent_that_is_no_uuid_is_400(api):
    assert api.post("/api/v1/agents/me/trace", json=samples.bare().to_wire()).status_code == 400


def test_the_agents_key_is_checked_when_one_is_set(source):
    with serving(source, agent_key="right") as address, httpx.Client(base_url=address, trust_env=False) as api:
        for headers in ({}, {"x-agent-key": "wrong"}, {"x-agent-key": "righ"}, {"x-agent-key": "rightt"}):
            assert api.post(URL, json=samples.bare().to_wire(), headers=headers).status_code == 401
        assert api.post(URL, json=samples.bare().to_wire(), headers={"x-agent-key": "right"}).status_code == 200
        assert api.get(f"/api/v1/agents/{AGENT}/interpreted-result/{uuid.uuid4()}").status_code == 401


def test_a_result_says_that_nothing_is_graded_here(api):
    trace_id = api.post(URL, json=samples.bare().to_wire()).json()["traceId"]
    reply = api.get(f"/api/v1/agents/{AGENT}/interpreted-result/{trace_id}").json()
    assert reply["traceId"] == trace_id
    assert reply["interpretedTraceResult"].startswith("Not graded")


def test_the_result_of_an_unknown_trace_is_404(api):
    assert api.get(f"/api/v1/agents/{AGENT}/interpreted-result/{uuid.uuid4()}").status_code == 404
    assert api.get(f"/api/v1/agents/{AGENT}/interpreted-result/none").status_code == 400


def test_the_rest_of_the_platforms_api_is_404_as_json(api):
    answer = api.get("/api/v1/prompts/p/v/latest")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_hostile_content_is_taken_as_it_is_and_shown_escaped(api):
    task = TaskData.model_validate(
        {**samples.bare().to_wire(), "name": samples.HOSTILE[:300], "output_summary": "\0\ud800"}
    )
    body = json.dumps(task.to_wire()).encode()
    trace_id = api.post(URL, content=body, headers={"content-type": "application/json"}).json()["traceId"]
    answer = api.get(f"/traces/{trace_id}")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<script>alert" not in api.get("/").text


def test_the_published_sdks_client_sends_and_the_page_shows(api):
    client = infinium.InfiniumClient(AGENT, "any-secret", base_url=str(api.base_url.join("/api/v1")))
    sent = client.send_task(name="From the published SDK", description="One call", duration=1.5)
    assert sent.success
    assert "From the published SDK" in api.get("/").text
    found = client.wait_for_interpretation(sent.data["traceId"], timeout=10)
    assert found.data["interpretedTraceResult"].startswith("Not graded")
    client.close()

"""Maestro's results of an experiment: waited for where there is an account."""

import json
import uuid

import pytest
from werkzeug import Response

from infinium_integrations import aexperiment, experiment, experiments, settings
from infinium_integrations.errors import ConfigurationError


@pytest.fixture
def maestro(httpserver):
    """A platform whose Maestro grades each trace by its output; what says "never" stays without a result."""
    agent, received, asked = str(uuid.uuid4()), {}, []

    def take(request):
        body = json.loads(request.get_data())
        remote = str(uuid.uuid4())
        received[remote] = body
        return Response(json.dumps({"success": True, "traceId": remote}), 201, content_type="application/json")

    def judge(request):
        remote = request.path.rpartition("/")[2]
        asked.append(remote)
        answer = {"success": True}
        if received[remote]["output_summary"] != "NEVER":
            answer["interpretedTraceResult"] = f"graded {received[remote]['output_summary']}"
        return Response(json.dumps(answer), 200, content_type="application/json")

    httpserver.expect_request(f"/agents/{agent}/trace", method="POST").respond_with_handler(take)
    httpserver.expect_request(f"/agents/{agent}/trace").respond_with_handler(take)
    import re

    httpserver.expect_request(re.compile(rf"/agents/{agent}/interpreted-result/.*")).respond_with_handler(judge)
    settings.configure(agent_id=agent, agent_secret="any-secret", base_url=httpserver.url_for(""))
    return asked


def test_wait_brings_maestros_result_to_each_row(maestro):
    found = experiment(str.upper, ["a", "b"], name="Shout", wait=True, timeout=30)
    assert [row.interpretation.result for row in found] == ["graded A", "graded B"]
    assert found.judged == 2
    assert "graded A" in str(found)
    assert "graded B" in found._repr_html_()


def test_what_came_before_the_timeout_is_kept_and_the_rest_says_why(maestro):
    found = experiment(str.upper, ["a", "never"], name="Shout", wait=True, timeout=4)
    assert [row.interpretation_text for row in found] == ["graded A", None]
    assert found[1].unsent
    assert found.wait(timeout=1) is found


@pytest.mark.anyio
async def test_it_waits_on_the_event_loop_and_for_earlier_experiments(maestro):
    found = await aexperiment(str.upper, ["a"], name="Shout", wait=True, timeout=30)
    assert found[0].interpretation.result == "graded A"
    (again,) = experiments("Shout")
    assert again[0].interpretation is None
    assert again.wait(30)[0].interpretation.result == "graded A"


def test_without_an_account_waiting_is_an_error_before_anything_runs():
    ran = []
    with pytest.raises(ConfigurationError, match="INFINIUM_AGENT_ID"):
        experiment(ran.append, ["a"], name="Shout", wait=True)
    assert ran == []
    with pytest.raises(ConfigurationError, match="wait needs an account"):
        experiment(str.upper, ["a"], name="Shout").wait()

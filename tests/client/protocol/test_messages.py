"""The platform's tables of requests and replies, and what each reply means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from infinium_integrations import errors
from infinium_integrations.client.protocol import messages as wire

AGENT_ID = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
TRACE_ID = "11111111-2222-4333-8444-555555555555"
SECRET = SecretStr("zq9-the-agents-own-secret-77x")
AGENT = wire.Agent(AGENT_ID, SECRET, "https://platform.i42m.ai/api/v1")
REQUEST = wire.trace_request(AGENT, b"{}", "key-of-the-trace")


def reply(status, body=b"", **headers):
    return wire.Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class TestRequests:
    def test_a_trace_is_posted_to_its_agent(self):
        assert (REQUEST.method, REQUEST.url, REQUEST.body) == (
            "POST",
            f"https://platform.i42m.ai/api/v1/agents/{AGENT_ID}/trace",
            b"{}",
        )

    def test_a_trace_carries_the_documented_headers_and_its_key(self):
        headers = REQUEST.headers
        assert headers["x-agent-id"] == AGENT_ID
        assert headers["x-agent-key"] == SECRET.get_secret_value()
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"].startswith("infinium-integrations/")
        assert headers["Idempotency-Key"] == "key-of-the-trace"

    def test_a_result_is_read_from_its_trace(self):
        request = wire.result_request(AGENT, TRACE_ID)
        assert request.method == "GET"
        assert request.url.endswith(f"/agents/{AGENT_ID}/interpreted-result/{TRACE_ID}")

    @pytest.mark.parametrize("trace_id", ["", "..", "../x", "1234", "x" * 36, f"{TRACE_ID}/x"])
    def test_a_trace_id_that_is_no_uuid_never_reaches_a_path(self, trace_id):
        with pytest.raises(errors.ValidationError, match="trace_id must be a UUID") as caught:
            wire.result_request(AGENT, trace_id)
        assert caught.value.field == "trace_id"

    @pytest.mark.parametrize(("version", "path"), [("latest", "latest"), (3, "3"), ("12", "12")])
    def test_a_prompt_is_fetched_by_id_and_version_with_its_own_key_only(self, version, path):
        request = wire.prompt_request(AGENT.base_url, "p-1", SecretStr("prompt-key"), version)
        assert request.url == f"https://platform.i42m.ai/api/v1/prompts/p-1/v/{path}"
        assert (request.headers["x-prompt-id"], request.headers["x-prompt-key"]) == ("p-1", "prompt-key")
        assert not {"x-agent-key", "x-agent-id", "Idempotency-Key"} & set(request.headers)

    @pytest.mark.parametrize("version", [0, -1, "", "newest", 1.5, "1/../2", "٣", True])
    def test_a_prompts_version_is_latest_or_counts_from_1(self, version):
        with pytest.raises(errors.ValidationError, match="version must be"):
            wire.prompt_request(AGENT.base_url, "p-1", SecretStr("k"), version)

    @pytest.mark.parametrize("prompt_id", ["", "..", "a/b", "a b", "a\r\nx: y", "a?b"])
    def test_a_prompts_id_that_would_change_the_path_is_refused(self, prompt_id):
        with pytest.raises(errors.ValidationError, match="prompt_id must be"):
            wire.prompt_request(AGENT.base_url, prompt_id, SecretStr("k"), 1)

    def test_a_prompts_key_with_a_line_break_is_refused_and_not_shown(self):
        with pytest.raises(errors.ValidationError, match="prompt_key") as caught:
            wire.prompt_request(AGENT.base_url, "p", SecretStr("hush-hush\n"), 1)
        assert "hush" not in str(caught.value)

    def test_no_repr_shows_headers_body_or_secret(self):
        shown = repr(REQUEST) + repr(AGENT) + repr(reply(200, b"echo", x_agent_key=SECRET.get_secret_value()))
        assert SECRET.get_secret_value() not in shown
        assert "echo" not in shown


class TestIdempotencyKey:
    def test_it_is_the_traces_own_id(self):
        assert wire.idempotency_key({"environment": {"custom_tags": {"trace_id": TRACE_ID}}}) == TRACE_ID

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            {"environment": {}},
            {"environment": {"custom_tags": {"trace_id": "[REDACTED]"}}},
            {"environment": {"custom_tags": {"trace_id": "id\r\nx-evil: 1"}}},
        ],
    )
    def test_without_a_usable_one_it_is_a_new_uuid(self, payload):
        first, second = wire.idempotency_key(payload), wire.idempotency_key(payload)
        assert wire.as_uuid(first) == first != second


class TestDirectCalls:
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_2xx_succeeds(self, status):
        body = b"" if status == 204 else json.dumps({"message": "got it", "traceId": TRACE_ID}).encode()
        response = wire.response(REQUEST, reply(status, body))
        assert (response.success, response.status_code) == (True, status)
        assert response.trace_id == (None if status == 204 else TRACE_ID)

    def test_a_json_array_succeeds_without_data(self):
        assert wire.response(REQUEST, reply(200, b"[1]")).data is None

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, errors.ApiError),
            (401, errors.AuthenticationError),
            (403, errors.PermissionDeniedError),
            (404, errors.NotFoundError),
            (408, errors.ApiError),
            (413, errors.ApiError),
            (422, errors.UnprocessableError),
            (429, errors.RateLimitError),
            (500, errors.ServerError),
            (503, errors.ServerError),
            (599, errors.ServerError),
        ],
    )
    def test_each_refusal_has_its_error(self, status, kind):
        with pytest.raises(errors.ApiError) as caught:
            wire.response(REQUEST, reply(status, b'{"error": "name is taken"}'))
        assert type(caught.value) is kind
        assert caught.value.status_code == status
        assert caught.value.data == {"error": "name is taken"}
        assert "name is taken" in str(caught.value)

    @pytest.mark.parametrize("body", [b'{"message": "so"}', b'{"detail": "so"}', b'{"error": {"message": " so "}}'])
    def test_the_platforms_reason_is_found_where_it_stands(self, body):
        with pytest.raises(errors.ApiError, match=r"400: so$"):
            wire.response(REQUEST, reply(400, body))

    @pytest.mark.parametrize("body", [b"", b"<h1>no</h1>", b"[]", b'{"error": 7}', b"\xff"])
    def test_a_refusal_without_a_reason_says_that(self, body):
        with pytest.raises(errors.ApiError, match="400: no reason given"):
            wire.response(REQUEST, reply(400, body))

    def test_a_rate_limit_says_how_long_the_server_asked_for(self):
        with pytest.raises(errors.RateLimitError) as caught:
            wire.response(REQUEST, reply(429, b"", Retry_After="7"))
        assert caught.value.retry_after == 7.0

    def test_409_to_a_trace_means_that_an_earlier_try_arrived(self):
        assert wire.response(REQUEST, reply(409, b"<p>dup</p>")).success

    def test_409_to_anything_else_is_an_error(self):
        with pytest.raises(errors.ApiError, match="409"):
            wire.response(wire.result_request(AGENT, TRACE_ID), reply(409))

    @pytest.mark.parametrize("body", [b"<html>log in</html>", b"{", b"\xff\xfe\xfa", b"[" * 100_000])
    def test_a_2xx_that_is_not_json_is_not_the_platforms(self, body):
        with pytest.raises(errors.TransportError, match="login page"):
            wire.response(REQUEST, reply(200, body))

    def test_a_reply_beyond_the_limit_is_not_the_platforms(self):
        with pytest.raises(errors.TransportError, match="more than 1,048,576 bytes"):
            wire.response(REQUEST, wire.Reply(200, {}, b"1" * 10, cut=True))

    @pytest.mark.parametrize(
        ("location", "says"),
        [
            ("https://evil.example/take?it=1", "to evil.example, never followed"),
            ("https://user:pw@evil.example/", "to evil.example, never followed"),
            ("/elsewhere", "on the same host"),
            ("http://[bad", "on the same host"),
        ],
    )
    def test_a_redirect_is_an_error_that_names_only_the_host(self, location, says):
        with pytest.raises(errors.ApiError, match=says) as caught:
            wire.response(REQUEST, reply(307, b"", Location=location))
        assert caught.value.status_code == 307
        assert "take" not in str(caught.value)
        assert "pw" not in str(caught.value)

    def test_a_prompts_401_speaks_of_the_prompts_key(self):
        request = wire.prompt_request(AGENT.base_url, "p", SecretStr("k"), 1)
        with pytest.raises(errors.AuthenticationError, match="check prompt_id and prompt_key"):
            wire.response(request, reply(401))


class TestEchoes:
    SECRETS = ("zq9-the-agents-own-secret-77x", 'quo"te\\back/slash', "1234567890", "ab")

    @pytest.mark.parametrize("secret", SECRETS)
    def test_an_error_that_echoes_the_secret_keeps_none_of_it(self, secret):
        request = wire.trace_request(wire.Agent(AGENT_ID, SecretStr(secret), AGENT.base_url), b"{}", "k")
        body = json.dumps({"error": f"bad key <{secret}>", "headers": {"x-agent-key": secret}, secret: [secret]})
        with pytest.raises(errors.ApiError) as caught:
            wire.response(request, reply(400, body.encode()))
        data = json.dumps(caught.value.data)
        assert json.dumps(secret)[1:-1] not in data
        assert f"<{secret}>" not in str(caught.value)

    def test_a_success_that_echoes_the_secret_keeps_none_of_it(self):
        body = json.dumps({"message": SECRET.get_secret_value(), "traceId": TRACE_ID}).encode()
        response = wire.response(REQUEST, reply(200, body))
        assert SECRET.get_secret_value() not in repr(response)
        assert response.trace_id == TRACE_ID

    def test_a_verdict_keeps_none_of_it(self):
        body = json.dumps({"error": f"bad key {SECRET.get_secret_value()}"}).encode()
        assert wire.verdict(400, {}, body, secrets=[SECRET]).reason == "400: bad key [REDACTED]"

    def test_a_secret_that_is_part_of_the_structure_drops_the_data(self):
        assert wire.scrub({"a": "b"}, [SecretStr('":')]) in (None, {"a": "b"})
        assert wire.scrub({"a": 1}, [SecretStr("1")]) is None


class TestVerdicts:
    TABLE = (
        (200, b"{}", "delivered"),
        (201, b"[]", "delivered"),
        (202, b"", "delivered"),
        (204, b"", "delivered"),
        (200, b"<html>", "keep"),
        (301, b"", "keep"),
        (304, b"", "keep"),
        (307, b"", "keep"),
        (308, b"", "keep"),
        (400, b"", "reject"),
        (401, b"", "keep"),
        (403, b"", "keep"),
        (404, b"", "keep"),
        (405, b"", "reject"),
        (407, b"", "keep"),
        (408, b"", "retry"),
        (409, b"<html>", "delivered"),
        (413, b"", "shrink"),
        (422, b"", "reject"),
        (425, b"", "retry"),
        (429, b"", "retry"),
        (500, b"<html>", "retry"),
        (502, b"", "retry"),
        (503, b"", "retry"),
        (504, b"", "retry"),
    )

    @pytest.mark.parametrize(("status", "body", "action"), TABLE)
    def test_each_status_has_one(self, status, body, action):
        made = wire.verdict(status, {}, body)
        assert made.action == action
        assert str(status) in made.reason
        assert made.after is None

    def test_a_delivered_trace_has_the_platforms_id(self):
        assert wire.verdict(201, {}, json.dumps({"traceId": TRACE_ID}).encode()).trace_id == TRACE_ID

    def test_only_a_retry_has_a_time(self):
        assert wire.verdict(503, {"Retry-After": "4"}, b"").after == 4.0
        assert wire.verdict(400, {"Retry-After": "4"}, b"").after is None

    def test_a_login_page_is_said_to_be_one(self):
        assert "login page" in wire.verdict(200, {}, b"<html>").reason

    @given(st.integers(100, 999), st.dictionaries(st.text(), st.text()), st.binary(), st.booleans())
    def test_no_reply_raises(self, status, headers, body, cut):
        assert wire.verdict(status, headers, body, secrets=[SECRET], cut=cut).reason

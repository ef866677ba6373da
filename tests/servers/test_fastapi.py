"""FastAPI under real uvicorn, with the application of examples."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from faultserver import Reply
from server_kit import ended, names, serving, tags

pytest.importorskip("fastapi", reason="uv pip install --group servers")
pytest.importorskip("langchain_core")
pytest.importorskip("uvicorn")

UVICORN = ["uvicorn", "fastapi_service:app", "--port", "{port}"]
USERS = [f"u-{number:02}" for number in range(16)]


def ask(url, user):
    return httpx.post(f"{url}/ask", params={"question": "Hi", "user": user}, timeout=60, trust_env=False).json()


def test_requests_at_once_are_a_trace_each_with_its_user(written, env, infinium):
    with serving(UVICORN, env, written("fastapi_service.py")) as (_, url):
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda user: ask(url, user), USERS)) == ["Hello!"] * len(USERS)
        assert infinium.wait_for_accepted(len(USERS))
    assert tags(infinium, "user_id", "status") == [(user, "ok") for user in USERS]
    assert set(names(infinium)) == {"Answer"}


def test_what_waits_when_the_server_is_stopped_is_delivered_before_it_ends(written, env, infinium):
    infinium.then = Reply(401)  # which is tried again after some 15 seconds, and when asked to flush
    with serving(UVICORN, {**env, "INFINIUM_STORE": "memory"}, written("fastapi_service.py")) as (process, url):
        assert [ask(url, user) for user in USERS[:3]] == ["Hello!"] * 3
        assert infinium.wait_for(1)
        infinium.then = Reply(201)
        ended(process, signal.SIGTERM)
    assert tags(infinium, "user_id") == [(user,) for user in USERS[:3]]


def test_a_stream_is_a_trace_read_to_its_end_or_left(written, env, infinium):
    slowly = ('responses=["Hello!"]', 'responses=["Hello!" * 10_000], sleep=0.01')
    with serving(UVICORN, env, written("fastapi_service.py")) as (_, url):
        assert httpx.post(f"{url}/stream", params={"question": "Hi"}, trust_env=False).text == "Hello!"
        assert infinium.wait_for_accepted(1)
    with serving(UVICORN, env, written("fastapi_service.py", instead=[slowly])) as (_, url):
        with httpx.stream("POST", f"{url}/stream", params={"question": "Hi"}, trust_env=False) as reply:
            assert next(reply.iter_raw())
        assert infinium.wait_for_accepted(2)
    assert [status for (status,) in tags(infinium, "status")] == ["cancelled", "ok"]


def test_an_application_that_knows_nothing_of_us_is_traced_under_run(written, env, infinium):
    ours = [("from infinium_integrations import flush, instrument\n", ""), ('instrument("langchain")\n', "")]
    ours += [("    await asyncio.to_thread(flush, 5)\n", "")]
    command = ["infinium_integrations", "run", sys.executable, "-m", *UVICORN]
    with serving(command, env, written("fastapi_service.py", instead=ours)) as (process, url):
        assert ask(url, "u-1") == "Hello!"
        assert infinium.wait_for_accepted(1)
        assert ended(process, signal.SIGTERM) in {0, -signal.SIGTERM}
    assert tags(infinium, "user_id", "status") == [("u-1", "ok")]

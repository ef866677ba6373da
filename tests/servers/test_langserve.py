"""LangServe under real uvicorn, with the application of examples."""

import pytest
from server_kit import names, serving, tags

langserve = pytest.importorskip("langserve", reason="uv pip install --group servers")
pytest.importorskip("fastapi", reason="uv pip install --group servers")


def test_invoke_and_stream_are_one_trace_and_a_batch_one_an_input(written, env, infinium):
    with serving(["uvicorn", "langserve_service:app", "--port", "{port}"], env, written("langserve_service.py")) as (
        _,
        url,
    ):
        remote = langserve.RemoteRunnable(f"{url}/up")
        assert remote.invoke("a") == "A"
        assert infinium.wait_for_accepted(1)
        assert remote.batch(["a", "b", "c"]) == ["A", "B", "C"]
        assert infinium.wait_for_accepted(4)
        assert list(remote.stream("a")) == ["A"]
        assert infinium.wait_for_accepted(5)
    assert names(infinium) == ["/up"] * 5
    assert tags(infinium, "status") == [("ok",)] * 5
    assert set(infinium.accepted.values()) == {1}

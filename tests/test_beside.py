"""Beside the user's own program: what it patches or seeds is left alone."""

import ast
import random
import sys
import uuid

import pytest
from faultserver import FaultServer
from test_structure import MODULES, PACKAGE

import infinium_integrations as infinium
from infinium_integrations import TraceBuilder, trace

AGENT = "00000000-0000-4000-8000-000000000001"


def record_and_send(server, store, *, failures):
    """Traces of every kind, sent through as many failures."""
    infinium.configure(agent_id=AGENT, agent_secret="a-secret-of-ours", base_url=server.url, store=str(store))
    with trace("Report", "Write it"), trace("Part", "Write a part"):
        pass
    builder = TraceBuilder("By hand", "Step by step")
    with builder.step("tool_use", "look up"):
        pass
    with infinium.InfiniumClient(AGENT, "a-secret-of-ours", base_url=server.url) as client:
        client.send_task_data(builder.build())
    server.wait_for(failures + 2)
    assert infinium.flush(20)


def test_ids_are_not_taken_from_a_patched_uuid4(monkeypatch, tmp_path):
    real = uuid.uuid4

    def exhausted():
        if sys._getframe(1).f_globals["__name__"].startswith("infinium_integrations"):
            raise StopIteration
        return real()

    monkeypatch.setattr(uuid, "uuid4", exhausted)
    with FaultServer() as server:
        record_and_send(server, tmp_path / "store", failures=0)
        assert len(server.accepted) == 2


def test_a_seeded_random_gives_the_same_numbers_after_a_server_has_failed(tmp_path):
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    with FaultServer([503, 503, 503]) as server:
        record_and_send(server, tmp_path / "store", failures=3)
    assert [random.random() for _ in range(3)] == expected


@pytest.mark.parametrize("module", [module for module in MODULES if module != "_entropy.py"])
def test_ids_and_jitter_have_one_source(module):
    names = {
        alias.name
        for node in ast.walk(ast.parse((PACKAGE / module).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    used = {
        node.attr for node in ast.walk(ast.parse((PACKAGE / module).read_text())) if isinstance(node, ast.Attribute)
    }
    assert not (names | used) & {"random", "uuid1", "uuid4"}

"""A fault at any line of ours under ``@trace`` changes neither what a generator yields nor what it raises or is thrown.

Spared are the lines that drive the user's generator: they are the loop itself, and call only what is guarded.
"""

import asyncio
import logging

import pytest
from injection import injected

from infinium_integrations import flush, trace, traces

DRIVING = ("wrapper", "_Thrown")


class OwnError(Exception):
    """The program's."""


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch):
    monkeypatch.setenv("INFINIUM_STORE", "memory")


@trace("words")
def words(seen):
    try:
        for word in ("a", "b"):
            seen.append((yield word))
        return "end"
    finally:
        seen.append("closed")


@trace("fails")
def fails():
    yield "a"
    raise OwnError


@trace("catches")
def catches():
    try:
        yield "a"
    except OwnError:
        yield "caught"


@trace("async words")
async def async_words(seen):
    try:
        for word in ("a", "b"):
            seen.append((yield word))
            await asyncio.sleep(0)
    finally:
        seen.append("closed")


@trace("async fails")
async def async_fails():
    yield "a"
    raise OwnError


@trace("async catches")
async def async_catches():
    try:
        yield "a"
    except OwnError:
        yield "caught"


def told(function, *args):
    """Return what a function returns, or the name of what it raises."""
    try:
        return function(*args)
    except (OwnError, StopIteration) as error:
        return type(error).__name__, getattr(error, "value", None)


async def async_told(awaitable):
    try:
        return await awaitable
    except (OwnError, StopAsyncIteration) as error:
        return type(error).__name__


def consumed():
    made = words(seen := [])
    return [told(next, made), told(made.send, 1), told(made.send, 2), told(next, made), seen]


def closed_early():
    made = words(seen := [])
    return [told(next, made), made.close(), told(next, made), seen]


def failing():
    made = fails()
    return [told(next, made), told(next, made), told(next, made)]


def thrown_into():
    made, other = catches(), words(seen := [])
    caught = [told(next, made), told(made.throw, OwnError()), told(next, made)]
    return [*caught, told(next, other), told(other.throw, OwnError()), told(next, other), seen]


async def async_consumed():
    made = async_words(seen := [])
    return [await async_told(one) for one in (anext(made), made.asend(1), made.asend(2), anext(made))] + [seen]


async def async_closed_early():
    made = async_words(seen := [])
    return [await async_told(one) for one in (anext(made), made.aclose(), anext(made))] + [seen]


async def async_failing():
    made = async_fails()
    return [await async_told(one) for one in (anext(made), anext(made), anext(made))]


async def async_thrown_into():
    made, other = async_catches(), async_words(seen := [])
    caught = [await async_told(one) for one in (anext(made), made.athrow(OwnError()), anext(made))]
    left = [await async_told(one) for one in (anext(other), other.athrow(OwnError()), anext(other))]
    return [*caught, *left, seen]


END, ASYNC_END = ("StopIteration", None), "StopAsyncIteration"
SYNC = [
    (consumed, ["a", "b", ("StopIteration", "end"), END, [1, 2, "closed"]]),
    (closed_early, ["a", None, END, ["closed"]]),
    (failing, ["a", ("OwnError", None), END]),
    (thrown_into, ["a", "caught", END, "a", ("OwnError", None), END, ["closed"]]),
]
ASYNC = [
    (async_consumed, ["a", "b", ASYNC_END, ASYNC_END, [1, 2, "closed"]]),
    (async_closed_early, ["a", None, ASYNC_END, ["closed"]]),
    (async_failing, ["a", "OwnError", ASYNC_END]),
    (async_thrown_into, ["a", "caught", ASYNC_END, "a", "OwnError", ASYNC_END, ["closed"]]),
]


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize(("program", "right"), SYNC + ASYNC, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_at_any_line_of_ours_changes_nothing_of_a_generator(program, right, every, caplog):
    caplog.set_level(logging.CRITICAL)

    def run():
        return asyncio.run(program()) if asyncio.iscoroutinefunction(program) else program()

    assert injected(run, 10**9, DRIVING) == (right, False)  # what is imported or made once is there
    changed, at, fired = [], 1, True
    while fired:
        result, fired = injected(run, at, DRIVING)
        if result != right:
            changed.append((at, result))
        at += every
    assert at > 100
    assert changed == []


def test_a_generator_that_is_called_with_wrong_arguments_ends_its_trace_as_an_error():
    with pytest.raises(TypeError, match="positional argument"):
        next(fails("too many"))
    with pytest.raises(TypeError, match="positional argument"):
        asyncio.run(anext(async_fails("too many")))
    assert flush(10)
    assert [task.status for task in traces()] == ["error", "error"]

"""What the tests share. Their isolation is in the conftest.py above, which also serves the README."""

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"

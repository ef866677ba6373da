"""pytest's fixture ``infinium_traces``.

It stands outside the package, as pytest imports it in every run: nothing of ours is imported until a test asks for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infinium_integrations.testing import RecordedTraces

__all__ = ["infinium_traces"]


@pytest.fixture
def infinium_traces() -> "Iterator[RecordedTraces]":
    """Traces that end in this test, a sequence of TaskData with tool_calls(), tokens(), errors() and messages()."""
    from infinium_integrations.testing import recorded_traces  # noqa: PLC0415  (see above)

    with recorded_traces() as traces:
        yield traces

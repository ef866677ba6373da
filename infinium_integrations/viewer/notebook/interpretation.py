"""Maestro's result of a trace, brought to where the trace is looked at."""

import time
from typing import TYPE_CHECKING

from infinium_integrations.errors import InfiniumError, TimeoutError  # noqa: A004  (ours, which is also the builtin)
from infinium_integrations.models import ApiResponse, DeliveryState, TaskData
from infinium_integrations.viewer import formatting
from infinium_integrations.viewer.notebook.plain_text import Shown

if TYPE_CHECKING:
    from infinium_integrations.client import InfiniumClient

__all__ = ["Interpretation", "wait"]

FLUSH = 10.0


class Interpretation(Shown):
    """What Maestro made of a trace. ``result`` is its text or object, ``response`` the platform's whole answer."""

    _template = "interpretation.html"

    def __init__(self, task: TaskData, response: ApiResponse) -> None:
        self.name = task.name
        self.response = response
        self.result: object = (response.data or {}).get("interpretedTraceResult")

    @property
    def text(self) -> str:
        """The result as text."""
        return self.result if isinstance(self.result, str) else formatting.pretty(self.result)

    def __repr__(self) -> str:
        return formatting.printable(f"Maestro on {self.name!r}:\n{self.text}")

    def _context(self) -> dict[str, object]:
        return {"found": self}


def wait(task: TaskData, timeout: float, client: "InfiniumClient | None" = None) -> Interpretation:
    """Deliver the trace where it still waits, then wait for Maestro's result.

    Args:
        task: A trace that was read back from the store.
        timeout: Seconds in all.
        client: What asks; the account of the settings where left out.

    Raises:
        InfiniumError: It was not delivered to Infinium; the text says why.
        TimeoutError: The result is not there in time.
    """
    deadline = time.monotonic() + timeout
    remote = _remote_id(task.delivery)
    if not remote:
        from infinium_integrations import runtime  # noqa: PLC0415  (only where something is to be sent)

        runtime.flush(min(timeout, FLUSH))
        again = runtime.current().delivery.reader.get(task.trace_id) if task.trace_id else None
        remote = _remote_id(again.delivery) if again else None
    if remote is None:
        msg = "the trace is not delivered yet: infinium-traces doctor says what keeps it"
        raise TimeoutError(msg)
    left = max(0.0, deadline - time.monotonic())
    if client is not None:
        return Interpretation(task, client.wait_for_interpretation(remote, timeout=left))
    from infinium_integrations.client import InfiniumClient  # noqa: PLC0415  (httpx, only for this)

    with InfiniumClient() as own:
        return Interpretation(task, own.wait_for_interpretation(remote, timeout=left))


def _remote_id(state: DeliveryState | None) -> str | None:
    if state is None or state.status == "pending":
        return None
    if state.status == "local":
        msg = "the trace is kept on this machine only: set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET first"
        raise InfiniumError(msg)
    if state.status == "rejected":
        msg = f"Infinium refused the trace: {state.reason or 'no reason given'}"
        raise InfiniumError(msg)
    return state.remote_trace_id

"""What both demos share: the shop, the scripted model's turns, and the narration of a run from question to trace."""

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from infinium_integrations import runtime, settings
from infinium_integrations.models import ExpectedOutcome, TaskData
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.viewer.formatting import printable

__all__ = ["ANSWER", "QUESTION", "Call", "Echo", "Narrator", "Shop", "tokens"]

QUESTION = "Where is my order A-1042, and can I still send it back?"
INSTRUCTIONS = "You are the support desk of a bicycle shop. Look things up before you answer, and answer in few words."
ANSWER = (
    "Your order A-1042, a pair of mudguards, is on its way and should be with you on Thursday. "
    "You can send it back within 30 days of its arrival; the label is in the box, and sending it costs you nothing."
)
PIECES = re.findall(r"\S+\s*", ANSWER)
"""The answer as a model streams it."""
HANDBOOK = {
    "returns": "Goods can be sent back within 30 days of their arrival. The label is in the box.",
    "shipping": "Sending an order back costs the customer nothing. Money is returned within five days.",
    "repairs": "The workshop is open on weekdays. A service takes two days.",
}
ORDERS = {"A-1042": "A-1042: a pair of mudguards, handed to the carrier, arrives on Thursday"}

NAME = "Support desk"
DESCRIPTION = "Answer a customer of a bicycle shop"
EXPECTED = ExpectedOutcome(
    task_objective="Say where the order is and whether it can be sent back",
    acceptance_criteria=["Names the day of arrival", "Names the days for sending it back"],
)
"""What the handlers are given, so that Maestro can grade the trace."""

THINKING = 0.12
A_TOKEN = 0.008
A_LOOK = 0.03
"""Seconds that things take, so that there is something to see."""


class Call(NamedTuple):
    """A tool call that the scripted model asks for."""

    name: str
    arguments: dict[str, str]


FIND_ORDER = Call("find_order", {"order": "A-1042"})
SEARCH_HANDBOOK = Call("search_handbook", {"topic": "returns and shipping"})


def tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return len(text) // 4 + 1


class Shop:
    """The shop's systems for one question; the first look-up of an order fails, as such things do."""

    def __init__(self) -> None:
        self._failures = iter([ConnectionError("the warehouse did not answer")])

    def order(self, number: str) -> str:
        """Return what is known of an order."""
        time.sleep(A_LOOK)
        for failure in self._failures:
            raise failure
        return ORDERS.get(number, f"there is no order {number}")


def search(query: str) -> list[tuple[str, str, float]]:
    """Return the two paragraphs of the handbook that share the most words with a query: name, text and score."""
    time.sleep(A_LOOK)
    asked = _words(query)
    scores = {name: len(asked & _words(f"{name} {text}")) / max(1, len(asked)) for name, text in HANDBOOK.items()}
    return [
        (name, HANDBOOK[name], round(scores[name], 2)) for name in sorted(scores, key=lambda name: -scores[name])[:2]
    ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


# --- the narration ----------------------------------------------------------------------------------------------------


class Echo(Protocol):
    """What prints, as ``click.echo`` does."""

    def __call__(self, message: str, /, *, nl: bool = True) -> object:
        """Print a text, and a line end unless ``nl`` is false."""


SENT = {
    "local": "Nothing was sent, because no account is set.",
    "pending": "Not sent yet; the command doctor says why.",
    "sent": "Sent to Infinium.",
    "rejected": "Infinium refused it; the command show says why.",
}


class Narrator:
    """Prints what the agent does while it does it, and where its trace is."""

    def __init__(self, echo: Echo) -> None:
        self.echo = echo
        self._answering = False
        echo(f"you    {QUESTION}")

    def tool(self, name: str, arguments: Iterable[object]) -> None:
        """Print a tool call."""
        self.echo(printable(f"tool   {name}({', '.join(map(str, arguments))})"))

    def failed(self, reason: object) -> None:
        """Print that the tool call failed."""
        self.echo(printable(f"       failed: {reason}"))

    def answer(self, piece: str) -> None:
        """Print the next piece of the answer."""
        self.echo(printable(piece if self._answering else f"agent  {piece}"), nl=False)
        self._answering = True

    def trace(self, tag: str, value: str) -> TaskData | None:
        """End the answer, and draw the run's trace where it is stored: it has this tag."""
        self.echo("")
        runtime.flush(timeout=10)
        reader: TraceReader = runtime.current().delivery.reader
        for task in reader.traces(limit=50):  # other programs may share the store
            if task.environment and (task.environment.custom_tags or {}).get(tag) == value:
                break
        else:
            return None
        from infinium_integrations.viewer.terminal.render import picture  # noqa: PLC0415  (only when something is shown)

        self.echo("\nIts trace:\n")
        for line in picture(task, shutil.get_terminal_size().columns):
            self.echo(line)
        return task

    def conclude(self, task: TaskData, own_code: str) -> None:
        """Say where the trace is kept, what to type next, and how to record one's own runs."""
        given = settings.current()
        self.echo(f"\nKept in {given.store}. {SENT[task.delivery.status if task.delivery else 'local']}")
        name, beside = "infinium-traces", Path(sys.executable).with_name("infinium-traces")
        ours = name if shutil.which(name) or not beside.exists() else os.path.relpath(beside)  # no active environment
        self.echo(f"\n  {ours} show {(task.trace_id or '-')[:8]}   this trace again")
        self.echo(f"  {ours} list            all of them")
        self.echo(f"  {ours} serve           in your browser (pip install 'infinium-integrations[server]')")
        self.echo(own_code)
        if not given.has_account:
            self.echo("\nTo have Maestro grade it, set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET.")

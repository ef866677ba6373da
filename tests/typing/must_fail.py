"""What users get wrong, and must be told by mypy (with the code at the line's end) and by pyright before it runs."""

from infinium_integrations import (
    InfiniumClient,
    TaskData,
    compare,
    configure,
    experiment,
    instrument,
    trace,
    traces,
    uninstrument,
)
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.llama_index import InfiniumEventHandler


def misspelt_names() -> None:
    InfiniumCallbackHandler(nmae="Support desk")  # E: call-arg
    InfiniumEventHandler(descripton="Answers tickets")  # E: call-arg
    configure(histroy_days=30)  # E: call-arg
    traces(limt=5)  # E: call-arg
    instrument(nmae="Support desk")  # E: call-arg
    trace("Triage ticket", tag=["beta"])  # E: call-arg


def misspelt_values() -> None:
    InfiniumCallbackHandler(detail="ful")  # E: arg-type
    InfiniumEventHandler(detail="ful")  # E: arg-type
    trace("Triage ticket", detail="ful")  # E: arg-type
    instrument("langchian")  # E: arg-type
    uninstrument("llamaindex")  # E: arg-type


def wrong_types() -> None:
    InfiniumCallbackHandler(name=5)  # E: arg-type
    InfiniumCallbackHandler(capture_content="no")  # E: arg-type
    InfiniumCallbackHandler(redact="secret")  # E: arg-type
    InfiniumCallbackHandler("Support desk")  # E: call-arg
    InfiniumEventHandler(preview_chars="200")  # E: arg-type
    configure(tracing="no")  # E: arg-type
    configure(history_days="thirty")  # E: arg-type
    traces(limit="five")  # E: arg-type
    trace(5)  # E: arg-type


@trace("Triage ticket")
def triage(ticket: str) -> str:
    return ticket


@trace("Triage ticket")
async def triage_later(ticket: str) -> str:
    return ticket


async def lost_signatures(client: InfiniumClient, task: TaskData) -> None:
    triage(5)  # E: arg-type
    triage()  # E: call-arg
    triage("a").nothing  # E: attr-defined
    (await triage_later("a")).nothing  # E: attr-defined
    client.send_task_data("a task")  # E: arg-type
    client.send_task_data(task).succes  # E: attr-defined
    for found in traces():
        found.nmae  # E: attr-defined


def experimenting() -> None:
    experiment("a question", ["a"], name="No task")  # E: arg-type
    experiment(len, 5, name="No data")  # E: arg-type
    experiment(len, ["a"])  # E: call-arg
    experiment(len, ["a"], name="Misspelt", concurency=2)  # E: call-arg
    experiment(len, ["a"], name="No number", repetitions="3")  # E: arg-type
    compare(5, 6)  # E: call-overload

"""Files that released versions wrote stay readable. ``format_1`` is the store of 0.1.0: one trace of each fate."""

import shutil
from pathlib import Path

from infinium_integrations import settings
from infinium_integrations.storage.selector import account_of

FORMAT_1 = Path(__file__).parent / "format_1"


def test_a_store_that_0_1_0_wrote_is_read(tmp_path, deliver):
    shutil.copytree(FORMAT_1, tmp_path / "earlier")
    settings.configure(store=str(tmp_path / "earlier"))
    found = {task.name: task for task in deliver().reader.traces()}
    assert {name: task.delivery.status for name, task in found.items()} == {
        "Sent": "sent",
        "Refused": "rejected",
        "Local": "local",
        "Pending": "pending",
    }
    assert found["Sent"].delivery.remote_trace_id == "11111111-1111-4111-8111-111111111111"
    assert found["Refused"].delivery.reason == "422: name is odd"
    assert {task.output_summary for task in found.values()} == {f"out of {name}" for name in found}
    (step,) = found["Sent"].steps
    assert (step.action, step.input_preview, step.output_preview) == ("tool_use", '{"q": 1}', "found")


def test_what_0_1_0_could_not_deliver_is_delivered_now(tmp_path, deliver, serve):
    server = serve()
    (waiting,) = (FORMAT_1 / "outbox").rglob("*.json.gz")
    delivery = deliver()
    outbox = tmp_path / "store" / "outbox" / account_of(settings.current())
    outbox.mkdir(parents=True, mode=0o700)
    shutil.copy(waiting, outbox)
    assert delivery.flush(10)
    (request,) = server.requests
    assert request.json["name"] == "Pending"

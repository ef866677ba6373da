"""What the tests of the delivery share; also imported by the processes that they start."""

import os
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import httpx

import infinium_integrations
from infinium_integrations import settings
from infinium_integrations.export.pipeline import Delivery
from infinium_integrations.export.writer import PendingTrace
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.storage import record

LOOKS_FOR_CERTIFICATES = not httpx.__version__.startswith("0.27")
"""Whether httpx says so where ``SSL_CERT_FILE`` names none; 0.27 passes over it."""

AGENT = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
SECRET = "agent-secret-0123456789"
HERE = Path(__file__).parent
PACKAGE = Path(infinium_integrations.__file__).parents[1]


def new_id():
    return str(uuid.uuid4())


def wire(trace_id, *, name="Triage ticket", status="ok", size=0, tags=None, **fields):
    return {
        "name": name,
        "description": "Sorts a ticket",
        "current_datetime": record.moment(time.time_ns()),
        "duration": 1.5,
        "input_summary": "My invoice is wrong" + "x" * size,
        "output_summary": "Sent to billing",
        **fields,
        "environment": {
            "framework": "langchain",
            "custom_tags": {"status": status, "trace_id": trace_id, **(tags or {})},
        },
    }


def assemble(item):
    """An item is a trace id, or a dict of what ``wire`` takes, ``client`` and ``captured``."""
    given = {"trace_id": item} if isinstance(item, str) else dict(item)
    client, captured = given.pop("client", None), given.pop("captured", None)
    return PendingTrace(given["trace_id"], wire(**given), Redactor(), client, captured=captured)


def new_delivery(**given):
    return Delivery(**{"assemble": assemble, **given})


def files(root, area):
    """The traces below one area of a store, oldest first."""
    return sorted(Path(root, area).rglob("*.json.gz"), key=lambda path: path.name)


def environment(**given):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INFINIUM_")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(PACKAGE)]),
        **{k: str(v) for k, v in given.items()},
    }


def account(server_url, store, **given):
    """An account, with time enough at exit for a busy machine; a server that refuses ends the wait at once."""
    return environment(
        INFINIUM_AGENT_ID=AGENT,
        INFINIUM_AGENT_SECRET=SECRET,
        INFINIUM_BASE_URL=server_url,
        INFINIUM_STORE=store,
        **{"INFINIUM_EXIT_TIMEOUT": 45, **given},
    )


def start(program, env, **options):
    """Start a program with the kit's names in it; it may print."""
    code = "from delivery_kit import *\nimport sys, time, os, threading\n" + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def run(program, env, **options):
    """Run a program to its end and give what it printed; its stderr must be empty unless ``noisy``."""
    noisy = options.pop("noisy", False)
    process = start(program, env, **options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert noisy or err == "", err
    return out


def unreachable():
    settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url="http://127.0.0.1:9/api/v1")


def written(delivery, *items):
    for item in items:
        delivery.submit(item)
    assert delivery._writer.settle(time.monotonic() + 20)


def stored(delivery, *items):
    for item in items:
        delivery.submit(item)
    assert delivery.flush(20)


def item(number, **given):
    return {"trace_id": f"{number:08d}-0000-4000-8000-000000000000", "name": f"run {number}", **given}


def names(tasks):
    return [task.name for task in tasks]

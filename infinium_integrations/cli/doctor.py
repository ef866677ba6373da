"""``infinium-traces doctor``: what could keep traces from being recorded, stored or delivered, and what to do about it.

Each check is a generator of findings. No finding holds a secret.
"""

import contextlib
import difflib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from uuid import uuid4

from infinium_integrations import settings
from infinium_integrations._version import __version__
from infinium_integrations.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    TransportError,
)
from infinium_integrations.settings import Settings

__all__ = ["Finding", "examine"]

PACKAGES = {
    "langchain-core": ((1, 0), "langchain"),
    "langgraph": ((0,), "langchain"),
    "llama-index-core": ((0, 14), "llama-index"),
    "httpx": ((0, 27), ""),
    "pydantic": ((2, 10), ""),
}
"""Distributions: the oldest version that is supported, and the extra that brings it."""
REACH_TIMEOUT = 10.0
ROOM = 100_000_000
"""Bytes that should be free."""
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``good``, ``note`` (nothing wrong), ``warning`` or ``bad``; and what to do about it."""

    state: Literal["good", "note", "warning", "bad"]
    text: str
    advice: str = ""


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Give each check's title and findings, one check after the other; the last one asks the server."""
    given, faults = _settings()
    if given is not None:
        yield "How long traces stay", list(_keeping(given))
    yield "Versions", list(_versions())
    yield "Settings", [*faults, *_sources(given), *_unknown_variables()]
    if given is not None:
        yield "Store", list(_store(given))
        yield "Account", list(_account(given))


def _settings() -> tuple[Settings | None, list[Finding]]:
    try:
        return settings.current(), []
    except ConfigurationError as error:
        parts = str(error).split("; ")
    return None, [Finding("bad", part, "correct the variable, or unset it") for part in parts]


def _keeping(given: Settings) -> Iterator[Finding]:
    if given.mode == "off":
        yield Finding("note", "INFINIUM_STORE=off: traces are sent from memory and kept nowhere")
    elif given.history_days == 0:
        yield Finding("note", "delivered traces are not kept (INFINIUM_HISTORY_DAYS=0)")
    else:
        text = f"delivered traces stay {given.history_days:g} days (INFINIUM_HISTORY_DAYS; 0 keeps none)"
        yield Finding("note", text)
    if given.mode == "folder":
        text = f"local and unsent ones go only past {_bytes(given.store_bytes)}, oldest first (INFINIUM_STORE_BYTES)"
        yield Finding("note", text)


# --- versions ---------------------------------------------------------------------------------------------------------


def _versions() -> Iterator[Finding]:
    yield Finding("good", f"infinium-integrations {__version__}, Python {platform.python_version()}")
    found = {name: _installed(name) for name in PACKAGES}
    for name, version in found.items():
        floor, extra = PACKAGES[name]
        if version is not None and _numbers(version) < floor:
            oldest = ".".join(map(str, floor))
            yield Finding("bad", f"{name} {version}", f"at least {oldest} is needed: pip install -U {name}")
        elif version is not None:
            yield Finding("good", f"{name} {version}")
        elif extra:
            yield Finding(
                "note", f"{name} is not installed", f"to trace it: pip install 'infinium-integrations[{extra}]'"
            )
    if not found["langchain-core"] and not found["llama-index-core"]:
        yield Finding("warning", "neither framework is installed", "only hand-made traces (trace(), TraceBuilder) work")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


# --- settings ---------------------------------------------------------------------------------------------------------


def _sources(given: Settings | None) -> Iterator[Finding]:
    """Say which variable set what; the secret is only said to be set."""
    names = [name for name in Settings.model_fields if os.environ.get(_variable(name))]
    for name in names:
        value = "set (not shown)" if name == "agent_secret" else getattr(given, name) if given else "set"
        yield Finding("good", f"{_variable(name)} = {_shown(value)}")
    if not names:
        yield Finding("note", "no INFINIUM_ variable is set: every setting has its default")


def _unknown_variables() -> Iterator[Finding]:
    known = [_variable(name) for name in Settings.model_fields]
    for variable in sorted(os.environ):
        if variable.startswith("INFINIUM_") and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            advice = f"did you mean {near[0]}?" if near else "unset it, or correct its name"
            yield Finding("warning", f"{_shown(variable)} is no setting of this library", advice)


def _variable(name: str) -> str:
    return f"INFINIUM_{name.upper()}"


def _shown(value: object) -> str:
    from infinium_integrations.viewer.terminal.columns import flat  # noqa: PLC0415

    return flat(str(value), 200)


# --- store ------------------------------------------------------------------------------------------------------------


def _store(given: Settings) -> Iterator[Finding]:
    if given.mode != "folder":
        advice = "set INFINIUM_STORE to a folder, so that they outlive the process" if given.mode == "memory" else ""
        yield Finding(
            "note", f"INFINIUM_STORE={given.store}: traces are in no folder, and no command can show them", advice
        )
        return
    root = Path(given.store)
    unusable = _unusable(root)
    if unusable:
        advice = "make it yours to write, or name another folder in INFINIUM_STORE"
        yield Finding("bad", f"{_shown(root)} can't be used: {unusable}", advice)
        return
    yield Finding("good", f"{_shown(root)} can be used")
    yield from _contents(root, given)
    free = shutil.disk_usage(root).free
    if free < ROOM:
        yield Finding("bad", f"only {_bytes(free)} are free on its disk", "make room, or name another folder")


def _unusable(root: Path) -> str:
    """Write a file and take it away again; give what went wrong."""
    from infinium_integrations.storage.folder import FolderStore, write_new  # noqa: PLC0415

    probe = root / "aside" / f"doctor-{uuid4()}"
    try:
        FolderStore(root).check()
        write_new(probe, b"doctor")
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _contents(root: Path, given: Settings) -> Iterator[Finding]:
    counts = {area: _measure(root / area) for area in ("outbox", "history", "rejected", "damaged")}
    size = sum(size for _, size in counts.values())
    yield Finding(
        "good", f"{_bytes(size)} of {_bytes(given.store_bytes)} used; {counts['history'][0]:,} traces in its history"
    )
    if (waiting := counts["outbox"][0]) > 0:
        advice = "infinium-traces send" if given.has_account else "set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET"
        yield Finding("warning", f"{waiting:,} traces wait to be delivered", f"to send them: {advice}")
    if (refused := counts["rejected"][0]) > 0:
        advice = "infinium-traces list --status rejected shows them; infinium-traces send tries again"
        yield Finding("warning", f"{refused:,} traces were refused by the platform", advice)
    if (damaged := counts["damaged"][0]) > 0:
        yield Finding(
            "warning", f"{damaged:,} damaged files were set aside", f"look at {_shown(root / 'damaged')}, or remove it"
        )


def _measure(folder: Path) -> tuple[int, int]:
    sizes = []
    for path in folder.rglob("*.json.gz"):
        with contextlib.suppress(OSError):
            sizes.append(path.lstat().st_size)
    return len(sizes), sum(sizes)


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:,.3g} GB"


# --- account ----------------------------------------------------------------------------------------------------------


def _account(given: Settings) -> Iterator[Finding]:
    if not given.tracing:
        yield Finding("warning", "INFINIUM_TRACING is off: nothing is recorded", "unset it to record again")
    if given.has_account:
        yield _reach(given)
        return
    lacking = [_variable(name) for name in ("agent_id", "agent_secret") if getattr(given, name) is None]
    if len(lacking) == 1:
        yield Finding(
            "bad", f"{lacking[0]} is missing, so nothing is delivered", f"set {lacking[0]} too, or unset the other"
        )
        return
    yield Finding("note", "no account: traces stay on this machine", f"to deliver them, set {' and '.join(lacking)}")


def _reach(given: Settings) -> Finding:
    """Ask for the result of a trace that cannot exist: a platform that accepts the credentials says 404."""
    from infinium_integrations.client import InfiniumClient  # noqa: PLC0415

    with InfiniumClient(timeout=REACH_TIMEOUT, max_retries=0) as client:
        try:
            client.get_interpreted_task_result(str(uuid4()))
        except NotFoundError as error:
            return _not_found(given, error)
        except (ApiError, TransportError) as error:
            return Finding("bad", _shown(error), _advice(error))
    return Finding("good", f"{given.base_url} answers, and accepts the credentials")


def _not_found(given: Settings, error: NotFoundError) -> Finding:
    if error.data is not None:
        return Finding("good", f"{given.base_url} answers, and accepts the credentials")
    text = f"{given.base_url} answers, but not as the platform does (404 without JSON)"
    return Finding("warning", text, "check INFINIUM_BASE_URL")


_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "copy the agent's id and secret again from the platform"),
    (PermissionDeniedError, "ask for the agent's permissions on the platform"),
    (TransportError, "check INFINIUM_BASE_URL, the network, and HTTPS_PROXY; traces are kept until then"),
    (ApiError, "try again later; traces are kept until then"),
)


def _advice(error: ApiError | TransportError) -> str:
    return next(text for kind, text in _ADVICE if isinstance(error, kind))

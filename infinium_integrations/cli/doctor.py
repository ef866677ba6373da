"""``infinium-traces doctor``: what could keep traces from being recorded, stored or delivered, and what to do about it.

Each check is a generator of findings. No finding holds a secret.
"""

import contextlib
import difflib
import os
import platform
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

from infinium_integrations import autostart, settings
from infinium_integrations._entropy import new_id
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
from infinium_integrations.viewer.terminal.columns import flat

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
HEAD = 4_096
"""Bytes of a stored trace that are read: its format stands at their beginning."""
ROOM = 100_000_000
"""Bytes that should be free."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``good``, ``note`` (nothing wrong), ``warning`` or ``bad``; and what to do about it."""

    state: Literal["good", "note", "warning", "bad"]
    text: str
    advice: str = ""


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Yield each check's title and findings, one check after the other; the last one asks the server."""
    faults: list[Finding] = []
    try:
        given = settings.current()
    except ConfigurationError as error:
        given = None
        faults = [Finding("bad", part, "correct the variable, or unset it") for part in str(error).split("; ")]
    for title, needs_settings, check in _CHECKS:
        if given is not None or not needs_settings:
            yield title, [*(faults if title == "Settings" else ()), *check(given)]


_C = TypeVar("_C", bound=Callable[..., Iterator[Finding]])
_CHECKS: list[tuple[str, bool, Callable[[Any], Iterator[Finding]]]] = []


def _check(title: str, *, needs_settings: bool = True) -> Callable[[_C], _C]:
    """Register a check, which takes the settings in force: None where they are malformed."""

    def register(check: _C) -> _C:
        _CHECKS.append((title, needs_settings, check))
        return check

    return register


@_check("What is kept, and for how long")
def _keeping(given: Settings) -> Iterator[Finding]:
    if given.mode == "folder" and given.capture_content and given.content_chars:
        yield Finding(
            "note",
            "whole conversations are kept here, secrets removed (INFINIUM_CONTENT_CHARS=0 keeps previews only)",
        )
    if given.mode == "off":
        yield Finding("note", "INFINIUM_STORE=off: traces are sent from memory and kept nowhere")
    elif given.history_days == 0:
        yield Finding("note", "delivered traces are not kept (INFINIUM_HISTORY_DAYS=0)")
    else:
        days = f"{given.history_days:g} days"
        yield Finding("note", f"delivered traces stay {days} (INFINIUM_HISTORY_DAYS; 0 keeps none)")
    if given.mode == "folder":
        text = f"local and unsent ones go only past {_bytes(given.store_bytes)}, oldest first (INFINIUM_STORE_BYTES)"
        yield Finding("note", text)


# --- versions ---------------------------------------------------------------------------------------------------------


@_check("Versions", needs_settings=False)
def _versions(_: Settings | None) -> Iterator[Finding]:
    yield Finding("good", f"infinium-integrations {__version__}, Python {platform.python_version()}")
    found = {name: _installed(name) for name in PACKAGES}
    for name, version in found.items():
        floor, extra = PACKAGES[name]
        if version is None:
            if extra:
                advice = f"to trace it: pip install 'infinium-integrations[{extra}]'"
                yield Finding("note", f"{name} is not installed", advice)
        elif tuple(map(int, re.findall(r"\d+", version)[:3])) < floor:
            oldest = ".".join(map(str, floor))
            yield Finding("bad", f"{name} {version}", f"at least {oldest} is needed: pip install -U {name}")
        else:
            yield Finding("good", f"{name} {version}")
    if not found["langchain-core"] and not found["llama-index-core"]:
        yield Finding("warning", "neither framework is installed", "only hand-made traces (trace(), TraceBuilder) work")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# --- settings ---------------------------------------------------------------------------------------------------------


@_check("Settings", needs_settings=False)
def _variables(given: Settings | None) -> Iterator[Finding]:
    """Say which variable sets what, the secret only being said to be set; then, which is none of ours."""
    known = {_variable(name): name for name in Settings.model_fields}
    used = {variable: name for variable, name in known.items() if os.environ.get(variable)}
    for variable, name in used.items():
        value = "set (not shown)" if name == "agent_secret" else getattr(given, name) if given else "set"
        yield Finding("good", f"{variable} = {_shown(value)}")
    if named := os.environ.get(autostart.VARIABLE):
        _, wrong = autostart.parse(named)
        text = (
            wrong or f"{autostart.VARIABLE} = {_shown(named)}: a program that imports infinium_integrations is traced"
        )
        yield Finding("warning" if wrong else "good", text)
    elif not used:
        yield Finding("note", "no INFINIUM_ variable is set: every setting has its default")
    for variable in sorted(os.environ):
        if variable.startswith("INFINIUM_") and variable not in {*known, autostart.VARIABLE}:
            near = difflib.get_close_matches(variable, [*known, autostart.VARIABLE], n=1)
            advice = f"did you mean {near[0]}?" if near else "unset it, or correct its name"
            yield Finding("warning", f"{_shown(variable)} is no setting of this library", advice)


def _variable(name: str) -> str:
    return f"INFINIUM_{name.upper()}"


def _shown(value: object) -> str:
    return flat(str(value), 200)


# --- store ------------------------------------------------------------------------------------------------------------


@_check("Store")
def _store(given: Settings) -> Iterator[Finding]:
    if given.mode != "folder":
        advice = "set INFINIUM_STORE to a folder, so that they outlive the process" if given.mode == "memory" else ""
        text = f"INFINIUM_STORE={given.store}: traces are in no folder, and no command can show them"
        yield Finding("note", text, advice)
        return
    from infinium_integrations.storage.folder import FolderStore, write_new  # noqa: PLC0415

    root = Path(given.store)
    probe = root / "aside" / f"doctor-{new_id()}"
    try:
        FolderStore(root).check()
        try:
            write_new(probe, b"doctor")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        advice = "make it yours to write, or name another folder in INFINIUM_STORE"
        yield Finding("bad", f"{_shown(root)} can't be used: {error.strerror or error}", advice)
        return
    yield Finding("good", f"{_shown(root)} can be used")
    yield from _contents(root, given)
    free = shutil.disk_usage(root).free
    if free < ROOM:
        yield Finding("bad", f"only {_bytes(free)} are free on its disk", "make room, or name another folder")


def _contents(root: Path, given: Settings) -> Iterator[Finding]:
    counts, size = Counter[str](), 0
    for area in ("outbox", "history", "rejected", "damaged"):
        for path in (root / area).rglob("*.json.gz"):
            with contextlib.suppress(OSError):  # another process has just moved it
                size += path.lstat().st_size
                counts[_kind(area, path, given)] += 1
    used = f"{_bytes(size)} of {_bytes(given.store_bytes)} used"
    yield Finding("good", f"{used}; {_number(counts['history'], 'trace')} in its history")
    for kind, singular, plural, advice in _LEFT:
        if number := counts[kind]:
            text = f"{_number(number, 'trace')} {singular if number == 1 else plural}"
            yield Finding("warning", text, advice)
    if damaged := counts["damaged"]:
        text = f"{_number(damaged, 'damaged file')} {'was' if damaged == 1 else 'were'} set aside"
        yield Finding("warning", text, f"look at {_shown(root / 'damaged')}, or remove it")


_LEFT = (
    ("outbox", "waits to be delivered", "wait to be delivered", "to send them: infinium-traces send"),
    (
        "others",
        "waits for another account or endpoint, or for a client of a program",
        "wait for another account or endpoint, or for a client of a program",
        "to send them: infinium-traces send, with the settings under which they were recorded",
    ),
    (
        "newer",
        "was written by a later version of infinium-integrations",
        "were written by a later version of infinium-integrations",
        "upgrade it, then: infinium-traces send",
    ),
    (
        "rejected",
        "was refused where it was sent",
        "were refused where they were sent",
        "infinium-traces list --status rejected shows them; infinium-traces send tries again",
    ),
)
"""What is left in a store: which, how one and how several are said, and what to do."""


def _kind(area: str, path: Path, given: Settings) -> str:
    """Return the area of a stored trace; of what waits, also whether this account and this version can send it."""
    if area != "outbox":
        return area
    from infinium_integrations.storage import record  # noqa: PLC0415
    from infinium_integrations.storage.destinations import keys_of  # noqa: PLC0415
    from infinium_integrations.storage.folder import read_beginning  # noqa: PLC0415
    from infinium_integrations.storage.selector import account_of  # noqa: PLC0415

    try:
        record.peek(read_beginning(path, HEAD))
    except record.NewerFormatError:
        return "newer"
    except (OSError, record.DamagedError):  # whoever sends it will find out
        pass
    ours = {account_of(given)} if given.to_infinium else set()
    ours |= {given.otlp.key} if given.otlp is not None else set()
    return area if ours.intersection(keys_of(path.parent.name)) else "others"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:,.3g} GB"


# --- where traces go --------------------------------------------------------------------------------------------------


@_check("Where traces go")
def _destinations(given: Settings) -> Iterator[Finding]:
    if given.to_infinium:
        yield Finding("good", f"to Infinium, {_shown(given.base_url)}")
    if given.otlp is not None:
        content = "with content" if given.otlp.content and given.capture_content else "without content"
        service = given.otlp.resource["service.name"]
        yield Finding("good", _shown(f"by OTLP to {given.otlp.address}, {content}, as {service}"))
    if not given.delivers:
        yield Finding("note", "nowhere: they stay on this machine")


@_check("OTLP")
def _otlp(given: Settings) -> Iterator[Finding]:
    """Send a request without spans, which a receiver answers as any other."""
    if given.otlp is None:
        advice = "to send traces to a Collector or the like, set INFINIUM_EXPORTERS=infinium,otlp"
        yield Finding("note", "traces are not sent by OTLP", advice)
        return
    from infinium_integrations.export.otlp_transport import Collector, connections  # noqa: PLC0415

    kept = connections(given.otlp)
    found = Collector(given.otlp, kept).probe().verdict
    kept.close()
    if found.action == "delivered":
        yield Finding("good", _shown(f"{given.otlp.address} answers as a receiver of OTLP"))
    else:
        advice = "check OTEL_EXPORTER_OTLP_ENDPOINT and the network; traces are kept until then"
        yield Finding("bad", _shown(f"{given.otlp.address}: {found.reason}"), advice)


# --- account ----------------------------------------------------------------------------------------------------------


_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "copy the agent's id and secret again from the platform"),
    (PermissionDeniedError, "ask for the agent's permissions on the platform"),
    (TransportError, "check INFINIUM_BASE_URL, the network, and HTTPS_PROXY; traces are kept until then"),
    (ApiError, "try again later; traces are kept until then"),
)


@_check("Account")
def _account(given: Settings) -> Iterator[Finding]:
    if not given.tracing:
        yield Finding("warning", "INFINIUM_TRACING is off: nothing is recorded", "unset it to record again")
    if "infinium" not in given.exporters:
        yield Finding("note", "traces don't go to Infinium: INFINIUM_EXPORTERS names others")
        return
    lacking = [_variable(name) for name in ("agent_id", "agent_secret") if getattr(given, name) is None]
    if given.has_account:
        yield _reach(given)
    elif len(lacking) == 1:
        advice = f"set {lacking[0]} too, or unset the other"
        yield Finding("bad", f"{lacking[0]} is missing, so nothing is delivered", advice)
    else:
        advice = f"to deliver them, set {' and '.join(lacking)}"
        yield Finding("note", "no account: traces stay on this machine", advice)


def _reach(given: Settings) -> Finding:
    """Ask for the result of a trace that cannot exist: a platform that accepts the credentials answers 404."""
    from infinium_integrations.client import InfiniumClient  # noqa: PLC0415

    with InfiniumClient(timeout=REACH_TIMEOUT, max_retries=0) as client:
        try:
            client.get_interpreted_task_result(str(new_id()))
        except NotFoundError as error:
            if error.data is None:
                text = f"{given.base_url} answers, but not as the platform does (404 without JSON)"
                return Finding("warning", text, "check INFINIUM_BASE_URL")
        except ConfigurationError as error:  # of the environment: it says what to do
            return Finding("bad", _shown(error))
        except (ApiError, TransportError) as error:
            return Finding("bad", _shown(error), next(text for kind, text in _ADVICE if isinstance(error, kind)))
    return Finding("good", f"{given.base_url} answers, and accepts the credentials")

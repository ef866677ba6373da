"""The settings: from ``configure(...)``, else from the environment, else the defaults below.

They are read when the first handler, client or trace is made, never at import and never in a callback.
"""

import contextlib
import importlib.util
import ipaddress
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypedDict, Unpack
from urllib.parse import urlsplit
from uuid import UUID

import platformdirs
import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from infinium_integrations import diagnostics, otel_environment
from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.otel_environment import OtelEnvironment

__all__ = ["Settings", "SettingsChanges", "check_base_url", "configure", "current", "known", "renew_lock", "reset"]

DEFAULT_BASE_URL = "https://platform.i42m.ai/api/v1"

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _names(value: object) -> object:
    """Return names that stand in one text, by comma, as several."""
    return tuple(name for part in value.split(",") if (name := part.strip())) if isinstance(value, str) else value


class Settings(BaseModel):
    """Every setting; the environment variable is ``INFINIUM_`` and the name in capitals.

    Times are in seconds, sizes in bytes. An empty variable counts as unset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: UUID | None = None
    """The account: the agent's id. Without it and the secret nothing is sent to Infinium."""
    agent_secret: SecretStr | None = None
    """The account: the agent's secret."""
    base_url: str = DEFAULT_BASE_URL
    """Where traces go."""
    allow_http: bool = False
    """True allows ``http://`` beyond this machine."""
    store: str = Field(default_factory=lambda: _default_store())  # noqa: PLW0108  (it stands below)
    """A folder, ``memory``, or ``off`` (sent from memory, kept nowhere); left out, a folder in your data folder."""
    store_bytes: Annotated[int, Field(gt=0)] = 256_000_000
    """The size beyond which traces are deleted: delivered ones first, then the oldest."""
    history_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 7.0
    """Days that delivered traces stay; 0 keeps none."""
    tracing: bool = True
    """False switches tracing off."""
    capture_content: bool = True
    """False records no inputs, outputs or error messages."""
    content_chars: Annotated[int, Field(ge=0)] = 65_536
    """Characters of each text that are kept beside the trace, on this machine only; 0 keeps previews only."""
    idle_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600.0
    """Seconds without an event after which an open run is sent as it is."""
    grace: Seconds = 2.0
    """Seconds that open steps get to finish after a cancelled or abandoned run."""
    exit_timeout: Seconds = 2.5
    """Seconds spent at exit on sending what waits; the next process sends the rest."""
    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 200.0
    """The rate up to which background delivery speeds up; it starts at 10."""
    redact_keys: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """More names of keys whose values are secrets; in the variable, by comma."""
    redact_allow: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """Names of keys that are not treated as names of secrets; in the variable, separated by commas."""
    exporters: Annotated[tuple[Literal["infinium", "otlp"], ...], BeforeValidator(_names), Field(min_length=1)] = (
        "infinium",
    )
    """Where finished traces go: ``infinium``, ``otlp`` or both; in the variable, separated by commas."""

    _otlp: OtelEnvironment | None = PrivateAttr(None)

    @field_validator("agent_secret")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else "x"
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            msg = "must be printable ASCII without spaces or line breaks around it (is there a newline at its end?)"
            raise ValueError(msg)
        return value

    @field_validator("store")
    @classmethod
    def _full_path(cls, value: str) -> str:
        if value in {"memory", "off"}:
            return value
        try:
            return str(Path(value).expanduser().absolute())
        except (RuntimeError, OSError):  # there is no home folder, or no current one
            msg = "has no home folder or current folder to begin at: give a full path, or memory"
            raise ValueError(msg) from None

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @pydantic.model_validator(mode="after")
    def _safe_url(self) -> "Settings":
        check_base_url(self.base_url, allow_http=self.allow_http)
        return self

    @property
    def mode(self) -> Literal["folder", "memory", "off"]:
        """Where finished traces are kept."""
        if self.store == "memory":
            return "memory"
        return "off" if self.store == "off" else "folder"

    @property
    def has_account(self) -> bool:
        """Whether both the agent's id and its secret are known."""
        return self.agent_id is not None and self.agent_secret is not None

    @property
    def to_infinium(self) -> bool:
        """Whether traces are delivered to Infinium."""
        return self.has_account and "infinium" in self.exporters

    @property
    def otlp(self) -> OtelEnvironment | None:
        """Where traces go by OTLP; None where they don't."""
        return self._otlp

    @property
    def delivers(self) -> bool:
        """Whether traces are delivered anywhere."""
        return self.to_infinium or self.otlp is not None


def _default_store() -> str:
    """Return the folder in the user's data folder; memory where the user has none, as in many containers."""
    with contextlib.suppress(RuntimeError):  # of newer versions; older ones leave the ``~``
        data = Path(platformdirs.user_data_dir("infinium"))
        if data.is_absolute():
            return str(data / "traces")
    diagnostics.warn_once(
        "homeless",
        "There is no home folder, so traces are kept in memory, and what is not delivered at the end is lost. "
        "INFINIUM_STORE names a folder.",
    )
    return "memory"


class SettingsChanges(TypedDict, total=False):
    """The keyword arguments of ``configure``; None takes a change back."""

    agent_id: UUID | str | None
    agent_secret: SecretStr | str | None
    base_url: str | None
    allow_http: bool | None
    store: str | Path | None
    """A folder, ``"memory"``, or ``"off"`` (sent from memory, kept nowhere)."""
    store_bytes: int | None
    history_days: float | None
    tracing: bool | None
    capture_content: bool | None
    content_chars: int | None
    """Of each text that is kept whole beside a trace's payload; 0 keeps previews only."""
    idle_timeout: float | None
    """Seconds."""
    grace: float | None
    """Seconds."""
    exit_timeout: float | None
    """Seconds."""
    requests_per_second: float | None
    redact_keys: str | Iterable[str] | None
    """More names of keys whose values are secrets."""
    redact_allow: str | Iterable[str] | None
    """Names of keys whose values are never hidden for the name's sake."""
    exporters: str | Iterable[Literal["infinium", "otlp"]] | None
    """Where finished traces go: ``"infinium"``, ``"otlp"``, or both."""


def check_base_url(url: str, *, allow_http: bool) -> None:
    """Refuse a base URL over which the agent's secret would travel in clear.

    Raises:
        ValueError: It is no http(s) URL, carries credentials, or is ``http://`` beyond loopback without ``allow_http``.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"must be an http:// or https:// URL with a host, such as {DEFAULT_BASE_URL}"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "must have no credentials, query or fragment in it"
        raise ValueError(msg)
    try:
        loopback = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme == "http" and not allow_http and not loopback:
        msg = (
            "is http:// to another machine, which would send the secret in clear: "
            "use https://, or set INFINIUM_ALLOW_HTTP=true"
        )
        raise ValueError(msg)


_lock = threading.Lock()
_given: dict[str, object] = {}
_current: Settings | None = None


def current() -> Settings:
    """Return the settings in force, reading the environment the first time.

    Raises:
        ConfigurationError: A value is malformed; the text names the setting and its variable, and never shows a secret.
    """
    global _current  # noqa: PLW0603  (one process, one set of settings)
    settings = _current
    if settings is None:
        with _lock:
            settings = _current = _current or _read(_given)
    return settings


def known() -> Settings | None:
    """Return the settings if they were read already, as they are when a trace is recorded."""
    return _current


def configure(**changes: Unpack[SettingsChanges]) -> Settings:
    """Change settings for this process; each wins over its environment variable. ``None`` takes a change back.

    Raises:
        ConfigurationError: An unknown name or a malformed value; nothing is changed then.
    """
    global _current  # noqa: PLW0603
    with _lock:
        given = {name: value for name, value in {**_given, **changes}.items() if value is not None}
        _current = _read(given)
        _given.clear()
        _given.update(given)
        return _current


def renew_lock() -> None:
    """Replace the lock, which a forked child may have inherited locked."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


def reset() -> None:
    """Forget what was configured and read, so that the next use reads the environment again (for tests)."""
    global _current  # noqa: PLW0603
    with _lock:
        _given.clear()
        _current = None


def _read(given: dict[str, object]) -> Settings:
    known = Settings.model_fields
    environment = {name: text for name in known if (text := os.environ.get(f"INFINIUM_{name.upper()}"))}
    lines = [
        f"configure() has no setting {name!r}{did_you_mean(name, known) or ';'} the settings are: "
        + ", ".join(sorted(known))
        for name in given
        if name not in known
    ]
    try:
        settings = Settings.model_validate(
            {**environment, **{name: value for name, value in given.items() if name in known}}
        )
    except pydantic.ValidationError as error:
        from infinium_integrations.models import field_errors  # noqa: PLC0415  (heavy, and only needed here)

        for path, wrong in field_errors(error):
            name = path.partition(".")[0] or "base_url"
            lines.append(f"configure({name}=…): {wrong}" if name in given else f"INFINIUM_{name.upper()}: {wrong}")
    else:
        if "otlp" in settings.exporters:
            lines += otel_environment.check(os.environ)
            if not _has_exporter():
                lines.append("INFINIUM_EXPORTERS=otlp needs a package: pip install 'infinium-integrations[otel]'")
            settings._otlp = None if lines else otel_environment.read(os.environ)  # noqa: SLF001  (its own module)
    if lines:
        raise ConfigurationError("; ".join(lines)) from None
    return settings


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.common.trace_encoder") is not None
    except ModuleNotFoundError:
        return False

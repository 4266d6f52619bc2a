"""The environment, read once."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.limits import BodyLimits, GraphLimits, LiveLimits, QueueLimits, ReadLimits
from models.database import Unsupported, is_shared, parse_url

Limits = TypeVar("Limits", BodyLimits, GraphLimits, LiveLimits, QueueLimits)

PREFIX = "CALYX_"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_KEY_CHARACTERS = re.compile(r"[\x21-\x39\x3b-\x7e]+")


class Misconfigured(Exception):
    """The environment cannot be used; the message names the setting, what is wrong and what to do."""


def _limit(kind: type[Any], name: str) -> Any:
    # One home for each number and its reason: the limits' own module.
    found = next(field for field in fields(kind) if field.name == name)
    return Field(default=found.default, gt=0, description=found.metadata["why"])


class Settings(BaseSettings):
    """Everything an operator can change, with the default that suits a laptop."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str = Field(
        default="sqlite+aiosqlite:///calyx.db",
        description="Where everything is kept: sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME.",
    )
    read_database_url: str | None = Field(
        default=None,
        description="A streaming replica of that PostgreSQL. Set, it answers queries; mutations and keys are read where they are written.",
    )
    read_lag_seconds_max: float = _limit(ReadLimits, "lag_seconds_max")
    read_connections: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Connections of each process that read. Unset: 3 on SQLite, whose threads share an interpreter, 8 on PostgreSQL.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 for any free one."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that serve. SQLite has room for one."
    )
    admin_key: SecretStr | None = Field(
        default=None,
        description="An admin key of workspace `default`, ensured at every start. Unset: the first start makes one and prints it.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Segment's shared secret. Set, every request to /segment must carry a right X-Signature.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may use GraphQL, such as https://app.example.com; several with commas. The SDK doors are open to all.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests of one key in a minute, at the doors and at GraphQL; more is answered 429 with Retry-After. Each process counts for itself. Unset: any number. A key may have its own: `calyx keys create --requests-per-minute`.",
    )
    audit_days: int = Field(
        default=400,
        ge=1,
        le=36_500,
        description="Days for which the audit log is kept.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How log lines look: `text` for people, `json` for machines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="What is logged; `info` has a line for each request, `warning` only for trouble.",
    )
    traces: bool = Field(
        default=False,
        description="Whether spans are sent by OpenTelemetry, to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. Needs `calyx-cdp[otel]`.",
    )
    queue_max_messages: int = _limit(QueueLimits, "queue_max_messages")
    queue_max_bytes: int = _limit(QueueLimits, "queue_max_bytes")
    body_bytes_max: int = _limit(BodyLimits, "body_bytes_max")
    message_bytes_max: int = _limit(BodyLimits, "message_bytes_max")
    messages_max: int = _limit(BodyLimits, "messages_max")
    body_seconds_max: float = _limit(BodyLimits, "body_seconds_max")
    bodies_bytes_max: int = _limit(BodyLimits, "bodies_bytes_max")
    graphql_body_bytes_max: int = _limit(GraphLimits, "body_bytes_max")
    graphql_tokens_max: int = _limit(GraphLimits, "tokens_max")
    graphql_depth_max: int = _limit(GraphLimits, "depth_max")
    graphql_aliases_max: int = _limit(GraphLimits, "aliases_max")
    graphql_directives_max: int = _limit(GraphLimits, "directives_max")
    graphql_cost_max: int = _limit(GraphLimits, "cost_max")
    graphql_seconds_max: float = _limit(GraphLimits, "seconds_max")
    graphql_history_events_max: int = _limit(GraphLimits, "history_events_max")
    graphql_history_characters_max: int = _limit(GraphLimits, "history_characters_max")
    live_sockets_max: int = _limit(LiveLimits, "sockets_max")
    live_sockets_per_key_max: int = _limit(LiveLimits, "sockets_per_key_max")
    live_handshakes_max: int = _limit(LiveLimits, "handshakes_max")
    live_init_seconds_max: float = _limit(LiveLimits, "init_seconds_max")
    live_subscriptions_max: int = _limit(LiveLimits, "subscriptions_max")
    live_customers_max: int = _limit(LiveLimits, "customers_max")
    live_remembered_max: int = _limit(LiveLimits, "remembered_max")
    live_send_seconds_max: float = _limit(LiveLimits, "send_seconds_max")
    graphql_documents: Path | None = Field(
        default=None,
        description="A folder of GraphQL documents, or a manifest of them. Set, keys without `admin` run only these; see dashboards.md.",
    )

    @property
    def body_limits(self) -> BodyLimits:
        """Return what a door may read."""
        return self._limits(BodyLimits, "")

    @property
    def queue_limits(self) -> QueueLimits:
        """Return what may wait for a commit."""
        return self._limits(QueueLimits, "")

    @property
    def graph_limits(self) -> GraphLimits:
        """Return what a GraphQL request may ask for."""
        return self._limits(GraphLimits, "graphql_")

    @property
    def live_limits(self) -> LiveLimits:
        """Return what may be followed at once."""
        return self._limits(LiveLimits, "live_")

    def _limits(self, kind: type[Limits], prefix: str) -> Limits:
        return kind(**{field.name: getattr(self, prefix + field.name) for field in fields(kind)})

    @field_validator("database_url", "read_database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        try:
            if url is not None:
                parse_url(url)
        except Unsupported as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("admin_key")
    @classmethod
    def _sendable_key(cls, key: SecretStr | None) -> SecretStr | None:
        # It must fit into a header, and Basic authorization ends the user name at a colon.
        if key is not None and not _KEY_CHARACTERS.fullmatch(key.get_secret_value()):
            raise ValueError("use ASCII letters, digits and signs, without spaces and colons")
        return key

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            # A pattern is one slip away from matching https://evilexample.com, and `*` is everybody.
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write each one out as https://app.example.com,"
                    " in lower case, without path, wildcard or slash at the end"
                )
        return origins

    @model_validator(mode="after")
    def _one_writer_on_sqlite(self) -> Settings:
        if self.workers > 1 and not is_shared(self.database_url):
            raise ValueError(
                f"CALYX_WORKERS is {self.workers}, but SQLite lets one process write at a time and starves the others:"
                " set CALYX_WORKERS=1, or CALYX_DATABASE_URL to PostgreSQL"
            )
        return self

    @model_validator(mode="after")
    def _traces_go_somewhere(self) -> Settings:
        if not self.traces:
            return self
        if find_spec("opentelemetry.sdk") is None:
            raise ValueError("CALYX_TRACES needs OpenTelemetry: pip install 'calyx-cdp[otel]'")
        if not any(os.environ.get(name) for name in _ENDPOINTS):
            raise ValueError(
                "CALYX_TRACES is set, but not where traces go:"
                " set OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4318"
            )
        return self

    @model_validator(mode="after")
    def _replica_of_postgresql(self) -> Settings:
        urls = (self.database_url, self.read_database_url)
        if self.read_database_url is not None and not all(is_shared(url) for url in urls if url):
            raise ValueError(
                "CALYX_READ_DATABASE_URL names a replica of PostgreSQL, and SQLite has none:"
                " unset it, or set both URLs to PostgreSQL"
            )
        return self


def load(**given: object) -> Settings:
    """Return the settings of the environment with those `given` before them; raise Misconfigured."""
    try:
        return Settings(**given)  # type: ignore[arg-type]  # names and types are pydantic's to check
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(found) for found in error.errors())) from None


def _explain(found: Any) -> str:
    message = str(found["msg"]).removeprefix("Value error, ")
    where = "".join(str(part) for part in found["loc"][:1])
    return f"{PREFIX}{where.upper()}: {message}" if where else message

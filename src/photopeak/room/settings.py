"""Every setting of the reading room: an option, an environment variable, or what it is without either."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from photopeak.core import PhotopeakError

PREFIX = "PHOTOPEAK_ROOM_"
SHORTEST_TOKEN = 24


def home() -> Path:
    """Where the room keeps its data unless told otherwise."""
    base = os.environ.get("PHOTOPEAK_HOME")
    return (Path(base) if base else Path.home() / ".photopeak") / "room"


class Settings(BaseSettings):
    """Settings by name; the environment variable of ``port`` is PHOTOPEAK_ROOM_PORT."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address that the pages and DICOMweb listen on.")
    port: int = Field(8650, ge=0, le=65535, description="Their port; 0 takes a free one.")
    data: Path = Field(default_factory=home, description="Folder of the archive and of the embedded database.")
    database_url: str = Field("", description="SQLAlchemy URL; empty is SQLite in the data folder.")
    objects_url: str = Field("", description="fsspec URL of the DICOM files; empty is the data folder.")
    demo: bool = Field(False, description="Sign in without passwords; on loopback only.")

    ae_title: str = Field("PHOTOPEAK", min_length=1, max_length=16, description="Application entity title of the node.")
    dicom_host: str = Field("127.0.0.1", description="Address that the DICOM node listens on.")
    dicom_port: int = Field(11112, ge=0, le=65535, description="Its port; 0 takes a free one.")
    dicom: bool = Field(True, description="Whether the DICOM node runs.")
    dicom_peers: str = Field("", description="AE titles that may call, separated by commas; empty is anyone.")
    dicom_tls_certificate: Path | None = Field(None, description="PEM certificate of the DICOM node.")
    dicom_tls_key: Path | None = Field(None, description="PEM key of the DICOM node.")
    dicom_tls_authority: Path | None = Field(None, description="PEM authorities whose certificates peers must show.")

    tls_certificate: Path | None = Field(None, description="PEM certificate of the pages.")
    tls_key: Path | None = Field(None, description="PEM key of the pages.")
    behind_proxy: bool = Field(False, description="A reverse proxy before the room speaks TLS.")

    bundle: str = Field("bone-scan", description="Weights that read what arrives, until another is switched on.")
    quiet_seconds: float = Field(20.0, ge=0, description="A study is complete when nothing came for so long.")
    work: bool = Field(True, description="Whether this process reads studies and forwards results.")
    cluster: str = Field("", description="Ray address that studies are read at (local, auto, ray://…); empty: here.")
    worker_name: str = Field("room", min_length=1, description="Name of this process among several on one database.")

    session_hours: float = Field(12.0, gt=0, description="Longest session.")
    idle_minutes: float = Field(60.0, gt=0, description="A session ends when unused for so long.")
    failures_before_lock: int = Field(5, ge=1, description="Wrong passwords before an account is locked.")
    lock_minutes: float = Field(15.0, gt=0, description="How long it stays locked.")
    requests_per_minute: int = Field(3000, ge=1, description="Of one session, or of one address without a session.")
    max_upload_mb: int = Field(1024, ge=1, description="Largest request body.")

    oidc_issuer: str = Field("", description="OpenID Connect issuer; empty is none.")
    oidc_client_id: str = Field("", description="Client that the issuer knows the room by.")
    oidc_client_secret: str = Field("", description="Its secret.")
    oidc_role_claim: str = Field("photopeak_role", description="Claim that names the role.")
    public_url: str = Field("", description="URL that browsers use, for OpenID Connect's way back.")

    report_font: Path | None = Field(None, description="TrueType font for reports in other scripts; goes into the PDF.")

    metrics_token: str = Field("", description="What Prometheus shows as a bearer token for /metrics; empty is none.")
    log: Literal["words", "json"] = Field("words", description="Form of the log.")

    @property
    def database(self) -> str:
        """URL of the catalogue."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'room.sqlite'}"

    @property
    def objects(self) -> str:
        """URL of the DICOM files."""
        return self.objects_url or (self.data.absolute() / "objects").as_uri()

    @property
    def secure(self) -> bool:
        """Whether browsers speak TLS to the room."""
        return self.behind_proxy or self.tls_certificate is not None


def usual(name: str) -> str:
    """A setting's value where nobody gave one, in words.

    >>> usual("port"), usual("database_url"), usual("demo")
    ('8650', '-', 'no')
    """
    if name == "data":
        return "`$PHOTOPEAK_HOME/room`"
    value = Settings.model_fields[name].default
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in ("", None) else f"{value:g}" if isinstance(value, float) else str(value)


def loopback(host: str) -> bool:
    """Whether an address is reachable from this machine alone.

    >>> loopback("127.0.0.1"), loopback("localhost"), loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _local(url: str) -> bool:
    return loopback(urlsplit(url).hostname or "")


def check(settings: Settings) -> None:
    """Refuse to start what would let strangers in."""
    if settings.demo and not loopback(settings.host):
        raise PhotopeakError(
            f"the demo signs in without passwords, so it listens on loopback only, not on {settings.host}. "
            "Remedy: leave demo out, give --tls-certificate and --tls-key, and add accounts with `photopeak room user`."
        )
    if not loopback(settings.host) and not settings.secure:
        raise PhotopeakError(
            f"{settings.host} can be reached from other machines, and passwords would cross the network unprotected. "
            "Remedy: give --tls-certificate and --tls-key, or --behind-proxy where a reverse proxy speaks TLS."
        )
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise PhotopeakError("a TLS certificate and its key go together. Remedy: give both.")
    if (settings.dicom_tls_certificate is None) != (settings.dicom_tls_key is None):
        raise PhotopeakError("the DICOM node's certificate and its key go together. Remedy: give both.")
    if settings.oidc_issuer and not (settings.public_url and settings.oidc_client_id):
        raise PhotopeakError(
            "OpenID Connect needs to know who the room is and how browsers come back to it. "
            f"Remedy: set {PREFIX}PUBLIC_URL and {PREFIX}OIDC_CLIENT_ID."
        )
    if settings.oidc_issuer and urlsplit(settings.oidc_issuer).scheme != "https" and not _local(settings.oidc_issuer):
        raise PhotopeakError(
            f"whoever stands between here and {settings.oidc_issuer} could sign in as anybody. "
            "Remedy: name the issuer by an https URL."
        )
    for name in ("tls_certificate", "tls_key", "dicom_tls_certificate", "dicom_tls_key", "dicom_tls_authority"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            raise PhotopeakError(f"{path} is no file. Remedy: name the PEM file.")
    if settings.metrics_token and len(settings.metrics_token) < SHORTEST_TOKEN:
        raise PhotopeakError(
            f"{PREFIX}METRICS_TOKEN is short enough to be guessed. "
            f"Remedy: give at least {SHORTEST_TOKEN} characters, for instance those of `openssl rand -hex 32`."
        )
    if settings.report_font is not None and not settings.report_font.is_file():
        raise PhotopeakError(f"report_font: {settings.report_font} is no file. Remedy: name a TrueType font.")


def described(settings: Settings) -> list[tuple[str, str, str, str]]:
    """(name, environment variable, value, meaning) of every setting; secrets are not shown."""
    rows: list[tuple[str, str, str, str]] = []
    for name, field in Settings.model_fields.items():
        value: Any = getattr(settings, name)
        shown = "(set)" if value and name.endswith(("secret", "token")) else "" if value is None else str(value)
        if name.endswith(("_url", "_issuer")):
            shown = without_password(shown)
        rows.append((name, PREFIX + name.upper(), shown, field.description or ""))
    return rows


def without_password(url: str) -> str:
    """A URL fit to be shown.

    >>> without_password("postgresql+psycopg://room:secret@db/room")
    'postgresql+psycopg://room:***@db/room'
    >>> without_password("postgresql+psycopg://db/room?user=room&password=secret")
    'postgresql+psycopg://db/room?user=room&password=***'
    """
    scheme, mark, rest = url.partition("://")
    rest = re.sub(r"(?i)([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*", r"\1***", rest)
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}{mark}{name}{':***' if colon else ''}{at}{place}"

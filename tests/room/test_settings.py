"""Settings: what would let strangers in is refused, every one can be given by the environment, secrets stay secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import ValidationError

from photopeak.cli import root
from photopeak.core import PhotopeakError
from photopeak.room.care import examine
from photopeak.room.settings import PREFIX, Settings, check, described, without_password

OIDC = {"oidc_issuer": "https://id.example", "oidc_client_id": "room", "public_url": "https://room.example"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.setenv("PHOTOPEAK_HOME", str(tmp_path))


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "some.pem"
    path.write_text("pem")
    return path


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"host": "0.0.0.0"}, "unprotected"),
        ({"host": "::"}, "unprotected"),
        ({"host": "192.0.2.7"}, "unprotected"),
        ({"host": "room.example"}, "unprotected"),
        ({"host": "0.0.0.0", "demo": True}, "without passwords"),
        ({"host": "0.0.0.0", "demo": True, "behind_proxy": True}, "without passwords"),
        ({"tls_certificate": "PEM"}, "go together"),
        ({"tls_key": "PEM"}, "go together"),
        ({"dicom_tls_certificate": "PEM"}, "go together"),
        ({"dicom_tls_key": "PEM"}, "go together"),
        ({"tls_certificate": "PEM", "tls_key": "gone.pem"}, "gone.pem is no file"),
        ({"tls_certificate": "gone.pem", "tls_key": "PEM"}, "gone.pem is no file"),
        ({"dicom_tls_certificate": "PEM", "dicom_tls_key": "gone.pem"}, "gone.pem is no file"),
        ({"dicom_tls_authority": "gone.pem"}, "gone.pem is no file"),
        ({**OIDC, "public_url": ""}, "PHOTOPEAK_ROOM_PUBLIC_URL"),
        ({**OIDC, "oidc_client_id": ""}, "PHOTOPEAK_ROOM_OIDC_CLIENT_ID"),
        ({**OIDC, "oidc_issuer": "http://id.example"}, "https URL"),
    ],
)
def test_what_would_let_strangers_in_is_refused(pem: Path, given: dict[str, Any], says: str) -> None:
    settings = Settings(**{k: pem if v == "PEM" else v for k, v in given.items()})
    with pytest.raises(PhotopeakError, match=says) as refused:
        check(settings)
    assert "Remedy:" in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"demo": True},
        {"host": "::1", "demo": True},
        {"host": "127.3.2.1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "behind_proxy": True},
        {"host": "0.0.0.0", "tls_certificate": "PEM", "tls_key": "PEM"},
        OIDC,
        {**OIDC, "oidc_issuer": "http://127.0.0.1:8080/realm"},
    ],
)
def test_what_keeps_strangers_out_is_taken(pem: Path, given: dict[str, Any]) -> None:
    check(Settings(**{k: pem if v == "PEM" else v for k, v in given.items()}))


def another(name: str, present: Any) -> str:
    """A value that is not the one without any setting."""
    if isinstance(present, bool):
        return str(not present).lower()
    if isinstance(present, int | float):
        return str(present + 1)
    return {"log": "json"}.get(name, f"x{present or ''}"[:16])


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_a_variable_that_works(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows = {row[0]: row for row in described(Settings())}
    assert set(rows) == set(Settings.model_fields)
    _, variable, before, meaning = rows[name]
    assert variable == f"PHOTOPEAK_ROOM_{name.upper()}"
    assert meaning.endswith(".")
    monkeypatch.setenv(variable, another(name, getattr(Settings(), name)))
    after = {row[0]: row[2] for row in described(Settings())}
    assert after.pop(name) != before
    assert after == {row[0]: row[2] for row in rows.values() if row[0] != name}


def test_an_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPEAK_ROOM_PORT", "9000")
    assert Settings().port == 9000
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize(
    "given",
    [{"port": 65536}, {"port": -1}, {"session_hours": 0}, {"failures_before_lock": 0}, {"log": "loud"}, {"x": 1}],
)
def test_what_is_no_setting_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)


HIDING = [
    ("postgresql+psycopg://room:pass%40word@db/room", "pass%40word"),
    ("postgresql+psycopg://room:pass@word@db/room", "pass@word"),
    ("postgresql+psycopg://db/room?user=room&password=pass&sslmode=require", "=pass"),
    ("postgresql+psycopg://db/room?sslpassword=pass", "=pass"),
    ("s3://key:very-secret@bucket/folder", "very-secret"),
    ("https://store.example/x?SECRET=very-secret", "very-secret"),
]


@pytest.mark.parametrize(("url", "secret"), HIDING)
def test_a_url_is_shown_without_what_opens_it(url: str, secret: str) -> None:
    shown = without_password(url)
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "url", ["sqlite:////data/room.sqlite", "file:///data/objects", "s3://bucket/x", "", "https://id.example/realm?x=1"]
)
def test_a_url_without_secrets_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url


def photopeak(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(root, ["room", *words], input=stdin)


def test_the_command_shows_every_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql+psycopg://room:hush-1@db/room",
        "OBJECTS_URL": "s3://key:hush-2@bucket/folder",
        "OIDC_CLIENT_SECRET": "hush-3",
        "PORT": "9000",
    }.items():
        monkeypatch.setenv(PREFIX + name, value)
    shown = photopeak("settings")
    assert shown.exit_code == 0, shown.output
    assert "hush" not in shown.output
    assert "9000" in shown.output
    assert "room:***@db/room" in shown.output
    assert "(set)" in shown.output
    assert all(PREFIX + name.upper() in shown.output for name in Settings.model_fields)


def test_a_wrong_setting_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPEAK_ROOM_PORT", "many")
    shown = photopeak("settings")
    assert shown.exit_code != 0
    assert "port" in shown.output + str(shown.exception)


def test_the_doctor_keeps_secrets_too() -> None:
    settings = Settings(database_url="postgresql+psycopg://room:hush@127.0.0.1:9/room", oidc_client_secret="hush")
    assert "hush" not in "".join(f"{f.what} {f.says} {f.remedy}" for f in examine(settings))


def test_people_are_added_and_listed(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "room"))
    entered = "a long enough one\n"
    added = photopeak("user", "add", "ada", "--role", "physician", "--display", "Dr Ada", *data, stdin=entered * 2)
    assert added.exit_code == 0, added.output
    assert entered.strip() not in added.output
    assert "added ada (physician)" in added.output
    for words, says in (
        (("ada", "--role", "physician", "--password", "a long enough one"), "there already"),
        (("bob", "--role", "root", "--password", "a long enough one"), "no role"),
        (("bob", "--role", "physician", "--password", "short"), "12 characters"),
    ):
        refused = photopeak("user", "add", *words, *data)
        assert refused.exit_code != 0
        assert says in refused.output + str(refused.exception)
    listed = photopeak("user", "list", *data)
    assert listed.output.split() == ["ada", "physician", "Dr", "Ada"]


def test_adding_somebody_is_in_the_audit_trail(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "room"))
    photopeak("user", "add", "ada", "--role", "physician", "--password", "a long enough one", *data)
    shown = photopeak("audit", *data)
    assert "administer" in shown.output
    assert "ada" in shown.output
    assert "long enough" not in shown.output


def test_a_token_for_the_metrics_is_long_and_never_shown() -> None:
    with pytest.raises(PhotopeakError, match="METRICS_TOKEN is short"):
        check(Settings(metrics_token="prometheus"))
    token = "0123456789abcdef" * 2
    check(Settings(metrics_token=token))
    assert token not in str(described(Settings(metrics_token=token)))


def test_a_font_for_reports_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="report_font"):
        check(Settings(report_font=tmp_path / "none.ttf"))

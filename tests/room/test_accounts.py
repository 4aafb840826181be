"""Accounts: passwords that are not kept, guessing that does not pay, and answers that tell a stranger nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from photopeak.core import PhotopeakError
from photopeak.room import accounts
from photopeak.room.accounts import add_user, check_password, set_password
from photopeak.room.room import Room
from photopeak.room.schema import Session, User
from tests.room.node_peers import audited, make_room
from tests.room.room_people import PASSWORD, browser

LOCKED = "too many wrong passwords: the account is locked for a while."
WRONG = "the name or the password is wrong."


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = make_room(tmp_path, failures_before_lock=3, lock_minutes=10)
    with made.database.writing() as t:
        add_user(t, "ada", "physician", PASSWORD, "Dr Ada")
        add_user(t, "elsewhere", "physician")  # signs in through OpenID Connect
    yield made
    made.database.close()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets minutes pass."""
    offset = [0.0]
    clock = accounts.now
    monkeypatch.setattr(accounts, "now", lambda: clock() + dt.timedelta(minutes=offset[0]))

    def let(minutes: float) -> None:
        offset[0] += minutes

    return let


def attempt(room: Room, name: str, password: str) -> str:
    """Why it did not work; "" where it did."""
    with room.database.writing() as t:
        user, why = check_password(t, room.settings, name, password)
        assert (user is None) == bool(why)
        return why


def stored(room: Room, name: str) -> User:
    from sqlalchemy import select

    with room.database.reading() as t:
        user = t.scalar(select(User).where(User.name == name))
    assert user is not None
    return user


def test_a_password_is_kept_as_a_salted_argon2_hash(room: Room) -> None:
    with room.database.writing() as t:
        twin = add_user(t, "twin", "annotator", PASSWORD)
    kept = stored(room, "ada").password_hash
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert kept != twin.password_hash
    files = b"".join(p.read_bytes() for p in room.settings.data.glob("room.sqlite*"))
    assert kept.encode() in files
    assert PASSWORD.encode() not in files


def test_a_session_is_kept_as_the_hash_of_its_token(room: Room) -> None:
    with room.database.writing() as t:
        user = t.get(User, 1)
        assert user is not None
        token, session = accounts.open_session(t, user)
        assert len(token) >= 43  # 32 random bytes
        assert session.token_sha256 != token
        assert t.get(Session, token) is None


def test_wrong_passwords_lock_an_account_for_a_while(room: Room, passes: Callable[[float], None]) -> None:
    assert [attempt(room, "ada", "wrong") for _ in range(3)] == [WRONG] * 3
    assert attempt(room, "ada", PASSWORD) == LOCKED
    passes(9.9)
    assert attempt(room, "ada", PASSWORD) == LOCKED
    passes(0.2)
    assert attempt(room, "ada", PASSWORD) == ""


def test_after_a_lock_the_counting_begins_anew(room: Room, passes: Callable[[float], None]) -> None:
    for _ in range(3):
        attempt(room, "ada", "wrong")
    passes(10.1)
    assert [attempt(room, "ada", "wrong") for _ in range(2)] == [WRONG] * 2
    assert attempt(room, "ada", PASSWORD) == ""
    assert stored(room, "ada").failures == 0


def test_trying_while_it_is_locked_does_not_lock_longer(room: Room, passes: Callable[[float], None]) -> None:
    for _ in range(3):
        attempt(room, "ada", "wrong")
    passes(9)
    assert attempt(room, "ada", "wrong") == LOCKED
    passes(1.1)
    assert attempt(room, "ada", PASSWORD) == ""


def test_a_stranger_learns_nothing_about_who_has_an_account(room: Room) -> None:
    from photopeak.room.app import create_app

    client = browser(create_app(room)).client
    with room.database.writing() as t:
        add_user(t, "left", "physician", PASSWORD).active = False
    told = {
        (answer.status_code, answer.text)
        for name, password in (("ada", "wrong"), ("nobody", "wrong"), ("left", PASSWORD), ("elsewhere", ""), ("", ""))
        for answer in (client.post("/api/session", json={"name": name, "password": password}),)
    }
    assert told == {(401, '{"detail":"the name or the password is wrong."}')}


def test_an_unknown_name_costs_as_much_as_a_wrong_password(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(accounts, "_verify", lambda kept, _: bool(checked.append(kept)))
    for name in ("ada", "nobody", "elsewhere"):
        attempt(room, name, "wrong")
    assert len(checked) == 3
    assert all(kept.startswith("$argon2id$") for kept in checked)


def test_signing_in_is_written_down_either_way(room: Room) -> None:
    from photopeak.room.app import create_app

    client = browser(create_app(room)).client
    client.post("/api/session", json={"name": "ada", "password": "wrong"})
    client.post("/api/session", json={"name": "ada", "password": PASSWORD})
    assert [(x.who, x.outcome) for x in audited(room, "sign in", 2)] == [("ada", "failure"), ("ada", "success")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"password": "x" * 11}, "at least 12 characters"),
        ({"role": "root"}, "one of administrator"),
        ({"name": "  "}, "needs a name"),
        ({"name": "x" * 129}, "needs a name"),
        ({"name": "ada"}, "there already"),
    ],
)
def test_what_is_no_account_is_refused(room: Room, words: dict[str, Any], says: str) -> None:
    given = {"name": "new", "role": "physician", "password": PASSWORD, **words}
    with pytest.raises(PhotopeakError, match=says), room.database.writing() as t:
        add_user(t, **given)


def test_a_new_password_unlocks_and_the_old_one_is_gone(room: Room) -> None:
    for _ in range(3):
        attempt(room, "ada", "wrong")
    with room.database.writing() as t:
        user = t.get(User, 1)
        assert user is not None
        set_password(user, "x" * 12)
    assert attempt(room, "ada", "x" * 12) == ""
    assert attempt(room, "ada", PASSWORD) == WRONG


def test_a_hash_that_was_damaged_lets_nobody_in(room: Room) -> None:
    with room.database.writing() as t:
        user = t.get(User, 1)
        assert user is not None
        user.password_hash = "damaged"
    assert attempt(room, "ada", PASSWORD) == WRONG

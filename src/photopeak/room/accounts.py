"""Accounts, roles and sessions. Passwords are kept as argon2 hashes, session tokens as SHA-256."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.room.schema import Session, User, now
from photopeak.room.settings import Settings

#: role -> what it may do
ROLES: Final = {
    "administrator": frozenset({"view", "administer", "store", "export", "cohorts"}),
    "physician": frozenset({"view", "read", "report", "store", "export", "cohorts", "adjudicate"}),
    "annotator": frozenset({"view", "read"}),
    "researcher": frozenset({"view", "export"}),
}
SHORTEST_PASSWORD: Final = 12
_HASHER: Final = PasswordHasher()
_NOBODYS: Final = _HASHER.hash(secrets.token_hex(8))
"""Checked where the account does not exist, so that the time tells nothing."""


def add_user(t: Transaction, name: str, role: str, password: str = "", display: str = "", subject: str = "") -> User:
    """A new account; without a password it signs in through OpenID Connect, or in the demo, alone."""
    if role not in ROLES:
        raise PhotopeakError(f"there is no role {role!r}. Remedy: one of {', '.join(ROLES)}.")
    if not name.strip() or len(name) > 128:
        raise PhotopeakError("an account needs a name of 1 to 128 characters.")
    if t.scalar(select(User).where(User.name == name)) is not None:
        raise PhotopeakError(f"the account {name!r} is there already. Remedy: choose another name.")
    user = User(name=name, role=role, display=display or name, subject=subject, created_at=now())
    user.active, user.failures, user.locked_until, user.password_hash = True, 0, None, ""
    if password:
        set_password(user, password)
    t.add(user)
    t.flush()
    return user


def set_password(user: User, password: str) -> None:
    """Give an account a password and unlock it."""
    if len(password) < SHORTEST_PASSWORD:
        raise PhotopeakError(f"a password has at least {SHORTEST_PASSWORD} characters. Remedy: take a longer one.")
    user.password_hash, user.failures, user.locked_until = _HASHER.hash(password), 0, None


def check_password(t: Transaction, settings: Settings, name: str, password: str) -> tuple[User | None, str]:
    """The account, or why not; wrong passwords are counted, and too many lock it for a while."""
    user = t.scalar(select(User).where(User.name == name))
    right = _verify(user.password_hash if user is not None and user.password_hash else _NOBODYS, password)
    if user is None or not user.active or not user.password_hash:
        return None, "the name or the password is wrong."
    if user.locked_until is not None and user.locked_until > now():
        return None, "too many wrong passwords: the account is locked for a while."
    if not right:
        user.failures += 1
        if user.failures >= settings.failures_before_lock:
            user.failures, user.locked_until = 0, now() + dt.timedelta(minutes=settings.lock_minutes)
        return None, "the name or the password is wrong."
    user.failures, user.locked_until = 0, None
    return user, ""


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def open_session(t: Transaction, user: User) -> tuple[str, Session]:
    """A new session and its token, which nobody can read again."""
    token = secrets.token_urlsafe(32)
    session = Session(token_sha256=_name(token), user_key=user.id, csrf=secrets.token_urlsafe(24))
    session.created_at = session.seen_at = now()
    t.add(session)
    t.flush()
    return token, session


def find_session(t: Transaction, settings: Settings, token: str) -> Session | None:
    """The live session of a token; one that is too old or was left idle is none."""
    session = t.get(Session, _name(token))
    if session is None or not session.user.active:
        return None
    at = now()
    old = at - session.created_at > dt.timedelta(hours=settings.session_hours)
    idle = at - session.seen_at > dt.timedelta(minutes=settings.idle_minutes)
    return None if old or idle else session


def close_session(t: Transaction, token: str) -> None:
    """Sign out."""
    t.execute(delete(Session).where(Session.token_sha256 == _name(token)))


def close_sessions_of(t: Transaction, user: User) -> None:
    """End every session of an account: its role, its password or its right to be here has changed."""
    t.execute(delete(Session).where(Session.user_key == user.id))


def _name(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

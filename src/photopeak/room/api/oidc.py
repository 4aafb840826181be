"""Signing in through OpenID Connect: the authorization code flow with PKCE.

What a browser must bring back (state, nonce, verifier) travels in a short-lived signed cookie. The role is the
issuer's to give, so it is taken from the token at every sign-in; an account is known by issuer and subject, never by
its name.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import httpx2
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import address_of, room_of
from photopeak.room.accounts import ROLES, add_user, close_sessions_of, open_session
from photopeak.room.api.session import set_cookie
from photopeak.room.audit import Event, record
from photopeak.room.room import Room
from photopeak.room.schema import Fact, User

router = APIRouter(prefix="/api/oidc", tags=["session"])
FLOW_COOKIE: Final = "photopeak_oidc"
FLOW_SECONDS: Final = 600
DISCOVERY_SECONDS: Final = 300.0
TIMEOUT_SECONDS: Final = 5.0
ASKING: Final = 4
"""How many wait for the issuer at once: one that hangs must not take every thread of the room."""
LEEWAY_SECONDS: Final = 30
"""How far the issuer's clock may be from this one."""
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: a token signed by a shared word, or by nothing, is none."""
KEY_FACT: Final = "oidc_cookie_key"
Given = Annotated[str, Query(max_length=4096)]


DENIED: Final = "sign in again and allow it, or ask whoever runs the hospital's sign-in to let you in."
AGAIN: Final = "sign in again from the reading room's first page."
TELL: Final = "tell whoever runs the hospital's sign-in, or sign in with a name and password of the reading room."


class Refused(Exception):
    """Why somebody is not let in, and what helps."""

    def __init__(self, why: str, remedy: str = AGAIN) -> None:
        super().__init__(f"{why} Remedy: {remedy}")


class Issuer:
    """The issuer as its discovery document describes it, and the states that have come back."""

    def __init__(self, room: Room) -> None:
        self._settings = room.settings
        self._lock = threading.Lock()
        self._asking = threading.BoundedSemaphore(ASKING)
        self._found: tuple[dict[str, Any], float] = {}, 0.0
        self._used: dict[str, float] = {}
        self.back = room.settings.public_url.rstrip("/") + "/api/oidc/return"

    def described(self) -> dict[str, Any]:
        """The discovery document; asked for now and then."""
        found, at = self._found
        if not found or time.monotonic() - at > DISCOVERY_SECONDS:
            url = self._settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = self._fetch("GET", url)
            missing = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - set(found)
            if missing or found.get("issuer") != self._settings.oidc_issuer:
                raise Refused(f"{url} does not describe the issuer {self._settings.oidc_issuer}.", TELL)
            self._found = found, time.monotonic()
        return found

    def take(self, state: str) -> None:
        """Use a state up; refused where it was used before."""
        with self._lock:
            at = time.monotonic()
            self._used = {s: t for s, t in self._used.items() if at - t < 2 * FLOW_SECONDS}
            if state in self._used:
                raise Refused("This sign-in was used already.")
            self._used[state] = at

    def claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """What the issuer says of whoever brought a code, its signature and its addressee checked."""
        settings, found = self._settings, self.described()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.back, "code_verifier": verifier}
        form["client_id"] = settings.oidc_client_id
        auth = None
        if settings.oidc_client_secret:
            if "client_secret_basic" in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
                auth = (quote(settings.oidc_client_id, ""), quote(settings.oidc_client_secret, ""))
            else:
                form["client_secret"] = settings.oidc_client_secret
        answer = self._fetch("POST", found["token_endpoint"], data=form, auth=auth)
        keys = self._fetch("GET", found["jwks_uri"])
        try:
            token = jwt.decode(str(answer.get("id_token", "")), KeySet.import_key_set(keys), list(ALGORITHMS))  # type: ignore[arg-type]
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": settings.oidc_issuer},
                aud={"essential": True, "value": settings.oidc_client_id},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Refused(f"The issuer's token is not accepted: {error}.", TELL) from error
        if token.claims.get("azp", settings.oidc_client_id) != settings.oidc_client_id:
            raise Refused("The issuer's token was made for another client.", TELL)
        return dict(token.claims)

    def _fetch(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        if not self._asking.acquire(timeout=1):
            raise Refused("The issuer is slow to answer those who came before.")
        try:
            answer = httpx2.request(
                method, url, timeout=TIMEOUT_SECONDS, headers={"Accept": "application/json"}, **more
            )
            answer.raise_for_status()
            found = answer.json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise Refused(f"The issuer does not answer as it should at {url}: {error}.", TELL) from error
        finally:
            self._asking.release()
        if not isinstance(found, dict):
            raise Refused(f"The issuer does not answer as it should at {url}.", TELL)
        return found


@router.get("/begin", response_class=RedirectResponse)
def begin(request: Request) -> Response:
    """Send the browser to the issuer."""
    room, issuer = room_of(request), _issuer(request)
    try:
        endpoint = issuer.described()["authorization_endpoint"]
    except Refused as why:
        raise HTTPException(502, str(why)) from why
    flow = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow["verifier"].encode()).digest()).rstrip(b"=").decode()
    words = {
        "response_type": "code",
        "client_id": room.settings.oidc_client_id,
        "redirect_uri": issuer.back,
        "scope": "openid profile email",
        "state": flow["state"],
        "nonce": flow["nonce"],
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(words)}", 302)
    response.set_cookie(
        FLOW_COOKIE,
        _signer(room).dumps(flow),
        max_age=FLOW_SECONDS,
        path="/api/oidc",
        httponly=True,
        secure=room.settings.secure,
        samesite="lax",  # the way back begins on the issuer's page
    )
    return response


@router.get("/return", response_class=RedirectResponse)
def come_back(request: Request, code: Given = "", state: Given = "", error: Given = "") -> Response:
    """Open a session for whoever the issuer vouches for."""
    room, address = room_of(request), address_of(request)
    try:
        if error:
            raise Refused(f"The issuer refused: {error!r}.", DENIED if error == "access_denied" else TELL)
        flow = _flow(room, request.cookies.get(FLOW_COOKIE, ""), state)
        issuer = _issuer(request)
        issuer.take(state)
        claims = issuer.claims(code, flow["verifier"], flow["nonce"])
        with room.database.writing() as t:
            user = _account(t, room, claims)
            token, _ = open_session(t, user)
            told = {"issuer": room.settings.oidc_issuer, "role": user.role}
            record(t, Event("sign in", user.name, address=address, details=told))
    except Refused as why:
        with room.database.writing() as t:
            record(t, Event("sign in", outcome="failure", address=address, details={"why": str(why)}))
        raise HTTPException(403, str(why)) from why
    response = RedirectResponse("/", 303)
    response.delete_cookie(FLOW_COOKIE, path="/api/oidc")
    set_cookie(response, room, token)
    return response


def _issuer(request: Request) -> Issuer:
    issuer: Issuer = request.app.state.issuer
    return issuer


def _flow(room: Room, cookie: str, state: str) -> dict[str, str]:
    """What this browser set out with; refused where it is another's way back, or too late."""
    try:
        flow: dict[str, str] = _signer(room).loads(cookie, max_age=FLOW_SECONDS)
    except BadSignature as error:
        raise Refused("This browser has not begun to sign in, or took too long.") from error
    if not secrets.compare_digest(flow["state"].encode(), state.encode()):
        raise Refused("This answer belongs to another sign-in.")
    return flow


def _account(t: Transaction, room: Room, claims: dict[str, Any]) -> User:
    """The account of the token's subject, made where there is none, with the role that the token names."""
    role, subject = _role(claims.get(room.settings.oidc_role_claim)), f"{room.settings.oidc_issuer} {claims['sub']}"
    if not role:
        raise Refused(
            "Your account has no role here.",
            f"ask for {room.settings.oidc_role_claim} at the issuer; the roles are {', '.join(ROLES)}.",
        )
    if len(subject) > 512 or not _plain(subject):
        raise Refused("The issuer's name for you is none that can be kept.", TELL)
    user = t.scalar(select(User).where(User.subject == subject))
    if user is None:
        user = add_user(t, _free_name(t, claims), role, display=_word(claims, "name", 256), subject=subject)
    if not user.active:
        raise Refused("Your account here is closed.", "ask an administrator of the reading room to open it.")
    if user.role != role:
        close_sessions_of(t, user)
        record(t, Event("administer", "issuer", user.name, details={"was": user.role, "is": role}))
        user.role = role
    return user


def _role(claim: object) -> str:
    """The first role that a claim names, which is a word or a list of words."""
    words = claim if isinstance(claim, list) else [claim]
    return next((w for w in words if isinstance(w, str) and w in ROLES), "")


def _free_name(t: Transaction, claims: dict[str, Any]) -> str:
    """A name that is nobody else's: an account that is there already is never taken over."""
    name = _word(claims, "preferred_username", 100) or _word(claims, "email", 100) or "somebody"
    taken = set(t.scalars(select(User.name).where(User.name.startswith(name, autoescape=True))))
    return next(n for n in (name, *(f"{name} {i}" for i in range(2, len(taken) + 3))) if n not in taken)


def _word(claims: dict[str, Any], name: str, longest: int) -> str:
    word = claims.get(name)
    return word.strip()[:longest].strip() if isinstance(word, str) and _plain(word) else ""


def _plain(word: str) -> bool:
    return word.isprintable()


def _signer(room: Room) -> URLSafeTimedSerializer:
    """Signs with a key that all processes on the database share."""
    with room.database.reading() as t:
        key = t.get(Fact, KEY_FACT)
    if key is None:
        try:
            with room.database.writing() as t:
                t.add(Fact(name=KEY_FACT, value=secrets.token_urlsafe(32)))
        except IntegrityError:  # another process was first
            pass
        with room.database.reading() as t:
            key = t.get(Fact, KEY_FACT)
    assert key is not None
    return URLSafeTimedSerializer(key.value, salt="oidc")

"""Generated requests against every route of a room: tests send a few, ``benchmarks/run hostile`` sends many."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from photopeak.room.accounts import ROLES
from photopeak.room.app import SECURITY, openapi_of
from photopeak.room.several_readers import start_cohort
from tests.room.node_peers import image, put
from tests.room.room_people import Browser, People, routes_of

THERE = {"key": 1, "study": 1, "report": 1, "number": 0, "sha256": "0" * 64}
"""Parameters of paths under which there is something."""
THERE_IN_DICOMWEB = {"study": "2.25.11", "series": "2.25.211", "sop": "2.25.3111", "numbers": "1"}
ROLES_USED = ("administrator", "physician")


def hostile_people(folder: Path) -> People:
    """A room with two studies and a cohort, and people who may ask as often as they like."""
    made = People(folder, requests_per_minute=10**6, max_upload_mb=2)
    made.app.state.stopping = True  # the stream of events ends at once
    for study in (1, 2):
        put(made.room, image(1, study=study))
    with made.room.database.writing() as t:
        start_cohort(t, "one", False, made.keys["physician"], [1, 2], [made.keys["physician"]])
    return made


class Sweep:
    """Requests to every operation of the room's API, right ones or wrong ones, and what came of them."""

    def __init__(self, people: People, mode: GenerationMode, examples: int, number: int = 0) -> None:
        self._people, self._mode, self._examples, self._seed = people, mode, examples, number
        config = SchemathesisConfig.from_dict({"generation": {"allow-x00": True, "with-security-parameters": False}})
        schema = schemathesis.openapi.from_dict(openapi_of(people.app), config=config)
        every = [found.ok() for found in schema.get_all_operations()]
        self._operations = every if mode is GenerationMode.POSITIVE else [o for o in every if _can_be_wrong(o)]
        self.statuses: Counter[int] = Counter()
        """How often each came; none may be a failure of the room's."""
        self.called: set[str] = set()
        self.without_wrong: set[str] = set()
        """Operations of which every generated request is right."""

    @property
    def callable(self) -> set[str]:
        return {o.label for o in self._operations} - self.without_wrong

    def run(self, failures: list[str] | None = None) -> None:
        """Ask everything; the first failure is raised, or each is told to ``failures`` where that is given."""
        rules = {(r.method, r.path.replace(":path}", "}")): r.needs for r in routes_of(self._people.app)}
        for operation in self._operations:
            needs = rules[operation.method.upper(), operation.path]
            try:
                self._fuzz(operation, [role for role in ROLES_USED if set(needs) <= ROLES[role]])
            except AssertionError as error:
                if failures is None:
                    raise
                failures.append(f"{operation.label}: {error}")

    def _fuzz(self, operation: Any, roles: list[str]) -> None:
        known = THERE_IN_DICOMWEB if operation.path.startswith("/dicomweb") else THERE
        there = {p.name: known[p.name] for p in operation.path_parameters if p.name in known}
        given_path = {"path_parameters": there} if there and self._mode is GenerationMode.POSITIVE else {}

        @seed(self._seed)
        @settings(
            max_examples=self._examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=self._mode, **given_path), st.sampled_from(roles))
        def one(case: Any, role: str) -> None:
            answer = send(self._people.sign_in(role), case)  # anew: the request before may have ended the session
            self.called.add(operation.label)
            self.statuses[answer.status_code] += 1
            assert answer.status_code < 500, (operation.label, role, answer.request.content[:2000], answer.text)
            assert answer.status_code != 401 or operation.label == "POST /api/session", operation.label
            has_security(answer)

        try:
            one()
        except Unsatisfiable:  # where every text is right, none is wrong
            self.without_wrong.add(operation.label)


def _can_be_wrong(operation: Any) -> bool:
    """Whether a request can break a rule of the operation: not where all it takes is any text in its path."""
    words = [p for p in operation.path_parameters if p.definition["schema"].keys() <= {"type", "title"}]
    free = [p for p in words if p.definition["schema"]["type"] == "string"]
    return bool(len(operation.body)) or len(list(operation.iter_parameters())) > len(free)


def send(one: Browser, case: Any) -> Any:
    words = case.as_transport_kwargs(base_url="http://testserver")
    headers = {**words["headers"], "X-CSRF-Token": one.csrf}
    headers.pop("Authorization", None)
    headers.pop("Cookie", None)
    more = {k: words[k] for k in ("json", "params") if words.get(k) is not None}
    data = words.get("data")
    if data is not None:
        more["content"] = data if isinstance(data, bytes | str) else json.dumps(data)
    return one.client.request(words["method"], words["url"], headers=headers, **more)


def has_security(answer: Any) -> None:
    for name, value in SECURITY.items():
        assert answer.headers[name] == value

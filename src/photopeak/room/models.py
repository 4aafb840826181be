"""Bundles that read: which is switched on, how two compare on a cohort, how one does over time, teaching another."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.learning.bundles import bundle_names, find_bundle, home, load_bundle
from photopeak.room.cohort_export import export_cohort, labels_of
from photopeak.room.results import ACTIVE, active_bundle, judgements, uncertainty_of
from photopeak.room.room import Room
from photopeak.room.schema import Assignment, Fact, NetworkReading, Read, now
from photopeak.room.several_readers import QUESTIONS

BEFORE: Final = "bundle before"
"""The fact that names the bundle that was switched off last: the way back."""
TEACHING: Final = "teaching"
LONGEST_TEACHING_SECONDS: Final = 6 * 3600.0


def listed(room: Room) -> dict[str, Any]:
    """Every bundle with its card; which one reads; what is being taught."""
    with room.database.reading() as t:
        active, before, teaching = active_bundle(t, room), _fact(t, BEFORE), _fact(t, TEACHING)
    bundles = []
    for name in sorted({*bundle_names(), active}):
        try:
            bundle = load_bundle(name)
        except PhotopeakError as error:
            bundles.append({"name": name, "fault": str(error), "active": name == active})
            continue
        if "regions" not in bundle.model:  # no reader of bone scans
            continue
        about = {"name": name, "sha256": bundle.sha256, "card": bundle.card, "active": name == active}
        bundles.append(about)
    return {"bundles": bundles, "before": before, "teaching": teaching}


def _fact(t: Transaction, name: str) -> str:
    fact = t.get(Fact, name)
    return "" if fact is None else fact.value


def set_fact(t: Transaction, name: str, value: str) -> None:
    """Write one of the few things that hold for the whole room."""
    t.merge(Fact(name=name, value=value))


def switch(t: Transaction, room: Room, name: str) -> str:
    """Let another bundle read what arrives from now on; the one that did until now."""
    from photopeak.classify.reader import load_model

    load_model(name)  # refuses what is no reader
    was = active_bundle(t, room)
    if was != name:
        set_fact(t, BEFORE, was)
        set_fact(t, ACTIVE, name)
    return was


def compared(t: Transaction, cohort: int, names: Sequence[str]) -> dict[str, Any]:
    """Each bundle against the consensus of a cohort: AUC, sensitivity, specificity, and the share it is unsure of."""
    studies = t.scalars(select(Assignment.study_key).where(Assignment.cohort_key == cohort).distinct()).all()
    labels = {s: labels_of(t, cohort, s) for s in studies}
    out: dict[str, Any] = {"studies": len(studies), "bundles": {}}
    for name in names:
        rows = t.scalars(
            select(NetworkReading)
            .where(NetworkReading.bundle == name, NetworkReading.study_key.in_(studies))
            .order_by(NetworkReading.id)
        ).all()
        last = {r.study_key: r for r in rows}
        out["bundles"][name] = {
            "read": len(last),
            **{q: _score([(labels[s][q], _said(r, q)) for s, r in last.items()]) for q in QUESTIONS},
        }
    return out


def _said(reading: NetworkReading, question: str) -> tuple[float, tuple[str, ...]] | None:
    for j in judgements(reading.documents):
        if j["question"] == question:
            return float(j["probability"]), tuple(j["answers"])
    return None


def _score(pairs: Sequence[tuple[bool | None, tuple[float, tuple[str, ...]] | None]]) -> dict[str, Any]:
    known = [(truth, said) for truth, said in pairs if truth is not None and said is not None]
    truth = np.array([x for x, _ in known], bool)
    p = np.array([s[0] for _, s in known], float)
    sure = np.array([len(s[1]) == 1 for _, s in known], bool)
    yes = p >= 0.5
    return {
        "n": len(known),
        "auc": _auc(truth, p),
        "sensitivity": _share(yes[truth]),
        "specificity": _share(~yes[~truth]),
        "unsure": _share(~sure),
    }


def _auc(truth: np.ndarray, p: np.ndarray) -> float | None:
    """P(a positive one ranks above a negative one), ties counted half."""
    if not truth.any() or truth.all():
        return None
    above = p[truth][:, None] - p[~truth][None]
    return round(float((above > 0).mean() + 0.5 * (above == 0).mean()), 4)


def _share(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if values.size else None


def drift(t: Transaction, name: str) -> list[dict[str, Any]]:
    """Month by month: how many studies a bundle read, how many it suspects, is unsure of, and where people disagree."""
    rows = t.scalars(select(NetworkReading).where(NetworkReading.bundle == name).order_by(NetworkReading.made_at)).all()
    people: dict[int, list[dict[str, Any]]] = {}
    for read in t.scalars(select(Read).where(Read.state == "finished", Read.cohort_key == 0)):
        people.setdefault(read.study_key, []).append(read.document)
    months: dict[str, list[NetworkReading]] = {}
    for r in rows:
        months.setdefault(r.made_at.strftime("%Y-%m"), []).append(r)
    return [{"month": m, **_month(rs, people)} for m, rs in months.items()]


def _month(rows: Sequence[NetworkReading], people: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    read = [r for r in rows if judgements(r.documents)]
    suspected = [_said(r, "metastasis") for r in read]
    doubts = [uncertainty_of(r.documents) or 0.0 for r in read]
    same: list[bool] = []
    for r in read:
        for document in people.get(r.study_key, []):
            said, human = _said(r, "metastasis"), document.get("metastasis")
            if said is not None and human in ("yes", "no"):
                same.append((said[0] >= 0.5) == (human == "yes"))
    return {
        "read": len(read),
        "refused": len(rows) - len(read),
        "suspected": _share(np.array([s is not None and s[0] >= 0.5 for s in suspected])),
        "unsure": _share(np.array([d >= 1 for d in doubts])),
        "agreed_with_people": _share(np.array(same)),
        "compared_with_people": len(same),
    }


def teach(room: Room, cohort: int, name: str, epochs: int) -> str:
    """Teach a new bundle on a cohort's consensus, in a process of its own; the words that training ended with."""
    out = home() / "bundles" / name
    if out.exists():
        raise PhotopeakError(f"a bundle is called {name!r} already. Remedy: choose another name.")
    with room.database.reading() as t:
        start = active_bundle(t, room)
    find_bundle(start)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "cohort"
        export_cohort(room, cohort, data)
        command = [sys.executable, "-m", "photopeak", "train", "classify", "--data", str(data), "--out", str(out)]
        command += ["--start", start, "--epochs", str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_TEACHING_SECONDS)
    words = (done.stdout + done.stderr).strip()[-2000:]
    if done.returncode:
        raise PhotopeakError(f"teaching ended without a bundle: {words}")
    return f"{now().isoformat(timespec='minutes')} {name}: {words}"

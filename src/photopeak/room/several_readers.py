"""Several people read the same studies, none seeing the others; majority, agreement, and what is left to decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.dicom.labelme import Mark as LabelMeMark
from photopeak.evaluate.agreement import among_readers, between_two, lesion_agreement, specific_agreement
from photopeak.evaluate.consensus import Cluster, lesion_consensus, majority
from photopeak.evaluate.outlines import Outline
from photopeak.evaluate.summary import Figure, Resampling
from photopeak.room.api.forms import Mark
from photopeak.room.marks import outline_of
from photopeak.room.places import Place
from photopeak.room.schema import Assignment, Cohort, Consensus, Instance, Read, Series, Study, User, now

QUESTIONS: Final = ("metastasis", "arthritis")
SAME_LESION_IOU: Final = 0.2
"""From which overlap on two outlines mean the same lesion: readers outline generously or tightly."""
RESAMPLES: Final = 500


def start_cohort(
    t: Transaction, name: str, blind: bool, creator: int, studies: Sequence[int], readers: Sequence[int]
) -> Cohort:
    """A cohort whose every study is to be read by every one of these readers."""
    if t.scalar(select(Cohort.id).where(Cohort.name == name)) is not None:
        raise PhotopeakError(f"a cohort is called {name!r} already. Remedy: choose another name.")
    if not studies or not readers:
        raise PhotopeakError("a cohort needs studies and readers. Remedy: choose at least one of each.")
    cohort = Cohort(name=name, blind=blind, created_at=now(), creator_key=creator)
    t.add(cohort)
    t.flush()
    t.add_all(
        Assignment(cohort_key=cohort.id, study_key=s, reader_key=r)
        for s in dict.fromkeys(studies)
        for r in dict.fromkeys(readers)
    )
    t.flush()
    return cohort


def import_marks(marks: Sequence[LabelMeMark], image: str = "") -> list[dict[str, Any]]:
    """Marks of a LabelMe file as the room keeps them; ``image`` is the name of the one they were drawn on."""
    out = []
    for i, m in enumerate(marks, 1):
        rectangle = m.shape == "rectangle"
        points = m.points_px if rectangle else m.outline()
        mark = Mark(
            id=f"file-{i}",
            origin="drawn",
            state="accepted",
            number=None,
            finding=m.finding,
            site=m.site,
            image=image,
            view=m.view,
            shape="rectangle" if rectangle else "polygon",
            points_px=[(float(x), float(y)) for x, y in points],
            comment=m.comment,
        )
        out.append(mark.model_dump(mode="json"))
    return out


def finished_read(t: Transaction, study: int, reader: int, cohort: int, document: Mapping[str, Any]) -> Read:
    """A read that was made elsewhere: finished when it comes in."""
    last = t.scalar(
        select(Read.round)
        .where(Read.study_key == study, Read.reader_key == reader, Read.cohort_key == cohort)
        .order_by(Read.round.desc())
        .limit(1)
    )
    read = Read(study_key=study, reader_key=reader, cohort_key=cohort, round=(last or 0) + 1, state="finished")
    read.document, read.version, read.seconds, read.revealed_at = dict(document), 1, 0.0, None
    read.started_at = read.finished_at = now()
    t.add(read)
    t.flush()
    return read


def reads_of(t: Transaction, cohort: int, study: int | None = None) -> list[tuple[Read, User]]:
    """Finished reads of a cohort with who made them; of each reader the last of each study."""
    query = (
        select(Read, User)
        .join(User, Read.reader_key == User.id)
        .where(Read.cohort_key == cohort, Read.state == "finished")
        .order_by(Read.study_key, User.id, Read.round)
    )
    if study is not None:
        query = query.where(Read.study_key == study)
    last = {(r.study_key, r.reader_key): (r, u) for r, u in t.execute(query).all()}
    return list(last.values())


def matrix_of(t: Transaction, study: int) -> tuple[int, int]:
    """Rows and columns of a study's planar images, which the marks lie on."""
    rows = t.execute(
        select(Instance.rows, Instance.columns)
        .join(Series)
        .where(Series.study_key == study, Series.modality == "NM", Instance.rows > 0)
        .order_by(Instance.rows.desc())
        .limit(1)
    ).first()
    if rows is None:
        raise PhotopeakError("the study has no image to mark on.")
    return int(rows[0]), int(rows[1])


def outlines_of(document: Mapping[str, Any], place: Place, home: str) -> list[Outline]:
    """The outlines that a read stands by, in one view of one image."""
    return [
        Outline(m["finding"], m["site"], outline_of(m["shape"], [(float(x), float(y)) for x, y in m["points_px"]]))
        for m in document.get("marks", [])
        if (m.get("image") or home, m["view"]) == place and m["state"] in ("accepted", "edited")
    ]


def places_of(documents: Sequence[Mapping[str, Any]]) -> tuple[list[Place], str]:
    """(the views that anybody marked something in; the image of marks that name none, "" where that is not known)."""
    images = {m.get("image") or "" for d in documents for m in d.get("marks", [])}
    named = images - {""}
    home = named.pop() if len(named) == 1 else ""
    found = {(m.get("image") or home, m["view"]) for d in documents for m in d.get("marks", [])}
    order = ("anterior", "posterior")
    return sorted(found, key=lambda p: (p[0], order.index(p[1]) if p[1] in order else len(order), p[1])), home


def votes_of(documents: Sequence[Mapping[str, Any]], question: str) -> bool | None:
    """What the majority says; None where it is tied or too many are unsure."""
    said = [d.get(question) for d in documents]
    if any(a not in ("yes", "no") for a in said):
        yes, no = said.count("yes"), said.count("no")
        return True if 2 * yes > len(said) else False if 2 * no > len(said) else None
    return majority([a == "yes" for a in said])


def review(t: Transaction, cohort: int, study: int) -> dict[str, Any]:
    """What an adjudicator sees: readers by number, votes, and each lesion with who marked it."""
    pairs = reads_of(t, cohort, study)
    documents = [r.document for r, _ in pairs]
    decided = t.scalar(select(Consensus).where(Consensus.cohort_key == cohort, Consensus.study_key == study))
    out: dict[str, Any] = {
        "readers": [f"Reader {i}" for i in range(1, len(pairs) + 1)],
        "votes": {q: [d.get(q, "") for d in documents] for q in QUESTIONS},
        "majority": {q: votes_of(documents, q) for q in QUESTIONS},
        "lesions": [],
        "decided": None if decided is None else decided.document,
    }
    if not pairs:
        return out
    shape = matrix_of(t, study)
    places, home = places_of(documents)
    for place in places:
        readers = {str(i): outlines_of(d, place, home) for i, d in enumerate(documents, 1)}
        for cluster in lesion_consensus(readers, shape, SAME_LESION_IOU):
            out["lesions"].append(_lesion(cluster, place, readers, len(out["lesions"]) + 1))
    return out


def _lesion(cluster: Cluster, place: Place, readers: Mapping[str, Sequence[Outline]], number: int) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "finding": cluster.finding,
        "site": cluster.site,
        "image": place[0],
        "view": place[1],
        "majority": cluster.majority,
        "markers": [int(r) for r in cluster.marked],
        "points_px": [[float(x), float(y)] for x, y in cluster.points],
        "outlines": {r: [[float(x), float(y)] for x, y in readers[r][i].points] for r, i in cluster.marked.items()},
    }


def agreement(t: Transaction, cohort: int) -> dict[str, Any]:
    """How far the readers of a cohort agree: about patients, about lesions, and how long each took."""
    pairs = reads_of(t, cohort)
    by_study: dict[int, dict[int, Read]] = {}
    people: dict[int, str] = {}
    for read, user in pairs:
        by_study.setdefault(read.study_key, {})[read.reader_key] = read
        people[user.id] = user.display
    readers = sorted(people)
    whole = {s: r for s, r in by_study.items() if all(k in r for k in readers)}
    out: dict[str, Any] = {
        "readers": [people[k] for k in readers],
        "studies": len(whole),
        "seconds": {people[k]: _mean([r[k].seconds for r in by_study.values() if k in r]) for k in readers},
        "questions": {},
        "lesions": [],
    }
    if len(readers) < 2 or not whole:
        return out
    patients = _patients(t, list(whole))
    how = Resampling(resamples=RESAMPLES)
    for q in QUESTIONS:
        ratings = [[r[k].document.get(q) or "unsure" for k in readers] for r in whole.values()]
        found = _figures(among_readers(ratings, patients, how))
        pairwise = []
        for i, a in enumerate(readers):
            for j in range(i + 1, len(readers)):
                two = between_two([x[i] for x in ratings], [x[j] for x in ratings], patients, how)
                pairwise.append({"readers": [people[a], people[readers[j]]], **_figures(two)})
        out["questions"][q] = {**found, "pairs": pairwise}
    out["lesions"] = _lesion_agreement(t, whole, readers, people)
    return out


def _lesion_agreement(
    t: Transaction, whole: Mapping[int, Mapping[int, Read]], readers: Sequence[int], people: Mapping[int, str]
) -> list[dict[str, Any]]:
    out = []
    for i, a in enumerate(readers):
        for b in readers[i + 1 :]:
            both = only_a = only_b = 0
            dice: list[float] = []
            for study, reads in whole.items():
                shape = matrix_of(t, study)
                documents = [reads[a].document, reads[b].document]
                places, home = places_of(documents)
                for place in places:
                    one, other = (outlines_of(d, place, home) for d in documents)
                    found = lesion_agreement(one, other, shape, SAME_LESION_IOU)
                    both, only_a, only_b = (
                        both + len(found.pairs),
                        only_a + len(found.only_a),
                        only_b + len(found.only_b),
                    )
                    dice += [float(d) for d in found.dice]
            out.append(
                {
                    "readers": [people[a], people[b]],
                    "both": both,
                    "only_first": only_a,
                    "only_second": only_b,
                    "specific_agreement": _finite(specific_agreement(both, only_a, only_b)),
                    "mean_dice": _mean(dice),
                }
            )
    return out


def _patients(t: Transaction, studies: Sequence[int]) -> list[str]:
    rows = t.execute(select(Study.id, Study.patient_key).where(Study.id.in_(studies))).all()
    keys: dict[int, int] = {int(study): int(patient) for study, patient in rows}
    return [str(keys[s]) for s in studies]


def _figures(found: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        name: {"value": _finite(f.value), "low": _finite(f.low), "high": _finite(f.high), "n": f.n}
        for name, f in found.items()
    }


def _finite(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None

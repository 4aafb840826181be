"""One reading of one study as JSON, schema ``reading/1``: what ``photopeak read --json`` prints and the room serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from photopeak.core.study import Json

SCHEMA: Final = "reading/1"


@dataclass(frozen=True)
class Finding:
    """One lesion as seen in one view."""

    number: int
    kind: str
    """metastasis or arthritis."""
    site: str
    """The named region, "" where it lies in none."""
    view: str
    probability: float
    area_mm2: float
    max_counts: int
    outline_px: tuple[tuple[float, float], ...]
    """(x, y) of its outline in the file's own pixels, from the upper left corner of the upper left pixel."""

    def to_json(self) -> dict[str, Json]:
        return {
            "number": self.number,
            "kind": self.kind,
            "site": self.site,
            "view": self.view,
            "probability": round(self.probability, 4),
            "area_mm2": round(self.area_mm2, 1),
            "max_counts": self.max_counts,
            "outline_px": [[round(x, 1), round(y, 1)] for x, y in self.outline_px],
        }


@dataclass(frozen=True)
class Judgement:
    """One question answered: a probability, and the answers that cannot be left out."""

    question: str
    probability: float
    answers: tuple[str, ...]
    """("yes",), ("no",), or both, which means not sure."""

    def to_json(self) -> dict[str, Json]:
        return {"question": self.question, "probability": round(self.probability, 4), "answers": list(self.answers)}


@dataclass(frozen=True)
class Reading:
    """What a reader says of a study, or why it does not."""

    patient_id: str
    study_uid: str
    series_uid: str
    reader: str
    weights_sha256: str
    refused: str = ""
    judgements: tuple[Judgement, ...] = ()
    findings: tuple[Finding, ...] = ()
    bsi_percent: float | None = None
    flags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """The files that were read."""

    @property
    def sure(self) -> bool:
        """Whether every question has exactly one answer."""
        return all(len(j.answers) == 1 for j in self.judgements) and not self.refused

    def to_json(self) -> dict[str, Json]:
        bsi = None if self.bsi_percent is None else round(self.bsi_percent, 3)
        return {
            "schema": SCHEMA,
            "patient_id": self.patient_id,
            "study_uid": self.study_uid,
            "series_uid": self.series_uid,
            "reader": self.reader,
            "weights_sha256": self.weights_sha256,
            "refused": self.refused,
            "sure": self.sure,
            "judgements": [j.to_json() for j in self.judgements],
            "findings": [f.to_json() for f in self.findings],
            "bone_scan_index_percent": bsi,
            "flags": list(self.flags),
            "sources": list(self.sources),
            "notice": "Research software, not a medical device; trained on simulated patients unless you retrained it.",
        }

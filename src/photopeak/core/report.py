"""A report on a study: what a physician writes of it, and what stands there once it is signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from photopeak.core.polygon import Points

SECTIONS: Final = ("indication", "technique", "comparison", "findings", "conclusion", "limitations")
"""The parts of a report's text, in their order on the page."""


@dataclass(frozen=True)
class SignedLesion:
    """One lesion of a report."""

    finding: str
    """metastasis or arthritis."""
    site: str
    """The named region, "" where it lies in none."""
    view: str
    outline_px: Points
    """(x, y) of a closed polygon in the image's own pixels, its end not repeated."""
    area_mm2: float
    max_counts: float
    comment: str
    proposed_by_network: bool
    edited: bool
    """Whether the physician changed what the network proposed."""

    @property
    def origin(self) -> str:
        """Who proposed it: physician, network, or network and then edited."""
        if not self.proposed_by_network:
            return "physician"
        return "network, edited" if self.edited else "network"


@dataclass(frozen=True)
class Report:
    """What a report says, signed or not."""

    study_uid: str
    patient_id: str
    number: int
    """1, then 2 for its first amendment, and so on."""
    sections: Mapping[str, str]
    """Text by the names of ``SECTIONS``."""
    metastasis: str
    """yes, no or unsure; "" while nobody has answered."""
    arthritis: str
    lesions: tuple[SignedLesion, ...]
    bone_scan_index_percent: float | None

    @property
    def questions(self) -> dict[str, str]:
        """The answers by their questions."""
        return {"metastasis": self.metastasis, "arthritis": self.arthritis}


@dataclass(frozen=True)
class SignedReport(Report):
    """A report with its signature, and with the network that was at hand ("" for none)."""

    signer_name: str
    signer_organization: str
    signed_at: dt.datetime
    content_sha256: str
    bundle: str
    bundle_sha256: str
    supersedes_sop_uid: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """All that the objects' UIDs depend on: what was signed, by whom, when, and in place of what."""
        signature = (self.signer_name, self.signed_at.astimezone(dt.UTC).isoformat(), self.supersedes_sop_uid)
        return (self.study_uid, self.content_sha256, str(self.number), *signature)

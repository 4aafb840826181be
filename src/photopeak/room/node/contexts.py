"""Which SOP classes and transfer syntaxes the node takes, and which it proposes when it sends (PS3.8 section 7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pynetdicom import build_context
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from photopeak.dicom.parse import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

VERIFICATION: Final = "1.2.840.10008.1.1"
COMMITMENT: Final = "1.2.840.10008.1.20.1"
WORKLIST: Final = "1.2.840.10008.5.1.4.31"
PATIENT_FIND, PATIENT_MOVE, PATIENT_GET = (f"1.2.840.10008.5.1.4.1.2.1.{n}" for n in (1, 2, 3))
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
PATIENT_ROOT: Final = frozenset({PATIENT_FIND, PATIENT_MOVE, PATIENT_GET})

MOST_PROPOSED: Final = 128
"""Presentation contexts of one association: their numbers are the odd ones of a byte."""

#: Of several syntaxes that a sender proposes for one context the first of these is taken: what needs no decoder.
UNCOMPRESSED: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
LOSSLESS: Final = tuple(f"1.2.840.10008.1.2.{n}" for n in ("4.70", "4.57", "4.80", "4.90", "4.92", "4.201", "5"))
LOSSY: Final = tuple(f"1.2.840.10008.1.2.4.{n}" for n in ("81", "91", "93", "50", "51", "202", "203"))
VIDEO: Final = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (100, 101, 102, 103, 104, 105, 106, 107, 108))
STORED: Final = (*UNCOMPRESSED, *LOSSLESS, *LOSSY, *VIDEO)
INTERCHANGEABLE: Final = frozenset({EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED})
"""Syntaxes whose datasets hold the same values in the same order of bytes: one can be written as another."""

#: Retired and private classes that cameras and workstations of nuclear medicine still send.
OLD_CLASSES: Final = {
    "RetiredNuclearMedicineImageStorage": "1.2.840.10008.5.1.4.1.1.5",
    "RetiredUltrasoundImageStorage": "1.2.840.10008.5.1.4.1.1.6",
    "RetiredUltrasoundMultiFrameImageStorage": "1.2.840.10008.5.1.4.1.1.3",
    "StandaloneOverlayStorage": "1.2.840.10008.5.1.4.1.1.8",
    "StandaloneCurveStorage": "1.2.840.10008.5.1.4.1.1.9",
    "StandalonePETCurveStorage": "1.2.840.10008.5.1.4.1.1.129",
    "SiemensNonImageStorage": "1.3.12.2.1107.5.9.1",
    "GENonImageStorage": "1.2.840.113619.4.27",
    "PhilipsPrivateStorage": "1.3.46.670589.5.0.1",
}
for _keyword, _uid in OLD_CLASSES.items():
    register_uid(_uid, _keyword, StorageServiceClass)


def storage_classes() -> list[str]:
    """Every storage SOP class that is known."""
    return sorted({str(c.abstract_syntax) for c in AllStoragePresentationContexts} | set(OLD_CLASSES.values()))


class Contexts(list[PresentationContext]):
    """Presentation contexts that all associations share.

    pynetdicom copies what is supported for each caller and checks every UID anew, though negotiation only reads it.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Contexts:
        return self


def supported() -> Contexts:
    """What a caller may propose; in storage it may also be the one who receives, which C-GET needs (PS3.7 D.3.3.4)."""
    contexts = Contexts()
    for uid in storage_classes():
        context = build_context(uid, list(STORED))
        context.scu_role = context.scp_role = True
        contexts.append(context)
    services = (VERIFICATION, COMMITMENT, WORKLIST, PATIENT_FIND, PATIENT_MOVE, PATIENT_GET)
    for uid in (*services, STUDY_FIND, STUDY_MOVE, STUDY_GET):
        contexts.append(build_context(uid, list(UNCOMPRESSED)))
    return contexts


def proposed(objects: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """What is proposed to send objects of these (SOP class, transfer syntax).

    Each syntax has a context of its own, because a receiver picks one of those in a context; beside them each class
    has one for the uncompressed syntaxes, which an object in another of them can be written as.
    """
    wanted = sorted(set(objects))
    contexts = [build_context(cls, syntax) for cls, syntax in wanted if syntax]
    simple = sorted({cls for cls, syntax in wanted if syntax in INTERCHANGEABLE or not syntax})
    contexts += [build_context(cls, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]) for cls in simple]
    return contexts[:MOST_PROPOSED]

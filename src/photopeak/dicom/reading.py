"""Read DICOM: a file, a folder or a zip, to Studies."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from typing import Final

from pydicom.uid import UID

from photopeak.core import DicomError, Study
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.files import datasets
from photopeak.dicom.merging import paired
from photopeak.dicom.nm import NM_CLASS, SECONDARY_CAPTURE, read_nm
from photopeak.dicom.volumes import CT_CLASS, PT_CLASS, read_volumes

LOG: Final = logging.getLogger(__name__)
CLASSES: Final = "NM, PT and CT images"


def read(path: str | os.PathLike[str], assume: Mapping[str, str] | None = None) -> list[Study]:
    """Every examination in a file, a folder or a zip.

    Each NM object is a Study; single-view files of one whole-body or static acquisition become one, each
    PT or CT series a volume. ``assume`` states facts that the files lack (see ``assumptions``). Objects that
    are none of these are passed over beside images, with a line in the log; alone they are refused by name.
    """
    stated = Assumptions(assume)
    planar: list[Study] = []
    series: dict[str, list[Elements]] = {}
    others: Counter[str] = Counter()
    for name, ds in datasets(path):
        e = Elements(ds, name)
        sop_class = e.text("SOPClassUID")
        if is_nm(e):
            planar.append(read_nm(ds, name, stated.anew()))
        elif sop_class in (PT_CLASS, CT_CLASS):
            series.setdefault(sop_class + e.text("SeriesInstanceUID"), []).append(e)
        else:
            others[class_name(e)] += 1
    studies = paired(planar)
    for slices in series.values():
        studies += read_volumes(slices, stated.anew())
    found = ", ".join(f"{n} × {c}" if n > 1 else c for c, n in others.items())
    if not studies:
        meaning = f"holds {found or 'nothing'}; Photopeak reads {CLASSES}."
        raise DicomError(path, "(0008,0016)", meaning, "choose image files.")
    if found:
        LOG.warning("%s: passed over %s; Photopeak reads %s.", path, found, CLASSES)
    return studies


def is_nm(e: Elements) -> bool:
    """An NM object, or one that an archive turned into a Secondary Capture and that still says NM."""
    sop_class = e.text("SOPClassUID")
    return sop_class == NM_CLASS or (sop_class == SECONDARY_CAPTURE and e.text("Modality") == "NM")


def class_name(e: Elements) -> str:
    """What the standard calls an object's class."""
    uid = UID(e.text("SOPClassUID"), validation_mode=0)
    return str(uid.name) if uid else "an object without SOP class"

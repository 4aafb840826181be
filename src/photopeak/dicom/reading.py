"""Read DICOM: a file, a folder or a zip, to Studies."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from photopeak.core import DicomError, Study
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.files import datasets, each
from photopeak.dicom.merging import alone, merge_views, paired, pairs_of
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
    return studies_of(datasets(path), assume, path)


def studies_of(
    found: Iterable[tuple[str, Dataset]],
    assume: Mapping[str, str] | None = None,
    path: str | os.PathLike[str] = "objects",
) -> list[Study]:
    """Every examination among objects that are at hand, each with what messages call it; as ``read``."""
    stated = Assumptions(assume)
    planar: list[Study] = []
    series: dict[str, list[Elements]] = {}
    others: Counter[str] = Counter()
    for name, ds in found:
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
    passed = ", ".join(f"{n} × {c}" if n > 1 else c for c, n in others.items())
    if not studies:
        meaning = f"holds {passed or 'nothing'}; Photopeak reads {CLASSES}."
        raise DicomError(path, "(0008,0016)", meaning, "choose image files.")
    if passed:
        LOG.warning("%s: passed over %s; Photopeak reads %s.", path, passed, CLASSES)
    return studies


@dataclass(frozen=True, eq=False)
class Examination:
    """A planar Study with the objects that it was read from, or why it could not be read."""

    study: Study | None
    sources: tuple[Dataset, ...] = ()
    name: str = ""
    refused: str = ""


def examinations(path: str | os.PathLike[str], assume: Mapping[str, str] | None = None) -> Iterator[Examination]:
    """The nuclear medicine of a file, a folder or a zip, one examination at a time and past whatever is broken.

    Memory holds one folder's single views, which wait for their other view, and nothing else.
    """
    return examinations_of(each(path), assume, path)


def examinations_of(
    objects: Iterable[tuple[str, Dataset | DicomError]],
    assume: Mapping[str, str] | None = None,
    path: str | os.PathLike[str] = "objects",
) -> Iterator[Examination]:
    """The nuclear medicine among objects that are at hand; as ``examinations``."""
    stated, found = Assumptions(assume), False
    waiting: list[Examination] = []
    for name, ds in objects:
        if waiting and Path(waiting[0].name).parent != Path(name).parent:
            yield from _put_together(waiting)
            waiting = []
        one = _examination(name, ds, stated)
        if one is None:  # an object of another class beside images
            continue
        found = True
        if one.study is not None and alone(one.study):
            waiting.append(one)
        else:
            yield one
    yield from _put_together(waiting)
    if not found:
        yield Examination(None, (), str(path), f"{path} holds no nuclear medicine image. Remedy: choose image files.")


def _examination(name: str, ds: Dataset | DicomError, stated: Assumptions) -> Examination | None:
    if isinstance(ds, DicomError):
        return Examination(None, (), name, str(ds))
    if not is_nm(Elements(ds, name)):
        return None
    try:
        return Examination(read_nm(ds, name, stated.anew()), (ds,), name)
    except DicomError as error:
        return Examination(None, (), name, str(error))


def _put_together(waiting: list[Examination]) -> Iterator[Examination]:
    studies = [one.study for one in waiting if one.study is not None]
    for together in pairs_of(studies):
        sources = tuple(ds for i in together for ds in waiting[i].sources)
        yield Examination(merge_views([studies[i] for i in together]), sources, waiting[together[0]].name)


def is_nm(e: Elements) -> bool:
    """An NM object, or one that an archive turned into a Secondary Capture and that still says NM."""
    sop_class = e.text("SOPClassUID")
    return sop_class == NM_CLASS or (sop_class == SECONDARY_CAPTURE and e.text("Modality") == "NM")


def class_name(e: Elements) -> str:
    """What the standard calls an object's class."""
    uid = UID(e.text("SOPClassUID"), validation_mode=0)
    return str(uid.name) if uid else "an object without SOP class"

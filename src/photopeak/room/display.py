"""What of a study can be shown, and its pixels: one picture for each image that ``photopeak.dicom`` reads from it.

The axes of the Study decide how a picture is looked at, never the order of frames in a file. Values go to the browser
as little-endian numbers, whole numbers where the file has them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from photopeak.core import Acquisition, DicomError, Image, PhotopeakError, Study
from photopeak.dicom.parse import parse
from photopeak.dicom.reading import Examination, examinations_of, studies_of
from photopeak.room.compute import image_name, places_of
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Series
from photopeak.room.schema import Study as StudyRow

LARGEST_CACHE_BYTES: Final = 768 * 2**20
MOST_KEPT: Final = 8
"""Studies whose pictures stay in memory. A browser asks for all of a study within seconds and keeps it; afterwards it
is read again in a few milliseconds, while pictures of everything that was ever opened would only fill the memory."""
VOLUMES: Final = ("PT", "CT")
#: axes beside y and x -> how the picture is looked at; the first that fits
MANNERS: Final = (
    ("z", "volume"),
    ("angle", "projections"),
    ("phase", "dynamic"),
    ("time", "dynamic"),
    ("gate", "gated"),
    ("view", "planar"),
)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with what a page has to know of it."""

    title: str
    modality: str
    manner: str
    image: Image
    places: dict[str, Any]
    """For planar views: instance, frame, matrix and pixel size."""
    acquisition: Acquisition = field(default_factory=Acquisition)
    refused: str = ""
    name: str = ""
    """What marks and readings call it by."""

    @property
    def planes(self) -> NDArray[Any]:
        """Values as plane, row, column; the leading axes run as the grid has them."""
        values = np.asarray(self.image.values)
        return values.reshape(-1, *values.shape[-2:])


class Pictures:
    """Pictures of studies; the last few looked at stay in memory."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[list[Picture], int]] = OrderedDict()

    def of(self, study_key: int) -> tuple[str, list[Picture]]:
        """A name for the state of the study, and its pictures."""
        with self._room.database.reading() as t:
            study = t.get(StudyRow, study_key)
            stated = sorted((str(k), str(v)) for k, v in study.assumed.items()) if study is not None else []
            rows = t.execute(
                select(Instance.sop_uid, Instance.sha256, Series.modality, Series.description)
                .join(Series)
                .where(Series.study_key == study_key, Series.modality.in_(("NM", *VOLUMES)))
                .order_by(Series.number, Series.series_uid, Instance.number, Instance.sop_uid)
            ).all()
        name = hashlib.sha256(repr(([tuple(r) for r in rows], stated)).encode()).hexdigest()[:16]
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return name, self._kept[name][0]
        made = _pictures(self._room, [(str(u), str(s), str(m)) for u, s, m, _ in rows], dict(stated))
        called = {str(u): str(words).strip() for u, _, _, words in rows}  # by their series, where that has a name
        made = [replace(p, title=called.get(p.name) or p.title) for p in made]
        self._keep(name, made)
        return name, made

    def _keep(self, name: str, made: list[Picture]) -> None:
        size = sum(p.planes.nbytes for p in made)
        with self._lock:
            self._kept[name] = made, size
            while len(self._kept) > MOST_KEPT or (
                len(self._kept) > 1 and sum(s for _, s in self._kept.values()) > LARGEST_CACHE_BYTES
            ):
                self._kept.popitem(last=False)


def _pictures(room: Room, rows: list[tuple[str, str, str]], assumed: dict[str, str]) -> list[Picture]:
    nm = [(uid, _parsed(room, uid, sha256)) for uid, sha256, modality in rows if modality == "NM"]
    out = [_planar(e) for e in examinations_of(nm, assumed)] if nm else []
    others = [(uid, _parsed(room, uid, sha256)) for uid, sha256, modality in rows if modality != "NM"]
    good = [(uid, ds) for uid, ds in others if not isinstance(ds, DicomError)]
    if good:
        try:
            out += [_picture(s, {}) for s in studies_of(good, assumed)]
        except DicomError as error:
            out.append(_refused(str(error)))
    return out + [_refused(str(ds)) for _, ds in others if isinstance(ds, DicomError)]


def _parsed(room: Room, uid: str, sha256: str) -> Any:
    try:
        return parse(room.objects.get(sha256), uid)
    except DicomError as error:
        return error


def _planar(examination: Examination) -> Picture:
    if examination.study is None:
        return _refused(examination.refused, examination.name)
    places = places_of(examination)
    return _picture(examination.study, places, image_name(places, examination.name))


def _picture(study: Study, places: dict[str, Any], name: str = "") -> Picture:
    image = next(e for e in study.values() if isinstance(e, Image))
    names = image.grid.names
    manner = next((m for axis, m in MANNERS if axis in names), "planar")
    a = study.acquisition
    title = a.description or a.kind.capitalize() or a.modality
    return Picture(title, a.modality, manner, image, places, a, name=name)


def _refused(why: str, name: str = "") -> Picture:
    from photopeak.core import Axis, Grid, scaling

    empty = Image(np.zeros((1, 1), np.float32), Grid((Axis("y", 1), Axis("x", 1)), scaling((1.0, 1.0, 1.0))), "1")
    return Picture("", "", "refused", empty, {}, refused=why, name=name)


def planar(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures that marks lie on."""
    return [p for p in pictures if p.manner == "planar"]


def described(picture: Picture, number: int) -> dict[str, Any]:
    """A picture as the pages know it."""
    if picture.manner == "refused":
        return {"number": number, "manner": "refused", "refused": picture.refused, "image": picture.name}
    grid, planes = picture.image.grid, picture.planes
    started = picture.acquisition.started_at
    spacing = grid.spacing_mm
    return {
        "number": number,
        "image": picture.name,
        "title": picture.title,
        "started": None if started is None else started.isoformat(),
        "modality": picture.modality,
        "manner": picture.manner,
        "unit": picture.image.unit,
        "axes": [{"name": a.name, "size": a.size, "labels": list(a.labels)} for a in grid.axes],
        "planes": len(planes),
        "rows": planes.shape[1],
        "columns": planes.shape[2],
        "spacing_mm": {k: float(v) for k, v in spacing.items()},
        "affine_mm": [list(map(float, row)) for row in grid.affine_mm],
        "places": picture.places,
        "top": top_of(planes),
    }


def top_of(planes: NDArray[Any]) -> float:
    """A window's upper end to begin with: the 99.5th percentile of what is not empty."""
    step = max(1, planes.size // 2_000_000)
    some = planes.reshape(-1)[::step]
    lit = some[some > 0]
    return float(np.percentile(lit, 99.5)) if lit.size else 1.0


def plane_bytes(picture: Picture, number: int) -> tuple[bytes, str]:
    """One plane as little-endian numbers, and what numbers they are: uint16 or float32."""
    planes = picture.planes
    if not 0 <= number < len(planes):
        raise PhotopeakError(f"the picture has {len(planes)} planes, not a plane {number}.")
    return _bytes(planes[number])


def volume_bytes(picture: Picture) -> tuple[bytes, str]:
    """All planes, as float32."""
    return np.ascontiguousarray(picture.planes, "<f4").tobytes(), "float32"


def _bytes(plane: NDArray[Any]) -> tuple[bytes, str]:
    if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
        return np.ascontiguousarray(plane, "<u2").tobytes(), "uint16"
    return np.ascontiguousarray(plane, "<f4").tobytes(), "float32"

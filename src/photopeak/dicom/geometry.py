"""Where volumes lie in the patient, in millimetres: affines from positions, orientations and spacings."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photopeak.core.grid import Affine
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements

ORTHOGONAL: Final = 1e-3
Vector = NDArray[np.float64]


def directions(e: Elements, cosines: tuple[float, ...]) -> tuple[Vector, Vector, Vector]:
    """Unit vectors along a row, down a column, and their normal, which points to further slices."""
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(float(row @ column)) > ORTHOGONAL:
        raise e.refuse("ImageOrientationPatient", f"is {_short(cosines)}, not two perpendicular unit vectors.")
    row, column = row / lengths[0], column / lengths[1]
    normal = np.cross(row, column)
    return row, column, normal / np.linalg.norm(normal)


def affine(origin: Vector, steps: tuple[Vector, Vector, Vector]) -> Affine:
    """Index (x, y, z, 1) to millimetres; ``steps`` are those along x, y and z."""
    matrix = np.eye(4)
    for i, step in enumerate(steps):
        matrix[:3, i] = step
    matrix[:3, 3] = origin
    rows = [[float(v) + 0.0 for v in line] for line in matrix]  # + 0.0 turns -0.0 into 0.0
    return tuple((line[0], line[1], line[2], line[3]) for line in rows)


def recon_grid(e: Elements, stored: Any, assume: Assumptions) -> tuple[Any, Affine, str]:
    """Reconstructed NM slices as a right-handed volume: (values, affine, frame of reference).

    Slices follow each other along the normal of the first, against it where Spacing Between Slices is
    negative (PS3.3, C.8.4.15): then they are turned round, so that the affine's determinant is positive.
    Where the file states no orientation the affine holds the spacing alone, with no frame of reference.
    """
    dy, dx = pixel_spacing(e, assume)
    dz = slice_spacing(e, assume, stored.shape[-3])
    where = _placement(e)
    if not placed(e):
        flat = affine(np.zeros(3), (np.array([dx, 0, 0]), np.array([0, dy, 0]), np.array([0, 0, abs(dz)])))
        return stored, flat, ""
    row, column, normal = directions(where, where.numbers("ImageOrientationPatient", 6))
    origin = np.array(where.numbers("ImagePositionPatient", 3))
    if dz < 0:
        origin = origin + normal * dz * (stored.shape[-3] - 1)
        stored = stored[..., ::-1, :, :]
    return stored, affine(origin, (row * dx, column * dy, normal * abs(dz))), e.text("FrameOfReferenceUID")


def placed(e: Elements) -> bool:
    """True where the file says how its slices lie in the patient."""
    where = _placement(e)
    return bool(where.numbers("ImageOrientationPatient", 6) and where.numbers("ImagePositionPatient", 3))


def _placement(e: Elements) -> Elements:
    """The detector's item, where NM has the position; else the object itself, where some files have it."""
    detector = e.item("DetectorInformationSequence")
    return detector if detector is not None and detector.values("ImageOrientationPatient") else e


def pixel_spacing(e: Elements, assume: Assumptions) -> tuple[float, float]:
    """(row, column) distance of pixel centres."""
    spacing = e.numbers("PixelSpacing", 2)
    stated = (spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None
    pixel_mm = assume.settle("pixel_mm", stated, e, "PixelSpacing")
    if pixel_mm is None:
        meaning = "is missing, so nothing says how large the image is."
        raise e.refuse("PixelSpacing", meaning, "state it with --assume pixel_mm=2.4 if you know it.")
    return float(pixel_mm[0]), float(pixel_mm[1])


def slice_spacing(e: Elements, assume: Assumptions, slices: int) -> float:
    """Distance of slice centres along the normal; a single slice is as thick as it says."""
    spacing = e.number("SpacingBetweenSlices") or None
    if spacing is None and slices == 1:
        spacing = e.positive("SliceThickness")
    settled = assume.settle("slice_mm", None if spacing is None else abs(spacing), e, "SpacingBetweenSlices")
    if settled is None:
        meaning = "is missing, so nothing says how far the slices are apart."
        raise e.refuse("SpacingBetweenSlices", meaning, "state it with --assume slice_mm=4.8 if you know it.")
    return spacing if spacing is not None else float(settled)


def _short(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{n:.4g}" for n in numbers)

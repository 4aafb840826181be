"""Regions of a volume from a file: a DICOM Segmentation, NIfTI labels, or the masks that Photopeak itself writes.

NIfTI (``.nii``, ``.nii.gz``) is what segmentation programs and atlases come as. Its coordinates run to the patient's
right and to the front, DICOM's to the left and to the back: x and y change their sign. It names no frame of reference,
so that nobody can check that it lies on the image: whoever gives it says so. Its numbers have names in a CSV of
``number,name``.
"""

from __future__ import annotations

import csv
import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8

from photopeak.core import Axis, Grid, Mask, PhotopeakError
from photopeak.dicom.checked import CONVERSION_ERRORS, quiet_conversion
from photopeak.dicom.cohort import truth_volumes
from photopeak.dicom.seg_reading import SEGMENTATION

MOST_VOXELS: Final = 2**30
Where = Bool[np.ndarray, "z y x"]


def read_labels(path: Path, names: Path | None = None) -> list[Mask]:
    """The regions in a file, each mask on voxels of its own; ``names`` belongs to NIfTI."""
    if is_nifti(path):
        if names is None:
            raise PhotopeakError(f"{path} has numbers without names. Remedy: give --names, a CSV of number,name.")
        return [_from_nifti(path, _names(names))]
    return _from_tensors(path) if path.suffix == ".safetensors" else _from_segmentation(path)


def regions_on(grid: Grid, path: Path, names: Path | None = None) -> dict[str, Where]:
    """Every region of a file on a grid, by its name: each voxel is what lies at its middle.

    Regions of another frame of reference, and two of one name, are refused.
    """
    found: dict[str, Where] = {}
    for mask in read_labels(path, names):
        own = mask.grid
        if own.frame != grid.frame and not is_nifti(path):
            raise PhotopeakError(
                f"{path}: FrameOfReferenceUID (0020,0052) of the regions is {own.frame or 'none'}, of the images "
                f"{grid.frame or 'none'}. They are not known to be aligned. Remedy: give regions drawn on these images."
            )
        for name in mask.names.values():
            if name in found:
                raise PhotopeakError(f"{path}: two regions are called {name!r}. Remedy: give each its own name.")
            found[name] = _onto(mask.of(name), own, grid)
    return found


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI, by its name."""
    return path.name.endswith((".nii", ".nii.gz"))


def _from_tensors(path: Path) -> list[Mask]:
    """Masks of a cohort's ``volumes.safetensors``, or of one that ``save`` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as f:
            metadata = f.metadata() or {}
            if not {"names", "grid"} <= set(metadata):
                return _some((m for m in truth_volumes(path).values() if isinstance(m, Mask)), path)
            about = json.loads(metadata["grid"])
            axes = tuple(Axis(a["name"], a["size"]) for a in about["axes"])
            own = Grid(axes, tuple((a, b, c, d) for a, b, c, d in about["affine_mm"]), about["frame"])
            names = {int(k): v for k, v in json.loads(metadata["names"]).items()}
            return [Mask(f.get_tensor(n), own, names) for n in f.keys()]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise PhotopeakError(f"{path}: holds no masks that can be read ({error}). Remedy: give a DICOM SEG.") from error


def _some(masks: Iterable[Mask], path: Path) -> list[Mask]:
    found = list(masks)
    if not found:
        raise PhotopeakError(f"{path} holds no regions. Remedy: give a simulated patient's volumes.safetensors.")
    return found


def _from_segmentation(path: Path) -> list[Mask]:
    """One mask a segment, for segments may overlap."""
    import highdicom
    from pydicom.errors import InvalidDicomError

    with quiet_conversion():
        try:
            segments = highdicom.seg.segread(path)
            if str(segments.SOPClassUID) not in SEGMENTATION:
                raise ValueError("another class of object")
            volume = segments.get_volume(combine_segments=False, rescale_fractional=False)
        except (*CONVERSION_ERRORS, InvalidDicomError, OSError, RuntimeError) as error:
            raise PhotopeakError(
                f"{path}: is no segmentation of a volume that can be read ({error}). Remedy: give a DICOM SEG whose "
                "slices are parallel and evenly spaced, NIfTI labels (.nii, .nii.gz), or a .safetensors with masks."
            ) from error
    affine = np.asarray(volume.affine)[:, [2, 1, 0, 3]]  # indices (slice, row, column) to (column, row, slice)
    own = Grid(
        tuple(Axis(n, s) for n, s in zip("zyx", volume.array.shape[:3], strict=True)),
        tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in affine),
        str(segments.FrameOfReferenceUID),
    )
    return [
        Mask(
            (volume.array[..., k] > 0).astype(np.uint8),
            own,
            {1: str(segments.get_segment_description(number).SegmentLabel)},
        )
        for k, number in enumerate(segments.segment_numbers)
    ]


def _from_nifti(path: Path, names: dict[int, str]) -> Mask:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Pair):  # NIfTI-2 is one as well
            raise ImageFileError("another kind of image")
        shape = tuple(int(n) for n in image.shape)
        if len(shape) < 3 or min(shape) < 1 or max(shape[3:], default=1) > 1 or math.prod(shape) > MOST_VOXELS:
            raise PhotopeakError(f"{path} has the shape {shape}. Remedy: save labels as one volume.")
        if max(int(image.header["sform_code"]), int(image.header["qform_code"])) <= 0:
            raise PhotopeakError(f"{path} does not say where it lies (sform_code and qform_code are 0).")
        stored = image.dataobj
        assert isinstance(stored, nibabel.arrayproxy.ArrayProxy)  # of whatever was loaded from a file
        if (stored.slope, stored.inter) != (1.0, 0.0):
            raise PhotopeakError(f"{path}: scl_slope and scl_inter scale its numbers; labels are not scaled.")
        values = np.asanyarray(stored).reshape(shape[:3])
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise PhotopeakError(f"{path} cannot be read ({error}). Remedy: save it again as .nii or .nii.gz.") from error
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or np.abs(values).max() >= 2**31:
        raise PhotopeakError(f"{path} holds values that are no whole numbers, so no labels.")
    rows = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    x, y, z = shape[:3]
    grid = Grid.volume((z, y, x), tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in rows))
    return Mask(np.ascontiguousarray(values.transpose(2, 1, 0)).astype(np.int32), grid, names)


def _names(path: Path) -> dict[int, str]:
    with path.open(newline="", encoding="utf-8-sig") as f:
        rows = [row for row in csv.reader(f) if row]
    if rows and rows[0][:2] == ["number", "name"]:
        rows = rows[1:]
    try:
        return {int(row[0]): row[1].strip() for row in rows}
    except (ValueError, IndexError) as error:
        raise PhotopeakError(
            f"{path} cannot be read ({error}). Remedy: write a number and a name in each row."
        ) from None


def _onto(values: Bool[np.ndarray, " _z _y _x"], own: Grid, grid: Grid) -> Where:
    if own.names == grid.names and own.shape == grid.shape and np.allclose(own.affine_mm, grid.affine_mm, atol=1e-3):
        return np.asarray(values)
    from scipy.ndimage import affine_transform

    to_own = np.linalg.inv(own.matrix_mm) @ grid.matrix_mm
    matrix, offset = to_own[:3, :3][::-1, ::-1], to_own[:3, 3][::-1]
    # Not "constant": that gives up at the middle of the outermost voxels instead of at their edge.
    own_values: UInt8[np.ndarray, " _z _y _x"] = values.astype(np.uint8)
    found = affine_transform(own_values, matrix, offset, output_shape=grid.shape, order=0, mode="grid-constant")
    return np.asarray(found > 0)

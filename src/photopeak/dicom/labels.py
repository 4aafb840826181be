"""Regions of a volume from a file: a DICOM Segmentation, or the masks that Photopeak itself writes.

Regions are taken to the voxels of the image they are wanted on, each voxel being what lies at its middle. They must
lie in the image's frame of reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from photopeak.core import Axis, Grid, Mask, PhotopeakError
from photopeak.dicom.checked import CONVERSION_ERRORS, quiet_conversion
from photopeak.dicom.cohort import truth_volumes
from photopeak.dicom.seg_reading import SEGMENTATION

Where = Bool[np.ndarray, "z y x"]


def read_labels(path: Path, grid: Grid) -> dict[str, Where]:
    """Every region of a file on a grid, by its name; one that appears twice is refused."""
    parts = _from_tensors(path) if path.suffix == ".safetensors" else _from_segmentation(path)
    found: dict[str, Where] = {}
    for name, values, own in parts:
        if not own.frame or own.frame != grid.frame:
            raise PhotopeakError(
                f"{path}: FrameOfReferenceUID (0020,0052) of the regions is {own.frame or 'none'}, of the images "
                f"{grid.frame or 'none'}. They are not known to be aligned. Remedy: give regions drawn on these images."
            )
        if name in found:
            raise PhotopeakError(f"{path}: two regions are called {name!r}. Remedy: give each its own name.")
        found[name] = _onto(values, own, grid)
    return found


def _from_tensors(path: Path) -> Iterator[tuple[str, Where, Grid]]:
    """Masks of a cohort's ``volumes.safetensors``, or of one that ``save`` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as f:
            metadata = f.metadata() or {}
            if {"names", "grid"} <= set(metadata):
                about = json.loads(metadata["grid"])
                axes = tuple(Axis(a["name"], a["size"]) for a in about["axes"])
                own = Grid(axes, tuple((a, b, c, d) for a, b, c, d in about["affine_mm"]), about["frame"])
                names = {int(k): v for k, v in json.loads(metadata["names"]).items()}
                masks = [Mask(f.get_tensor(n), own, names) for n in f.keys()]  # noqa: SIM118
            else:
                masks = [m for m in truth_volumes(path).values() if isinstance(m, Mask)]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise PhotopeakError(f"{path}: holds no masks that can be read ({error}). Remedy: give a DICOM SEG.") from error
    for mask in masks:
        for name in mask.names.values():
            yield name, mask.of(name), mask.grid


def _from_segmentation(path: Path) -> Iterator[tuple[str, Where, Grid]]:
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
                f"{path}: is no segmentation of a volume that can be read ({error}). "
                "Remedy: give a DICOM SEG whose slices are parallel and evenly spaced, or a .safetensors with masks."
            ) from error
    affine = np.asarray(volume.affine)[:, [2, 1, 0, 3]]  # indices (slice, row, column) to (column, row, slice)
    own = Grid(
        tuple(Axis(n, s) for n, s in zip("zyx", volume.array.shape[:3], strict=True)),
        tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in affine),
        str(segments.FrameOfReferenceUID),
    )
    numbers = list(segments.segment_numbers)
    for k, number in enumerate(numbers):
        yield str(segments.get_segment_description(number).SegmentLabel), volume.array[..., k] > 0, own


def _onto(values: Bool[np.ndarray, " _z _y _x"], own: Grid, grid: Grid) -> Where:
    """What lies at the middle of each voxel of a grid."""
    if own.names == grid.names and own.shape == grid.shape and np.allclose(own.affine_mm, grid.affine_mm, atol=1e-3):
        return np.asarray(values)
    from scipy.ndimage import affine_transform

    to_own = np.linalg.inv(own.matrix_mm) @ grid.matrix_mm
    matrix, offset = to_own[:3, :3][::-1, ::-1], to_own[:3, 3][::-1]
    # Not "constant": that gives up at the middle of the outermost voxels instead of at their edge.
    own_values = values.astype(np.uint8)
    found = affine_transform(own_values, matrix, offset, output_shape=grid.shape, order=0, mode="grid-constant")
    return np.asarray(found > 0)

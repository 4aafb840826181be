"""Where regions are: the truth of a virtual patient, or an atlas or segmentation as NIfTI-1 with a table of names.

NIfTI (``.nii``, ``.nii.gz``) is what segmentation programs write. Its coordinates run to the patient's right and to
the front, DICOM's to the left and to the back: x and y change their sign. It names no frame of reference, so that
nobody can check that it lies on the image: whoever gives it says so. Names are a CSV of ``number,name``; a name that
begins with "left " or "right " is half of a pair.
"""

from __future__ import annotations

import csv
import gzip
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Integer

from photopeak.core import Grid, Mask, PhotopeakError
from photopeak.dicom.cohort import truth_volumes

HEADER: Final = 348
MOST_BYTES: Final = 2**31
TYPES: Final = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


def read_labels(path: Path, names: Path | None = None) -> Mask:
    """The regions in a file: ``volumes.safetensors`` of a cohort's patient, or NIfTI with ``names``."""
    if path.suffix == ".safetensors":
        found = truth_volumes(path).get("truth/regions")
        if not isinstance(found, Mask):
            raise PhotopeakError(
                f"{path} holds no truth/regions. Remedy: give a simulated brain's volumes.safetensors."
            )
        return found
    if not path.name.endswith((".nii", ".nii.gz")):
        raise PhotopeakError(f"{path} is no label image. Remedy: give volumes.safetensors, .nii or .nii.gz.")
    if names is None:
        raise PhotopeakError(f"{path} has numbers without names. Remedy: give --names, a CSV of number,name.")
    values, affine = _nifti(path)
    rows = [tuple(float(v) for v in row) for row in affine]
    z, y, x = values.shape
    grid = Grid.volume((z, y, x), tuple((r[0], r[1], r[2], r[3]) for r in rows))
    return Mask(values, grid, _names(names))


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


def _nifti(path: Path) -> tuple[Integer[np.ndarray, "z y x"], Float[np.ndarray, "4 4"]]:
    """Labels, and the affine from (x, y, z, 1) to DICOM's millimetres."""
    data = _bytes(path)
    order = "<" if data[:4] == struct.pack("<i", HEADER) else ">"
    if len(data) < HEADER + 4 or data[:4] != struct.pack(f"{order}i", HEADER) or data[344:347] != b"n+1":
        raise PhotopeakError(f"{path} is no NIfTI-1 image in one file. Remedy: save it as .nii or .nii.gz.")
    dim = struct.unpack(f"{order}8h", data[40:56])
    code = struct.unpack(f"{order}h", data[70:72])[0]
    if dim[0] < 3 or min(dim[1:4]) < 1 or max(dim[4 : dim[0] + 1], default=1) > 1 or code not in TYPES:
        raise PhotopeakError(f"{path}: dim {dim}, datatype {code} is no label volume. Remedy: save one 3D volume.")
    start, slope, offset = (int(v) if k == 0 else v for k, v in enumerate(struct.unpack(f"{order}3f", data[108:120])))
    if slope not in (0.0, 1.0) or offset != 0.0:
        raise PhotopeakError(f"{path}: scl_slope {slope:g}, scl_inter {offset:g}: labels are not scaled.")
    count = dim[1] * dim[2] * dim[3]
    kind = np.dtype(f"{order}{TYPES[code]}")
    if start < HEADER or len(data) < start + count * kind.itemsize:
        raise PhotopeakError(f"{path} ends before its {count} voxels. Remedy: copy it again.")
    raw = np.frombuffer(data, kind, count, start).reshape(dim[3], dim[2], dim[1])
    if not np.isfinite(raw).all() or (raw != np.rint(raw)).any() or np.abs(raw).max() >= 2**31:
        raise PhotopeakError(f"{path} holds values that are no whole numbers, so no labels.")
    return raw.astype(np.int32), np.diag([-1.0, -1.0, 1.0, 1.0]) @ _affine(data, order, path)


def _bytes(path: Path) -> bytes:
    """The file's content, and no more than fits."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as f:
            data = f.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PhotopeakError(f"{path} cannot be read ({error}). Remedy: copy it again.") from error
    if len(data) > MOST_BYTES:
        raise PhotopeakError(f"{path} is larger than {MOST_BYTES / 2**30:g} GiB. Remedy: give labels as 8 or 16 bits.")
    return data


def _affine(data: bytes, order: str, path: Path) -> Float[np.ndarray, "4 4"]:
    """Of the sform where there is one, else of the qform: to the right, to the front, up."""
    q, s = struct.unpack(f"{order}2h", data[252:256])
    out = np.eye(4)
    if s > 0:
        out[:3] = np.array(struct.unpack(f"{order}12f", data[280:328])).reshape(3, 4)
        return out
    if q <= 0:
        raise PhotopeakError(f"{path} does not say where it lies (sform_code and qform_code are 0).")
    from scipy.spatial.transform import Rotation

    b, c, d, *shift = struct.unpack(f"{order}6f", data[256:280])
    sign, *pixel = struct.unpack(f"{order}4f", data[76:92])
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    pixel[2] *= -1.0 if sign < 0 else 1.0
    out[:3, :3] = Rotation.from_quat([b, c, d, a]).as_matrix() * np.array(pixel)
    out[:3, 3] = shift
    return out

"""Interfile 3.3 images, as STIR and SIMIND write them, in and out.

A header of ``key := value`` lines names a file of raw numbers. What is read are volumes: x along a row, y down the
rows, z over the slices. Interfile knows no frame of reference and no patient axes, so a volume keeps its spacing, and
its offsets where the header has them, and nothing is said of where it lies in the patient.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped

from photopeak.core import Acquisition, Grid, Image, PhotopeakError, Study
from photopeak.core.grid import scaling
from photopeak.core.writing import whole_file

FORMATS: Final[Mapping[str, str]] = {
    "unsigned integer": "u",
    "signed integer": "i",
    "float": "f",
    "short float": "f",
    "long float": "f",
}
SIZES: Final = {"u": (1, 2, 4, 8), "i": (1, 2, 4, 8), "f": (4, 8)}
MAX_BYTES: Final = 2**33


def read_interfile(path: Path, slice_mm: float | None = None, unit: str = "1") -> Study:
    """The volume that a header describes; ``slice_mm`` states the distance of slices, where the header's is wrong.

    Without ``scaling factor (mm/pixel) [3]`` slices are as far apart as ``centre-centre slice separation (pixels)``
    or ``slice thickness (pixels)`` say, in pixels of the first axis, as the standard means it. Many programs write
    millimetres there: then state ``slice_mm``.
    """
    keys = keys_of(path)
    shape = _shape(path, keys)
    values = values_of(path, keys, shape)
    pixel = [number(path, keys, f"scaling factor (mm/pixel) [{k}]") for k in (1, 2)]
    spacing = (pixel[0], pixel[1], slice_mm or _slice_mm(path, keys, pixel[0]))
    if min(spacing) <= 0:
        raise wrong(path, "scaling factor (mm/pixel)", f"voxels of {spacing} mm cannot be")
    first = [number(path, keys, f"first pixel offset (mm) [{k}]", 0.0) for k in (1, 2, 3)]
    affine = scaling(spacing, (first[0], first[1], first[2]))
    grid = Grid.volume(shape, affine)
    acquisition = Acquisition(modality="NM", kind="RECON TOMO", facts={"ImageOrientationPatient": None})
    return Study({"uptake": Image(values, grid, unit)}, None, acquisition)


def write_interfile(image: Image, path: Path) -> Path:
    """A header and its numbers (single precision), the latter beside it with the ending ``.v``."""
    if image.grid.names != ("z", "y", "x"):
        raise PhotopeakError(f"Interfile volumes have axes (z, y, x), not {image.grid.names}.")
    spacing, origin = image.grid.spacing_mm, image.grid.matrix_mm[:3, 3]
    data = path.with_suffix(".v")
    lines = [
        "!INTERFILE :=",
        "!imaging modality := nucmed",
        f"!name of data file := {data.name}",
        "imagedata byte order := LITTLEENDIAN",
        "!number format := float",
        "!number of bytes per pixel := 4",
        "number of dimensions := 3",
    ]
    for k, name in enumerate(("x", "y", "z"), 1):
        lines += [
            f"matrix axis label [{k}] := {name}",
            f"!matrix size [{k}] := {image.grid.axis(name).size}",
            f"scaling factor (mm/pixel) [{k}] := {spacing[name]:.9g}",
            f"first pixel offset (mm) [{k}] := {origin[k - 1]:.9g}",
        ]
    lines += [f"quantification units := {image.unit}", "!END OF INTERFILE :=", ""]
    with whole_file(data) as part:
        part.write_bytes(np.ascontiguousarray(image.values, "<f4").tobytes())
    with whole_file(path) as part:
        part.write_text("\n".join(lines), encoding="ascii", errors="replace")
    return path


def keys_of(path: Path) -> dict[str, str]:
    """A header's keys, in small letters and without their marks, and what they say."""
    try:
        text = path.read_bytes()[: 2**20].decode("latin-1")
    except OSError as error:
        raise PhotopeakError(f"{path}: the header cannot be read ({error.strerror}).") from error
    if "INTERFILE" not in text[:200].upper():
        raise PhotopeakError(f"{path} does not begin with !INTERFILE. Remedy: give the header, not the numbers.")
    found = {}
    for line in text.splitlines():
        key, sign, value = line.partition(":=")
        if sign and not line.lstrip().startswith(";"):
            found[re.sub(r"\s+", " ", key.strip().lstrip("!").lower()).replace("] ", "]")] = value.strip()
    return found


def _shape(path: Path, keys: Mapping[str, str]) -> tuple[int, int, int]:
    sizes = [number(path, keys, f"matrix size [{k}]") for k in (1, 2)]
    depth = next((k for k in ("matrix size [3]", "number of slices", "total number of images") if k in keys), None)
    slices = 1.0 if depth is None else number(path, keys, depth)
    counts = [slices, sizes[1], sizes[0]]
    if any(n != int(n) or n < 1 for n in counts):
        raise wrong(path, "matrix size", f"{counts} voxels cannot be")
    return int(counts[0]), int(counts[1]), int(counts[2])


def _slice_mm(path: Path, keys: Mapping[str, str], pixel_mm: float) -> float:
    if "scaling factor (mm/pixel) [3]" in keys:
        return number(path, keys, "scaling factor (mm/pixel) [3]")
    for key in ("centre-centre slice separation (pixels)", "slice thickness (pixels)"):
        if key in keys:
            return number(path, keys, key) * pixel_mm
    raise wrong(path, "scaling factor (mm/pixel) [3]", "nothing says how far slices are apart; state slice_mm")


def values_of(path: Path, keys: Mapping[str, str], shape: tuple[int, ...]) -> Shaped[np.ndarray, "..."]:
    """The numbers of a header's data file, in the shape it states."""
    form = keys.get("number format", "").lower()
    size = int(number(path, keys, "number of bytes per pixel"))
    kind = FORMATS.get(form)
    if kind is None or size not in SIZES[kind]:
        raise wrong(path, "number format", f"{form!r} of {size} bytes is not read; {', '.join(FORMATS)} are")
    order = {"LITTLEENDIAN": "<", "BIGENDIAN": ">"}.get(keys.get("imagedata byte order", "BIGENDIAN").upper())
    if order is None:
        raise wrong(path, "imagedata byte order", f"{keys['imagedata byte order']!r} is not known")
    name = Path(keys.get("name of data file", ""))
    if not name.name or name.is_absolute() or ".." in name.parts:
        raise wrong(path, "name of data file", f"{str(name)!r} is not a file beside the header")
    data, offset = path.parent / name, int(number(path, keys, "data offset in bytes", 0.0))
    need = math.prod(shape) * size
    if not data.is_file():
        raise wrong(path, "name of data file", f"{data} is missing")
    held = data.stat().st_size - offset
    if offset < 0 or held < need or need > MAX_BYTES:
        raise wrong(path, "matrix size", f"{shape} numbers of {size} bytes are {need} bytes, {data.name} holds {held}")
    raw = np.fromfile(data, np.dtype(f"{order}{kind}{size}"), math.prod(shape), offset=offset)
    return np.asarray(raw.reshape(shape).astype(raw.dtype.newbyteorder("=")))


def number(path: Path, keys: Mapping[str, str], key: str, default: float | None = None) -> float:
    """What a key says as a number, or the refusal that names it."""
    text = keys.get(key.lower())
    if text is None or not text:
        if default is None:
            raise wrong(path, key, "is missing")
        return default
    # Some programs write +2.000000+00 for 2.
    try:
        value = float(re.sub(r"(?<=\d)([+-]\d+)$", r"e\1", text))
    except ValueError:
        raise wrong(path, key, f"{text!r} is no number") from None
    if not math.isfinite(value):
        raise wrong(path, key, f"{text!r} is no number")
    return value


def wrong(path: Path, key: str, what: str) -> PhotopeakError:
    """A refusal that names file and key."""
    return PhotopeakError(f"{path}: {key}: {what}. Remedy: mend the header.")

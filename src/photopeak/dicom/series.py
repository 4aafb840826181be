"""What volumes of one file a slice share: where they lie, and a folder that appears whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from photopeak.core import Image, PhotopeakError
from photopeak.dicom.encoding import check_values, save_dataset
from photopeak.dicom.subject import decimal


def save_slices(slices: Iterable[Dataset], folder: Path, syntax: UID) -> Path:
    """Write slices as 00001.dcm and so on; a folder of such files that is there already is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(not re.fullmatch(r"\d+\.dcm", p.name) for p in folder.iterdir()):
        raise PhotopeakError(f"{folder} holds other files. Remedy: give a new folder for the series.")
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for k, ds in enumerate(slices):
            if k == 0:
                check_values(ds, folder)
            save_dataset(ds, work / f"{k + 1:05d}.dcm", syntax)
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return folder


def place(ds: Dataset, image: Image) -> None:
    """Pixel spacing, orientation and thickness of a volume's slices."""
    spacing, matrix = image.grid.spacing_mm, image.grid.matrix_mm
    rows, columns = matrix[:3, 0] / spacing["x"], matrix[:3, 1] / spacing["y"]
    ds.PixelSpacing = [decimal(spacing["y"]), decimal(spacing["x"])]
    ds.ImageOrientationPatient = [decimal(float(c)) for c in (*rows, *columns)]
    if "SliceThickness" not in ds:
        ds.SliceThickness = decimal(spacing["z"])

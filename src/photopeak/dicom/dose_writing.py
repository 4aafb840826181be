"""A dose map to DICOM RT Dose: one file, frames along z, 16-bit numbers times a scaling, in Gy.

Radiotherapy's systems read it beside the CT of the same frame of reference. The standard wants the plan that a dose
sums up, and an injection has none: the reference names a UID made from the study's, to which no object belongs, and
``DoseComment`` says how the dose came about.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Image, PhotopeakError, Study
from photopeak.dicom.derived import long_string
from photopeak.dicom.encoding import check_values, save_dataset, syntax_uid
from photopeak.dicom.layouts import require
from photopeak.dicom.modules import common, digest, new_uid
from photopeak.dicom.series import place
from photopeak.dicom.subject import decimal

DOSE_CLASS: Final = "1.2.840.10008.5.1.4.1.1.481.2"
PLAN_CLASS: Final = "1.2.840.10008.5.1.4.1.1.481.5"
OF_IMAGES: Final = ("AcquisitionDate", "AcquisitionTime", "Laterality")
LARGEST: Final = 2**16 - 1


def write_dose(study: Study, path: Path, comment: str) -> Path:
    """Write the entry ``dose`` of a Study."""
    image = study["dose"]
    assert isinstance(image, Image)
    require(image.grid, "RT Dose", ("z", "y", "x"))
    if not np.isfinite(image.values).all() or float(image.values.min()) < 0.0:
        raise PhotopeakError("dose: holds undefined or negative values. Remedy: give Gy of at least 0 in every voxel.")
    _check_axes(image)
    bare = dataclasses.replace(study.acquisition, facts={}, series_uid="", corrections=())
    ds = _dataset(Study({"dose": image}, study.patient, bare, study.history), image.to("Gy"), comment)
    check_values(ds, path)
    save_dataset(ds, path, syntax_uid("explicit"))
    return path


def _check_axes(image: Image) -> None:
    """Frames of RT Dose are apart along the normal of their planes."""
    across = image.grid.matrix_mm[:3, :3]
    if not np.allclose(across, np.diag(np.diag(across)), atol=1e-6) or (np.diag(across) <= 0).any():
        raise PhotopeakError(
            "dose: its axes are not the patient's, which RT Dose is written along. Remedy: resample to such a grid."
        )


def _dataset(study: Study, image: Image, comment: str) -> Dataset:
    identity = digest(study, image)
    ds = common(study, identity, DOSE_CLASS)
    for keyword in OF_IMAGES:
        if keyword in ds:
            delattr(ds, keyword)
    ds.Modality = "RTDOSE"
    ds.OperatorsName = ""
    ds.FrameOfReferenceUID = image.grid.frame or new_uid("frame", identity)
    ds.PositionReferenceIndicator = ""
    place(ds, image)
    ds.ImagePositionPatient = [decimal(float(c)) for c in image.grid.matrix_mm[:3, 3]]
    frames, spacing = image.grid.axis("z").size, image.grid.spacing_mm["z"]
    ds.NumberOfFrames = frames
    ds.FrameIncrementPointer = 0x3004000C
    ds.GridFrameOffsetVector = [decimal(spacing * k) for k in range(frames)]
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    plan = Dataset()
    plan.ReferencedSOPClassUID, plan.ReferencedSOPInstanceUID = PLAN_CLASS, new_uid("plan", ds.StudyInstanceUID)
    ds.ReferencedRTPlanSequence = [plan]
    ds.DoseComment = long_string(comment)
    ds.SeriesDescription = "Absorbed dose"
    _put_pixels(ds, image)
    return ds


def _put_pixels(ds: Dataset, image: Image) -> None:
    step = float(image.values.max()) / LARGEST or 1.0
    ds.DoseGridScaling = decimal(step)
    stored = np.clip(np.rint(np.asarray(image.values, np.float64) / float(ds.DoseGridScaling)), 0, LARGEST)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = stored.astype("<u2").tobytes()

"""Study to a CT series: one file a slice, CT numbers rounded to whole HU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from photopeak.core import Image, PhotopeakError, Study
from photopeak.dicom.encoding import put_pixels
from photopeak.dicom.layouts import require
from photopeak.dicom.modules import common, digest, new_uid
from photopeak.dicom.series import place, save_slices
from photopeak.dicom.subject import decimal
from photopeak.dicom.volumes import CT_CLASS

LOWEST_HU, HIGHEST_HU = -32768, 32767


def write_ct(study: Study, folder: Path, syntax: UID) -> Path:
    """Write the slices into a folder that appears whole or not at all."""
    image = study["ct"]
    assert isinstance(image, Image)
    require(image.grid, "CT", ("z", "y", "x"))
    if not np.isfinite(image.values).all():
        raise PhotopeakError("the CT holds undefined values. Remedy: give CT numbers in HU for every voxel.")
    return save_slices(_slices(study, image), folder, syntax)


def _slices(study: Study, image: Image) -> Iterator[Dataset]:
    template = _template(study, image)
    hu = np.clip(np.rint(image.values), LOWEST_HU, HIGHEST_HU).astype(np.int16)
    for k, values in enumerate(hu):
        ds = Dataset()
        ds.update(template)
        ds.SOPInstanceUID = new_uid("instance", str(template.SOPInstanceUID), str(k))
        ds.InstanceNumber = str(k + 1)
        ds.ImagePositionPatient = [decimal(float(c)) for c in image.grid.matrix_mm[:3] @ np.array([0.0, 0.0, k, 1.0])]
        put_pixels(ds, values)
        yield ds


def _template(study: Study, image: Image) -> Dataset:
    identity = digest(study, image)
    ds = common(study, identity, CT_CLASS)
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.FrameOfReferenceUID = image.grid.frame or new_uid("frame", identity)
    ds.PositionReferenceIndicator = ""
    ds.AcquisitionNumber, ds.KVP = None, None
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.PatientPosition = study.acquisition.position or None
    place(ds, image)
    return ds

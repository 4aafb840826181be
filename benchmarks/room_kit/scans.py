"""Simulated whole-body scans as files, and the same scans under other identifiers."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

PREFIX = "2.25.7730"
"""Of the UIDs that are given here; what follows says which study, series and object it is."""


def make_scans(folder: Path, patients: int, seed: int) -> list[Path]:
    """Full-size whole-body scans (1024 by 256, two views) of so many virtual patients."""
    from photopeak.dicom import write
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic

    clinic = Clinic(BoneScan(mix="N=0.3,M=0.4,A=0.25,M&A=0.05"), patients, seed)
    paths = []
    for i in range(patients):
        path = folder / f"scan-{i}.dcm"
        write(clinic[i].only("counts"), path)
        paths.append(path)
    return paths


def relabelled(template: bytes, study: int, item: int = 1, batch: str = "1") -> FileDataset:
    """The scan as object ``item`` of study ``study``: the same numbers give the same UIDs, so that a retry is one."""
    ds = pydicom.dcmread(io.BytesIO(template))
    ds.PatientID, ds.PatientName = f"B{batch}-{study:05d}", f"Bench^Patient {study}"
    ds.AccessionNumber = f"A{batch}{study:05d}"
    ds.StudyInstanceUID = f"{PREFIX}.{batch}.{study}"
    ds.SeriesInstanceUID = f"{PREFIX}.{batch}.{study}.{item}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{PREFIX}.{batch}.{study}.{item}.1"
    return ds


def small(template: bytes) -> bytes:
    """The scan with an eighth of its rows and columns: for what only the catalogue is measured with."""
    ds = pydicom.dcmread(io.BytesIO(template))
    values = ds.pixel_array[:, ::8, ::8]
    ds.Rows, ds.Columns, ds.PixelData = values.shape[1], values.shape[2], values.tobytes()
    return as_bytes(ds)


def as_bytes(ds: FileDataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes away with the benchmark."""
    return tempfile.TemporaryDirectory(prefix="photopeak-bench-")

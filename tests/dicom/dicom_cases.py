"""DICOM files made in code by pydicom alone, and Studies for writing: what the tests here start from."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from photopeak.core import (
    Acquisition,
    Axis,
    Detector,
    EnergyWindow,
    Grid,
    Image,
    Patient,
    Radiopharmaceutical,
    Study,
)

NM = "1.2.840.10008.5.1.4.1.1.20"
PT = "1.2.840.10008.5.1.4.1.1.128"
CT = "1.2.840.10008.5.1.4.1.1.2"
VECTOR_TAGS = {
    "EnergyWindowVector": 0x00540010,
    "DetectorVector": 0x00540020,
    "PhaseVector": 0x00540030,
    "RotationVector": 0x00540050,
    "RRIntervalVector": 0x00540060,
    "TimeSlotVector": 0x00540070,
    "SliceVector": 0x00540080,
    "AngularViewVector": 0x00540090,
    "TimeSliceVector": 0x00540100,
}


def item(**elements: Any) -> Dataset:
    """A dataset of these elements; lists of datasets become sequences."""
    ds = Dataset()
    put(ds, elements)
    return ds


def put(ds: Dataset, elements: dict[str, Any]) -> None:
    """Set elements; None takes one away."""
    for keyword, value in elements.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        elif isinstance(value, list) and (not value or isinstance(value[0], Dataset)):
            setattr(ds, keyword, Sequence(value))
        else:
            setattr(ds, keyword, value)


def code(value: str, scheme: str = "SCT", meaning: str = "x", **more: Any) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning, **more)


def save(ds: Dataset, path: Path, pixels: np.ndarray | None = None) -> Path:
    """A file as a camera writes it."""
    if pixels is not None:
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = pixels.shape[-2:]
        ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        data = np.ascontiguousarray(pixels).tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", NM)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    ds.save_as(path, enforce_file_format=True)
    return path


def nm_file(path: Path, kind: str = "STATIC", pixels: np.ndarray | None = None, **elements: Any) -> Path:
    """One NM object; frames are indexed by the vectors among ``elements``."""
    pixels = np.arange(1 * 4 * 6, dtype=np.uint16).reshape(1, 4, 6) if pixels is None else pixels
    ds = item(
        ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"],
        SOPClassUID=NM,
        SOPInstanceUID="1.2.3.4",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.1",
        Modality="NM",
        Manufacturer="ACME",
        PatientName="Doe^Jane",
        PatientID="P1",
        PixelSpacing=[2.4, 2.0],
        NumberOfFrames=len(pixels),
        NumberOfEnergyWindows=1,
        NumberOfDetectors=1,
        DetectorInformationSequence=[item(CollimatorType="PARA")],
    )
    put(ds, elements)
    if "FrameIncrementPointer" not in ds:
        ds.FrameIncrementPointer = [VECTOR_TAGS[k] for k in VECTOR_TAGS if k in ds] or [0x00540010, 0x00540020]
    return save(ds, path, pixels)


def slice_file(path: Path, sop_class: str, z_mm: float, pixels: np.ndarray, **elements: Any) -> Path:
    """One slice of a PT or CT series, axial."""
    ds = item(
        SOPClassUID=sop_class,
        SOPInstanceUID=f"1.2.3.5.{int(hashlib.sha256(path.stem.encode()).hexdigest()[:8], 16)}",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.2",
        FrameOfReferenceUID="1.2.3.9",
        Modality="PT" if sop_class == PT else "CT",
        PatientName="Doe^Jane",
        PatientID="P1",
        PixelSpacing=[4.0, 4.0],
        SliceThickness=3.0,
        ImagePositionPatient=[-8.0, -12.0, z_mm],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        RescaleSlope=1,
        RescaleIntercept=0,
    )
    if sop_class == PT:
        put(ds, {"Units": "BQML", "DecayCorrection": "START"})
    put(ds, elements)
    return save(ds, path, pixels)


VIEW = {"anterior": code("399321004"), "posterior": code("399001007")}


def heads(*views: str) -> list[Dataset]:
    """Detector items with view codes."""
    return [item(CollimatorType="PARA", ViewCodeSequence=[VIEW[v]]) for v in views]


PATIENT = Patient("P1", "CLINIC", "Doe^Jane", "F", dt.date(1960, 2, 3), 64.0, 1.65, 70.5)
TRACER = Radiopharmaceutical("Tc-99m MDP", "Tc-99m", 740.0, dt.datetime(2024, 5, 6, 7, 30, 15), 21624.12, "Intravenous")


def acquisition(kind: str, **changes: Any) -> Acquisition:
    """A complete NM acquisition."""
    stated: dict[str, Any] = {
        "modality": "NM",
        "kind": kind,
        "manufacturer": "ACME",
        "model": "Twin",
        "institution": "Virtual clinic",
        "description": "Bone scan",
        "study_uid": "1.2.3",
        "series_uid": "1.2.3.1",
        "started_at": dt.datetime(2024, 5, 6, 10, 30, 0, 250000),
        "radiopharmaceuticals": (TRACER,),
        "energy_windows": (EnergyWindow("Tc99m", ((129.6, 150.6),)),),
        "position": "HFS",
    }
    return Acquisition(**{**stated, **changes})


def whole_body(values: np.ndarray | None = None, **changes: Any) -> Study:
    """Anterior and posterior, as the simulator gives them."""
    if values is None:
        values = np.random.default_rng(1).poisson(4, (2, 16, 8)).astype(np.uint16)
    grid = Grid.planar(("anterior", "posterior"), values.shape[1:], (2.4, 2.4))
    stated: dict[str, Any] = {
        "duration_s": 985.0,
        "scan_velocity_mm_s": 2.0,
        "scan_length_mm": 1970.0,
        "detectors": (Detector("LEHR", "PARA", 180.0, 120.0), Detector("LEHR", "PARA", 0.0, 150.0)),
    }
    how = acquisition("WHOLE BODY", **{**stated, **changes})
    return Study({"counts": Image(values, grid, "{counts}")}, PATIENT, how)


def volume(name: str, unit: str, values: np.ndarray, **changes: Any) -> Study:
    """A reconstructed NM volume, obliquely placed."""
    affine = ((4.0, 0.0, 0.0, -10.0), (0.0, 4.0, 0.0, -20.5), (0.0, 0.0, 4.5, 30.25), (0.0, 0.0, 0.0, 1.0))
    grid = Grid.volume(values.shape, affine, "1.2.3.9")
    return Study({name: Image(values, grid, unit)}, PATIENT, acquisition("RECON TOMO", **changes))


def pet(name: str, unit: str, values: np.ndarray, leading: Axis | None = None, **changes: Any) -> Study:
    """A PET volume, with a time or gate axis where one is given."""
    affine = ((4.0, 0.0, 0.0, -10.0), (0.0, 4.0, 0.0, -20.0), (0.0, 0.0, 3.27, -881.3), (0.0, 0.0, 0.0, 1.0))
    spatial = tuple(Axis(n, s) for n, s in zip("zyx", values.shape[-3:], strict=True))
    grid = Grid(((leading,) if leading else ()) + spatial, affine, "1.2.3.9")
    stated: dict[str, Any] = {
        "modality": "PT",
        "decay_correction": "START",
        "decay_reference": dt.datetime(2024, 5, 6, 10, 30, 0, 250000),
        "duration_s": 60.0,
        "corrections": ("DECY", "ATTN"),
        "energy_windows": (EnergyWindow("", ((425.0, 650.0),)),),
        "radiopharmaceuticals": (Radiopharmaceutical("FDG", "F-18", 370.0, dt.datetime(2024, 5, 6, 9, 30), 6586.2),),
    }
    how = acquisition("", **{**stated, **changes})
    return Study({name: Image(values, grid, unit)}, PATIENT, how)

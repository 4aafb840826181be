"""Small DICOM files as cameras write them, made by code: seeds of the fuzzing and samples of the tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

NM_CLASS = "1.2.840.10008.5.1.4.1.1.20"
PT_CLASS = "1.2.840.10008.5.1.4.1.1.128"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SYNTAXES = {
    "explicit": EXPLICIT,
    "implicit": "1.2.840.10008.1.2",
    "big": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
}
#: kind -> vectors of its frames: keyword of the vector, and its values
NM_KINDS: dict[str, dict[str, list[int]]] = {
    "STATIC": {"EnergyWindowVector": [1, 1], "DetectorVector": [1, 2]},
    "WHOLE BODY": {"EnergyWindowVector": [1, 1], "DetectorVector": [1, 2]},
    "DYNAMIC": {
        "EnergyWindowVector": [1] * 4,
        "DetectorVector": [1] * 4,
        "PhaseVector": [1, 1, 2, 2],
        "TimeSliceVector": [1, 2, 1, 2],
    },
    "GATED": {
        "EnergyWindowVector": [1] * 4,
        "DetectorVector": [1] * 4,
        "RRIntervalVector": [1] * 4,
        "TimeSlotVector": [1, 2, 3, 4],
    },
    "TOMO": {
        "EnergyWindowVector": [1] * 4,
        "DetectorVector": [1] * 4,
        "RotationVector": [1] * 4,
        "AngularViewVector": [1, 2, 3, 4],
    },
    "GATED TOMO": {
        "EnergyWindowVector": [1] * 4,
        "DetectorVector": [1] * 4,
        "RRIntervalVector": [1] * 4,
        "TimeSlotVector": [1, 2, 1, 2],
        "RotationVector": [1] * 4,
        "AngularViewVector": [1, 1, 2, 2],
    },
    "RECON TOMO": {"SliceVector": [1, 2, 3, 4]},
    "RECON GATED TOMO": {
        "RRIntervalVector": [1] * 4,
        "TimeSlotVector": [1, 1, 2, 2],
        "SliceVector": [1, 2, 1, 2],
    },
}


def item(**values: Any) -> Dataset:
    """A dataset with these attributes."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def code(value: str, scheme: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def common(sop_class: str, modality: str, shape: tuple[int, int]) -> FileDataset:
    """What all images share."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(EXPLICIT)
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID("2.25.1001")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": sop_class,
        "SOPInstanceUID": "2.25.1001",
        "StudyInstanceUID": "2.25.1002",
        "SeriesInstanceUID": "2.25.1003",
        "FrameOfReferenceUID": "2.25.1004",
        "StudyDate": "20240531",
        "StudyTime": "090000",
        "SeriesDate": "20240531",
        "SeriesTime": "101500",
        "AcquisitionDate": "20240531",
        "AcquisitionTime": "101500",
        "ContentDate": "20240531",
        "ContentTime": "101501",
        "AccessionNumber": "A1",
        "Modality": modality,
        "Manufacturer": "Made by code",
        "ManufacturerModelName": "Sample",
        "ReferringPhysicianName": "",
        "StudyDescription": "Whole body bone",
        "PatientName": "Müller^Jürgen",
        "PatientID": "P1",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "PatientWeight": "70",
        "PatientSize": "1.7",
        "StudyID": "1",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "PositionReferenceIndicator": "",
        "Laterality": "",
        "PatientPosition": "HFS",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": shape[0],
        "Columns": shape[1],
        "PixelSpacing": ["2.4", "2.4"],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }.items():
        setattr(ds, keyword, value)
    return ds


def tracer(modality: str) -> Dataset:
    """Tc-99m MDP in NM (MBq), F-18 FDG in PT (Bq)."""
    pet = modality == "PT"
    nuclide = code("77004003", "SCT", "^18^Fluorine") if pet else code("72454006", "SCT", "^99m^Technetium")
    return item(
        Radiopharmaceutical="FDG" if pet else "MDP",
        RadiopharmaceuticalStartTime="081500",
        RadiopharmaceuticalStartDateTime="20240531081500",
        RadionuclideTotalDose="370000000" if pet else "740",
        RadionuclideHalfLife="6586.2" if pet else "21624.12",
        RadionuclideCodeSequence=[nuclide],
    )


def nm(kind: str = "WHOLE BODY", shape: tuple[int, int] = (40, 32)) -> FileDataset:
    """An NM image of one of the eight kinds."""
    vectors = NM_KINDS[kind]
    frames = len(next(iter(vectors.values())))
    ds = common(NM_CLASS, "NM", shape)
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    ds.NumberOfFrames = frames
    ds.FrameIncrementPointer = [keyword_tag(keyword) for keyword in vectors]
    for keyword, values in vectors.items():
        setattr(ds, keyword, values)
    ds.NumberOfEnergyWindows, ds.NumberOfDetectors = 1, max(vectors.get("DetectorVector", [1]))
    ds.ActualFrameDuration = 600000
    ds.EnergyWindowInformationSequence = [
        item(
            EnergyWindowName="Tc-99m",
            EnergyWindowRangeSequence=[item(EnergyWindowLowerLimit="126.4", EnergyWindowUpperLimit="154.6")],
        )
    ]
    ds.RadiopharmaceuticalInformationSequence = [tracer("NM")]
    ds.DetectorInformationSequence = [_detector(i) for i in range(ds.NumberOfDetectors)]
    _kind_specific(ds, kind)
    counts = np.random.default_rng(1).poisson(9, (frames, *shape)).astype("<u2")
    ds.add_new(0x7FE00010, "OW", counts.tobytes())
    return ds


def _detector(index: int) -> Dataset:
    value, meaning = (("399321004", "Anterior projection"), ("399001007", "Posterior projection"))[index]
    return item(
        CollimatorGridName="LEHR",
        CollimatorType="PARA",
        FieldOfViewShape="RECTANGLE",
        StartAngle=str(180 - 180 * index),
        RadialPosition="200",
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        ImagePositionPatient=["0", "0", "0"],
        ViewCodeSequence=[code(value, "SCT", meaning)],
    )


def _kind_specific(ds: Dataset, kind: str) -> None:
    if kind == "WHOLE BODY":
        ds.ScanVelocity, ds.ScanLength, ds.WholeBodyTechnique = "2", 2000, "1PASS"
    if kind == "DYNAMIC":
        ds.NumberOfPhases = 2
        ds.PhaseInformationSequence = [
            item(ActualFrameDuration=1000 * (p + 1), PhaseDelay=0, PauseBetweenFrames=0, NumberOfFramesInPhase=2)
            for p in range(2)
        ]
    if "GATED" in kind:
        ds.NumberOfRRIntervals, ds.NumberOfTimeSlots = 1, max(ds.TimeSlotVector)
        times = [item(FrameTime="100") for _ in range(ds.NumberOfTimeSlots)]
        interval = item(LowRRValue=500, HighRRValue=1200, TimeSlotInformationSequence=times, NominalInterval=800)
        ds.GatedInformationSequence = [item(DataInformationSequence=[interval], TriggerSourceOrType="EKG")]
    if kind in ("TOMO", "GATED TOMO"):
        ds.NumberOfRotations = 1
        ds.RotationInformationSequence = [
            item(
                StartAngle="0",
                AngularStep="6",
                RotationDirection="CW",
                ScanArc="360",
                ActualFrameDuration=20000,
                RadialPosition=["200"] * max(ds.AngularViewVector),
                NumberOfFramesInRotation=max(ds.AngularViewVector),
            )
        ]
    if kind.startswith("RECON"):
        ds.NumberOfSlices = max(ds.SliceVector)
        ds.SliceThickness, ds.SpacingBetweenSlices = "4", "4"


def pt() -> FileDataset:
    """One PET slice, with everything SUV needs."""
    ds = common(PT_CLASS, "PT", (16, 16))
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Units, ds.CountsSource, ds.SeriesType = "BQML", "EMISSION", ["STATIC", "IMAGE"]
    ds.CorrectedImage, ds.DecayCorrection = ["DECY", "ATTN", "SCAT", "NORM"], "START"
    ds.RadiopharmaceuticalInformationSequence = [tracer("PT")]
    ds.RescaleSlope, ds.RescaleIntercept = "2.5", "0"
    ds.FrameReferenceTime, ds.ActualFrameDuration, ds.DecayFactor = "0", 120000, "1.0"
    return _slice(ds)


def ct() -> FileDataset:
    """One CT slice."""
    ds = common(CT_CLASS, "CT", (16, 16))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP, ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "120", "1", "-1024", "HU"
    return _slice(ds)


def _slice(ds: FileDataset) -> FileDataset:
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.ImagePositionPatient = ["-19.2", "-19.2", "0"]
    ds.SliceThickness = "3"
    values = np.random.default_rng(2).integers(0, 2000, (ds.Rows, ds.Columns)).astype("<u2")
    ds.add_new(0x7FE00010, "OW", values.tobytes())
    return ds


def keyword_tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag


def as_bytes(ds: FileDataset, syntax: str = "explicit") -> bytes:
    """The file in a transfer syntax."""
    uid = SYNTAXES[syntax]
    if syntax == "jpeg-lossless":
        return _jpeg_lossless(as_bytes(ds))
    if syntax in ("rle", "jpeg-ls", "jpeg2000"):
        ds.compress(UID(uid), generate_instance_uid=False)
    elif syntax == "big":
        data = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.add_new(0x7FE00010, "OW", data)
    plain = Dataset(ds)  # without the memory of how it was read, so that it may be written in any encoding
    plain.file_meta, plain.preamble = ds.file_meta, b"\0" * 128
    plain.file_meta.TransferSyntaxUID = UID(uid)
    out = io.BytesIO()
    plain.save_as(out, enforce_file_format=True, implicit_vr=syntax == "implicit", little_endian=syntax != "big")
    return out.getvalue()


def _jpeg_lossless(data: bytes) -> bytes:
    import tempfile
    from pathlib import Path

    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.dcm"), Path(folder, "out.dcm")
        source.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return target.read_bytes()


def seeds() -> dict[str, bytes]:
    """Every kind once, and the transfer syntaxes on some of them."""
    made = {f"nm {kind.lower()}": as_bytes(nm(kind)) for kind in NM_KINDS}
    made |= {"pt": as_bytes(pt()), "ct": as_bytes(ct())}
    made |= {f"nm {s}": as_bytes(nm("STATIC"), s) for s in SYNTAXES if s != "explicit"}
    made |= {"pt implicit": as_bytes(pt(), "implicit"), "pt jpeg-ls": as_bytes(pt(), "jpeg-ls")}
    return made

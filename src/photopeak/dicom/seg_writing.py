"""A reading's masks as DICOM Segmentation: binary, one file a view, on the pixels of the image they were read from.

highdicom takes no multi-frame image without 3-D geometry, so it is given the view's frame as a stand-in of its own (a
Secondary Capture of the same series); the references to the true image and its frame are put back after.
"""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from photopeak import __version__
from photopeak.core import Mask, PhotopeakError
from photopeak.core.reading import Reading
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.modules import new_uid
from photopeak.dicom.sr_writing import check_source, frame_of

if TYPE_CHECKING:
    import highdicom as hd

STRUCTURE = codes.Concept("91723000", "SCT", "Anatomical Structure")
ABNORMAL = codes.Concept("49755003", "SCT", "Morphologically Abnormal Structure")


def write_segmentation(reading: Reading, source: Dataset, mask: Mask, view: str, path: Path) -> Path:
    """Write one segment for each named number that ``mask`` has in a view; whole or not at all."""
    check_source(reading, source)
    segmentation = segmentation_of(reading, source, mask, view)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    segmentation.save_as(work)
    work.replace(path)
    return path


def segmentation_of(reading: Reading, source: Dataset, mask: Mask, view: str) -> hd.seg.Segmentation:
    """The segmentation of one view as a dataset."""
    import highdicom as hd

    plane = _plane(mask, view, source)
    present = [n for n in mask.names if (plane == n).any()]
    if not present:
        raise PhotopeakError(f"the mask marks nothing in the {view} view, so there is nothing to write.")
    names = [mask.names[n] for n in present]
    key = (reading.series_uid, reading.weights_sha256, str(source.SOPInstanceUID), view, ",".join(names))
    segmentation = hd.seg.Segmentation(
        source_images=[_stand_in(source, view)],
        pixel_array=np.stack([plane == n for n in present], axis=-1).astype(np.uint8)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(i, name, reading) for i, name in enumerate(names, 1)],
        series_instance_uid=new_uid("seg series", *key),
        series_number=9002,
        sop_instance_uid=new_uid("seg", *key),
        instance_number=1,
        manufacturer="Photopeak",
        manufacturer_model_name="Photopeak",
        software_versions=__version__,
        device_serial_number="none",
        series_description=f"Photopeak segmentation, {view}, unverified",
    )
    _put_back(segmentation, source, view)
    return segmentation


def _plane(mask: Mask, view: str, source: Dataset) -> UInt8[np.ndarray, "row column"]:
    """The mask of one view, which must fit the source."""
    shape = (int(source.get("NumberOfFrames", 1)), source.Rows, source.Columns)
    labels = mask.grid.axes[0].labels
    if mask.values.shape != shape or view not in labels:
        raise PhotopeakError(
            f"the mask is {mask.values.shape} with the views {', '.join(labels)}; the image is {shape} and its {view} "
            "view is wanted. Remedy: give the file that was read."
        )
    return np.asarray(mask.values[labels.index(view)], np.uint8)


def _stand_in(source: Dataset, view: str) -> Dataset:
    """One frame as an image of its own, which only highdicom sees."""
    from pydicom.dataset import FileMetaDataset

    one = Dataset()
    for element in source:
        if element.tag.group in (0x0008, 0x0010, 0x0020) and element.VR != "SQ":
            one.add(copy(element))  # an element is shared by datasets, and the source's must stay
    one.Rows, one.Columns = source.Rows, source.Columns
    one.PixelSpacing = source.get("PixelSpacing")
    one.SOPClassUID = SecondaryCaptureImageStorage
    one.SOPInstanceUID = new_uid("stand-in", str(source.SOPInstanceUID), view)
    one.InstanceNumber = 1
    one.PatientOrientation = []
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    return one


def _put_back(segmentation: Any, source: Dataset, view: str) -> None:
    """The references to the stand-in become references to the image's frame."""
    for item in segmentation.PerFrameFunctionalGroupsSequence:
        for derivation in item.get("DerivationImageSequence", []):
            for reference in derivation.SourceImageSequence:
                _refer(reference, source)
                if int(source.get("NumberOfFrames", 1)) > 1:
                    reference.ReferencedFrameNumber = frame_of(view, source)
    for series in segmentation.get("ReferencedSeriesSequence", []):
        for reference in series.ReferencedInstanceSequence:
            _refer(reference, source)
    segmentation.PatientOrientation = []


def _refer(reference: Dataset, source: Dataset) -> None:
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID


def _segment(number: int, name: str, reading: Reading) -> hd.seg.SegmentDescription:
    import highdicom as hd

    kind, _, region = name.partition(": ")
    lesion = kind in codes.FINDINGS
    where, _ = codes.site(region if lesion else name)  # the side stands in the label
    kind_code = codes.FINDINGS[kind] if lesion else where
    anatomy = [_code(where)] if lesion else None
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=_code(ABNORMAL if lesion else STRUCTURE),
        segmented_property_type=_code(kind_code),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"Photopeak {reading.reader}"[:64],
            family=_code(codes.Concept("123110", "DCM", "Artificial Intelligence")),
            version=__version__,
        ),
        anatomic_regions=anatomy,
    )


def _code(concept: codes.Concept) -> hd.sr.CodedConcept:
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)

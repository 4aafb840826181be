"""A reading's masks as DICOM Segmentation: binary, one file a view, on the pixels of the image they were read from.

highdicom takes no multi-frame image without 3-D geometry, so it is given the view's frame as a stand-in of its own (a
Secondary Capture of the same series); the references to the true image and its frame are put back after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, UInt8
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from photopeak import __version__
from photopeak.core import Mask, PhotopeakError
from photopeak.core.reading import Reading
from photopeak.core.writing import whole_file
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.derived import header_of
from photopeak.dicom.modules import new_uid
from photopeak.dicom.reading_frames import Frame
from photopeak.dicom.sr_writing import Frames, check_source, coded, digest_of

if TYPE_CHECKING:
    import highdicom as hd

STRUCTURE = codes.Concept("91723000", "SCT", "Anatomical Structure")
ABNORMAL = codes.Concept("49755003", "SCT", "Morphologically Abnormal Structure")


def write_segmentation(reading: Reading, frames: Frames, mask: Mask, view: str, path: Path) -> Path:
    """Write one segment for each named number that ``mask`` has in a view; whole or not at all."""
    check_source(reading, frames)
    segmentation = segmentation_of(reading, frames, mask, view)
    with whole_file(path) as work:
        segmentation.save_as(work)
    return path


def segmentation_of(reading: Reading, frames: Frames, mask: Mask, view: str) -> hd.seg.Segmentation:
    """The segmentation of one view as a dataset."""
    frame = frames.get(view)
    plane = _plane(mask, view, frame)
    assert frame is not None
    present = [n for n in mask.names if (plane == n).any()]
    if not present:
        raise nothing_marked(view)
    names = [mask.names[n] for n in present]
    marked = hashlib.sha256(plane.tobytes()).hexdigest()
    return segmentation_on(
        frame,
        np.stack([plane == n for n in present]),
        [_segment(i, name, reading) for i, name in enumerate(names, 1)],
        key=(digest_of(reading), str(frame.source.SOPInstanceUID), view, marked, ",".join(names)),
        description=f"Photopeak segmentation, {view}, unverified",
    )


def nothing_marked(view: str) -> PhotopeakError:
    """Why a view without marks has no segmentation."""
    return PhotopeakError(
        f"the mask marks nothing in the {view} view, so there is nothing to write. "
        "Remedy: write the views that hold marks."
    )


def segmentation_on(
    frame: Frame,
    inside: Bool[np.ndarray, "segment row column"],
    segments: Sequence[hd.seg.SegmentDescription],
    key: tuple[str, ...],
    description: str,
) -> hd.seg.Segmentation:
    """Segments on one frame, which may overlap; ``key`` is all that its UIDs depend on."""
    import highdicom as hd

    segmentation = hd.seg.Segmentation(
        source_images=[_stand_in(frame)],
        pixel_array=np.moveaxis(inside, 0, -1).astype(np.uint8)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=new_uid("seg series", *key),
        series_number=9002,
        sop_instance_uid=new_uid("seg", *key),
        instance_number=1,
        manufacturer="Photopeak",
        manufacturer_model_name="Photopeak",
        software_versions=__version__,
        device_serial_number="none",
        series_description=description,
    )
    _put_back(segmentation, frame)
    _name_dimensions(segmentation, new_uid("dimensions", *key))
    return segmentation


def _name_dimensions(segmentation: Any, uid: str) -> None:
    """The dimensions' UID, which highdicom draws by lot, so that the same segments are the same bytes."""
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _plane(mask: Mask, view: str, frame: Frame | None) -> UInt8[np.ndarray, "row column"]:
    """The mask of one view, which must fit its frame."""
    labels = mask.grid.labels("view")
    shape = None if frame is None else (frame.source.Rows, frame.source.Columns)
    if frame is None or view not in labels or mask.values.shape[1:] != shape:
        raise PhotopeakError(
            f"the mask has {mask.values.shape[1:]} pixels and the views {', '.join(labels)}; the {view} view is "
            f"wanted, whose frame has {shape or 'not been given'}. Remedy: give the file that was read."
        )
    return np.asarray(mask.values[labels.index(view)], np.uint8)


def _stand_in(frame: Frame) -> Dataset:
    """One frame as an image of its own, which only highdicom sees."""
    from pydicom.dataset import FileMetaDataset

    source, one = frame.source, header_of(frame.source)
    one.Rows, one.Columns = source.Rows, source.Columns
    one.PixelSpacing = source.get("PixelSpacing")
    one.SOPClassUID = SecondaryCaptureImageStorage
    one.SOPInstanceUID = new_uid("stand-in", str(source.SOPInstanceUID), str(frame.number))
    one.InstanceNumber = 1
    one.PatientOrientation = []
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    return one


def _put_back(segmentation: Any, frame: Frame) -> None:
    """The references to the stand-in become references to the image's frame."""
    for item in segmentation.PerFrameFunctionalGroupsSequence:
        for derivation in item.get("DerivationImageSequence", []):
            for reference in derivation.SourceImageSequence:
                _refer(reference, frame.source)
                if frame.number is not None:
                    reference.ReferencedFrameNumber = frame.number
    for series in segmentation.get("ReferencedSeriesSequence", []):
        for reference in series.ReferencedInstanceSequence:
            _refer(reference, frame.source)
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
    anatomy = [coded(where)] if lesion else None
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=coded(ABNORMAL if lesion else STRUCTURE),
        segmented_property_type=coded(kind_code),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=network(f"Photopeak {reading.reader}"),
        anatomic_regions=anatomy,
    )


def network(name: str) -> hd.AlgorithmIdentificationSequence:
    """A network, as a segment names what made it."""
    import highdicom as hd

    return hd.AlgorithmIdentificationSequence(
        name=name[:64],
        family=coded(codes.Concept("123110", "DCM", "Artificial Intelligence")),
        version=__version__,
    )

"""Regions from files of every kind lie where they were drawn; what is not known to lie there is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from photopeak.core import Acquisition, Grid, Image, Mask, Patient, PhotopeakError, Study, scaling
from photopeak.dicom import save, write
from photopeak.dicom.labels import read_labels, regions_on

GRID = Grid.volume((5, 6, 7), scaling((4.8, 4.8, 4.8), (-10.0, -5.0, 30.0)), "1.2.3")
WHO = Patient("P1", "HERE", "Virtual^1", "F")


def halves() -> np.ndarray:
    label = np.zeros((8, 12, 14), np.uint8)
    label[:4, 3:9, 2:7], label[4:, 3:9, 7:12] = 1, 2
    return label


FINE = Grid.volume((8, 12, 14), scaling((2.4, 2.4, 3.0), (-11.2, -6.2, 28.5)), "1.2.3")


def test_a_segmentation_drawn_on_a_ct_is_taken_to_the_images_voxels(tmp_path):
    ct = Study({"ct": Image(np.zeros(FINE.shape, np.float32), FINE, "[hnsf'U]")}, WHO, Acquisition("CT"))
    slices = [pydicom.dcmread(p) for p in sorted(write(ct, tmp_path / "ct").iterdir())]
    kidney = highdicom.seg.SegmentDescription
    described = [
        kidney(k, name, codes.SCT.Organ, codes.SCT.Kidney, "MANUAL")
        for k, name in ((1, "left kidney"), (2, "right kidney"))
    ]
    segments = highdicom.seg.Segmentation(
        slices, halves(), "BINARY", described, highdicom.UID(), 1, highdicom.UID(), 1, "Photopeak", "tests", "0", "1"
    )
    segments.save_as(tmp_path / "seg.dcm")
    dense = Grid.volume((30, 30, 34), scaling((1.0, 1.0, 1.0), (-12.0, -7.0, 27.0)), "1.2.3")
    found = regions_on(dense, tmp_path / "seg.dcm")
    for name, number in (("left kidney", 1), ("right kidney", 2)):
        where, drawn = found[name], halves() == number
        assert float(where.sum()) == pytest.approx(float(drawn.sum()) * 2.4 * 2.4 * 3.0, rel=0.1)
        places = [np.argwhere(v).mean(0)[::-1] for v in (where, drawn)]
        mm = [g.matrix_mm[:3, :3] @ p + g.matrix_mm[:3, 3] for g, p in zip((dense, FINE), places, strict=True)]
        assert mm[0] == pytest.approx(mm[1], abs=0.6)
    with pytest.raises(PhotopeakError, match="not known to be aligned"):
        regions_on(Grid(GRID.axes, GRID.affine_mm, "9.9"), tmp_path / "seg.dcm")


def test_masks_that_save_wrote_are_regions(tmp_path):
    mask = Mask((np.indices(GRID.shape)[0] > 2).astype(np.uint8), GRID, {1: "upper"})
    (path,) = save(Study({"truth/regions": mask}), tmp_path)
    assert np.array_equal(regions_on(GRID, path)["upper"], mask.values > 0)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for name in ("broken.safetensors", "missing.dcm"):
        with pytest.raises(PhotopeakError, match="Remedy"):
            regions_on(GRID, tmp_path / name)


def nifti(path: Path, values: np.ndarray, sform: bool = True, slope: float = 0.0) -> Path:
    """A label image as segmentation programs write it: x to the right, y to the front."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *values.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<h", header, 70, 4)
    struct.pack_into("<8f", header, 76, 1.0, 2.0, 2.0, 2.0, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352.0, slope, 0.0)
    struct.pack_into("<2h", header, 252, 0 if sform else 1, 1 if sform else 0)
    struct.pack_into("<6f", header, 256, 0.0, 0.0, 0.0, -7.0, -7.0, 0.0)
    struct.pack_into("<12f", header, 280, 2, 0, 0, -7, 0, 2, 0, -7, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    data = bytes(header) + values.astype("<i2").tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def table(folder: Path, text: str = "number,name\n1,left precuneus\n3,cerebellar cortex\n") -> Path:
    (folder / "names.csv").write_text(text, encoding="utf-8")
    return folder / "names.csv"


@pytest.mark.parametrize(("name", "sform"), [("a.nii", True), ("b.nii.gz", True), ("c.nii", False)])
def test_nifti_labels_lie_where_dicom_has_them(tmp_path, name, sform):
    values = np.zeros((4, 6, 8), np.int16)
    values[3, 5, 0] = 1  # up, in front, at the left: NIfTI's x and y run to the right and to the front
    (found,) = read_labels(nifti(tmp_path / name, values, sform), table(tmp_path))
    assert found.names[3] == "cerebellar cortex"
    place = found.grid.matrix_mm @ [*np.argwhere(found.of("left precuneus"))[0][::-1], 1.0]
    assert place[:3] == pytest.approx([7.0, -3.0, 6.0])  # DICOM: to the left, to the back, up


def test_broken_labels_are_refused(tmp_path):
    values = np.ones((2, 2, 2), np.int16)
    whole = nifti(tmp_path / "whole.nii", values)
    cases = {
        "without names": (whole, None),
        "cannot be read": (whole, table(tmp_path, "number,name\none,left precuneus\n")),
    }
    for words, (path, names) in cases.items():
        with pytest.raises(PhotopeakError, match=words):
            read_labels(path, names)
    names = table(tmp_path)
    (tmp_path / "short.nii").write_bytes(whole.read_bytes()[:-4])
    (tmp_path / "none.nii").write_bytes(b"nothing")
    (tmp_path / "torn.nii.gz").write_bytes(gzip.compress(whole.read_bytes())[:40])
    (tmp_path / "odd.txt").write_text("")
    lost = bytearray(whole.read_bytes())
    struct.pack_into("<2h", lost, 252, 0, 0)
    (tmp_path / "lost.nii").write_bytes(bytes(lost))
    for name, words in {
        "short.nii": "cannot be read", "none.nii": "cannot be read", "torn.nii.gz": "cannot be read",
        "odd.txt": "no segmentation", "lost.nii": "where it lies",
    }.items():  # fmt: skip
        with pytest.raises(PhotopeakError, match=words):
            read_labels(tmp_path / name, names)
    with pytest.raises(PhotopeakError, match="not scaled"):
        read_labels(nifti(tmp_path / "scaled.nii", values, slope=2.0), names)


def test_nifti_is_taken_to_the_images_voxels_whatever_their_frame(tmp_path):
    values = np.zeros((4, 6, 8), np.int16)
    values[2:, :, :4] = 1
    path, names = nifti(tmp_path / "a.nii", values), table(tmp_path)
    (mask,) = read_labels(path, names)
    own = Grid(mask.grid.axes, mask.grid.affine_mm, "1.2.3")
    assert np.array_equal(regions_on(own, path, names)["left precuneus"], values == 1)

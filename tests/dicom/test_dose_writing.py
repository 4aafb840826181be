"""RT Dose: what is read back is what was written, in Gy and in its place; and regions that are taken from files."""

from __future__ import annotations

import datetime as dt
import subprocess

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from photopeak.core import Acquisition, Grid, Image, Mask, Patient, PhotopeakError, Study, scaling
from photopeak.dicom import save, write
from photopeak.dicom.dose_writing import write_dose
from photopeak.dicom.labels import read_labels

GRID = Grid.volume((5, 6, 7), scaling((4.8, 4.8, 4.8), (-10.0, -5.0, 30.0)), "1.2.3")
MADE = Acquisition(modality="NM", started_at=dt.datetime(2026, 3, 1, 12, 0), facts={"ActualFrameDuration": 9.0})
WHO = Patient("P1", "HERE", "Virtual^1", "F")


def dose(values: np.ndarray, grid: Grid = GRID) -> Study:
    return Study({"dose": Image(values, grid, "Gy")}, WHO, MADE)


def test_rt_dose_is_read_back_in_gray(tmp_path, dciodvfy):
    gy = np.random.default_rng(1).gamma(2.0, 3.0, GRID.shape).astype(np.float32)
    path = write_dose(dose(gy), tmp_path / "dose.dcm", "Lu-177, 4 scans, kernel")
    ds = pydicom.dcmread(path)
    assert ds.pixel_array * float(ds.DoseGridScaling) == pytest.approx(gy, abs=float(gy.max()) / 65535)
    assert [float(v) for v in ds.ImagePositionPatient] == [-10.0, -5.0, 30.0]
    assert [float(v) for v in ds.GridFrameOffsetVector] == pytest.approx([4.8 * k for k in range(5)])
    assert (ds.DoseUnits, ds.DoseType, ds.FrameOfReferenceUID) == ("GY", "PHYSICAL", "1.2.3")
    checked = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in checked.stderr, checked.stderr
    again = write_dose(dose(gy), tmp_path / "again.dcm", "Lu-177, 4 scans, kernel")
    assert path.read_bytes() == again.read_bytes()


def test_what_is_no_dose_is_refused(tmp_path):
    with pytest.raises(PhotopeakError, match="negative"):
        write_dose(dose(np.full(GRID.shape, -1.0)), tmp_path / "d.dcm", "")
    upside = Grid.volume(GRID.shape, scaling((4.8, 4.8, -4.8)), "1.2.3")
    with pytest.raises(PhotopeakError, match="axes"):
        write_dose(dose(np.ones(GRID.shape), upside), tmp_path / "d.dcm", "")


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
    found = read_labels(tmp_path / "seg.dcm", dense)
    for name, number in (("left kidney", 1), ("right kidney", 2)):
        where, drawn = found[name], halves() == number
        assert float(where.sum()) == pytest.approx(float(drawn.sum()) * 2.4 * 2.4 * 3.0, rel=0.1)
        places = [np.argwhere(v).mean(0)[::-1] for v in (where, drawn)]
        mm = [g.matrix_mm[:3, :3] @ p + g.matrix_mm[:3, 3] for g, p in zip((dense, FINE), places, strict=True)]
        assert mm[0] == pytest.approx(mm[1], abs=0.6)
    with pytest.raises(PhotopeakError, match="not known to be aligned"):
        read_labels(tmp_path / "seg.dcm", Grid(GRID.axes, GRID.affine_mm, "9.9"))


def test_masks_that_save_wrote_are_regions(tmp_path):
    mask = Mask((np.indices(GRID.shape)[0] > 2).astype(np.uint8), GRID, {1: "upper"})
    (path,) = save(Study({"truth/regions": mask}), tmp_path)
    assert np.array_equal(read_labels(path, GRID)["upper"], mask.values > 0)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for name in ("broken.safetensors", "missing.dcm"):
        with pytest.raises(PhotopeakError, match="Remedy"):
            read_labels(tmp_path / name, GRID)

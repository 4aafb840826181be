"""RT Dose: what is read back is what was written, in Gy and in its place."""

from __future__ import annotations

import datetime as dt
import subprocess

import numpy as np
import pydicom
import pytest

from photopeak.core import Acquisition, Grid, Image, Patient, PhotopeakError, Study, scaling
from photopeak.dicom.dose_writing import write_dose

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

"""Graphical analysis gives back the rates of the compartments that made the curves."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Acquisition, Axis, Grid, Image, Patient, PhotopeakError, Radiopharmaceutical, Study, scaling
from photopeak.core.step import run
from photopeak.dicom import write
from photopeak.physics.kinetics import TwoTissue, feng_input, frame_means
from photopeak.quantify.graphical import Logan, Patlak, logan, patlak, read_curve

TIME = np.concatenate([np.arange(0, 2, 0.01), np.arange(2, 10, 0.05), np.arange(10, 95.01, 0.25)])
STARTS = np.concatenate([np.arange(0, 2, 0.25), np.arange(2, 10, 1.0), np.arange(10, 90, 5.0)])
LASTS = np.diff(np.append(STARTS, 90.0))
PLASMA = 1e3 * feng_input(TIME)
TRAPPED = [TwoTissue(0.1, 0.13, 0.06), TwoTissue(0.05, 0.11, 0.02, blood=0.05)]
BACK = [TwoTissue(0.2, 0.1), TwoTissue(0.15, 0.2, 0.05, 0.08)]


def frames(models: list[TwoTissue]) -> np.ndarray:
    return np.stack([frame_means(TIME, m.response(TIME, PLASMA), STARTS, LASTS) for m in models], 1)


def test_patlaks_slope_is_the_net_influx():
    slope, intercept = patlak(frames(TRAPPED), STARTS, LASTS, (TIME, PLASMA), 30.0)
    assert slope == pytest.approx([(1 - m.blood) * m.net_influx for m in TRAPPED], rel=0.02)
    assert (intercept > 0).all()


def test_logans_slope_is_the_volume_of_distribution():
    values = np.concatenate([frames(BACK), np.zeros((len(STARTS), 1))], 1)
    volume = logan(values, STARTS, LASTS, (TIME, PLASMA), 40.0)
    assert volume[:2] == pytest.approx([m.volume for m in BACK], rel=0.03)
    assert volume[2] == 0.0


@pytest.fixture
def series(tmp_path: Path) -> tuple[Study, Path]:
    """A dynamic PET of two tissues, with its input in a file."""
    values = np.repeat(frames(TRAPPED)[:, :, None, None], 3, 2).repeat(4, 3)  # (frame, z, y, x)
    grid = Grid.volume((2, 3, 4), scaling((4.0, 4.0, 4.0)), "1.2.3")
    axis = Axis("time", len(STARTS), values=tuple(float(60 * s) for s in STARTS), unit="s")
    noon = dt.datetime(2026, 3, 1, 12)
    acquisition = Acquisition(
        modality="PT",
        started_at=noon,
        radiopharmaceuticals=(Radiopharmaceutical("FDG", "F-18", 300.0, noon, 6586.2),),
        decay_correction="START",
        decay_reference=noon,
        facts={"ActualFrameDuration": [float(60e3 * d) for d in LASTS for _ in range(2)]},
    )
    image = Image(values.astype(np.float32), Grid((axis, *grid.axes), grid.affine_mm, grid.frame), "Bq/ml")
    curve = tmp_path / "input.csv"
    rows = [f"{t},{c}" for t, c in zip(TIME, PLASMA, strict=True)]
    curve.write_text("\n".join(["time_min,bq_per_ml", *rows]), encoding="utf-8")
    return Study({"activity": image}, Patient("P1"), acquisition), curve


def test_the_steps_work_on_a_dynamic_series_and_after_dicom(series, tmp_path: Path):
    study, curve = series
    done = run(Logan(curve), run(Patlak(curve, 30.0), study))
    ki = done["patlak/ki"]
    assert ki.unit == "1/min"
    assert ki.grid.names == ("z", "y", "x")
    assert ki.values[0] == pytest.approx(TRAPPED[0].net_influx, rel=0.02)
    assert done["logan/vt"].values.shape == (2, 3, 4)
    write(study, tmp_path / "pet")
    told = CliRunner().invoke(root, ["patlak", str(tmp_path / "pet"), "--input-csv", str(curve), "--start-min", "30"])
    assert told.exit_code == 0, told.output
    assert "patlak/ki: image 2×3×4" in told.output


def test_what_is_missing_is_refused_by_name(series, tmp_path: Path):
    study, curve = series
    with pytest.raises(PhotopeakError, match="--start-min"):
        run(Patlak(curve, 85.0), study)
    with pytest.raises(PhotopeakError, match="input-csv"):
        run(Patlak(tmp_path / "none.csv"), study)
    (tmp_path / "odd.csv").write_text("t,c\n0,1\n")
    with pytest.raises(PhotopeakError, match="time_min"):
        read_curve(tmp_path / "odd.csv")
    still = Image(study["activity"].values[0], study["activity"].grid.without("time"), "Bq/ml")
    with pytest.raises(PhotopeakError, match="time frames"):
        run(Patlak(curve), Study({"activity": still}, study.patient, study.acquisition))

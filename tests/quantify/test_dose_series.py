"""From counts on two days to a table of doses and RT Dose, by command, against what the patient received."""

from __future__ import annotations

import csv
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import PhotopeakError, Study
from photopeak.dicom import read, write
from photopeak.dicom.cohort import write_case
from photopeak.patients.protocol import Streams
from photopeak.patients.therapy import Lu177Therapy, truth_of
from photopeak.quantify.absorbed_dose import serial
from photopeak.quantify.dose_series import gathered, in_words
from photopeak.quantify.region_dose import Uncertain, region_doses
from photopeak.recipes.therapy_dose import with_activity

pytestmark = pytest.mark.timeout(400)  # two simulated SPECT/CT and their reconstructions
HOURS = (24.0, 120.0)


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Path:
    """A folder with one reconstruction for each day, a CT and the truth."""
    folder, who, told = tmp_path_factory.mktemp("series"), None, None
    for hours in HOURS:
        protocol = Lu177Therapy(hours=hours, views=4, matrix=64, seconds=900.0)
        if who is None or told is None:
            who = protocol.treated(protocol.plans(1, 7)[0], Streams(7, 0))
            told = truth_of(who, 1, photons=20_000)
        case = protocol.scanned(who, told, Streams(7, 0))
        if hours == HOURS[0]:
            write_case(case.study, case.documents, folder / "case", case.image)
        done = with_activity(case.study, who.field.camera, 6)
        write(done.only("activity"), folder / "days" / f"{hours:g}.dcm")
    return folder


@pytest.fixture(scope="module")
def dosed(series: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out")
    done = CliRunner().invoke(
        root,
        [
            *("dose", str(series / "days"), str(series / "case" / "ct"), "--calibration-sd", "0.04"),
            *("--regions", str(series / "case" / "volumes.safetensors"), "--out", str(out)),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "left kidney" in done.output
    return out


def test_doses_are_those_of_the_truth_but_for_partial_volume(series, dosed):
    told = json.loads((dosed / "dose.json").read_text())
    true = json.loads((series / "case" / "truth.json").read_text())["regions"]
    ratio = {r["region"]: r["mean_gy"] / true[r["region"]]["dose_gy"] for r in told["regions"]}
    assert told["hours"] == list(HOURS)
    assert told["mass_from"] == "ct"
    assert ratio["spleen"] == pytest.approx(0.95, abs=0.15)
    assert ratio["liver"] == pytest.approx(1.15, abs=0.2)  # hot tumours in it blur into it
    for side in ("left", "right"):
        assert 0.6 < ratio[f"{side} kidney"] < 1.1
    tumours = {r: true[r]["volume_ml"] for r in ratio if r.startswith("tumour")}
    largest, smallest = max(tumours, key=tumours.__getitem__), min(tumours, key=tumours.__getitem__)
    assert 0.7 < ratio[largest] < 1.25
    assert ratio[smallest] < 0.9
    lives = {r["region"]: r["half_life_h"] / true[r["region"]]["half_life_h"] for r in told["regions"]}
    assert lives["spleen"] == pytest.approx(1.0, abs=0.05)
    assert lives["left kidney"] == pytest.approx(1.0, abs=0.1)


def test_the_table_says_how_sure_it_is(dosed):
    with (dosed / "dose.csv").open(newline="") as f:
        rows = {r["region"]: r for r in csv.DictReader(f)}
    kidney, liver = rows["left kidney"], rows["liver"]
    assert float(kidney["bed_gy"]) > float(kidney["mean_gy"])
    assert liver["bed_gy"] == ""
    for row in rows.values():
        assert float(row["d2_gy"]) >= float(row["d50_gy"]) > 0
        assert float(row["sd_gy"]) >= 0.039 * float(row["mean_gy"])
        assert float(row["gy_per_gbq"]) == pytest.approx(float(row["mean_gy"]) / 7.4, rel=0.05)


def test_the_table_is_readable(dosed):
    head, *lines = in_words(dosed)
    assert head.split()[:4] == ["region", "ml", "MBq·h", "T½"]
    assert len({len(line) for line in lines}) == 1
    (liver,) = (line for line in lines if line.startswith("liver"))
    with (dosed / "dose.csv").open(newline="") as f:
        mean = next(r["mean_gy"] for r in csv.DictReader(f) if r["region"] == "liver")
    assert f"{float(mean):.4g}" in liver.split()


def test_a_region_without_activity_is_named(series):
    study, _ = gathered(days(series))
    one = serial(study)
    empty = replace(one, values=np.zeros_like(one.values))
    maps = (np.ones(one.grid.shape, np.float32),) * 3
    where = np.zeros(one.grid.shape, bool)
    where[:10] = True
    with pytest.raises(PhotopeakError, match="region 'left lung': times must grow"):
        region_doses(empty, maps, {"left lung": where}, "mono", Uncertain())


def test_rt_dose_is_in_gray_and_beside_the_ct(series, dosed, dciodvfy):
    ds = pydicom.dcmread(dosed / "dose.dcm")
    assert ds.Modality == "RTDOSE"
    assert ds.DoseUnits == "GY"
    gy = ds.pixel_array * float(ds.DoseGridScaling)
    told = json.loads((dosed / "dose.json").read_text())
    assert float(gy.max()) == pytest.approx(max(r["max_gy"] for r in told["regions"]), rel=0.5)
    assert gy.shape[0] == len(ds.GridFrameOffsetVector)
    (ct,) = read(series / "case" / "ct")
    assert ct["ct"].grid.frame == ds.FrameOfReferenceUID  # type: ignore[union-attr]
    checked = subprocess.run([dciodvfy, str(dosed / "dose.dcm")], capture_output=True, text=True, check=False)
    assert "Error" not in checked.stderr, checked.stderr
    assert (dosed / "dose.png").stat().st_size > 20_000


def days(series: Path) -> list[Study]:
    return [s for path in sorted((series / "days").iterdir()) for s in read(path)]


def test_series_that_do_not_belong_together_are_refused(series):
    scans = days(series)
    other = Study(scans[0], scans[0].patient, scans[1].acquisition, ())
    with pytest.raises(PhotopeakError, match="two scans"):
        gathered(scans[:1])
    stranger = Study(other, replace(other.patient, patient_id="SOMEBODY"), other.acquisition, ())
    with pytest.raises(PhotopeakError, match="PatientID"):
        gathered([scans[0], stranger])
    (tracer,) = scans[1].acquisition.radiopharmaceuticals
    again = replace(scans[1].acquisition, radiopharmaceuticals=(replace(tracer, nuclide="Y-90"),))
    with pytest.raises(PhotopeakError, match="another injection"):
        gathered([scans[0], Study(scans[1], scans[1].patient, again, ())])
    image = scans[1]["activity"]
    elsewhere = replace(image, grid=replace(image.grid, frame="9.9"))  # type: ignore[type-var]
    with pytest.raises(PhotopeakError, match="frame of reference"):
        gathered([scans[0], Study({"activity": elsewhere}, scans[1].patient, scans[1].acquisition, ())])
    counts = Study({"counts": replace(image, unit="{counts}")}, scans[1].patient, scans[1].acquisition, ())  # type: ignore[type-var]
    with pytest.raises(PhotopeakError, match="cps-per-mbq"):
        gathered([scans[0], counts])
    times = gathered(scans)[0]["activity"].grid.axis("time").values  # type: ignore[union-attr]
    assert [round(t / 3600.0) for t in times] == [0, 96]

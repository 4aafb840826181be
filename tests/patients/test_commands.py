"""``photopeak simulate``: a cohort on disk, resumable, the same on a cluster."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.core import Acquisition, Grid, Image, Patient, Study
from photopeak.dicom.cohort import Cohort
from photopeak.patients import commands
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.commands import draw_sheet, patient_folder, simulate, simulate_cohort, specification
from photopeak.patients.protocol import Case, Clinic
from photopeak.patients.thyroid import Thyroid


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort")
    simulate_cohort(Clinic(Thyroid(), 3, 7), out, quiet=True)
    return out


def test_command_writes_cohort_and_sheet(tmp_path):
    result = CliRunner().invoke(simulate, ["thyroid", "--patients", "2", "--seed", "7", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "2 patients, 2 images" in result.output
    assert {p.name for p in tmp_path.iterdir()} >= {"cohort.csv", "cohort.json", "contact-sheet.png", "thyroid-7-00001"}


def test_help_lists_protocols_and_their_fields():
    assert "thyroid" in CliRunner().invoke(simulate, ["--help"]).output
    assert "--diagnosis" in CliRunner().invoke(simulate, ["thyroid", "--help"]).output


def test_a_killed_run_is_resumed_and_ends_the_same(folder, tmp_path):
    whole = json.loads((folder / "cohort.json").read_text())
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    shutil.rmtree(half / "thyroid-7-00001")
    (half / "cohort.json").unlink()
    before = (half / "thyroid-7-00002" / "planar.dcm").stat().st_mtime_ns
    again = simulate_cohort(Clinic(Thyroid(), 3, 7), half, quiet=True)
    assert again == whole
    assert (half / "thyroid-7-00002" / "planar.dcm").stat().st_mtime_ns == before
    kept = (folder / "thyroid-7-00001" / "planar.dcm").read_bytes()
    assert (half / "thyroid-7-00001" / "planar.dcm").read_bytes() == kept


def test_patients_of_another_specification_are_made_anew(folder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    other = simulate_cohort(Clinic(Thyroid(minutes=4.0), 3, 7), half, quiet=True)
    assert other["fingerprint"] != json.loads((folder / "cohort.json").read_text())["fingerprint"]


def test_specification_tells_settings_apart():
    a, b = (specification(Clinic(Thyroid(minutes=m), 2, 7)) for m in (4.0, 8.0))
    assert a != b
    assert patient_folder(a, 3) == "thyroid-7-00003"


def test_sheet_is_drawn_from_the_files(folder):
    assert draw_sheet(folder).stat().st_size > 10_000


def test_a_simulated_bone_scan_is_a_valid_dicom_file(tmp_path, dciodvfy):
    simulate_cohort(Clinic(BoneScan(mix="M&A=1"), 1, 7), tmp_path, quiet=True)
    folder = tmp_path / "bone-scan-7-00000"
    for name in ("planar.dcm", "truth.safetensors", "truth.json", "report.txt", "reader1.json", "reader3.json"):
        assert (folder / name).is_file()
    run = subprocess.run([dciodvfy, "-new", str(folder / "planar.dcm")], capture_output=True, text=True, check=False)
    assert not [line for line in run.stderr.splitlines() if line.startswith("Error")]
    study = Cohort(tmp_path)[0]
    assert study["counts"].grid.labels("view") == ("anterior", "posterior")
    assert study.acquisition.scan_velocity_mm_s == pytest.approx(
        study.acquisition.scan_length_mm / study.acquisition.duration_s, rel=1e-3
    )
    assert "simulate bone-scan" in [r.step for r in study.history]


@dataclass(frozen=True)
class Plain:
    """The least a protocol may say: no age, no labels."""

    name: ClassVar[str] = "plain"
    default_patients: ClassVar[int] = 2

    def plans(self, patients, seed):
        return (None,) * patients

    def case(self, plan, streams):
        grid = Grid.planar(("anterior",), (32, 32), (4.8, 4.8))
        counts = Image(streams("counts").poisson(9.0, grid.shape).astype(np.uint16), grid, "{counts}")
        acquisition = Acquisition(modality="NM", kind="STATIC")
        study = Study({"counts": counts}, Patient(f"plain-{streams.patient}"), acquisition)
        return Case(study, ({"view": "anterior"},))


def test_the_least_a_protocol_may_say_is_enough(tmp_path):
    made = simulate_cohort(Clinic(Plain(), 2, 1), tmp_path, quiet=True)
    assert made["images"] == 2
    assert draw_sheet(tmp_path).is_file()
    assert [(r.patient_id, r.study, r.label_m) for r in Cohort(tmp_path).rows] == [
        ("plain-1-00000", "1", None),
        ("plain-1-00001", "1", None),
    ]


def test_what_stays_in_memory_is_the_index_alone(tmp_path):
    clinic = Clinic(Plain(), 1, 1)
    spec = specification(clinic)
    ((_, kept),) = commands._made(clinic, tmp_path, spec, [0], None)
    assert set(kept) == {"counts_sha256", "rows"}
    assert commands._kept(tmp_path, spec, 0) == kept

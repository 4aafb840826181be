"""The shipped reader on virtual patients at the frozen difficulty, and what it must refuse."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.classify.reader import ReadBoneScan, load_model, read_scans
from photopeak.classify.scans import Scans, scans_of
from photopeak.classify.views import whole_body
from photopeak.cli import root
from photopeak.core import Axis, Grid, Image, PhotopeakError, Study
from photopeak.core.contracts import check_step
from photopeak.core.step import run
from photopeak.dicom import write
from photopeak.dicom.validate import errors_of
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return Clinic(BoneScan(mix="N=1,M=1,A=1,M&A=1", difficulty=Difficulty.frozen()), patients=8, seed=77)


@pytest.fixture(scope="module")
def scans(clinic: Clinic) -> Scans:
    return scans_of(clinic, processes=1)


@pytest.fixture(scope="module")
def metastatic(clinic: Clinic, scans: Scans) -> Study:
    return clinic[scans.classes.index("M")]


def turned(study: Study, values: np.ndarray) -> Study:
    counts = study["counts"]
    assert isinstance(counts, Image)
    image = Image(np.ascontiguousarray(values), counts.grid, counts.unit)
    return Study({"counts": image}, study.patient, study.acquisition)


def test_virtual_patients_are_read_right(scans: Scans) -> None:
    read = read_scans(load_model(), scans.counts, scans.sexes, [float(a) for a in scans.age])
    right = [
        [(p > 0.5) == bool(truth) for p, truth in zip(r.probabilities, labels, strict=True)]
        for r, labels in zip(read, scans.labels, strict=True)
    ]
    assert np.mean(right) >= 0.85  # 2,000 fresh patients give more: results/R1
    assert not any(r.refused for r in read)


def test_lesions_lie_where_the_truth_has_them(scans: Scans) -> None:
    read = read_scans(load_model(), scans.counts, scans.sexes, [None] * len(scans))
    hit = total = 0
    for r, truth in zip(read, scans.lesions, strict=True):
        for lesion in r.lesions:
            v = ("anterior", "posterior").index(lesion.view)
            hit += bool(truth[v][lesion.mask].any())
            total += 1
    assert total > 10
    assert hit / total > 0.7


def test_the_step_keeps_its_contract_and_gives_masks_on_the_counts(metastatic: Study) -> None:
    done = check_step(ReadBoneScan(), metastatic.only("counts"))
    assert done["reader/regions"].grid == metastatic["counts"].grid
    found, truth = done["reader/regions"], metastatic["truth/regions"]
    for name in ("skull", "left pelvis", "right femur"):
        a, b = found.of(name), truth.of(name)
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.7
    assert done["reader/bsi"].value > 0
    assert done.history[-1].parameters["bundle"] == "bone-scan"


def test_what_is_the_wrong_way_round_is_told_and_not_read(metastatic: Study) -> None:
    values = np.asarray(metastatic["counts"].values)
    with pytest.raises(PhotopeakError, match="feet seem to be at the top"):
        run(ReadBoneScan(), turned(metastatic, values[:, ::-1, ::-1]))
    with pytest.raises(PhotopeakError, match="views seem to be exchanged"):
        run(ReadBoneScan(), turned(metastatic, values[::-1]))


def test_one_view_is_read_with_a_note(metastatic: Study) -> None:
    counts = metastatic["counts"]
    grid = dataclasses.replace(counts.grid, axes=(Axis("view", 1, labels=("posterior",)), *counts.grid.axes[1:]))
    one = Study({"counts": Image(counts.values[1:], grid, counts.unit)}, metastatic.patient, metastatic.acquisition)
    read = run(ReadBoneScan(), one)
    assert read["reader/flags"][0].flags == ("read from the posterior view alone",)
    assert read["reader/regions"].values.shape == (1, 1024, 256)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v * 0, "0 counts, too few"),
        (lambda v: np.minimum(v, 3), "counts are cut off"),
        (lambda v: np.random.default_rng(0).poisson(20, v.shape).astype(v.dtype), "hardly any background"),
    ],
)
def test_images_that_are_no_scan_are_refused(metastatic: Study, change: object, said: str) -> None:
    values = np.asarray(metastatic["counts"].values)
    with pytest.raises(PhotopeakError, match=said) as caught:
        run(ReadBoneScan(), turned(metastatic, change(values)))  # type: ignore[operator]
    assert "Remedy" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "pixel_mm", "said"),
    [
        ((256, 256), (2.4, 2.4), "256 × 256 pixels of 2.40 × 2.40 mm are no whole body"),
        ((1024, 256), (0.0, 0.0), "PixelSpacing"),
    ],
)
def test_a_matrix_that_holds_no_body_is_refused(
    metastatic: Study, size: tuple[int, int], pixel_mm: tuple[float, float], said: str
) -> None:
    values = np.asarray(metastatic["counts"].values)[:, : size[0]].sum(2, keepdims=True) // 64
    grid = Grid.planar(("anterior", "posterior"), size, pixel_mm)
    spread = np.concatenate((np.repeat(values, 64, 2), np.zeros((2, size[0], size[1] - 64), values.dtype)), 2)
    image = Image(np.ascontiguousarray(spread), grid, "{counts}")
    with pytest.raises(PhotopeakError, match=said):
        whole_body(Study({"counts": image}, metastatic.patient, metastatic.acquisition))


def test_pixels_that_are_not_square_are_made_so(metastatic: Study) -> None:
    values = np.asarray(metastatic["counts"].values)
    halved = values.reshape(2, 512, 2, 256).sum(2)  # rows twice as high
    grid = Grid.planar(("anterior", "posterior"), (512, 256), (4.8, 2.4))
    image = Image(np.ascontiguousarray(halved.astype(values.dtype)), grid, "{counts}")
    tall = whole_body(Study({"counts": image}, metastatic.patient, metastatic.acquisition)).both.astype(float)
    square = whole_body(metastatic).both.astype(float)
    assert tall.sum() == pytest.approx(square.sum(), rel=0.01)
    assert np.corrcoef(tall.ravel(), square.ravel())[0, 1] > 0.9


def test_other_examinations_are_refused(metastatic: Study) -> None:
    static = dataclasses.replace(metastatic.acquisition, kind="STATIC")
    with pytest.raises(PhotopeakError, match="takes whole-body scans"):
        whole_body(Study({"counts": metastatic["counts"]}, metastatic.patient, static))
    iodine = (dataclasses.replace(metastatic.acquisition.radiopharmaceuticals[0], nuclide="I-131"),)
    other = dataclasses.replace(metastatic.acquisition, radiopharmaceuticals=iodine)
    with pytest.raises(PhotopeakError, match="nuclide is I-131"):
        whole_body(Study({"counts": metastatic["counts"]}, metastatic.patient, other))


@pytest.mark.parametrize(
    ("pixel_mm", "rows", "columns"), [(2.4, 1024, 256), (2.4, 980, 240), (2.4, 1024, 320), (1.8, 1366, 342)]
)
def test_maps_come_back_to_the_images_own_pixels(metastatic: Study, pixel_mm: float, rows: int, columns: int) -> None:
    grid = Grid.planar(("anterior", "posterior"), (rows, columns), (pixel_mm, pixel_mm))
    values = np.zeros((2, rows, columns), np.uint16)
    y, x = round(500 * 2.4 / pixel_mm), columns // 2 + round(30 * 2.4 / pixel_mm)
    values[:, y - 8 : y + 8, x - 8 : x + 8] = np.random.default_rng(0).poisson(1000, (2, 16, 16))
    views = whole_body(Study({"counts": Image(values, grid, "{counts}")}, metastatic.patient))
    assert int(views.both.sum()) == pytest.approx(int(values.sum()), rel=0.01)
    back = views.to_image((views.both > 0).astype(np.uint8))
    spot = np.argwhere(back[0])
    assert back.shape == values.shape
    assert spot.mean(0) == pytest.approx((y - 0.5, x - 0.5), abs=1.5)


def test_the_command_writes_what_a_pacs_takes(metastatic: Study, tmp_path: Path, dciodvfy: str) -> None:
    write(metastatic.only("counts"), tmp_path / "scan.dcm")
    out = tmp_path / "out"
    done = CliRunner().invoke(root, ["read", str(tmp_path / "scan.dcm"), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["schema"] == "reading/1"
    assert said["judgements"][0]["answers"] == ["yes"]
    (folder,) = out.iterdir()
    names = {p.name for p in folder.iterdir()}
    assert {"reading.json", "reading.png", "report.dcm", "regions-anterior.dcm", "regions-posterior.dcm"} <= names
    for path in folder.glob("*.dcm"):
        assert errors_of(dciodvfy, str(path)) == []


def test_a_scan_that_cannot_be_read_leaves_nothing_and_an_error(metastatic: Study, tmp_path: Path) -> None:
    upside_down = turned(metastatic, np.asarray(metastatic["counts"].values)[:, ::-1, ::-1])
    write(upside_down, tmp_path / "scan.dcm")
    done = CliRunner().invoke(root, ["read", str(tmp_path / "scan.dcm"), "--out", str(tmp_path / "out")])
    assert "not read. the patient's feet" in done.output
    assert isinstance(done.exception, PhotopeakError)
    assert not (tmp_path / "out").exists()


def test_one_bad_file_does_not_keep_the_others_from_being_read(metastatic: Study, tmp_path: Path) -> None:
    write(metastatic.only("counts"), tmp_path / "b.dcm")
    (tmp_path / "a.dcm").write_bytes((tmp_path / "b.dcm").read_bytes()[:3000])
    done = CliRunner().invoke(root, ["read", str(tmp_path)])
    assert "metastasis" in done.output
    assert "a.dcm" in done.output
    assert isinstance(done.exception, PhotopeakError)


def test_views_in_two_files_and_files_in_a_zip_are_one_scan(metastatic: Study, tmp_path: Path, dciodvfy: str) -> None:
    counts = metastatic["counts"]
    for k, view in enumerate(("posterior", "anterior")):  # the order of files says nothing
        at = ("anterior", "posterior").index(view)
        grid = dataclasses.replace(counts.grid, axes=(Axis("view", 1, labels=(view,)), *counts.grid.axes[1:]))
        heads = metastatic.acquisition.detectors[at : at + 1]
        one = dataclasses.replace(metastatic.acquisition, detectors=heads, study_uid="1.2.3")
        study = Study({"counts": Image(counts.values[at : at + 1], grid, counts.unit)}, metastatic.patient, one)
        write(study, tmp_path / "two" / f"{k}.dcm")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as z:
        z.write(tmp_path / "two" / "0.dcm", "a/0.dcm")
        z.write(tmp_path / "two" / "1.dcm", "a/1.dcm")
    for path in (tmp_path / "two", tmp_path / "scan.zip"):
        out = tmp_path / f"out-{path.stem}"
        done = CliRunner().invoke(root, ["read", str(path), "--out", str(out), "--json"])
        assert done.exit_code == 0, done.output
        said = json.loads(done.stdout)
        assert not said["flags"]  # both views were read
        (folder,) = out.iterdir()
        assert (folder / "regions-anterior.dcm").exists()
        assert (folder / "regions-posterior.dcm").exists()
        assert errors_of(dciodvfy, str(folder / "report.dcm")) == []


def test_a_file_without_a_nuclide_is_read_with_a_note(metastatic: Study) -> None:
    bare = dataclasses.replace(metastatic.acquisition, radiopharmaceuticals=())
    read = run(ReadBoneScan(), Study({"counts": metastatic["counts"]}, metastatic.patient, bare))
    assert read["reader/flags"][0].flags == ("the file names no nuclide: taken for a Tc-99m bone scan",)


def test_another_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="no bundle is called"):
        load_model("nobody's")

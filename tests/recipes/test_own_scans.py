"""Somebody's own scans: readers' LabelMe files and plain tables, as labels and outlines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photopeak.classify.scans import scans_of
from photopeak.core import Image, Mask, PhotopeakError
from photopeak.dicom.cohort import Cohort
from photopeak.dicom.labelme import Mark, write_labelme
from photopeak.dicom.writing import write
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.recipes.own_scans import OwnScans, own_scans

SHAPE = (1024, 256)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One patient's DICOM file."""
    path = tmp_path_factory.mktemp("one") / "scan.dcm"
    write(Clinic(BoneScan(mix="N=1"), patients=1, seed=5)[0].only("counts"), path)
    return path.read_bytes()


@pytest.fixture
def folder(scan: bytes, tmp_path: Path) -> Path:
    (tmp_path / "scan.dcm").write_bytes(scan)
    return tmp_path


def box(finding: str, x: float, view: str = "anterior") -> Mark:
    return Mark(finding, "left ribs", view, "rectangle", ((x, 300.0), (x + 12.0, 312.0)))


def readers(folder: Path, *each: list[Mark], image: str = "scan.dcm", shape: tuple[int, int] = SHAPE) -> None:
    for i, marks in enumerate(each, 1):
        (folder / f"reader{i}.json").write_bytes(write_labelme(marks, shape, image))


def test_the_majority_of_three_readers_labels_the_scan_and_outlines_its_lesions(folder: Path) -> None:
    m, far = box("metastasis", 100), box("metastasis", 160)
    readers(folder, [m, far], [box("metastasis", 102)], [box("arthritis", 100)], image="scan.png")
    source = own_scans(folder)
    study = source[0]
    assert (study["truth/label_m"].value, study["truth/label_a"].value) == (1, 0)
    lesions = study["truth/lesions"]
    assert isinstance(lesions, Mask)
    assert list(lesions.names.values()) == ["metastasis: left ribs"]  # the other one has one vote of three
    assert not lesions.values[1].any()
    rows, columns = np.nonzero(lesions.values[0])
    assert (rows.min(), rows.max()) == (300, 311)
    assert 100 <= columns.min() <= 102
    assert 111 <= columns.max() <= 113
    scans = scans_of(source, processes=1)
    assert scans.classes == ("M",)
    assert set(np.unique(scans.lesions)) == {0, 1}


def test_tied_readers_leave_a_scan_to_an_adjudicator(folder: Path, scan: bytes) -> None:
    readers(folder, [box("metastasis", 100)], [])
    with pytest.raises(PhotopeakError, match="are tied"):
        own_scans(folder)
    (folder / "other").mkdir()
    (folder / "other" / "scan.dcm").write_bytes(scan)
    readers(folder / "other", [])
    source = own_scans(folder)
    assert isinstance(source, OwnScans)
    assert source.left_out == (folder / "scan.dcm",)
    assert [p.parent.name for p in source.labels] == ["other"]


def test_annotations_that_do_not_belong_are_refused(folder: Path) -> None:
    readers(folder, [], image="another.dcm")
    with pytest.raises(PhotopeakError, match="of another study"):
        own_scans(folder)
    readers(folder, [], shape=(512, 128))
    with pytest.raises(PhotopeakError, match="512 × 128 rows and columns"):
        own_scans(folder)[0]
    document: dict[str, Any] = json.loads(write_labelme([box("metastasis", 9)], SHAPE, "scan.dcm"))
    document["shapes"][0]["label"] = "fracture"
    (folder / "reader1.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PhotopeakError, match="'fracture' does not begin with M"):
        own_scans(folder / "reader1.json")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("path,diagnosis\nscan.dcm,M\n", "no column label"),
        ("path,label\nscan.dcm,fracture\n", "line 2: the label 'fracture' is unknown"),
        ("path,label\nnone.dcm,M\n", "line 2: there is no file"),
        ("path,label\nscan.dcm,M\nscan.dcm,N\n", "twice"),
        ("path,label\n", "names no scan"),
    ],
)
def test_a_table_that_is_wrong_says_where(folder: Path, lines: str, said: str) -> None:
    (folder / "mine.csv").write_text(lines, encoding="utf-8")
    with pytest.raises(PhotopeakError, match=said):
        own_scans(folder / "mine.csv")


def test_a_table_of_paths_and_labels_and_a_cohort(folder: Path) -> None:
    (folder / "mine.csv").write_text("path,label\nscan.dcm,M&A\n", encoding="utf-8")
    study = own_scans(folder / "mine.csv")[0]
    assert (study["truth/label_m"].value, study["truth/label_a"].value) == (1, 1)
    assert "truth/lesions" not in study
    assert isinstance(study["counts"], Image)
    with pytest.raises(PhotopeakError, match="holds no annotations"):
        own_scans(folder)
    (folder / "cohort.csv").write_text("patient_id,study,path,view,label_m,label_a,parent\n", encoding="utf-8")
    assert isinstance(own_scans(folder), Cohort)

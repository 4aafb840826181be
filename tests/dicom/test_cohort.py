"""A cohort on disk: what is written is read, whole or not at all, and nothing outside the folder."""

import json

import numpy as np
import pytest

from photopeak.core import Acquisition, Grid, Image, Mask, Patient, PhotopeakError, Study, Text
from photopeak.core.writing import whole_folder
from photopeak.dicom.cohort import COLUMNS, Cohort, fingerprint, write_case, write_index


def study(views=("anterior", "posterior"), patient="P1"):
    rng = np.random.default_rng(3)
    grid = Grid.planar(views, (32, 16), (2.4, 2.4))
    lesions = np.zeros(grid.shape, np.int16)
    lesions[0, 4:8, 4:8] = 1
    entries = {
        "counts": Image(rng.poisson(5, grid.shape).astype(np.uint16), grid, "{counts}"),
        "truth/lesions": Mask(lesions, grid, {1: "metastasis L3"}),
        "truth/report": Text("One lesion in L3.\n"),
    }
    return Study(entries, Patient(patient), Acquisition(modality="NM", kind="STATIC"))


def row(patient="P1", view="anterior", path=None, m="1", a="0"):
    path = path or f"{patient}/planar.dcm"
    return {"patient_id": patient, "study": "1", "path": path, "view": view, "label_m": m, "label_a": a, "parent": ""}


def cohort(tmp_path, rows=None):
    write_case(study(), {"truth.json": {"lesions": []}}, tmp_path / "P1")
    write_index(tmp_path, rows or [row(), row(view="posterior")], {"protocol": "test"})
    return Cohort(tmp_path)


def test_round_trip(tmp_path):
    read = cohort(tmp_path)
    assert len(read) == 1
    assert [r.view for r in read.rows] == ["anterior", "posterior"]
    assert (read.rows[0].label_m, read.rows[0].label_a) == (1, 0)
    np.testing.assert_array_equal(read[0]["counts"].values, study()["counts"].values)
    np.testing.assert_array_equal(read[0]["truth/lesions"].values, study()["truth/lesions"].values)
    assert dict(read[0]["truth/lesions"].names) == {1: "metastasis L3"}
    assert (tmp_path / "P1" / "report.txt").read_text() == "One lesion in L3.\n"
    assert json.loads((tmp_path / "P1" / "truth.json").read_text()) == {"lesions": []}
    with pytest.raises(IndexError):
        read[1]


def test_one_file_a_view_is_one_study(tmp_path):
    for view in ("anterior", "posterior"):
        one = study((view,))
        write_case(one.only("counts"), {}, tmp_path / f"P1-{view}")
    rows = [row(view=v, path=f"P1-{v}/planar.dcm") for v in ("anterior", "posterior")]
    write_index(tmp_path, rows, {})
    both = Cohort(tmp_path)[0]["counts"]
    assert both.grid.labels("view") == ("anterior", "posterior")
    assert both.values.shape == (2, 32, 16)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def interrupted():
        with whole_folder(tmp_path / "P1") as work:
            (work / "half").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_bad_tables_are_refused_with_their_line(tmp_path):
    with pytest.raises(PhotopeakError, match="label_m is 'yes'"):
        cohort(tmp_path, [row(m="yes")])
    (tmp_path / "cohort.csv").write_text("patient_id,path\n")
    with pytest.raises(PhotopeakError, match="no column study"):
        Cohort(tmp_path)
    with pytest.raises(PhotopeakError, match="missing"):
        Cohort(tmp_path / "nowhere")


def test_a_path_that_leads_out_is_refused(tmp_path):
    read = cohort(tmp_path, [row(path="../secret.dcm")])
    with pytest.raises(PhotopeakError, match="leads out"):
        read[0]


def test_an_empty_label_is_unknown(tmp_path):
    assert cohort(tmp_path, [row(m="", a="")]).rows[0].label_m is None


def test_fingerprint_follows_order_and_content():
    assert fingerprint(["a", "b"]) != fingerprint(["b", "a"])
    assert fingerprint(["a", "b"]) == fingerprint(["a", "b"])
    assert set(COLUMNS) >= {"patient_id", "parent"}


def test_labels_and_index_are_entries_of_the_study(tmp_path):
    write_case(study(), {"truth.json": {"metastatic_ml": 5.0, "skeleton_ml": 2000.0}}, tmp_path / "P1")
    write_index(tmp_path, [row(a=""), row(view="posterior", a="")], {"protocol": "test"})
    read = Cohort(tmp_path)[0]
    assert read["truth/label_m"].value == 1
    assert "truth/label_a" not in read
    assert read["truth/bsi"].value == pytest.approx(0.25)


def test_views_with_other_labels_are_refused(tmp_path):
    with pytest.raises(PhotopeakError, match="patient P1, study 1, differ in label_m"):
        cohort(tmp_path, [row(), row(view="posterior", m="0")])[0]

"""The commands, as they are typed."""

import stat
import zipfile

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from photopeak.cli import root
from photopeak.core import Axis, Grid, Image, PhotopeakError, Study, scaling
from photopeak.dicom.picture import flat, inverted_grey, write_png
from tests.dicom.dicom_samples import as_bytes, ct, nm, pt


def call(*words, code=0):
    result = CliRunner().invoke(root, [str(w) for w in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.dcm"
    path.write_bytes(as_bytes(nm("WHOLE BODY")))
    return path


def test_show(scan, tmp_path):
    text = call("dicom", "show", scan, "--png", tmp_path / "a.png")
    for words in ("NM WHOLE BODY “Whole body bone”", "P1", "70 kg", "MDP, Tc-99m, 740 MBq at 2024-05-31 08:15:00"):
        assert words in text
    for words in ("126.4–154.6 keV", "2 view (anterior, posterior) × 40 y × 32 x, 2.4 mm", "sum 22971"):
        assert words in text
    with Picture.open(tmp_path / "a.png") as file:
        picture = np.asarray(file)
    assert picture.shape == (40, 64)
    assert picture.min() == 0


def test_show_of_several(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.dcm", as_bytes(pt()))
        archive.writestr("b.dcm", as_bytes(ct()))
    text = call("dicom", "show", tmp_path / "two.zip", "--png", tmp_path / "p.png")
    assert "decay       corrected to START (2024-05-31 10:15:00)" in text
    assert {p.name for p in tmp_path.glob("*.png")} == {"p-1.png", "p-2.png"}


def test_show_with_assumptions(tmp_path):
    ds = nm("STATIC")
    del ds.DetectorInformationSequence
    (tmp_path / "a.dcm").write_bytes(as_bytes(ds))
    text = call("dicom", "show", tmp_path / "a.dcm", "--assume", "view=anterior,posterior")
    assert "assumed     view=anterior,posterior" in text


def test_pictures_of_every_shape(tmp_path):
    assert inverted_grey(np.zeros((2, 2))).min() == 255
    energy = Grid((Axis("energy", 2), Axis("view", 1, ("anterior",)), Axis("y", 3), Axis("x", 2)), scaling((2, 4, 1)))
    plane, spacing = flat(Image(np.ones(energy.shape), energy, "{counts}"))
    assert (plane.shape, plane.max(), spacing) == ((3, 2), 2.0, (4.0, 2.0))
    angles = Grid((Axis("angle", 4), Axis("y", 3), Axis("x", 2)), scaling((2, 2, 1)))
    plane, _ = flat(Image(np.arange(24.0).reshape(angles.shape), angles, "{counts}"))
    assert plane.max() == 5
    volume = Grid.volume((5, 3, 2), scaling((2, 2, 6)))
    values = np.zeros((5, 3, 2))
    values[4, 1, 0] = 1.0
    plane, spacing = flat(Image(values, volume, "Bq/ml"))
    assert (plane[0, 0], plane.shape, spacing) == (1.0, (5, 2), (6.0, 2.0))
    plane, _ = flat(Image(values - 1000, volume, "[hnsf'U]"))
    assert plane.min() == 0
    write_png(Study({"activity": Image(values, volume, "Bq/ml")}), tmp_path / "v.png")
    with Picture.open(tmp_path / "v.png") as file:
        assert file.size == (2, 15)
    with pytest.raises(PhotopeakError, match="no image"):
        write_png(Study(), tmp_path / "n.png")


def test_index(scan, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    scan.rename(tree / "a.dcm")
    assert "1 read, 0 unchanged" in call("dicom", "index", tree, "--out", tmp_path / "i.sqlite")
    assert "0 read, 1 unchanged" in call("dicom", "index", tree, "--out", tmp_path / "i.sqlite")


def test_validate(scan, tmp_path, monkeypatch):
    monkeypatch.setattr("photopeak.dicom.validate.conformance", lambda path: None)
    assert "every use is open" in call("dicom", "validate", scan)
    assert "not installed" in call("dicom", "validate", scan)
    ds = pt()
    del ds.PatientWeight
    (tmp_path / "pt.dcm").write_bytes(as_bytes(ds))
    assert "SUV (0010,1030)" in call("dicom", "validate", tmp_path / "pt.dcm", code=1)
    (tmp_path / "pt.dcm").write_bytes(b"nothing")
    assert "reading" in call("dicom", "validate", tmp_path / "pt.dcm", code=1)


def test_validate_with_the_tool(scan, dciodvfy):
    assert call("dicom", "validate", scan, code=0 if "Error" not in _formal(scan) else 1)


def _formal(path):
    from photopeak.dicom.validate import conformance

    return " ".join(f.meaning for f in conformance(path) or [])


def test_anonymise(scan, tmp_path):
    key, out = tmp_path / "key", tmp_path / "out"
    text = call("dicom", "anonymise", scan, "--out", out, "--key", key, "--retain-patient")
    assert "1 written, 0 refused" in text
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    (first,) = out.rglob("*.dcm")
    ds = pydicom.dcmread(first)
    assert (ds.PatientWeight, str(ds.PatientName)) == (70, first.parent.name)
    call("dicom", "anonymise", scan, "--out", tmp_path / "again", "--key", key)
    assert [p.name for p in (tmp_path / "again").rglob("*.dcm")] == [first.name]
    call("dicom", "anonymise", scan, "--out", tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").rglob("*.dcm")] != [first.name]


def test_anonymise_goes_on_past_what_it_refuses(scan, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    scan.rename(tree / "b.dcm")
    burned, capture = ct(), nm("STATIC")
    burned.BurnedInAnnotation = "YES"
    capture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    (tree / "a.dcm").write_bytes(as_bytes(burned))
    (tree / "c.dcm").write_bytes(as_bytes(capture))
    (tree / "d.dcm").write_bytes(as_bytes(ct())[:-9])
    text = call("dicom", "anonymise", tree, "--out", tmp_path / "out", code=1)
    assert "2 written, 2 refused" in text
    assert "(0028,0301)" in text
    assert "cut off" in text
    assert "c.dcm: it is a capture" in text


@pytest.mark.parametrize("content", ["no key", "abcd", "ff" * 8])
def test_what_is_no_key(content, scan, tmp_path):
    (tmp_path / "key").write_text(content)
    result = CliRunner().invoke(root, ["dicom", "anonymise", str(scan), "--out", "x", "--key", str(tmp_path / "key")])
    assert isinstance(result.exception, PhotopeakError)


def test_cite(scan, tmp_path):
    assert "janmahasatian2005" in call("cite", "suv-lbm")
    assert "nothing in the history" in call("cite", scan)
    result = CliRunner().invoke(root, ["cite", "no-such-thing"])
    assert "neither a file nor a Step" in str(result.exception)


def test_cite_of_a_study_with_history(tmp_path):
    from photopeak.core import Record
    from photopeak.dicom import read, write

    (tmp_path / "a.dcm").write_bytes(as_bytes(nm("STATIC")))
    (one,) = read(tmp_path / "a.dcm")
    done = Study(dict(one), one.patient, one.acquisition, (Record("x", "1", {}, (), ("dubois1916",)),))
    path = write(done, tmp_path / "b.dcm")
    assert "dubois1916" in call("cite", path)

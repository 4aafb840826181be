"""The index: quick headers are right headers, runs go on where they were, and nothing broken is lost."""

import os
import sqlite3
import subprocess
import sys
import zipfile

import pytest

from photopeak.core import DicomError, PhotopeakError
from photopeak.dicom.headers import header_of, quick_scan, read_header
from photopeak.dicom.index import index
from photopeak.dicom.parse import parse
from tests.dicom.dicom_samples import NM_KINDS, SYNTAXES, as_bytes, ct, nm, pt


def rows(out, columns="path", where="1"):
    with sqlite3.connect(out) as database:
        return list(database.execute(f"SELECT {columns} FROM files WHERE {where} ORDER BY path"))


def instance(ds, number):
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
    return as_bytes(ds)


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.dcm").write_bytes(instance(nm("WHOLE BODY"), 1))
    (folder / "a" / "2.dcm").write_bytes(instance(pt(), 2))
    (folder / "3.dcm").write_bytes(instance(ct(), 3))
    (folder / "notes.txt").write_text("nothing")
    return folder


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_quick_header_is_the_parsed_one(syntax, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(nm("STATIC"), syntax))
    header = read_header(path)
    assert header == header_of(parse(path.read_bytes(), str(path)))
    assert header["patient_name"] == "Müller^Jürgen"
    assert (header["rows"], header["frames"], header["modality"]) == (40, "2", "NM")
    assert header["image_type"] == "ORIGINAL\\PRIMARY\\STATIC\\EMISSION"


@pytest.mark.parametrize("kind", NM_KINDS)
def test_every_kind_is_scanned_without_the_parser(kind):
    assert quick_scan(as_bytes(nm(kind)))[0x00280010] == b"\x28\0"
    assert quick_scan(as_bytes(nm(kind), "implicit"))[0x00280010] == b"\x28\0"


def test_odd_headers_go_to_the_parser(tmp_path):
    ds = nm("STATIC")
    ds.PatientName = "山田^太郎"
    ds.SpecificCharacterSet = "ISO_IR 192"
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(ds))
    assert read_header(path)["patient_name"] == "山田^太郎"
    ds.add_new(0x00181200, "UT", "x" * 20_000)  # longer than what the quick walk reads
    path.write_bytes(as_bytes(ds))
    assert read_header(path)["rows"] == 40
    data = as_bytes(ct())
    path.write_bytes(data[data.index(b"\x08\0\x05\0CS") :])
    assert read_header(path)["modality"] == "CT"
    path.write_bytes(data[:700])
    with pytest.raises(DicomError):
        read_header(path)
    path.write_text("no image")
    assert read_header(path) is None


def test_what_is_indexed(tree, tmp_path):
    done = index(tree, tmp_path / "i.sqlite")
    assert (done.read, done.not_dicom, done.broken, done.duplicates) == (3, 1, 0, 0)
    assert rows(tmp_path / "i.sqlite", "path, modality") == [("3.dcm", "CT"), ("a/1.dcm", "NM"), ("a/2.dcm", "PT")]
    assert rows(tmp_path / "i.sqlite", "patient_id, study_uid, columns", "path = '3.dcm'") == [("P1", "2.25.1002", 16)]


def test_only_what_changed_is_read_again(tree, tmp_path):
    out, looked = tmp_path / "i.sqlite", []
    index(tree, out)
    assert index(tree, out).unchanged == 3
    changed = tree / "3.dcm"
    changed.write_bytes(instance(ct(), 33))
    os.utime(changed, ns=(1, 1))
    (tree / "a" / "2.dcm").unlink()
    done = index(tree, out, looked.append)
    assert (done.read, done.unchanged, done.removed) == (1, 1, 1)
    assert rows(out, "path, sop_instance_uid") == [("3.dcm", "2.25.33"), ("a/1.dcm", "2.25.1")]
    assert sum(looked) == 3


def test_broken_files_are_rows_with_their_error(tree, tmp_path):
    (tree / "cut.dcm").write_bytes(as_bytes(ct())[:600])
    (tree / "cut.zip").write_bytes(b"PK\x03\x04 cut")
    done = index(tree, tmp_path / "i.sqlite")
    assert done.broken == 2
    found = rows(tmp_path / "i.sqlite", "path, error", "error IS NOT NULL")
    assert [path for path, _ in found] == ["cut.dcm", "cut.zip"]
    assert all(error for _, error in found)
    assert index(tree, tmp_path / "i.sqlite").unchanged == 5


def test_duplicates_are_kept_and_flagged(tree, tmp_path):
    (tree / "copy.dcm").write_bytes((tree / "3.dcm").read_bytes())
    out = tmp_path / "i.sqlite"
    assert index(tree, out).duplicates == 2
    assert rows(out, "path", "duplicate") == [("3.dcm",), ("copy.dcm",)]
    (tree / "copy.dcm").unlink()
    assert index(tree, out).duplicates == 0


def test_members_of_a_zip_and_directories(tree, tmp_path):
    with zipfile.ZipFile(tree / "scan.zip", "w") as archive:
        archive.writestr("x/1.dcm", instance(ct(), 9))
        archive.writestr("x/2.dcm", instance(ct(), 10))
    with zipfile.ZipFile(tree / "text.zip", "w") as archive:
        archive.writestr("a.txt", "nothing")
    out = tmp_path / "i.sqlite"
    assert index(tree, out).read == 5
    assert rows(out, "path, archive", "archive != ''") == [
        ("scan.zip!x/1.dcm", "scan.zip"),
        ("scan.zip!x/2.dcm", "scan.zip"),
    ]
    assert index(tree, out).unchanged == 4
    (tree / "scan.zip").unlink()
    assert index(tree, out).removed == 2


def test_the_index_does_not_index_itself(tree):
    index(tree, tree / "i.sqlite")
    assert index(tree, tree / "i.sqlite").not_dicom == 1


def test_names_that_are_no_text(tree, tmp_path):
    try:
        (tree / os.fsdecode(b"\xff.dcm")).write_bytes(instance(ct(), 4))
    except OSError:
        pytest.skip("this file system takes text names only")
    index(tree, tmp_path / "i.sqlite")
    assert ("\\udcff.dcm",) in rows(tmp_path / "i.sqlite")


def test_what_is_no_index_is_refused(tree, tmp_path):
    (tmp_path / "text").write_text("no database, but long enough to be looked at " * 9)
    with pytest.raises(PhotopeakError, match="cannot be used"):
        index(tree, tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE files (a)")
    with pytest.raises(PhotopeakError, match="no index of this version"):
        index(tree, tmp_path / "other.sqlite")
    with pytest.raises(PhotopeakError, match="no folder"):
        index(tree / "3.dcm", tmp_path / "i.sqlite")


def test_a_killed_run_goes_on(tmp_path):
    """Killed without warning after some rows were committed, the next run reads only the rest."""
    tree, out = tmp_path / "tree", tmp_path / "i.sqlite"
    tree.mkdir()
    for i in range(60):
        (tree / f"{i:03d}.dcm").write_bytes(instance(ct(), i))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nimport photopeak.dicom.index as m\n"
        "m.BATCH_ROWS, seen = 10, []\n"
        "def die(n):\n    seen.append(n)\n    len(seen) == 45 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "m.index(Path(sys.argv[1]), Path(sys.argv[2]), die)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tree, out], check=False)
    assert done.returncode != 0
    assert 10 <= len(rows(out)) < 60
    again = index(tree, out)
    assert (again.read + again.unchanged, len(rows(out))) == (60, 60)
    assert again.unchanged >= 10

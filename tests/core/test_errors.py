"""Errors: they say where, what it means and what to do, also on the other side of a process."""

import pickle

import pytest

from photopeak.core.errors import DicomError, MissingExtra, PhotopeakError, optional


def test_a_dicom_error_crosses_processes_whole() -> None:
    error = DicomError("scan.dcm", "(0054,0016)", "no isotope is stated.", "state it: --assume nuclide=Tc-99m")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, PhotopeakError)
    assert vars(again) == vars(error)
    assert str(again) == ("scan.dcm (0054,0016): no isotope is stated. Remedy: state it: --assume nuclide=Tc-99m")


def test_a_fault_of_the_whole_file_names_no_tag() -> None:
    assert str(DicomError("scan.dcm", "", "it is empty.", "send it again.")).startswith("scan.dcm: it is empty.")


def test_a_missing_optional_package_names_its_extra() -> None:
    with pytest.raises(MissingExtra, match=r"not installed.*photopeak\[cluster\]"):
        optional("no_such_package", extra="cluster")


def test_a_broken_optional_package_is_not_called_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_package_either\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match="fails: No module named 'no_such_package_either'"):
        optional("broken_package", extra="cluster")


def test_a_present_optional_package_is_imported() -> None:
    assert optional("json", extra="cluster").loads("[1]") == [1]

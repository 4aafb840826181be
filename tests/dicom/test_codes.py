"""Codes: current and legacy values, meanings, and nuclides however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.dicom.codes import NUCLIDES, VIEWS, find, nuclide_of


def test_current_and_legacy_values_mean_the_same() -> None:
    assert find(VIEWS, "399321004", "") == find(VIEWS, "R-10206", "") == find(VIEWS, "G-5215", "") == "anterior"
    assert find(VIEWS, "R-10214", "") == "posterior"


def test_a_meaning_stands_in_for_an_unknown_value() -> None:
    assert find(VIEWS, "X1", "Left lateral") == "left lateral"
    assert find(VIEWS, "X1", "ANTERIOR_PROJECTION") == "anterior"
    assert find(VIEWS, "62824007", "Transverse") == ""
    assert find(VIEWS, "", "") == ""


def test_no_value_stands_for_two_concepts() -> None:
    values = [v for code in (*NUCLIDES.values(), *VIEWS.values()) for v in (code.value, *code.legacy)]
    assert len(values) == len(set(values))


@given(st.sampled_from(sorted(NUCLIDES)), st.sampled_from(["{e}-{a}", "{a}{e}", "{e}{a}", "^{a}^{e}", "[{a}{e}]"]))
def test_every_way_to_write_a_nuclide(nuclide: str, form: str) -> None:
    element, mass = nuclide.split("-")
    assert nuclide_of(form.format(e=element, a=mass)) == nuclide
    assert nuclide_of(form.format(e=element, a=mass).upper()) == nuclide
    assert nuclide_of(NUCLIDES[nuclide].meaning) == nuclide


@pytest.mark.parametrize("text", ["", "MDP", "Diagnostic radioisotope", "99", "Xq-12", "Technetium", "Tc-99m MDP"])
def test_what_names_no_nuclide(text: str) -> None:
    assert nuclide_of(text) == ""

"""Views by code, by start angle, or unknown; never by the order of frames."""

from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import code, heads, item, nm_file
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import DicomError
from photopeak.dicom import read
from photopeak.dicom.views import ANGLES, TOLERANCE_DEG, view_at

TWO = np.arange(2 * 4 * 6, dtype=np.uint16).reshape(2, 4, 6)


def views_of(path: Path, assume: dict[str, str] | None = None) -> tuple[str, ...]:
    return read(path, assume)[0]["counts"].grid.labels("view")


def test_view_codes_decide_in_the_order_of_detector_numbers(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        "WHOLE BODY",
        TWO,
        NumberOfDetectors=2,
        EnergyWindowVector=[1, 1],
        DetectorVector=[2, 1],
        DetectorInformationSequence=heads("posterior", "anterior"),
    )
    counts = read(path)[0]["counts"]
    assert counts.grid.labels("view") == ("posterior", "anterior")
    np.testing.assert_array_equal(counts.values, TWO[::-1])  # frame 1 is detector 2


def test_a_legacy_code_and_a_modifier(tmp_path: Path) -> None:
    modified = code("R-10206", "SRT", ViewModifierCodeSequence=[code("G-A108", "SRT", "Caudal")])
    path = nm_file(tmp_path / "a.dcm", DetectorInformationSequence=[item(ViewCodeSequence=[modified])])
    assert views_of(path) == ("anterior, caudal",)


def test_zero_degrees_is_at_the_patients_back(tmp_path: Path) -> None:
    # PS3.3, C.8.4.11: zero at the back, growing towards the patient's left side.
    angles = {
        0: "posterior",
        90: "left lateral",
        180: "anterior",
        270: "right lateral",
        355: "posterior",
        20: "unknown",
    }
    for angle, view in angles.items():
        path = nm_file(tmp_path / "a.dcm", DetectorInformationSequence=[item(StartAngle=str(angle))])
        assert views_of(path) == (view,)


@given(st.sampled_from(sorted(ANGLES)), st.floats(-TOLERANCE_DEG, TOLERANCE_DEG), st.integers(-2, 2))
def test_angles_near_a_view_have_its_name(view: str, off: float, turns: int) -> None:
    assert view_at(ANGLES[view] + 0.999 * off + 360.0 * turns) == view


def test_a_code_outweighs_an_angle(tmp_path: Path) -> None:
    both = item(StartAngle="180", ViewCodeSequence=[code("399001007")])
    assert views_of(nm_file(tmp_path / "a.dcm", DetectorInformationSequence=[both])) == ("posterior",)


def test_without_evidence_the_view_is_unknown(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm", "WHOLE BODY", TWO, NumberOfDetectors=2, EnergyWindowVector=[1, 1], DetectorVector=[1, 2]
    )
    assert views_of(path) == ("unknown", "unknown")


def test_without_a_detector_sequence_the_user_must_say(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", "WHOLE BODY", DetectorInformationSequence=None)
    with pytest.raises(DicomError, match="--assume view=anterior") as caught:
        read(path)
    assert caught.value.tag == "(0054,0022)"
    assert views_of(path, {"view": "anterior"}) == ("anterior",)
    study = read(path, {"view": "unknown"})[0]
    assert study["counts"].grid.labels("view") == ("unknown",)
    assert dict(study.acquisition.assumed) == {"view": "unknown"}


def test_the_user_names_one_view_for_each_detector(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm", "WHOLE BODY", TWO, NumberOfDetectors=2, EnergyWindowVector=[1, 1], DetectorVector=[1, 2]
    )
    assert views_of(path, {"view": "posterior,anterior"}) == ("posterior", "anterior")
    with pytest.raises(DicomError, match="2 detectors"):
        read(path, {"view": "anterior"})

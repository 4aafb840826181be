"""Frame vectors: what they say, what may be absent, what contradicts itself."""

from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import VECTOR_TAGS, heads, item, nm_file
from hypothesis import given, settings
from hypothesis import strategies as st

from photopeak.core import DicomError
from photopeak.dicom import read


def frames(count: int) -> np.ndarray:
    """Frames whose pixels are their number, from 1."""
    return np.repeat(np.arange(1, count + 1, dtype=np.uint16), 4).reshape(count, 2, 2)


def test_static_with_two_windows_and_two_detectors_in_any_order(tmp_path: Path) -> None:
    windows = [item(EnergyWindowName=n, EnergyWindowRangeSequence=[]) for n in ("peak", "scatter")]
    path = nm_file(
        tmp_path / "a.dcm",
        pixels=frames(4),
        NumberOfEnergyWindows=2,
        NumberOfDetectors=2,
        EnergyWindowVector=[2, 1, 2, 1],
        DetectorVector=[1, 1, 2, 2],
        EnergyWindowInformationSequence=windows,
        DetectorInformationSequence=heads("anterior", "posterior"),
    )
    counts = read(path)[0]["counts"]
    assert counts.grid.names == ("energy", "view", "y", "x")
    assert counts.grid.labels("energy") == ("peak", "scatter")
    assert counts.values[:, :, 0, 0].tolist() == [[2, 4], [1, 3]]


def test_windows_of_several_ranges(tmp_path: Path) -> None:
    def limits(low: str, high: str) -> object:
        return item(EnergyWindowLowerLimit=low, EnergyWindowUpperLimit=high)

    window = item(EnergyWindowName="dual", EnergyWindowRangeSequence=[limits("84", "102"), limits("124", "141.5")])
    study = read(nm_file(tmp_path / "a.dcm", EnergyWindowInformationSequence=[window]))[0]
    assert study.acquisition.energy_windows[0].ranges_kev == ((84.0, 102.0), (124.0, 141.5))
    upside_down = item(EnergyWindowRangeSequence=[limits("150", "130")])
    with pytest.raises(DicomError, match=r"\(0054,0014\)"):
        read(nm_file(tmp_path / "b.dcm", EnergyWindowInformationSequence=[upside_down]))


def test_dynamic_phases_follow_each_other(tmp_path: Path) -> None:
    phases = [
        item(
            PhaseDescription="FLOW",
            PhaseDelay=0,
            ActualFrameDuration=1000,
            PauseBetweenFrames=0,
            NumberOfFramesInPhase=3,
        ),
        item(PhaseDelay=500, ActualFrameDuration=10000, PauseBetweenFrames=2000, NumberOfFramesInPhase=2),
    ]
    path = nm_file(
        tmp_path / "a.dcm",
        "DYNAMIC",
        frames(5),
        EnergyWindowVector=[1] * 5,
        DetectorVector=[1] * 5,
        PhaseVector=[1, 1, 1, 2, 2],
        TimeSliceVector=[1, 2, 3, 1, 2],
        NumberOfPhases=2,
        PhaseInformationSequence=phases,
    )
    study = read(path)[0]
    time = study["counts"].grid.axis("time")
    assert study["counts"].grid.names == ("view", "time", "y", "x")
    assert time.values == (0.0, 1.0, 2.0, 3.5, 15.5)
    assert time.labels == ("FLOW", "FLOW", "FLOW", "phase 2", "phase 2")
    assert time.unit == "s"
    assert study.acquisition.facts["ActualFrameDuration"] == [1000.0, 1000.0, 1000.0, 10000.0, 10000.0]
    assert study.acquisition.duration_s == 25.5


def test_dynamic_without_phase_information_has_times_unknown(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", "DYNAMIC", frames(3), TimeSliceVector=[1, 2, 3])
    time = read(path)[0]["counts"].grid.axis("time")
    assert (time.size, time.values, time.labels, time.unit) == (3, (), (), "")


def test_phases_that_do_not_fit_the_frames_are_refused(tmp_path: Path) -> None:
    def dynamic(**phase: int) -> Path:
        return nm_file(
            tmp_path / "a.dcm",
            "DYNAMIC",
            frames(2),
            PhaseVector=[1, phase.pop("last", 1)],
            TimeSliceVector=[1, 2],
            PhaseInformationSequence=[item(ActualFrameDuration=1000, **phase)],
        )

    with pytest.raises(DicomError, match=r"\(0054,0033\)"):
        read(dynamic(NumberOfFramesInPhase=7))
    with pytest.raises(DicomError, match="describes 1 phases"):
        read(dynamic(last=2))


def test_gated_slots_and_intervals(tmp_path: Path) -> None:
    intervals = [item(FrameTime=str(50), NominalInterval=str(n)) for n in (800, 900)]
    path = nm_file(
        tmp_path / "a.dcm",
        "GATED",
        frames(6),
        EnergyWindowVector=[1] * 6,
        DetectorVector=[1] * 6,
        RRIntervalVector=[1, 1, 1, 2, 2, 2],
        TimeSlotVector=[1, 2, 3, 1, 2, 3],
        GatedInformationSequence=[item(DataInformationSequence=intervals)],
    )
    study = read(path)[0]
    grid = study["counts"].grid
    assert grid.names == ("view", "rr", "gate", "y", "x")
    assert (grid.axis("gate").values, grid.axis("gate").unit) == ((0.0, 50.0, 100.0), "ms")
    assert study.acquisition.facts["NominalInterval"] == [800.0, 900.0]


def rotation(start: float, **more: object) -> object:
    stated = {"AngularStep": "60", "RotationDirection": "CC", "ActualFrameDuration": 20000, "RadialPosition": "250"}
    return item(StartAngle=str(start), **{**stated, **more})


def test_projections_of_two_detectors(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        "TOMO",
        frames(6),
        NumberOfDetectors=2,
        EnergyWindowVector=[1] * 6,
        DetectorVector=[1, 1, 1, 2, 2, 2],
        RotationVector=[1] * 6,
        AngularViewVector=[1, 2, 3, 1, 2, 3],
        RotationInformationSequence=[rotation(180, RotationDirection="CW")],
        DetectorInformationSequence=[item(StartAngle="180"), item(StartAngle="0")],
    )
    study = read(path)[0]
    angle = study["counts"].grid.axis("angle")
    assert study["counts"].grid.names == ("angle", "y", "x")
    assert angle.values == (180.0, 120.0, 60.0, 0.0, -60.0, -120.0)
    assert angle.labels == ("detector 1",) * 3 + ("detector 2",) * 3
    assert study.acquisition.duration_s == 60.0  # both detectors count at once
    assert study.acquisition.facts["RadialPosition"] == [250.0]


def test_a_second_rotation_over_the_same_angles_has_an_axis_and_others_go_on(tmp_path: Path) -> None:
    def tomo(second: float) -> Path:
        return nm_file(
            tmp_path / "a.dcm",
            "TOMO",
            frames(4),
            RotationVector=[1, 1, 2, 2],
            AngularViewVector=[1, 2, 1, 2],
            NumberOfRotations=2,
            RotationInformationSequence=[rotation(0), rotation(second)],
        )

    again = read(tomo(360))[0]["counts"]
    assert again.grid.names == ("rotation", "angle", "y", "x")
    assert again.values[:, :, 0, 0].tolist() == [[1, 2], [3, 4]]
    onward = read(tomo(120))[0]["counts"]
    assert onward.grid.axis("angle").values == (0.0, 60.0, 120.0, 180.0)


def test_angles_nobody_stated_are_unknown(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", "TOMO", frames(3), AngularViewVector=[1, 2, 3])
    axis = read(path)[0]["counts"].grid.axis("angle")
    assert (axis.size, axis.values, axis.unit) == (3, (), "")
    second = nm_file(
        tmp_path / "b.dcm",
        "TOMO",
        frames(2),
        NumberOfDetectors=2,
        DetectorVector=[1, 2],
        AngularViewVector=[1, 1],
        RotationInformationSequence=[rotation(0)],
        DetectorInformationSequence=[item(), item()],
    )
    assert read(second)[0]["counts"].grid.axis("angle").values == ()


def test_gated_projections(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        "GATED TOMO",
        frames(6),
        RotationVector=[1] * 6,
        RRIntervalVector=[1] * 6,
        TimeSlotVector=[1, 2, 1, 2, 1, 2],
        AngularViewVector=[1, 1, 2, 2, 3, 3],
        RotationInformationSequence=[rotation(45)],
    )
    counts = read(path)[0]["counts"]
    assert counts.grid.names == ("gate", "angle", "y", "x")
    assert counts.values[:, :, 0, 0].tolist() == [[1, 3, 5], [2, 4, 6]]


def test_gated_volumes(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        "RECON GATED TOMO",
        frames(4),
        RRIntervalVector=[1] * 4,
        TimeSlotVector=[1, 1, 2, 2],
        SliceVector=[2, 1, 2, 1],
        SpacingBetweenSlices="4",
    )
    counts = read(path)[0]["counts"]
    assert counts.grid.names == ("gate", "z", "y", "x")
    assert counts.values[:, :, 0, 0].tolist() == [[2, 1], [4, 3]]


def test_an_absent_vector_is_derived_where_only_it_can_vary(tmp_path: Path) -> None:
    volume = nm_file(tmp_path / "a.dcm", "RECON TOMO", frames(3), NumberOfSlices=3, SpacingBetweenSlices="4")
    assert read(volume)[0]["counts"].grid.shape == (3, 2, 2)
    two = nm_file(tmp_path / "b.dcm", "WHOLE BODY", frames(2), NumberOfDetectors=2)
    assert read(two)[0]["counts"].grid.shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("elements", "tag"),
    [
        ({"DetectorVector": [1, 2, 3]}, "(0054,0020)"),  # three numbers for two frames
        ({"DetectorVector": [0, 1]}, "(0054,0020)"),
        ({"DetectorVector": [1, 2]}, "(0054,0020)"),  # detector 2 of 1
        ({"DetectorVector": [1, 1]}, "(0028,0009)"),  # two frames in one place
        ({"SliceVector": [1, 2]}, "(0054,0080)"),  # slices in a planar image
        ({"FrameIncrementPointer": [0x00181063]}, "(0028,0009)"),
        ({"NumberOfFrames": 0}, "(0028,0008)"),
        ({"NumberOfDetectors": 3, "DetectorVector": [1, 3]}, "(0054,0020)"),  # detector 2 is missing
        ({"NumberOfDetectors": 3}, "(0054,0020)"),
        ({"NumberOfDetectors": 70, "DetectorVector": [1, 70]}, "(0054,0020)"),
    ],
)
def test_contradictions_are_refused_with_the_tag(tmp_path: Path, elements: dict, tag: str) -> None:
    path = nm_file(tmp_path / "a.dcm", pixels=frames(2), **{"FrameIncrementPointer": None, **elements})
    with pytest.raises(DicomError) as caught:
        read(path)
    assert caught.value.tag == tag


@pytest.mark.parametrize("kind", ["", "MOVIE", "STATIC 2"])
def test_an_unknown_kind_of_image_is_refused(tmp_path: Path, kind: str) -> None:
    path = nm_file(tmp_path / "a.dcm", ImageType=["ORIGINAL", "PRIMARY", *([kind] if kind else [])])
    with pytest.raises(DicomError, match=r"\(0008,0008\)"):
        read(path)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)))
def test_frames_may_come_in_any_order(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    energy, detector, time = (v.ravel() for v in np.indices((2, 2, 3)))
    pixels = frames(12)[order]
    path = nm_file(
        tmp_path_factory.mktemp("frames") / "a.dcm",
        "DYNAMIC",
        pixels,
        NumberOfEnergyWindows=2,
        NumberOfDetectors=2,
        EnergyWindowVector=[int(energy[i]) + 1 for i in order],
        DetectorVector=[int(detector[i]) + 1 for i in order],
        TimeSliceVector=[int(time[i]) + 1 for i in order],
    )
    counts = read(path)[0]["counts"]
    np.testing.assert_array_equal(counts.values[..., 0, 0].ravel(), np.arange(1, 13))


def test_every_vector_of_the_standard_is_known() -> None:
    from photopeak.dicom.elements import tag_of
    from photopeak.dicom.frames import VECTORS

    assert {vector: tag_of(vector) for vector, _ in VECTORS.values()} == VECTOR_TAGS

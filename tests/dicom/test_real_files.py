"""Public scans, where they are at hand: what is right in them reads right, the rest is refused for its reason."""

import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest

from photopeak.core import DicomError, run
from photopeak.dicom import read
from photopeak.quantify.suv import SuvBw


def unpacked(archive: Path, place: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    return place


LOSSLESS = ("NM1_UNC", "NM1_RLE", "NM1_JPLL", "NM1_JLSL", "NM1_J2KR")


@pytest.mark.parametrize("name", LOSSLESS)
def test_the_whole_body_scan_in_every_lossless_syntax(shared_data: Path, name: str) -> None:
    path = shared_data / "wb_bone_ge_nm1" / f"{name}.dcm"
    with pytest.raises(DicomError, match=r"\(0054,0022\).*--assume view=anterior"):
        read(path)
    study = read(path, {"view": "anterior"})[0]
    counts = study["counts"]
    assert counts.grid.shape == (1, 1024, 256)
    assert counts.grid.labels("view") == ("anterior",)
    assert counts.grid.spacing_mm == {"y": 2.26, "x": 2.26}
    assert int(counts.values.sum()) == 3596452 == study.acquisition.facts["CountsAccumulated"]
    assert counts.values.max() == 278
    assert study.acquisition.radiopharmaceuticals == ()  # only a private element says Tc99m
    assert (study.acquisition.duration_s, study.acquisition.scan_velocity_mm_s) == (1210.434, 1.671598)


@pytest.mark.parametrize("name", ["NM1_J2KI", "NM1_JLSN", "NM1_JPLY", "JPEG2000-embedded-sequence-delimiter"])
def test_its_lossy_versions_are_no_counts(shared_data: Path, name: str) -> None:
    with pytest.raises(DicomError, match=r"\(0028,2110\)"):
        read(shared_data / "wb_bone_ge_nm1" / f"{name}.dcm", {"view": "anterior"})


@pytest.mark.parametrize("name", ["FourBar", "QuadrantBar", "Spatial_Resol_X", "Spatial_Resol_Y", "UNIFORMIDAD_1"])
def test_quality_control_has_unknown_views(shared_data: Path, name: str) -> None:
    study = read(shared_data / "qc_mediso_nmqc" / f"{name}.dcm")[0]
    counts = study["counts"]
    assert counts.grid.labels("view") == ("unknown",)
    assert int(counts.values.sum()) == study.acquisition.facts["CountsAccumulated"]
    assert study.acquisition.energy_windows[0].ranges_kev == ((126.0, 154.0),)
    assert study.acquisition.radiopharmaceuticals[0].nuclide == "Tc-99m"
    assert study.acquisition.radiopharmaceuticals[0].activity_mbq is None  # the file says 0


def test_a_packed_linearity_image(shared_data: Path, tmp_path: Path) -> None:
    data = lzma.decompress((shared_data / "qc_mediso_nmqc" / "Lin_X.dcm.xz").read_bytes())
    (tmp_path / "lin.dcm").write_bytes(data)
    assert read(tmp_path / "lin.dcm")[0]["counts"].grid.shape == (1, 1024, 1024)


def test_a_negative_slice_spacing(shared_data: Path) -> None:
    study = read(shared_data / "qc_mediso_nmqc" / "Jaszack.dcm")[0]
    grid = study["counts"].grid
    assert grid.shape == (45, 128, 128)
    assert np.linalg.det(grid.matrix_mm) > 0
    first_in_file = grid.matrix_mm @ [0, 0, 44, 1]
    np.testing.assert_allclose(first_in_file[:3], [0, -264.319977, -165.199986], atol=1e-6)
    assert study.acquisition.position == "HFS"


def test_a_minimal_old_header(shared_data: Path) -> None:
    study = read(shared_data / "recon_tomo_heart_barre" / "NM-MONO2-16-13x-heart.dcm")[0]
    assert study["counts"].grid.shape == (13, 64, 64)
    assert study["counts"].values.max() == 141
    assert study["counts"].grid.spacing_mm == pytest.approx({"z": 6.231669, "y": 3.11583, "x": 3.11583})
    assert study.acquisition.facts["ImageOrientationPatient"] is None  # nobody says how the heart lies
    assert str(study.acquisition.started_at) == "1993-11-24 09:53:00"
    assert study.acquisition.facts["ContentDate"] == "19950530"


def test_dynamic_spect_one_file_a_frame_beside_its_ct(shared_data: Path, tmp_path: Path) -> None:
    place = shared_data / "veriton_renal_phantom_nmiq"
    spect = read(unpacked(place / "unif300_12frames.tar.xz", tmp_path / "nm"))
    [ct] = read(unpacked(place / "unif_CT_every6th_22slices.tar.xz", tmp_path / "ct"))
    assert len(spect) == 12
    assert {s["activity"].grid.frame for s in spect} == {ct["ct"].grid.frame}
    assert ct["ct"].grid.spacing_mm["z"] == 15.0
    one = spect[0].acquisition
    assert (one.decay_correction, one.position) == ("START", "FFS")
    assert one.radiopharmaceuticals[0].nuclide == "Tc-99m"
    assert one.decay_reference is not None


def test_a_whole_fdg_series_to_suv(shared_data: Path, tmp_path: Path) -> None:
    [study] = read(unpacked(shared_data / "pet_fdg_ge_sts001" / "FDG_PET_267slices.tar.xz", tmp_path))
    activity = study["activity"]
    assert activity.grid.shape == (267, 128, 128)
    assert activity.grid.spacing_mm == pytest.approx({"z": 3.27, "y": 4.6875, "x": 4.6875})
    tracer = study.acquisition.radiopharmaceuticals[0]
    assert (tracer.nuclide, tracer.half_life_s) == ("F-18", 6588.0)
    assert tracer.activity_mbq == pytest.approx(388.777472)
    assert str(tracer.administered_at) == "2000-09-07 10:35:00"
    assert str(study.acquisition.decay_reference) == "2000-09-07 11:20:11"
    left_bq = 388.777472e6 * 2 ** (-(45 * 60 + 11) / 6588.0)
    suv = run(SuvBw(), study)["suv/bw"]
    np.testing.assert_allclose(suv.values, activity.values * (71000.0 / left_bq), rtol=1e-5)


def test_a_pet_in_suv_and_its_ct(shared_data: Path, tmp_path: Path) -> None:
    place = shared_data / "petct_pair_sts003_cropped"
    for name in ("PET", "CT"):
        unpacked(place / f"{name}.tar.xz", tmp_path / name)
    studies = {name: study for study in read(tmp_path) for name in study}
    assert sorted(studies) == ["ct", "suv/bw"]
    assert studies["ct"]["ct"].grid.frame == studies["suv/bw"]["suv/bw"].grid.frame
    assert studies["suv/bw"]["suv/bw"].values.max() == pytest.approx(10.27, abs=0.01)


def test_a_phantom_without_units_is_refused_until_the_user_states_them(shared_data: Path, tmp_path: Path) -> None:
    folder = unpacked(shared_data / "pet_nema_iq_phantom" / "pet_recon_1.tar.xz", tmp_path)
    with pytest.raises(DicomError, match=r"\(0054,1001\).*--assume units=BQML"):
        read(folder)
    study = read(folder, {"units": "BQML"})[0]
    assert study["activity"].grid.shape == (89, 192, 192)
    assert study.acquisition.assumed == {"units": "BQML"}


def test_a_dose_kernel_is_no_activity(shared_data: Path) -> None:
    for path in (shared_data / "dosimetry").glob("*.dcm"):
        with pytest.raises(DicomError, match=r"\(0054,1001\).*MGY_MBQS"):
            read(path)


def test_segmentations_reports_and_maps_are_refused_by_name(shared_data: Path) -> None:
    paths = [*(shared_data / "conformance").glob("*.dcm"), *(shared_data / "pet_sr_seg_rwvm_dcmqi").glob("*.dcm")]
    assert len(paths) > 30
    for path in paths:
        with pytest.raises(DicomError) as caught:
            read(path)
        cut_off = "too_short" in path.name
        assert caught.value.tag == ("(7FE0,0010)" if cut_off else "(0008,0016)"), path.name

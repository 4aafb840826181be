from pathlib import Path

import numpy as np
import pytest

from photopeak.classify.scans import LESIONS, Scans, class_of, load_scans, save_scans, scans_of
from photopeak.classify.views import binned
from photopeak.core import PhotopeakError
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return Clinic(BoneScan(mix="M=1,A=1"), patients=3, seed=5)


@pytest.fixture(scope="module")
def scans(clinic: Clinic) -> Scans:
    return scans_of(clinic, processes=1)


def test_counts_are_kept(clinic: Clinic, scans: Scans) -> None:
    study = clinic[0]
    assert scans.counts[0].astype(np.int64).sum() == study["counts"].values.astype(np.int64).sum()
    assert scans.counts.shape == (3, 2, 512, 128)


def test_truth_lies_where_the_study_has_it(clinic: Clinic, scans: Scans) -> None:
    for i in range(3):
        mask = clinic[i]["truth/lesions"]
        for k, kind in enumerate(LESIONS, 1):
            numbers = [n for n, name in mask.names.items() if name.startswith(kind)]
            area = np.isin(mask.values, numbers).sum() / 4
            assert (scans.lesions[i] == k).sum() == pytest.approx(area, rel=0.25, abs=4)
        assert scans.region_names[scans.regions[i, 0].max() - 1] == "bladder"
    assert scans.labels.tolist() == [[c[0] == "M", c[0] == "A"] for c in scans.classes]
    assert (scans.bsi[scans.labels[:, 0] == 0] == 0).all()
    assert (scans.bsi[scans.labels[:, 0] == 1] > 0).all()


def test_what_is_saved_is_loaded(scans: Scans, tmp_path: Path) -> None:
    save_scans(scans, tmp_path / "s.npz")
    back = load_scans(tmp_path / "s.npz")
    assert (back.patients, back.sexes, back.region_names) == (scans.patients, scans.sexes, scans.region_names)
    assert (back.counts == scans.counts).all()
    assert (back.regions == scans.regions).all()


def test_a_part_is_the_part(scans: Scans) -> None:
    part = scans[np.array([2, 0])]
    assert part.patients == (scans.patients[2], scans.patients[0])
    assert (part.lesions[1] == scans.lesions[0]).all()


def test_sums_over_two_by_two() -> None:
    assert binned(np.arange(16).reshape(1, 4, 4)).tolist() == [[[10, 18], [42, 50]]]


def test_a_patient_without_a_label_has_no_class() -> None:
    with pytest.raises(PhotopeakError, match="no label"):
        class_of(-1, 0)

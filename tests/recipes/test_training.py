import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from photopeak.classify.reader import load_model
from photopeak.classify.scans import Scans, scans_of
from photopeak.core import PhotopeakError
from photopeak.evaluate.predictions import read_predictions
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic
from photopeak.recipes.training import Course, train_reader

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def few() -> Scans:
    """Eight patients, two of each class."""
    clinic = Clinic(BoneScan(mix="N=1,M=1,A=1,M&A=1", difficulty=Difficulty.frozen()), patients=24, seed=77)
    plans = clinic._plans
    chosen = [i for c in ("N", "M", "A", "M&A") for i in [k for k, p in enumerate(plans) if p.label == c][:2]]
    return scans_of([clinic[i] for i in chosen], processes=1)


@pytest.fixture
def cohort(few: Scans) -> Scans:
    """As many as calibration needs: the same scans under other names, with other noise."""
    copies = few[np.tile(np.arange(len(few)), 10)]
    names = tuple(f"P{i:03d}" for i in range(len(copies)))
    return dataclasses.replace(copies, patients=names)


def without_pixels(scans: Scans) -> Scans:
    """What somebody has who knows diagnoses alone."""
    nothing, unknown = np.zeros_like(scans.regions), np.full_like(scans.bsi, np.nan)
    return dataclasses.replace(scans, regions=nothing, lesions=nothing, bsi=unknown, region_names=())


def test_taught_on_labels_alone_the_judgement_changes_and_nothing_else(cohort: Scans, tmp_path: Path) -> None:
    figures = train_reader(without_pixels(cohort), Course(epochs=1), CPU, tmp_path / "mine")
    assert figures["auc"].value > 0.9  # it started from a reader that knows these
    mine, ours = load_model(str(tmp_path / "mine")), load_model()
    for name, weights in ours.network.state_dict().items():
        same = torch.equal(weights, mine.network.state_dict()[name])
        assert same or name.startswith("judge."), name
        assert not (same and name.startswith("judge.") and name.endswith("weight")), name
    assert (mine.lesion, mine.bsi_k, mine.regions) == (ours.lesion, ours.bsi_k, ours.regions)
    assert mine.doubt != ours.doubt
    assert len(read_predictions(tmp_path / "mine" / "held.predictions.csv")) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]  # nothing half-done is left


def test_what_cannot_be_taught_is_refused(few: Scans, cohort: Scans, tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="at least 9 of each"):
        train_reader(few, Course(), CPU, tmp_path / "x")
    with pytest.raises(PhotopeakError, match="no pixel truth"):
        train_reader(without_pixels(cohort), Course(start=""), CPU, tmp_path / "x")
    unlabelled = dataclasses.replace(cohort, labels=np.full_like(cohort.labels, -1))
    with pytest.raises(PhotopeakError, match="no label"):
        train_reader(unlabelled, Course(), CPU, tmp_path / "x")
    assert not (tmp_path / "x").exists()

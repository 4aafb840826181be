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


def test_a_reader_taught_on_labels_alone_is_a_loadable_bundle(cohort: Scans, tmp_path: Path) -> None:
    blind = dataclasses.replace(cohort, regions=np.zeros_like(cohort.regions), region_names=())
    figures = train_reader(blind, Course(epochs=1), CPU, tmp_path / "mine")
    assert figures["auc"]["value"] > 0.9  # it started from a reader that knows these
    model = load_model(str(tmp_path / "mine"))
    assert model.regions == load_model().regions
    assert model.sha256 != load_model().sha256
    these = read_predictions(tmp_path / "mine" / "held.predictions.csv")
    assert len(these) == 20


def test_what_cannot_be_taught_is_refused(few: Scans, cohort: Scans, tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="at least 9 of each"):
        train_reader(few, Course(), CPU, tmp_path / "x")
    blind = dataclasses.replace(cohort, regions=np.zeros_like(cohort.regions), region_names=())
    with pytest.raises(PhotopeakError, match="no pixel truth"):
        train_reader(blind, Course(start=""), CPU, tmp_path / "x")
    unlabelled = dataclasses.replace(cohort, labels=np.full_like(cohort.labels, -1))
    with pytest.raises(PhotopeakError, match="no label"):
        train_reader(unlabelled, Course(), CPU, tmp_path / "x")
    assert not (tmp_path / "x").exists()

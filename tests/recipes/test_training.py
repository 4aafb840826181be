import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from photopeak.classify.reader import load_model
from photopeak.classify.scans import Scans, scans_of
from photopeak.classify.teaching import TeachReader, examples, mirror_of
from photopeak.core import PhotopeakError
from photopeak.evaluate.predictions import read_predictions
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Supervised
from photopeak.networks.reader import Reader
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic
from photopeak.recipes.bundle_readings import readings_of
from photopeak.recipes.training import Course, _course_of, _restore_regions, train_reader

pytestmark = pytest.mark.untraced

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
    said = list[str]()
    figures = train_reader(without_pixels(cohort), Course(epochs=1), CPU, tmp_path / "mine", said.append)
    assert figures["auc"].value > 0.9  # it started from a reader that knows these
    mine, ours = load_model(str(tmp_path / "mine")), load_model()
    for name, weights in ours.network.state_dict().items():
        same = torch.equal(weights, mine.network.state_dict()[name])
        assert same or name.startswith("judge."), name
        assert not (same and name.startswith("judge.") and name.endswith("weight")), name
    assert (mine.lesion, mine.bsi_k, mine.regions) == (ours.lesion, ours.bsi_k, ours.regions)
    assert mine.doubt != ours.doubt
    assert len(read_predictions(tmp_path / "mine" / "held.predictions.csv")) == 20
    files = {p.name for p in (tmp_path / "mine").iterdir()}
    assert {"report.html", "report.pdf", "log.csv", "held.json", "weights.safetensors"} <= files
    page = (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "DeLong p" in page  # against the reader it was taught from
    assert mine.sha256 in page
    assert "No patient is on both sides" in page
    assert said[0].startswith("epoch 1 of 1: loss")
    assert said[-1].startswith("kept: epoch 1")
    with pytest.raises(PhotopeakError, match="was taught with"):
        readings_of([str(tmp_path / "mine")], cohort)
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


def test_where_readers_marked_lesions_these_are_taught_and_regions_stay(few: Scans) -> None:
    ours = load_model()
    network = Reader(len(ours.regions))
    network.load_state_dict(ours.network.state_dict())
    before = {k: v.clone() for k, v in network.maps.state_dict().items()}
    marked = dataclasses.replace(few, regions=np.zeros_like(few.regions), region_names=())
    loss, layers = _course_of(marked)
    assert layers == ("judge.", "maps.")
    assert _course_of(few)[1] == ("",)
    plan = TeachReader(1, 8, 1e-3, mirrored=mirror_of(ours.regions))
    fit(network, Supervised(loss, 0.02), examples(marked), plan)
    _restore_regions(network, before)
    for k, now in network.maps.state_dict().items():
        same = (now == before[k]).unflatten(0, (2, -1, 4))
        assert bool(same[:, 2:].all()), k  # what draws regions
        assert not bool(same[:, :2].any()), k  # what draws lesions


def test_two_bundles_read_one_cohort(few: Scans) -> None:
    ((model, these),) = readings_of(["bone-scan"], few).values()
    assert model.name == "bone-scan"
    assert these.labels == few.classes
    assert these.scores[these.truth].mean() > 0.8
    one_view = few.counts.copy()
    one_view[0, 1] = 0
    ((_, alone),) = readings_of(["bone-scan"], dataclasses.replace(few, counts=one_view)).values()
    np.testing.assert_allclose(alone.scores[1:], these.scores[1:], atol=1e-4)
    assert not np.allclose(alone.scores[0], these.scores[0], atol=1e-4)

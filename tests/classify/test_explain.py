"""Explanations of the shipped reader: they point at what was planted, the right way round, and are quiet elsewhere."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from photopeak.classify.covering import covered, spots_of
from photopeak.classify.explain import (
    LEAST,
    METHODS,
    Asked,
    ExplainBoneScan,
    Explanation,
    explain,
    grad_cam,
    spatial_attention,
)
from photopeak.classify.overlays import coloured, in_words
from photopeak.classify.reader import load_model
from photopeak.classify.views import whole_body
from photopeak.cli import root
from photopeak.core import Image, Mask, PhotopeakError, Study
from photopeak.core.step import run
from photopeak.dicom import write
from photopeak.networks.added import Attention, Residual
from photopeak.networks.reader import overlaid
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic

pytestmark = pytest.mark.untraced


@pytest.fixture(scope="module")
def normal() -> Study:
    """Without the harmless foci that some normal patients have: the reader is right to look at those."""
    plain = dataclasses.replace(Difficulty.frozen(), mimic_rate=0.0, benign_focus_rate=0.0)
    return Clinic(BoneScan(mix="N=1", difficulty=plain), patients=1, seed=78)[0]


@pytest.fixture(scope="module")
def spot(normal: Study) -> tuple[int, int]:
    """Row and column, in the anterior view, of the middle of the left femur."""
    regions = normal["truth/regions"]
    assert isinstance(regions, Mask)
    row, column = np.argwhere(regions.of("left femur")[0]).mean(0)
    return round(row), round(column)


@pytest.fixture(scope="module")
def planted(normal: Study, spot: tuple[int, int]) -> Study:
    """The normal scan with a hot spot 25 mm wide in the left femur, seen by both views."""
    counts = normal["counts"]
    assert isinstance(counts, Image)
    values = np.array(counts.values)
    y, x = np.mgrid[: values.shape[1], : values.shape[2]]
    rng = np.random.default_rng(3)
    for view, column in ((0, spot[1]), (1, values.shape[2] - 1 - spot[1])):
        bone = np.quantile(values[view], 0.95)
        shape = np.exp(-((y - spot[0]) ** 2 + (x - column) ** 2) / (2 * 4.5**2))
        values[view] += rng.poisson(8 * bone * shape).astype(values.dtype)
    return Study({"counts": Image(values, counts.grid, counts.unit)}, normal.patient, normal.acquisition)


@pytest.fixture(scope="module")
def occluded(planted: Study) -> Explanation:
    return explain(planted)


def asked_of(study: Study) -> tuple[Asked, np.ndarray]:
    x = overlaid(torch.from_numpy(whole_body(study).both[None].astype(np.float32)))[0].numpy()
    return Asked.of(load_model(), np.array([True, True])), x


def test_covering_the_planted_lesion_takes_the_answer_away(occluded: Explanation) -> None:
    first = occluded.places[0]
    assert first.region == "left femur"
    assert first.views == ("anterior", "posterior")
    assert first.value > 2.0
    assert occluded.probability > 0.5 > first.without  # type: ignore[operator]


@pytest.mark.parametrize("method", METHODS)
def test_every_map_points_at_the_planted_lesion_in_both_views(
    planted: Study, occluded: Explanation, spot: tuple[int, int], method: str
) -> None:
    done = occluded if method == "occlusion" else explain(planted, "metastasis", method)
    assert done.image.values.shape == planted["counts"].values.shape  # type: ignore[union-attr]
    width = done.image.values.shape[2]
    for view, column in ((0, spot[1]), (1, width - 1 - spot[1])):
        plane = np.asarray(done.image.values[view])
        highest = np.argwhere(plane == plane.max()).mean(0)
        assert np.hypot(*(highest - (spot[0], column))) * 2.3 < 25.0  # mm
        assert plane.max() >= LEAST.get(method, load_model().lesion)


def test_a_normal_scan_stays_quiet(normal: Study) -> None:
    for method in ("lesion evidence", "gradient"):
        done = explain(normal, "metastasis", method)
        assert done.places == ()
        assert "no place stands out" in in_words("P", done)
    done = explain(normal)
    assert done.probability < 0.05
    assert all(p.without is not None and p.without < 0.05 for p in done.places)


def test_covering_nothing_or_air_changes_nothing(planted: Study) -> None:
    asked, x = asked_of(planted)
    spots = spots_of(x)
    air = np.zeros(x.shape[1:], bool)
    air[-30:-5, :25] = True
    assert x[:, air].mean() < 0.1
    z = asked.log_odds(np.stack((x, covered(x, spots, np.zeros_like(air)), covered(x, spots, air))))
    assert np.array_equal(z[1], z[0])
    assert z[2] == pytest.approx(z[0], abs=0.05)


def test_one_view_is_explained_alone(planted: Study) -> None:
    one = run(ExplainBoneScan(method="lesion evidence"), posterior(planted))
    image = one["reader/explanation"]
    assert isinstance(image, Image)
    assert image.values.shape == (1, 1024, 256)
    assert one["reader/places"][0].flags == ("posterior",)
    assert one.history[-1].parameters["method"] == "lesion evidence"


def posterior(study: Study) -> Study:
    from photopeak.core import Axis, Grid

    counts = study["counts"]
    assert isinstance(counts, Image)
    grid = Grid((Axis("view", 1, labels=("posterior",)), *counts.grid.axes[1:]), counts.grid.affine_mm)
    return Study({"counts": Image(counts.values[1:], grid, counts.unit)}, study.patient, study.acquisition)


@pytest.mark.parametrize(("question", "method"), [("gout", "occlusion"), ("metastasis", "tea leaves")])
def test_what_cannot_be_asked_is_refused(normal: Study, question: str, method: str) -> None:
    with pytest.raises(PhotopeakError, match="Remedy: one of metastasis, arthritis"):
        explain(normal, question, method)


class Pooling(nn.Module):
    """Features, their mean, and one number: Grad-CAM must give back the weighted features themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1, bias=False)
        self.weights = torch.tensor([2.0, -1.0])
        with torch.no_grad():
            self.features.weight[:] = torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.features(x).mean((-2, -1)) * self.weights).sum()


def test_grad_cam_of_mean_pooling_is_the_class_activation_map() -> None:
    network, x = Pooling(), torch.arange(12.0).reshape(1, 1, 3, 4)
    cam = grad_cam(network.features, lambda: network(x))
    torch.testing.assert_close(cam, 1.5 * x[0, 0])  # 2 · 1 − 1 · 0.5
    assert float(cam.mean()) == pytest.approx(network(x).item())
    assert float(grad_cam(network.features, lambda: -network(x)).max()) == 0.0
    assert not network.features._forward_hooks


def test_the_attention_of_a_network_that_has_one() -> None:
    torch.manual_seed(0)
    module, seen = Attention(16), torch.rand(2, 16, 6, 5)
    with torch.no_grad():
        f = spatial_attention(module, lambda: module(seen))
        torch.testing.assert_close(f[:, None] * seen, module(seen))
    with pytest.raises(PhotopeakError, match="a Residual has no spatial attention"):
        spatial_attention(Residual(16), lambda: None)


def test_the_scale_is_fixed() -> None:
    shown = coloured(np.array([[0.0, 0.01, 1.0, 7.0, -1.0]]))[0]
    assert shown[0, 3] == 0.0
    assert shown[1, 3] < 0.01  # the highest of a quiet map stays faint
    assert np.array_equal(shown[2], shown[3])
    assert shown[2, 0] > shown[2, 2]
    assert shown[4, 2] > shown[4, 0]


def test_the_command_says_and_draws(planted: Study, tmp_path: Path) -> None:
    write(planted.only("counts"), tmp_path / "scan.dcm")
    options = ["--method", "lesion evidence", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(root, ["explain", str(tmp_path / "scan.dcm"), *options])
    assert done.exit_code == 0, done.output
    assert "left femur" in done.stdout
    (picture,) = (tmp_path / "out").iterdir()
    assert picture.name.endswith("-metastasis-lesion-evidence.png")


def test_a_scan_that_cannot_be_read_is_not_explained_and_leaves_nothing(planted: Study, tmp_path: Path) -> None:
    counts = planted["counts"]
    assert isinstance(counts, Image)
    turned = Image(np.ascontiguousarray(counts.values[:, ::-1, ::-1]), counts.grid, counts.unit)
    write(Study({"counts": turned}, planted.patient, planted.acquisition), tmp_path / "scan.dcm")
    done = CliRunner().invoke(root, ["explain", str(tmp_path / "scan.dcm"), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, PhotopeakError)
    assert "feet seem to be at the top" in done.stderr
    assert not (tmp_path / "out").exists()

"""Parts of the body: where they lie, what is cut out, and which lesions and hot spots are theirs."""

import dataclasses

import numpy as np
import pytest
import torch

from photopeak.classify.scans import Scans
from photopeak.core import PhotopeakError
from photopeak.learning.variations import ITSELF
from photopeak.recipes import body_parts as bp
from photopeak.recipes.dspic_data import Entered

NAMES = (*bp.PARTS["chest"], *bp.PARTS["pelvis"], "cervical spine", "lumbar spine")


def scans() -> Scans:
    """Two patients of 60 × 40 pixels: a chest, a pelvis, and in the first a metastasis of a rib and one of the hip."""
    regions = np.zeros((2, 2, 60, 40), np.uint8)
    regions[..., 10:30, 8:32] = 1 + NAMES.index("left ribs")
    regions[..., 35:50, 10:30] = 1 + NAMES.index("left pelvis")
    lesions = np.zeros_like(regions)
    lesions[0, 0, 14:18, 10:14] = 1
    lesions[0, 0, 40:44, 20:24] = 1
    lesions[0, 1, 20:22, 20:22] = 2  # arthritis
    counts = np.ones(regions.shape, np.uint16)
    nothing = np.zeros(2, np.float32)
    return Scans(("A", "B"), counts, np.array([[1, 0], [0, 0]]), lesions, regions, NAMES, nothing, ("M", "F"), nothing)


def test_lesions_are_told_by_the_region_that_holds_them() -> None:
    found = [(p.image, p.region, p.box) for p in bp.pieces(scans())]
    assert found == [(0, "left ribs", (14, 10, 18, 14)), (0, "left pelvis", (40, 20, 44, 24))]
    assert [p.image for p in bp.pieces(scans(), "arthritis")] == [1]


def test_a_stray_pixel_does_not_move_the_box() -> None:
    regions = scans().regions[0, 0].copy()
    box = bp.box_of(regions, NAMES, "chest")
    regions[58, 39] = 1 + NAMES.index("sternum")
    assert bp.box_of(regions, NAMES, "chest") == box
    assert bp.middle_of(box) == pytest.approx((19.5, 19.5), abs=1)
    with pytest.raises(PhotopeakError, match="spine is not found"):
        bp.box_of(regions, NAMES, "spine")


def test_a_window_is_cut_about_its_middle_and_lies_at_its_corner() -> None:
    image = np.arange(600).reshape(20, 30)
    cut = bp.window(image, (9.5, 14.5), (6, 4))
    top, left = bp.corner((9.5, 14.5), (6, 4))
    np.testing.assert_array_equal(cut, image[top : top + 6, left : left + 4])
    np.testing.assert_array_equal(bp.window(image, (0, 0), (3, 3)), np.pad(image[:2, :2], ((1, 0), (1, 0))))
    assert not bp.window(image, (-90, 0), (3, 3)).any()


def test_regions_of_tests_are_never_the_truth() -> None:
    known, found = scans(), np.full((2, 2, 60, 40), 9, np.uint8)
    split = bp.regions_of_split(known, found, [Entered(0, v, ITSELF, "M", "M") for v in (0, 1)])
    np.testing.assert_array_equal(split[0], known.regions[0])
    assert (split[1] == 9).all()


def test_a_hot_spot_belongs_where_its_middle_or_its_neighbours_lie() -> None:
    known = scans()
    boxes = np.array([[15, 12, 18, 15], [6, 12, 9, 15], [0, 0, 3, 3]])
    sites = bp.sites_of(np.zeros(3, np.int64), boxes, known, known.regions)
    assert sites == ("left ribs", "left ribs", "")


def test_regions_that_go_by_other_names_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PhotopeakError, match="names other regions"):
        bp.found_regions(dataclasses.replace(scans(), region_names=NAMES[::-1]), tmp_path / "r.npz")


def test_a_moved_batch_keeps_its_size_and_no_edge_comes_round() -> None:
    images = torch.zeros(1, 1, 12, 12)
    images[..., 0] = 1.0  # one bright side
    for seed in range(8):
        x = bp.Moved(1).augment({"images": images}, torch.Generator().manual_seed(seed))["images"]
        assert x.shape == images.shape
        sides = x[0, 0, 6, [0, -1]].sum()
        assert sides <= 1.0  # rolled about, it would come out on the other side


def test_both_answers_weigh_the_same() -> None:
    class Even(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 2)

    loss = bp.weighed_loss([True, False, False, False])
    batch = {"images": torch.zeros(4, 1), "labels": torch.tensor([1, 0, 0, 0])}
    assert float(loss(Even(), batch)) == pytest.approx(np.log(2))


def test_one_answer_alone_is_said_of_all() -> None:
    x = np.zeros((3, 2))
    assert bp.regressed(x, np.zeros(3, bool), x).tolist() == [0, 0, 0]

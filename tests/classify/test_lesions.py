import numpy as np
import pytest

from photopeak.classify.bsi import bone_scan_index, region_shares
from photopeak.classify.lesions import lesions_of, matched, outline, pieces


def blob(row: int, column: int, value: float, size: int = 3) -> np.ndarray:
    p = np.zeros((64, 32))
    p[row : row + size, column : column + size] = value
    return p


def test_pieces_are_apart_and_as_likely_as_their_best_pixels() -> None:
    p = blob(5, 5, 0.9) + blob(30, 10, 0.5) + blob(50, 20, 0.2)
    found = pieces(p)
    assert sorted(q for _, q in found) == [0.5, 0.9]  # 0.2 is below the edge
    assert all(mask.sum() == 9 for mask, _ in found)


def test_lesions_are_named_after_the_region_they_lie_in_or_next_to() -> None:
    maps = np.zeros((2, 2, 64, 32))
    maps[0, 0], maps[1, 1] = blob(5, 5, 0.9), blob(40, 20, 0.7)
    regions = np.zeros((2, 64, 32), np.uint8)
    regions[0, :10] = 1
    regions[1, 44:] = 2  # two pixels away
    found = lesions_of(maps, regions, ("skull", "left foot"), 0.5)
    assert [(x.view, x.kind, x.region) for x in found] == [
        ("anterior", "metastasis", "skull"),
        ("posterior", "arthritis", "left foot"),
    ]
    assert not lesions_of(maps, regions, ("skull", "left foot"), 0.95)


def test_matching_counts_hits_misses_and_false_ones() -> None:
    truth = (blob(5, 5, 1) + blob(40, 20, 1)) > 0
    maps = np.zeros((2, 2, 64, 32))
    maps[0, 0] = blob(6, 6, 0.8) + blob(20, 20, 0.6)
    found = lesions_of(maps, np.ones((2, 64, 32), np.uint8), ("skull",), 0.3)
    right, best = matched(found, truth)
    assert dict(zip((x.probability for x in found), right, strict=True)) == {0.8: True, 0.6: False}
    assert best.tolist() == [0.8, 0.0]


def test_nothing_is_listed_in_urine() -> None:
    maps = np.zeros((2, 2, 64, 32))
    maps[0, 0] = blob(6, 6, 0.9)
    assert not lesions_of(maps, np.ones((2, 64, 32), np.uint8), ("bladder",), 0.3)


def test_an_outline_goes_around_the_mask() -> None:
    mask = blob(10, 4, 1, 5) > 0
    x, y = np.array(outline(mask)).T
    assert (x.min(), x.max()) == (4, 9)
    assert (y.min(), y.max()) == (10, 15)


def test_the_bone_scan_index_of_everything_is_100_and_of_one_bone_its_share() -> None:
    names = tuple(region_shares())
    regions = np.repeat(np.arange(1, len(names) + 1, dtype=np.uint8), 8).reshape(1, -1, 8)
    regions = np.concatenate((regions, regions))
    assert sum(region_shares().values()) == pytest.approx(1, abs=1e-3)
    assert bone_scan_index(regions > 0, regions, names) == pytest.approx(100, abs=0.1)
    skull = regions == 1 + names.index("skull")
    assert bone_scan_index(skull, regions, names) == pytest.approx(100 * region_shares()["skull"])
    skull[1] = False  # seen in one view alone
    assert bone_scan_index(skull, regions, names) == pytest.approx(50 * region_shares()["skull"])

"""Contact sheets show every scan, hot as black."""

import numpy as np
import pytest

from photopeak.patients.sheet import contact_sheet, grey, save_sheet


def test_hot_is_black_and_cold_is_white():
    image = np.zeros((200, 100), np.uint16)
    image[50:60, 40:50] = 300
    out = grey(image, 99.0)
    assert out[55, 45] == 0
    assert out[0, 0] == 255


def test_one_hot_pixel_does_not_set_the_window():
    image = np.full((100, 100), 50.0)
    image[0, 0] = 10_000
    assert grey(image)[50, 50] == 0


@pytest.mark.parametrize("n", [1, 6, 7])
def test_sheet_holds_all_scans(tmp_path, n):
    scans = [[np.full((40, 20), 9, np.uint16)] * 2 for _ in range(n)]
    path = save_sheet(contact_sheet(scans, [str(i) for i in range(n)], columns=3), tmp_path / "sheet.png")
    from PIL import Image

    with Image.open(path) as sheet:
        dark = (np.asarray(sheet) == 0).sum()
    assert dark >= n * 2 * 40 * 20

from collections import Counter

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.learning.variations import ITSELF, VARIATIONS, Variation, varied, vary

PUBLISHED = ["N"] * 334 + ["M"] * 174 + ["A"] * 252 + ["M&A"] * 8


def test_the_published_numbers_come_out_exactly() -> None:
    samples = varied(PUBLISHED, {"M": 346, "A": 316, "M&A": 72}, seed=0)
    counts = Counter(PUBLISHED[s.parent] for s in samples)
    assert counts == {"N": 334, "M": 520, "A": 568, "M&A": 80}
    assert len(set(samples)) == len(samples)  # no copy twice
    assert [s.parent for s in samples[: len(PUBLISHED)]] == list(range(len(PUBLISHED)))
    copies = Counter(s.parent for s in samples if s.variation != ITSELF)
    assert {copies[i] for i, c in enumerate(PUBLISHED) if c == "M"} == {1, 2}
    assert {copies[i] for i, c in enumerate(PUBLISHED) if c == "M&A"} == {9}
    assert not any(copies[i] for i, c in enumerate(PUBLISHED) if c == "N")


def test_mirroring_twice_and_shifting_back_give_the_image() -> None:
    image = np.zeros((256, 64), np.float32)
    image[100:140, 20:40] = np.random.default_rng(0).random((40, 20))
    assert (vary(vary(image, Variation(mirror=True)), Variation(mirror=True)) == image).all()
    there = vary(image, Variation(shift_px=(8, -8)))
    assert there[102:142, 18:38] == pytest.approx(image[100:140, 20:40])  # a quarter of the usual matrix: 2 pixels
    assert (vary(there, Variation(shift_px=(-8, 8))) == image).all()


def test_a_turn_keeps_what_is_inside() -> None:
    image = np.zeros((256, 64), np.float32)
    image[120:136, 24:40] = 1
    turned = vary(image, Variation(turn_deg=5.0))
    assert turned.sum() == pytest.approx(image.sum(), rel=0.01)
    assert np.abs(turned - image).sum() > 1


def test_every_variation_is_another_image() -> None:
    image = np.random.default_rng(1).random((1024, 256)).astype(np.float32)
    made = {vary(image, v).tobytes() for v in VARIATIONS}
    assert len(made) == 13
    assert image.tobytes() not in made


def test_more_copies_than_there_are_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="13 at most"):
        varied(["M"], {"M": 14}, seed=0)

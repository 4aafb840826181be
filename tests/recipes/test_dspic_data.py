from collections import Counter

import numpy as np
import pytest

from photopeak.classify.scans import Scans
from photopeak.recipes.dspic_data import D_2, apart, as_published, clean, copied, images, numbers

PATIENTS = {"N": 167, "M": 87, "A": 126, "M&A": 4}


def published(scale: float = 1.0) -> Scans:
    """As many patients of each class as published; tiny images."""
    labels = [c for c, n in PATIENTS.items() for _ in range(max(1, round(scale * n)))]
    n = len(labels)
    counts = np.random.default_rng(0).poisson(20, (n, 2, 64, 16)).astype(np.uint16)
    none = np.zeros((n, 2, 64, 16), np.uint8)
    pairs = np.array([["M" in c, "A" in c] for c in labels], np.int8)
    unknown = np.full(n, np.nan, np.float32)
    return Scans(tuple(f"P{i}" for i in range(n)), counts, pairs, none, none, (), unknown, ("F",) * n, unknown)


def test_d_2_has_the_published_numbers_and_475_test_images() -> None:
    scans = published()
    train, test = as_published(scans, D_2, seed=0)
    assert (len(train), len(test)) == (1107, 475)
    labels = Counter(e.label for e in train + test)
    assert {**labels, "M&A": labels["M&A"] // 2} == D_2  # each M&A image is entered twice
    assert Counter(e.entered_as for e in train + test) == {"N": 334, "M": 600, "A": 648}
    assert len({(e.patient, e.name) for e in train + test}) == 1582


def test_as_published_leaks_and_clean_does_not() -> None:
    scans = published()
    train, test = as_published(scans, D_2, seed=0)
    assert len({e.patient for e in train} & {e.patient for e in test}) > 200
    train, test = clean(scans, D_2, seed=0)
    assert not {e.patient for e in train} & {e.patient for e in test}
    assert {e.name for e in test} <= {f"{v}{s}" for v in ("anterior", "posterior") for s in ("", " as M", " as A")}
    grown = Counter(e.label for e in train)
    assert grown["M"] / (2 * 61) == pytest.approx(520 / 174, rel=0.02)


def test_apart_holds_the_images_of_as_published_without_the_leak() -> None:
    scans = published()
    train, test = apart(scans, D_2, seed=0)
    assert not {e.patient for e in train} & {e.patient for e in test}
    leaky = as_published(scans, D_2, seed=0)
    assert {(e.patient, e.name) for e in train + test} == {(e.patient, e.name) for e in leaky[0] + leaky[1]}
    assert len(test) == pytest.approx(475, rel=0.03)


def test_images_are_normalised_one_by_one() -> None:
    scans = published(0.05)
    entered = copied(scans, {}, 0)
    made = images(scans, entered)
    assert made.min(axis=(1, 2, 3)).tolist() == [0.0] * len(entered)
    assert made.max(axis=(1, 2, 3)).tolist() == [1.0] * len(entered)
    assert set(numbers(entered).tolist()) == {0, 1, 2}

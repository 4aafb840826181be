from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.learning.splits import Split, folds, split_patients

COHORT = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("NMA")), min_size=6, max_size=60)


@given(COHORT, st.integers(0, 5))
def test_no_patient_is_on_both_sides(examples: list[tuple[int, str]], seed: int) -> None:
    patients = [f"P{p}" for p, _ in examples]
    split = split_patients(patients, [c for _, c in examples], 0.3, seed)
    assert not {patients[i] for i in split.train} & {patients[i] for i in split.test}
    assert sorted([*split.train, *split.test]) == list(range(len(patients)))


def test_each_class_gives_its_share() -> None:
    classes = ["N"] * 100 + ["M"] * 40 + ["M&A"] * 10
    split = split_patients([str(i) for i in range(150)], classes, 0.3, seed=1)
    assert Counter(classes[i] for i in split.test) == {"N": 30, "M": 12, "M&A": 3}


def test_the_same_seed_gives_the_same_split_whatever_the_order() -> None:
    patients, classes = [str(i) for i in range(50)], ["N", "M"] * 25
    one = split_patients(patients, classes, 0.2, seed=3)
    other = split_patients(patients[::-1], classes[::-1], 0.2, seed=3)
    assert {patients[i] for i in one.test} == {patients[::-1][i] for i in other.test}
    assert {*one.test} != {*split_patients(patients, classes, 0.2, seed=4).test}


def test_a_split_that_leaks_cannot_be_made() -> None:
    with pytest.raises(PhotopeakError, match=r"1 patients are on both sides .*P1"):
        Split(("P1", "P1", "P2"), np.array([0]), np.array([1, 2]))


def test_folds_test_everybody_once() -> None:
    patients = [str(i // 2) for i in range(60)]
    tested = [i for split in folds(patients, ["N"] * 60, 5, seed=0) for i in split.test]
    assert sorted(tested) == list(range(60))


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(PhotopeakError, match="share"):
        split_patients(["a", "b"], ["N", "N"], share, 0)

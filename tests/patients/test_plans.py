"""The published cohort's numbers to the last one, and plans that do not depend on their batch."""

from collections import Counter

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.plans import MOST_METASTASES, PUBLISHED_PATIENTS, mixed_plan, published_plan

MIX = {"N": 0.4, "M": 0.3, "A": 0.25, "M&A": 0.05}


@pytest.mark.parametrize("seed", [0, 7, 20211])
def test_published_totals_are_exact(seed):
    plans = published_plan(seed)
    assert Counter(p.label for p in plans) == PUBLISHED_PATIENTS
    assert Counter(p.sex for p in plans) == {"F": 181, "M": 203}
    m = [n for p in plans if p.label_m for n in p.metastases]
    a = [n for p in plans if p.label_a for n in p.arthritis]
    assert (len(m), sum(m)) == (182, 907)
    assert (len(a), sum(a)) == (260, 599)
    assert min(m) >= 1
    assert min(a) >= 1
    assert max(m) <= MOST_METASTASES


def test_only_patients_with_a_label_have_lesions():
    for p in published_plan(3):
        assert (sum(p.metastases) > 0) == bool(p.label_m) == (p.label in ("M", "M&A"))
        assert (sum(p.arthritis) > 0) == bool(p.label_a) == (p.label in ("A", "M&A"))


def test_published_plans_repeat_and_differ_by_seed():
    assert published_plan(4) == published_plan(4)
    assert published_plan(4) != published_plan(5)


def test_a_mixed_plan_depends_on_its_index_alone():
    assert mixed_plan(5, MIX, 9) == mixed_plan(40, MIX, 9)[:5]


def test_mixed_shares_and_lesion_density_follow_the_published_ones():
    plans = mixed_plan(3000, MIX, 1)
    share = Counter(p.label for p in plans)
    for label, wanted in MIX.items():
        assert abs(share[label] / 3000 - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 3000)
    m = [n for p in plans if p.label_m for n in p.metastases]
    a = [n for p in plans if p.label_a for n in p.arthritis]
    assert np.mean(m) == pytest.approx(4.98, abs=0.5)
    assert np.mean(a) == pytest.approx(2.30, abs=0.2)


def test_arthritis_is_rare_below_forty_and_superscans_have_many_lesions():
    plans = mixed_plan(800, {"A": 1, "M": 1}, 2, Difficulty(superscan_share=0.5))
    assert min(p.age_years for p in plans if p.label == "A") >= 40
    assert min(sum(p.metastases) for p in plans if p.superscan) > 12
    assert not any(p.superscan for p in plans if p.label == "A")


@pytest.mark.parametrize("mix", [{"N": -1, "M": 2}, {"N": 0}, {"X": 1}])
def test_an_impossible_mix_is_refused(mix):
    with pytest.raises(PhotopeakError, match="Remedy"):
        mixed_plan(3, mix, 1)

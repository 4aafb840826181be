"""Every mimic can be drawn, is where it belongs, and comes as often as the difficulty says."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from photopeak.patients.body import Person
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import DISEASES, deposit, paint
from photopeak.patients.metastasis import BoneIndex
from photopeak.patients.mimics import MAKERS, Site, draw_mimics, table
from tests.patients.disease_bodies import healthy

pytestmark = pytest.mark.untraced


def site(seed=1, sex="M"):
    body = healthy(sex=sex)
    return Site(body, BoneIndex.of(body), np.random.default_rng(seed))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_mimic_changes_the_body_and_is_no_disease(name, seed):
    where = site(seed)
    lesions = MAKERS[name](where)
    deposits = [deposit(where.body, m, where.rng) for m in lesions]
    painted = paint(where.body, deposits)
    metal = any(m.mu_per_cm for m in lesions)
    assert (painted.uptake != where.body.uptake).any() or metal
    assert metal == (painted.mu_per_cm is not where.body.mu_per_cm)
    assert not {m.kind for m in lesions} & set(DISEASES)
    assert all(m.site and m.region for m in lesions)
    assert painted.uptake.min() >= 0


def test_there_is_a_maker_for_every_prior():
    assert set(MAKERS) == {*table()["mimics"], *table()["benign_foci"]}


def test_rib_fractures_stand_in_a_line():
    for seed in range(6):
        lesions = MAKERS["rib fractures"](site(seed))
        assert 2 <= len(lesions) <= 5
        assert len({m.side for m in lesions}) == 1
        numbers = sorted(int(m.site.rsplit(" ", 1)[1]) for m in lesions)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_hip_prosthesis_is_cold_and_absorbs():
    where = site(4)
    lesions = MAKERS["hip prosthesis"](where)
    body, painted = where.body, paint(where.body, [deposit(where.body, m, where.rng) for m in lesions])
    more = painted.mu_per_cm - body.mu_per_cm
    denser = more > 0.6 * more.max()  # filled with metal; the cortex around it keeps its uptake
    assert denser.sum() > 50
    assert painted.uptake[denser].mean() < 0.5 * body.uptake[denser].mean()


def test_paget_fills_a_whole_bone_and_no_other():
    where = site(2)
    (lesion,) = MAKERS["Paget disease"](where)
    painted = paint(where.body, [deposit(where.body, lesion, where.rng)])
    own = where.body.label == where.body.names.index(lesion.site)
    ratio = painted.uptake[own & (where.body.uptake > 0.05)] / where.body.uptake[own & (where.body.uptake > 0.05)]
    assert np.quantile(ratio, 0.05) > 0.9 * lesion.factor
    np.testing.assert_array_equal(painted.uptake[~own], where.body.uptake[~own])


def test_metal_lies_on_the_skin():
    where = site(3)
    (lesion,) = MAKERS["metal object"](where)
    x, _, z = (
        round((c - o) / where.body.voxel_mm) for c, o in zip(lesion.centre_mm, where.body.origin_mm, strict=True)
    )
    ray = where.body.mu_per_cm[z, :, x]
    skin = where.body.origin_mm[1] + where.body.voxel_mm * np.argmax(ray > 0)
    assert lesion.centre_mm[1] == pytest.approx(skin, abs=where.body.voxel_mm)


def count(difficulty, n=150, age=66.0, sex="M"):
    body = healthy(sex=sex)
    body = replace(body, person=Person(sex, age, 1.7, 70.0))
    index, rng = BoneIndex.of(body), np.random.default_rng(0)
    return Counter(m.kind for _ in range(n) for m in draw_mimics(body, index, difficulty, rng))


def test_the_rates_follow_the_difficulty():
    assert not count(Difficulty(mimic_rate=0.0, benign_focus_rate=0.0))
    usual, many = count(Difficulty()), count(Difficulty(mimic_rate=4.0, benign_focus_rate=2.0))
    assert 0 < sum(usual.values()) < 0.5 * sum(many.values())
    foci = sum(many[k] for k in table()["benign_foci"])
    assert foci == pytest.approx(300, abs=70)


def test_age_brings_prostheses_and_only_women_have_the_rare_sacral_fracture():
    young, old = (count(Difficulty(mimic_rate=3.0), age=a)["hip prosthesis"] for a in (35.0, 85.0))
    assert young < old
    assert count(Difficulty(mimic_rate=10.0))["sacral insufficiency fracture"] == 0
    assert count(Difficulty(mimic_rate=10.0), age=80.0, sex="F")["sacral insufficiency fracture"] > 0

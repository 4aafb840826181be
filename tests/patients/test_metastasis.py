"""Metastases grow where the literature finds them, as large and as hot as it says."""

from collections import Counter

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import bare
from photopeak.patients.metastasis import BoneIndex, Habit, draw_metastasis, site_weights
from photopeak.patients.plans import PRIMARY
from tests.patients.disease_bodies import healthy

PLAIN = Difficulty(faint_share=0.0, tiny_share=0.0, lytic_share=0.0)


def draw(n, difficulty=PLAIN, primary="lung", seed=1, flare=False):
    body = healthy()
    index, rng = BoneIndex.of(body), np.random.default_rng(seed)
    return [draw_metastasis(body, index, Habit(primary, flare, difficulty), rng, i) for i in range(n)]


def test_vertebra_rib_and_femur_lead_whatever_the_primary_in_the_cohort():
    total = Counter()
    for sex in ("F", "M"):
        for primary, share in PRIMARY[sex].items():
            for site, weight in site_weights(primary).items():
                total[site] += share * weight
            assert sum(site_weights(primary).values()) == pytest.approx(1.0)
    assert [site for site, _ in total.most_common(3)] == ["vertebra", "rib", "femur"]


def test_drawn_sites_follow_their_weights():
    n = 1500
    drawn = Counter(m.region for m in draw(n))
    for site, p in site_weights("lung").items():
        assert abs(drawn[site] - n * p) < 5 * np.sqrt(n * p * (1 - p)) + 1


def test_prostate_goes_to_the_pelvis_and_breast_to_the_sternum():
    assert site_weights("prostate")["pelvis"] > 1.3 * site_weights("breast")["pelvis"]
    assert site_weights("breast")["sternum"] > 1.5 * site_weights("prostate")["sternum"]
    assert site_weights("something else") == pytest.approx(site_weights(""))


def test_the_centre_lies_in_the_bone_that_the_lesion_names():
    body = healthy()
    for m in draw(60):
        at = tuple(round((c - o) / body.voxel_mm) for c, o in zip(m.centre_mm, body.origin_mm, strict=True))[::-1]
        assert body.names[body.label[at]] == m.site
        assert m.within == (m.site,)
        assert m.side in ("", *m.site.split(" ")[:1])


def test_most_of_the_femur_is_its_upper_end():
    parts = Counter(m.part for m in draw(1500) if bare(m.site) == "femur")
    assert parts["proximal"] > 0.65 * sum(parts.values()) > 0
    assert set(parts) == {"proximal", "shaft", "distal"}


def test_sizes_and_uptake_have_the_stated_medians():
    lesions = draw(1200)
    diameter = [2 * m.semi_axes_mm[1] for m in lesions]
    assert np.median(diameter) == pytest.approx(20.0 * 1.15, rel=0.12)  # large bones hold larger ones
    assert min(diameter) >= 7.9
    spine = [m.added for m in lesions if m.region == "vertebra"]
    assert 3.2 < np.median(spine) < 5.2  # 5.0 times the root of the vertebra's own uptake


def test_rib_lesions_are_long():
    lengths = [m.semi_axes_mm[0] / m.semi_axes_mm[2] for m in draw(400) if m.region == "rib"]
    assert np.median(lengths) > 1.5


def test_harder_means_fainter_and_smaller():
    easy, hard = (
        draw(300, Difficulty(lesion_contrast_scale=c, lesion_size_scale=s)) for c, s in ((1.5, 1.3), (0.4, 0.6))
    )
    assert np.mean([m.added for m in hard]) < 0.5 * np.mean([m.added for m in easy])
    assert np.mean([m.semi_axes_mm[1] for m in hard]) < 0.8 * np.mean([m.semi_axes_mm[1] for m in easy])


def test_shares_of_faint_tiny_and_lytic_lesions_are_felt():
    plain = np.mean([m.added for m in draw(200)])
    assert np.mean([m.added for m in draw(200, Difficulty(faint_share=1.0))]) == pytest.approx(plain / 3, rel=0.1)
    assert np.mean([m.added for m in draw(200, flare=True)]) == pytest.approx(1.6 * plain, rel=0.05)
    assert max(m.semi_axes_mm[1] for m in draw(50, Difficulty(tiny_share=1.0))) < 9.0
    assert all(m.lytic for m in draw(20, Difficulty(lytic_share=1.0)))


def test_the_same_seed_draws_the_same_lesions():
    assert draw(10) == draw(10)
    assert draw(10) != draw(10, seed=2)


def test_flares_come_with_their_share():
    rng = np.random.default_rng(0)
    assert Habit.draw("lung", Difficulty(flare_share=1.0), rng).flare
    assert not Habit.draw("lung", Difficulty(flare_share=0.0), rng).flare


def test_the_index_finds_the_bone_and_its_volume():
    body = healthy()
    index = BoneIndex.of(body)
    voxels = index.of_bone("L3")
    assert {body.names[body.label[tuple(v)]] for v in voxels} == {"L3"}
    assert 2500 < index.volume_ml(body.voxel_mm) < 9000


def test_a_body_without_bones_is_refused():
    from dataclasses import replace

    body = healthy()
    boneless = replace(body, label=np.zeros_like(body.label))
    index = BoneIndex.of(boneless)
    with pytest.raises(PhotopeakError, match="no bone"):
        draw_metastasis(boneless, index, Habit("lung", False, PLAIN), np.random.default_rng(0), 1)

"""Who is drawn, how they vary, how they lie, and which variants they have."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.anatomy import (
    Pose,
    Posed,
    Proportions,
    Tracer,
    Variation,
    draw_person,
    draw_variation,
    make_body,
    sites,
)
from photopeak.patients.anatomy.pose import Limbs
from photopeak.patients.anatomy.scaling import Scaling
from photopeak.patients.anatomy.shape import NO_SHAPE, draw_shape
from photopeak.patients.anatomy.skeleton import GROUPS, document, skeleton
from photopeak.patients.anatomy.texture import tile
from photopeak.patients.anatomy.uptake import draw_details, primitive_uptake
from photopeak.patients.anatomy.vertebrae import leans_deg
from photopeak.patients.body import Person, Variant

MAN, WOMAN = Person("M", 60.0, 1.76, 73.0), Person("F", 60.0, 1.63, 60.0)
STRAIGHT = Limbs(0, 0, 0, 0, 0, 0, 0, 0, 0)
NEUTRAL = Posed(Scaling(MAN, Proportions()), Pose(STRAIGHT, STRAIGHT))


def test_people_have_the_sizes_of_the_facts() -> None:
    rng = np.random.default_rng(0)
    people = [draw_person(rng) for _ in range(2000)]
    for sex, mean, sd in (("M", 1.76, 0.07), ("F", 1.63, 0.065)):
        heights = [p.height_m for p in people if p.sex == sex]
        assert np.mean(heights) == pytest.approx(mean, abs=0.01)
        assert np.std(heights) == pytest.approx(sd, rel=0.1)
    bmi = np.array([p.weight_kg / p.height_m**2 for p in people])
    assert bmi.mean() == pytest.approx(26.8, abs=0.5)
    assert bmi.std() == pytest.approx(5.0, rel=0.12)
    assert min(p.age_years for p in people) >= 20


def test_what_is_given_is_kept_and_moves_nothing_else() -> None:
    free, fixed = draw_person(np.random.default_rng(3)), draw_person(np.random.default_rng(3), age_years=33.0)
    assert dataclasses.replace(free, age_years=33.0) == fixed
    chosen = draw_person(np.random.default_rng(3), sex="F", height_m=1.5, weight_kg=50.0, age_years=70.0)
    assert chosen == Person("F", 70.0, 1.5, 50.0)


def test_neutral_pose_of_the_reference_man_is_the_reference() -> None:
    points = [[60.0, -93.0, 1283.0], [10.0, 20.0, 1000.0]]
    np.testing.assert_allclose(NEUTRAL.place(points, "chest", "left"), points, atol=1e-9)
    mirrored = NEUTRAL.place(points, "chest", "right")
    np.testing.assert_allclose(mirrored, np.array(points) * [-1, 1, 1], atol=1e-9)
    for group in GROUPS:
        np.testing.assert_allclose(NEUTRAL.place(points, group, "left"), points, atol=1e-9)


def test_each_limb_turns_about_its_joint_and_carries_what_hangs_on_it() -> None:
    posed = Posed(Scaling(MAN, Proportions()), Pose(dataclasses.replace(STRAIGHT, arm_abd=90.0), STRAIGHT))
    shoulder = np.array([180.0, 18.0, 1442.0])
    hand = posed.place([[180.0, 18.0, 842.0]], "hand", "left")[0]
    np.testing.assert_allclose(hand, shoulder + np.array([600, 0, 0]), atol=1e-6)
    np.testing.assert_allclose(posed.place([[180.0, 18.0, 842.0]], "hand", "right")[0], [-180, 18, 842], atol=1e-6)
    toes_out = Posed(Scaling(MAN, Proportions()), Pose(dataclasses.replace(STRAIGHT, leg_ext_rot=90.0), STRAIGHT))
    toe = toes_out.place([[76.0, -150.0, 10.0]], "foot", "left")[0]
    assert toe[0] > 200, "toes turn outwards"
    np.testing.assert_allclose(toes_out.place([[88.0, 0.0, 913.0]], "pelvis", "left")[0], [88, 0, 913], atol=1e-6)


def test_curves_and_rolls() -> None:
    bent = Posed(Scaling(MAN, Proportions()), Pose(STRAIGHT, STRAIGHT, scoliosis=20.0, kyphosis=10.0))
    apex, base = bent.place([[0.0, 0.0, 1250.0]], "spine")[0], bent.place([[0.0, 0.0, 1000.0]], "pelvis")[0]
    assert apex[0] == pytest.approx(20.0, abs=0.1)
    np.testing.assert_allclose(base, [0, 0, 1000], atol=1e-9)
    assert bent.place([[0.0, 0.0, 1350.0]], "spine")[0, 1] == pytest.approx(10.0)
    rolled = Posed(Scaling(MAN, Proportions()), Pose(STRAIGHT, STRAIGHT, roll=90.0))
    np.testing.assert_allclose(rolled.place([[100.0, 0.0, 900.0]], "pelvis", "left")[0], [0, 100, 900], atol=1e-6)


def test_ellipsoids_are_placed_with_their_axes() -> None:
    centre, axes = NEUTRAL.ellipsoid([88.0, 0.0, 500.0], [10.0, 20.0, 30.0], "leg", "right")
    np.testing.assert_allclose(centre, [-88, 0, 500], atol=1e-9)
    np.testing.assert_allclose(np.abs(axes), np.diag([10.0, 20.0, 30.0]), atol=1e-9)


def test_unknown_groups_and_sides_are_refused() -> None:
    with pytest.raises(PhotopeakError, match="no group 'tail'"):
        NEUTRAL.place([[0, 0, 0]], "tail")
    with pytest.raises(PhotopeakError, match="side 'middle'"):
        NEUTRAL.place([[0, 0, 0]], "leg", "middle")


def test_variation_depends_on_the_seed_alone_and_differs_between_seeds() -> None:
    one, same, other = (draw_variation(np.random.default_rng(s), MAN) for s in (1, 1, 2))
    assert one == same
    assert one.pose != other.pose
    assert one.detail_seed != other.detail_seed
    assert one.pose.left != one.pose.right, "nobody is symmetric"


def test_variants_can_be_left_out_and_stay_within_their_priors() -> None:
    bare = draw_variation(np.random.default_rng(1), MAN, variants=False)
    assert bare.variants == ()
    assert bare.joint_wear == 0.0
    rng = np.random.default_rng(5)
    draws = [draw_variation(rng, WOMAN).variants for _ in range(400)]
    rows = {row["name"]: row for row in sites("variants")}
    for name, row in rows.items():
        share = np.mean([any(v.name == name for v in found) for found in draws])
        assert share == pytest.approx(row["p"], abs=0.08), name
    sides = [v.side for found in draws for v in found if rows.get(v.name, {"lr": 0})["lr"]]
    assert set(sides) == {"left", "right"}
    assert not any(v.name.startswith("breast") for _ in range(50) for v in draw_variation(rng, MAN).variants)


def test_wear_grows_with_age() -> None:
    rng = np.random.default_rng(2)
    wear = {
        age: np.mean([draw_variation(rng, Person("M", age, 1.76, 73)).joint_wear for _ in range(60)])
        for age in (35.0, 80.0)
    }
    assert wear[80.0] > wear[35.0] + 0.7


@pytest.mark.parametrize("row", sites("variants"), ids=lambda row: str(row["name"]))
def test_every_variant_changes_the_body_where_it_should(row: dict) -> None:  # type: ignore[type-arg]
    person = WOMAN if "women" in row["name"] else MAN
    side = "left" if row["lr"] else ""
    factor = float(np.mean(row["f"]))
    plain = make_body(person, Variation(), 5.0)
    body = make_body(person, Variation(variants=(Variant(row["name"], side, factor),)), 5.0)
    change = body.uptake - plain.uptake
    assert np.abs(change).max() > 1e-3, "nothing changed"
    if row["name"].startswith(("kidney absent", "sternal foramen")):
        assert change.min() < 0
    z, y, x = np.unravel_index(np.abs(change).argmax(), change.shape)
    where = np.array([x, y, z]) * 5.0 + body.origin_mm
    centre = body.placement.place([row["c"]], row["k"], side)[0]
    assert np.linalg.norm(where - centre) < 15 + 1.4 * max(row["s"])


def test_spurs_sit_on_the_spine() -> None:
    plain, spur = (make_body(MAN, Variation(variants=v), 5.0) for v in ((), (Variant("osteophyte L3", "right", 0.4),)))
    z, _, x = np.unravel_index((spur.uptake - plain.uptake).argmax(), spur.uptake.shape)
    assert x * 5.0 + spur.origin_mm[0] < 0
    assert z * 5.0 + spur.origin_mm[2] == pytest.approx(1103, abs=12)


def test_uptake_follows_tracer_and_sex() -> None:
    reference = skeleton()
    details = draw_details(reference, 0)
    base = Variation()
    failing = dataclasses.replace(base, tracer=Tracer(soft=0.05, bladder=0.2, kidney=0.5, bone=0.9))
    normal, sick, woman = (
        primitive_uptake(reference, person, variation, details)
        for person, variation in ((MAN, base), (MAN, failing), (WOMAN, base))
    )
    name = np.array(reference.prim_name)
    assert sick[name == "bladder"] == pytest.approx(0.2)
    assert (sick[name == "kidney"] < normal[name == "kidney"]).all()
    assert (sick[name == "liver"] > normal[name == "liver"]).all()
    assert sick[name == "L3.body"] / normal[name == "L3.body"] == pytest.approx(0.9)
    assert woman[name == "genitals"] == 0


def test_texture_has_mean_one_and_repeats() -> None:
    bone = tile(3.0, "bone", 2)
    assert bone.mean() == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_array_equal(bone[..., :64], bone[..., 64:])
    assert 0.1 < bone.std() < 0.3
    assert tile(3.0, "soft", 1).std() < bone.std()


def test_a_shape_is_smooth_over_the_midline_and_differs_between_the_sides():
    shape, rng = draw_shape(3), np.random.default_rng(0)
    p = rng.uniform((0.0, -100.0, 0.0), (200.0, 100.0, 1700.0), (4000, 3))
    left, right = (shape.displaced(p, np.full(len(p), side)) - p for side in (1, -1))
    assert 2.5 < left.std() < 6.0
    assert np.corrcoef(left[:, 2], right[:, 2])[0, 1] < 0.9
    middle = p * [0.0, 1.0, 1.0]
    ours, mirrored = (shape.displaced(middle, np.full(len(p), side)) for side in (1, -1))
    np.testing.assert_allclose(ours * [-1.0, 1.0, 1.0], mirrored, atol=1e-9)
    step = 0.01
    strain = (shape.displaced(p + np.array([0.0, 0.0, step]), np.full(len(p), 1)) - p - left)[:, 2] / step - 1.0
    assert strain.std() < 0.15
    assert abs(strain).max() < 0.6, "no bone folds over"
    np.testing.assert_array_equal(NO_SHAPE.displaced(p, np.full(len(p), -1)), p)


def test_vertebral_bodies_stand_square_to_the_spine():
    rows = document()["vertebrae"]["rows"]
    lean = dict(zip((row[0] for row in rows), leans_deg(rows), strict=True))
    assert lean["L5"] > lean["L4"] > lean["L2"]  # lordosis
    assert lean["T3"] > lean["T7"] > lean["T12"]  # kyphosis
    assert 10 < lean["L5"] < 25


def test_neighbouring_bones_shine_alike():
    reference = skeleton()
    named = {
        name: i
        for i, (name, side) in enumerate(zip(reference.prim_name, reference.prim_side, strict=True))
        if side >= 0
    }
    upper, lower, far = (named[n] for n in ("femur.shaft.u", "femur.inter", "vault"))
    place = np.array([draw_details(reference, seed).ln_place for seed in range(300)])
    assert np.corrcoef(place[:, upper], place[:, lower])[0, 1] > 0.6
    assert abs(np.corrcoef(place[:, upper], place[:, far])[0, 1]) < 0.3
    assert place.std() == pytest.approx(1.0, abs=0.1)

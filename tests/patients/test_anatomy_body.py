"""Bodies as a whole: names, sides, volumes, sizes, sexes, repeatability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from photopeak.patients.anatomy import Mu, Proportions, Variation, draw_person, draw_variation, make_body
from photopeak.patients.body import Body, Person

MAN, WOMAN = Person("M", 60.0, 1.76, 73.0), Person("F", 60.0, 1.63, 60.0)
VERTEBRAE = [f"{level}{i}" for level, n in (("C", 7), ("T", 12), ("L", 5)) for i in range(1, n + 1)]
PAIRED = ["clavicle", "scapula", "humerus", "radius", "ulna", "carpus", "ilium", "acetabulum", "ischium", "pubis"]
PAIRED += ["femur", "patella", "tibia", "fibula", "talus", "calcaneus", "tarsus"]
PAIRED += [f"rib {i}" for i in range(1, 13)] + [
    f"{b} {i}" for b in ("metacarpal", "metatarsal", "toe") for i in range(1, 6)
]
PAIRED += [f"phalanges {i}" for i in range(1, 6)]
SINGLE = ["skull vault", "skull base", "facial bones", "mandible", "manubrium", "sternum", "sacrum"]


@pytest.fixture(scope="module")
def man() -> Body:
    return make_body(MAN, Variation(), 4.0)


@pytest.fixture(scope="module")
def woman() -> Body:
    return make_body(WOMAN, Variation(), 4.0)


def volume_ml(body: Body, *names: str) -> float:
    numbers = [i for i, name in enumerate(body.names) if any(name == n or name.endswith(f" {n}") for n in names)]
    return float(np.isin(body.label, numbers).sum() * body.voxel_mm**3 / 1000)


def centre_mm(body: Body, name: str) -> np.ndarray:
    zyx = np.argwhere(body.label == body.names.index(name)).mean(axis=0)
    return zyx[::-1] * body.voxel_mm + body.origin_mm


def test_every_bone_is_named_and_present(man: Body) -> None:
    expected = [*VERTEBRAE, *SINGLE, *(f"{side} {bone}" for side in ("left", "right") for bone in PAIRED)]
    assert set(expected) <= set(man.names)
    present = set(np.unique(man.label))
    assert [n for n in expected if man.names.index(n) not in present] == []
    assert len(set(man.names)) == len(man.names) <= 256
    assert man.names[:2] == ("", "soft tissue")


@pytest.mark.parametrize("person", [MAN, WOMAN], ids=["man", "woman"])
def test_left_is_left_and_bones_lie_under_the_skin(person: Person) -> None:
    body = make_body(person, Variation(), 4.0)
    for name in body.names:
        if name.startswith(("left", "right")) and (body.label == body.names.index(name)).any():
            assert (centre_mm(body, name)[0] > 0) == name.startswith("left"), name
    for name in VERTEBRAE + SINGLE:
        assert abs(centre_mm(body, name)[0]) < 12, name
    assert (body.mu_per_cm[body.label > 0] > 0).all()
    bones = body.label >= body.names.index("C1")
    assert (body.uptake[bones] > 0).all()
    edge = np.ones_like(body.label, dtype=bool)
    edge[1:-1, 1:-1, 1:-1] = False
    assert not body.label[edge].any(), "the body is cut by its box"


def test_order_from_head_to_foot(man: Body) -> None:
    z = [centre_mm(man, name)[2] for name in ["skull vault", *VERTEBRAE, "sacrum", "left femur", "left tibia"]]
    assert z == sorted(z, reverse=True)
    y = {n: centre_mm(man, n)[1] for n in ("sternum", "T6", "left scapula", "left patella", "left femur")}
    assert y["sternum"] < y["T6"] < y["left scapula"] + 40
    assert y["left patella"] < y["left femur"]


@pytest.mark.parametrize(
    ("names", "ml"),
    [
        (VERTEBRAE[7:19], 300),
        (VERTEBRAE[19:], 242),
        (["sacrum"], 176),
        (["ilium", "acetabulum", "pubis", "ischium"], 675),
        ([f"rib {i}" for i in range(1, 13)], 545),
        (["femur"], 1036),
        (["tibia", "fibula", "patella"], 790),
        (["humerus"], 423),
        (["skull vault", "skull base", "facial bones"], 900),
        (["scapula"], 240),
        (["clavicle"], 55),
    ],
)
def test_bone_volumes_are_those_of_the_reference(man: Body, names: list[str], ml: float) -> None:
    assert volume_ml(man, *names) == pytest.approx(ml, rel=0.3)


def test_the_body_weighs_what_the_person_weighs(man: Body, woman: Body) -> None:
    heavy = make_body(Person("M", 60.0, 1.8, 100.0), Variation(), 4.0)
    for body in (man, woman, heavy):
        litres = np.count_nonzero(body.label) * body.voxel_mm**3 / 1e6
        assert litres == pytest.approx(body.person.weight_kg / 1.02, rel=0.12), body.person


def test_height_scales_the_skeleton(man: Body) -> None:
    tall = make_body(dataclasses.replace(MAN, height_m=1.94), Variation(), 4.0)
    span = [centre_mm(b, "skull vault")[2] - centre_mm(b, "left talus")[2] for b in (man, tall)]
    assert span[1] / span[0] == pytest.approx(1.94 / 1.76, rel=0.02)
    assert volume_ml(tall, "femur") > 1.15 * volume_ml(man, "femur")


def test_women_are_not_small_men(man: Body, woman: Body) -> None:
    def breadth(body: Body, names: list[str]) -> float:
        x = np.nonzero(np.isin(body.label, [body.names.index(n) for n in names]).any(axis=(0, 1)))[0]
        return float((x[-1] - x[0]) * body.voxel_mm)

    pelvis, chest = ["left ilium", "right ilium"], [f"{s} rib {i}" for s in ("left", "right") for i in range(4, 10)]
    man_ratio, woman_ratio = (breadth(b, pelvis) / breadth(b, chest) for b in (man, woman))
    assert woman_ratio > 1.08 * man_ratio
    assert volume_ml(man, "genitals") > 20
    assert volume_ml(woman, "genitals") == 0


def test_same_seed_same_bits() -> None:
    def once() -> Body:
        rng = np.random.default_rng(11)
        person = draw_person(rng)
        return make_body(person, draw_variation(rng, person), 4.0)

    first, second = once(), once()
    assert first.person == second.person
    assert first.variants == second.variants
    for name in ("uptake", "mu_per_cm", "label"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    assert first.uptake.tobytes() != make_body(MAN, Variation(detail_seed=1), 4.0).uptake.tobytes()


def test_no_memory_of_the_body_before(man: Body) -> None:
    make_body(Person("M", 50.0, 1.9, 130.0), Variation(detail_seed=3), 4.0)
    assert make_body(MAN, Variation(), 4.0).uptake.tobytes() == man.uptake.tobytes()


def test_uptake_ratios(man: Body) -> None:
    def mean(*names: str) -> float:
        return float(man.uptake[np.isin(man.label, [man.names.index(n) for n in names])].mean())

    spine = mean("L2", "L3", "L4")
    assert mean("soft tissue") == pytest.approx(0.015, rel=0.25)
    assert 0.1 < mean("left femur") / spine < 0.35
    assert 0.25 < mean("left rib 6", "right rib 6") / spine < 0.75
    assert 0.6 < mean("sternum") / spine < 1.4
    assert mean("bladder") > 0.6 * spine
    assert mean("left lung") < 0.02


def test_mu_and_grid_of_a_body() -> None:
    body = make_body(MAN, Variation(), 5.0, Mu(soft=0.1, lung=0.03, bone=0.2))
    assert body.grid.shape == body.uptake.shape
    assert body.mu_per_cm.max() == pytest.approx(0.2)
    lung = body.mu_per_cm[body.label == body.names.index("left lung")]
    assert np.median(lung) == pytest.approx(0.03)
    crown = np.nonzero(body.label.any(axis=(1, 2)))[0][-1] * 5.0 + body.origin_mm[2]
    assert crown == pytest.approx(1762, abs=25)


def test_build_changes_the_part_it_names(man: Body) -> None:
    wide = make_body(MAN, Variation(build=Proportions(pelvis_width=1.1)), 4.0)
    assert centre_mm(wide, "left ilium")[0] == pytest.approx(1.1 * centre_mm(man, "left ilium")[0], rel=0.03)
    assert centre_mm(wide, "left rib 5")[0] == pytest.approx(centre_mm(man, "left rib 5")[0], rel=0.02)


def test_bladder_fills_upwards() -> None:
    tracer = Variation().tracer
    empty, full = (make_body(MAN, Variation(tracer=dataclasses.replace(tracer, bladder_ml=v)), 4.0) for v in (40, 300))
    assert volume_ml(full, "bladder") > 4 * volume_ml(empty, "bladder")
    assert centre_mm(full, "bladder")[2] > centre_mm(empty, "bladder")[2] + 5

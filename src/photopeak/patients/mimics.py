"""What a reader must not fall for: fractures, prostheses, urine, the injection, Paget, metal and benign foci.

Each mimic is one Lesion or several with one kind; ``draw_mimics`` decides which a patient has. Normal
variants and the wear of joints belong to the anatomy. Priors are judgements, listed in ``data/mimics.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from photopeak.patients.anatomy import sites
from photopeak.patients.body import Body
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import ANYWHERE, Lesion, Vector, ball, bare, side_of, vector, vectors
from photopeak.patients.metastasis import BoneIndex, mm

MU_TITANIUM, MU_COBALT_CHROME, MU_STEEL = 0.79, 1.83, 1.6  # 1/cm at 140.5 keV
SIDES = ("left", "right")


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Priors and uptakes, from ``data/mimics.json``."""
    text = (files("photopeak.patients") / "data" / "mimics.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@dataclass(frozen=True, eq=False)
class Site:
    """The body that mimics are drawn into, and the random numbers they use."""

    body: Body
    index: BoneIndex
    rng: np.random.Generator

    def uptake(self, name: str) -> float:
        group = table()["mimics"] if name in table()["mimics"] else table()["benign_foci"]
        return round(float(self.rng.uniform(*group[name]["added"])), 4)

    def side(self) -> str:
        return SIDES[int(self.rng.integers(2))]

    def artefact(self, name: str, side: str = "") -> Vector:
        """Where one of the anatomy's artefact sites lies in this body."""
        row = next(r for r in sites("artefacts") if r["name"] == name)
        return vector(self.body.placement.place([row["c"]], row["k"], side)[0])


def draw_mimics(body: Body, index: BoneIndex, difficulty: Difficulty, rng: np.random.Generator) -> list[Lesion]:
    """Everything but disease that this patient has, numbered from 1 on."""
    where = Site(body, index, rng)
    found: list[Lesion] = []
    for name, row in table()["mimics"].items():
        decades = (body.person.age_years - 65.0) / 10.0
        prior = min(0.9, row["prior"] * row["age"] ** decades * difficulty.mimic_rate)
        if rng.random() < prior and row.get("sex", body.person.sex) == body.person.sex:
            found += MAKERS[name](where)
    foci = table()["benign_foci"]
    weights = np.array([row["weight"] for row in foci.values()], dtype=np.float64)
    for _ in range(int(rng.poisson(difficulty.benign_focus_rate))):
        found += MAKERS[str(rng.choice(list(foci), p=weights / weights.sum()))](where)
    return found


def rib_fractures(where: Site) -> list[Lesion]:
    """Two to five neighbouring ribs of one side, broken along one line."""
    rng, side = where.rng, where.side()
    first, count, line = int(rng.integers(4, 9)), int(rng.integers(2, 6)), float(rng.uniform(0.2, 0.9))
    names = [f"{side} rib {i}" for i in range(first, min(first + count, 11))]
    return [_rib_focus(where, n, "rib fracture", where.uptake("rib fractures"), line) for n in names]


def isolated_rib(where: Site) -> list[Lesion]:
    """One small focus in one rib, anywhere along it: seven of seven were benign in one series."""
    name = f"{where.side()} rib {int(where.rng.integers(2, 11))}"
    along = float(where.rng.random())
    return [_rib_focus(where, name, "isolated rib focus", where.uptake("isolated rib focus"), along)]


def _rib_focus(where: Site, bone: str, kind: str, added: float, along: float) -> Lesion:
    """A focus in a rib, ``along`` = 0 at the spine and 1 at the front (ribs run from back to front)."""
    voxels = where.index.of_bone(bone)
    y = voxels[:, 1].astype(np.float64)
    target = y.max() - (along + 0.05 * where.rng.standard_normal()) * np.ptp(y)
    at = voxels[int(np.abs(y - target).argmin())]
    return Lesion(
        0, kind, bone, "rib", side_of(bone), mm(where.body, at), ball(float(where.rng.uniform(4.5, 7.5))),
        added=added, within=(bone,),
    )  # fmt: skip


def compression(where: Site) -> list[Lesion]:
    """A horizontal band across one vertebral body of T8 to L4."""
    levels = [n for n in where.body.names if re.fullmatch(r"T(8|9|1[0-2])|L[1-4]", n)]
    bone = str(where.rng.choice(levels))
    voxels = where.index.of_bone(bone)
    front = voxels[voxels[:, 1] <= np.quantile(voxels[:, 1], 0.6)]
    centre = mm(where.body, np.round(front.mean(axis=0)).astype(int))
    axes = vectors(np.diag([24.0, 18.0, float(where.rng.uniform(5.0, 9.0))]))
    added = where.uptake("vertebral compression fracture")
    return [Lesion(0, "vertebral compression fracture", bone, "vertebra", "", centre, axes, added=added)]


def insufficiency(where: Site) -> list[Lesion]:
    """The "H" of the sacrum: a bar in each ala and one across; sometimes one bar alone."""
    bars = (((28.0, 46.0, 988.0), (8.0, 11.0, 28.0), "left"), ((28.0, 46.0, 988.0), (8.0, 11.0, 28.0), "right"),
            ((0.0, 46.0, 985.0), (26.0, 11.0, 6.0), ""))  # fmt: skip
    whole = where.rng.random() < 0.6
    added = where.uptake("sacral insufficiency fracture")
    out = []
    for centre, semi, side in bars if whole else bars[int(where.rng.integers(2)) :][:1]:
        at, axes = where.body.placement.ellipsoid(centre, semi, "pelvis", side)
        out.append(
            Lesion(
                0, "sacral insufficiency fracture", "sacrum", "pelvis", side, vector(at), vectors(axes.T), added=added
            )
        )
    return out


def hip_prosthesis(where: Site) -> list[Lesion]:
    """Head and stem: no activity, the attenuation of metal, a faint rim of reaction."""
    side, metal = where.side(), float(where.rng.choice((MU_TITANIUM, MU_COBALT_CHROME)))
    added = where.uptake("hip prosthesis")
    parts = ((("ball"), (88.0, 0.0, 913.0), (25.0, 25.0, 25.0)), (("stem"), (113.0, 0.0, 822.0), (12.0, 12.0, 75.0)))
    out = []
    for _, centre, semi in parts:
        at, axes = where.body.placement.ellipsoid(centre, semi, "leg", side)
        out.append(_implant("hip prosthesis", f"{side} femur", at, axes, added, metal))
    return out


def knee_prosthesis(where: Site) -> list[Lesion]:
    """Both components as one block across the joint line."""
    side, metal = where.side(), MU_COBALT_CHROME
    at, axes = where.body.placement.ellipsoid((92.0, 0.0, 488.0), (36.0, 26.0, 24.0), "leg", side)
    return [_implant("knee prosthesis", f"{side} knee", at, axes, where.uptake("knee prosthesis"), 0.5 * metal)]


def _implant(kind: str, site: str, at: np.ndarray, axes: np.ndarray, added: float, mu: float) -> Lesion:
    region = "hip" if "hip" in kind else "knee"
    return Lesion(
        0, kind, site, region, side_of(site), vector(at), vectors(axes.T), added=added, hollow=0.88, core=0.0,
        mu_per_cm=mu, roughness=0.02,
    )  # fmt: skip


def urine(where: Site) -> list[Lesion]:
    """One to three drops on the skin of the perineum or a thigh."""
    out = []
    for _ in range(int(where.rng.integers(1, 4))):
        thigh = where.rng.random() < 0.5
        side = where.side() if thigh else ""
        at = where.artefact("urine thigh skin" if thigh else "urine perineum", side)
        spot = vector(np.array(at) + where.rng.normal(0, (18, 5, 25)))
        # A wet patch on cloth: flat, drawn out downwards, frayed at its edge.
        axes = vectors(np.diag(where.rng.uniform((4.0, 2.0, 5.0), (13.0, 4.0, 22.0))))
        added, site = where.uptake("urine contamination"), f"{side} thigh".strip() if thigh else "perineum"
        out.append(
            Lesion(
                0, "urine contamination", site, "skin", side, spot, axes, added=added, within=ANYWHERE, roughness=0.5
            )
        )
    return out


def injection(where: Site) -> list[Lesion]:
    """Extravasation or a residue at the elbow or the back of the hand."""
    side, elbow = where.side(), where.rng.random() < 0.6
    at = where.artefact("injection site antecubital" if elbow else "injection site wrist/hand dorsum", side)
    site = f"{side} antecubital fossa" if elbow else f"dorsum of the {side} hand"
    # Log-uniform: most residues are faint; they follow the vein in two or three stretches.
    low, high = table()["mimics"]["injection site"]["added"]
    added = float(np.exp(where.rng.uniform(np.log(low), np.log(high))))
    out = []
    for stretch in range(int(where.rng.integers(2, 4))):
        axes = vectors(np.diag(where.rng.uniform((2.5, 2.5, 6.0), (6.0, 5.0, 16.0))))
        spot = vector(np.array(at) + where.rng.normal(0, (3.0, 2.0, 3.0)) + (0.0, 0.0, 14.0 * stretch))
        one = added * float(where.rng.uniform(0.4, 1.0))
        out.append(
            Lesion(0, "injection site", site, "skin", side, spot, axes, added=one, within=ANYWHERE, roughness=0.4)
        )
    return out


def axillary_node(where: Site) -> list[Lesion]:
    """A node that drains an extravasate, which is there too."""
    fossa = injection(where)
    side = fossa[0].side
    at = where.artefact("axillary node", side)
    node = Lesion(0, "axillary node", f"{side} axilla", "soft tissue", side, at, ball(7.0),
                  added=where.uptake("axillary node"), within=ANYWHERE)  # fmt: skip
    return [*fossa, node]


def catheter(where: Site) -> list[Lesion]:
    """The bag of a urinary catheter beside the thigh."""
    side = where.side()
    x, y, z = where.artefact("catheter bag")
    at = vector((abs(x) if side == "left" else -abs(x), y, z))
    axes = vectors(np.diag(where.rng.uniform((18, 8, 40), (32, 14, 70))))
    added = where.uptake("urinary catheter")
    return [Lesion(0, "urinary catheter", f"beside the {side} thigh", "outside", side, at, axes,
                   added=added, within=ANYWHERE, roughness=0.3)]  # fmt: skip


def paget(where: Site) -> list[Lesion]:
    """A whole bone, evenly and intensely."""
    weights = table()["paget_bones"]
    pattern = str(where.rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values())))
    bone = str(where.rng.choice([n for n in where.body.names if re.fullmatch(pattern, bare(n))]))
    low, high = (mm(where.body, f(where.index.of_bone(bone), axis=0)) for f in (np.min, np.max))
    centre = vector((a + b) / 2 for a, b in zip(low, high, strict=True))
    # The box's half-diagonal contains the bone; the margin keeps the soft edge outside it.
    axes = vectors(np.diag([1.4 * max(10.0, b - a) for a, b in zip(low, high, strict=True)]))
    factor = round(float(where.rng.uniform(*table()["mimics"]["Paget disease"]["factor"])), 3)
    return [Lesion(0, "Paget disease", bone, bare(bone), side_of(bone), centre, axes, factor=factor,
                   within=(bone,), roughness=0.0)]  # fmt: skip


def metal_object(where: Site) -> list[Lesion]:
    """A belt buckle, a coin or keys in front of the body: a cold spot in the anterior view."""
    x, y, z = where.artefact("belt buckle/coin (absorber)")
    spot = _on_skin(where, (x + float(where.rng.uniform(-120, 120)), y, z - float(where.rng.uniform(0, 120))))
    half = float(where.rng.uniform(10, 22))
    axes = vectors(np.diag([half, 5.0, half * float(where.rng.uniform(0.6, 1.0))]))
    return [Lesion(0, "metal object", "in front of the abdomen", "outside", "", spot, axes,
                   within=ANYWHERE, mu_per_cm=MU_STEEL, factor=0.0, roughness=0.0)]  # fmt: skip


def port(where: Site) -> list[Lesion]:
    """A venous port under the skin of the chest: a small cold spot."""
    x, y, z = where.artefact("port")
    spot = _on_skin(where, (x + float(where.rng.normal(0, 8)), y, z + float(where.rng.normal(0, 10))))
    return [Lesion(0, "port", "right chest wall", "soft tissue", "right", spot,
                   vectors(np.diag([11.0, 6.0, 11.0])), within=ANYWHERE, mu_per_cm=MU_TITANIUM,
                   factor=0.0, roughness=0.0)]  # fmt: skip


def dental(where: Site) -> list[Lesion]:
    """A tooth root or a jaw after dental work."""
    return [_head_focus(where, "dental focus", "teeth", (22.0, -92.0, 1596.0), (8.0, 8.0, 8.0))]


def sinusitis(where: Site) -> list[Lesion]:
    """A maxillary sinus."""
    return [_head_focus(where, "sinusitis", "maxillary sinus", (21.0, -84.0, 1624.0), (14.0, 14.0, 13.0))]


def _head_focus(where: Site, kind: str, word: str, centre: Vector, semi: Vector) -> Lesion:
    side = where.side()
    at, axes = where.body.placement.ellipsoid(centre, semi, "head", side)
    added = where.uptake(kind)
    return Lesion(0, kind, f"{side} {word}", "face", side, vector(at), vectors(axes.T), added=added)


def bone_island(where: Site) -> list[Lesion]:
    """A small benign focus in a pelvic bone or a vertebra."""
    bones = [n for n in where.body.names if re.fullmatch(r"(ilium|L[1-5]|T\d+)", bare(n))]
    bone = str(where.rng.choice(bones))
    voxels = where.index.of_bone(bone)
    at = mm(where.body, voxels[int(where.rng.integers(len(voxels)))])
    added = where.uptake("bone island")
    return [Lesion(0, "bone island", bone, bare(bone), side_of(bone), at, ball(5.0), added=added, within=(bone,))]


def _on_skin(where: Site, near: tuple[float, float, float]) -> Vector:
    """The foremost absorbing voxel of the ray at this x and z, in mm; ``near`` where there is none."""
    body = where.body
    column, plane = (round((near[a] - body.origin_mm[a]) / body.voxel_mm) for a in (0, 2))
    nz, _, nx = body.mu_per_cm.shape
    ray = body.mu_per_cm[min(max(plane, 0), nz - 1), :, min(max(column, 0), nx - 1)]
    y = body.origin_mm[1] + body.voxel_mm * int(np.argmax(ray > 0)) if (ray > 0).any() else near[1]
    return vector((near[0], y, near[2]))


MAKERS: dict[str, Callable[[Site], list[Lesion]]] = {
    "rib fractures": rib_fractures,
    "vertebral compression fracture": compression,
    "sacral insufficiency fracture": insufficiency,
    "hip prosthesis": hip_prosthesis,
    "knee prosthesis": knee_prosthesis,
    "urine contamination": urine,
    "injection site": injection,
    "axillary node": axillary_node,
    "urinary catheter": catheter,
    "Paget disease": paget,
    "metal object": metal_object,
    "port": port,
    "isolated rib focus": isolated_rib,
    "dental focus": dental,
    "sinusitis": sinusitis,
    "bone island": bone_island,
}

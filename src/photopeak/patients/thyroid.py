"""Thyroid scintigraphy with Tc-99m pertechnetate: normal, Graves, Hashimoto, subacute thyroiditis.

A planar anterior view of the neck, 20 minutes after injection. Uptake as a share of the injected
activity follows measured distributions; gland size, texture and the brightness of the salivary glands
beside it carry the diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from photopeak.core import Entry, Kind, Measurement, Text, declare
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.scene import Scene
from photopeak.patients.static import StaticScan, static_case
from photopeak.patients.streams import stream

declare("truth/diagnosis", Kind("text"), "the disease that was simulated, in one word")
declare("truth/uptake", Kind("measurement", "%"), "share of the injected activity in the organ, as simulated")


@dataclass(frozen=True)
class Disease:
    """How a disease looks :cite:`almuqbel2022`. Uptake in % of the injected activity, log-normal.

    Volumes, patchiness (standard deviation of ln uptake over the gland) and salivary brightness
    (relative to a normal person's) are textbook descriptions put in numbers.
    """

    uptake: tuple[float, float]  # mean, standard deviation
    limits: tuple[float, float]
    volume_ml: tuple[float, float]
    patchiness: float
    salivary: float
    findings: str
    impression: str


DISEASES = {
    "normal": Disease(
        (1.5, 1.1), (0.4, 4.0), (12, 22), 0.08, 1.0, "Homogeneous uptake in a gland of normal size.", "Normal thyroid."
    ),
    "graves": Disease(
        (10.6, 10.0), (0.43, 40.0), (25, 80), 0.08, 0.6,
        "Enlarged gland with intense, homogeneous uptake; salivary glands are faint.", "Graves' disease.",
    ),
    "hashimoto": Disease(
        (2.2, 2.0), (0.3, 9.0), (18, 55), 0.5, 0.9, "Patchy uptake in both lobes.", "Hashimoto's thyroiditis."
    ),
    "subacute": Disease(
        (0.5, 0.4), (0.18, 1.0), (18, 40), 0.25, 1.0, "The gland is barely seen.", "Subacute thyroiditis."
    ),
}  # fmt: skip

#: name, centre and semi-axes in mm, tilt in degrees, share of the salivary uptake; the left one of a pair
GLANDS = (
    ("lobe", (17.0, -42.0, 0.0), (9.5, 9.5, 24.0), 11.0, 0.0),
    ("parotid gland", (58.0, 2.0, 96.0), (11.0, 16.0, 24.0), 8.0, 0.29),
    ("submandibular gland", (30.0, -28.0, 64.0), (8.0, 13.0, 10.0), 20.0, 0.16),
)
THYROID = ("left lobe", "right lobe", "isthmus")
SALIVARY_PERCENT = 1.3  # of the injected activity, a normal person's salivary glands together
SOFT_PERCENT_PER_ML = 1.1e-3


@dataclass(frozen=True)
class Thyroid:
    """Planar thyroid scan with Tc-99m pertechnetate: normal, Graves, Hashimoto, subacute thyroiditis."""

    diagnosis: Literal["mixed", "normal", "graves", "hashimoto", "subacute"] = "mixed"
    injected_mbq: float = 111.0
    minutes: float = 8.0
    name: ClassVar[str] = "thyroid"
    default_patients: ClassVar[int] = 12

    def plans(self, patients: int, seed: int) -> Sequence[str]:
        if self.diagnosis != "mixed":
            return (self.diagnosis,) * patients
        return tuple(str(stream(seed, i, "diagnosis").choice(list(DISEASES))) for i in range(patients))

    def case(self, plan: str, streams: Streams) -> Case:
        disease, rng = DISEASES[plan], streams("neck")
        mean, sd = disease.uptake
        s2 = np.log(1 + (sd / mean) ** 2)
        uptake = float(np.clip(np.exp(rng.normal(np.log(mean) - s2 / 2, np.sqrt(s2))), *disease.limits))
        volume_ml = float(rng.uniform(*disease.volume_ml))
        scan = StaticScan("thyroid", "Pertechnetate", self.injected_mbq, self.minutes, pixel_mm=1.2, matrix=(256, 256))
        report = (
            f"Thyroid scintigraphy 20 min after Tc-99m pertechnetate, anterior view.\n{disease.findings} "
            f"Uptake {uptake:.1f} % of the injected activity.\nImpression: {disease.impression}\n"
        )
        truth: dict[str, Entry] = {
            "truth/diagnosis": Text(plan),
            "truth/uptake": Measurement(uptake, "%", region="thyroid"),
            "truth/report": Text(report),
        }
        facts: dict[str, Json] = {"diagnosis": plan, "uptake_percent": uptake, "gland_ml": volume_ml}
        scene = neck(disease, uptake, volume_ml, rng)
        return static_case(scan, scene, streams, truth, facts, references_of(Disease))


def neck(disease: Disease, uptake: float, volume_ml: float, rng: np.random.Generator) -> Scene:
    """The front of the neck: thyroid, salivary glands, mouth and background."""
    scene = Scene((172, 72, 124), 2.0, (-123.0, -71.0, -162.0))
    # The neck widens to the jaw above and to the shoulders below.
    a = np.interp(scene.z, (-165, -140, -95, -60, 40, 75, 140), (190, 150, 112, 62, 60, 70, 76))
    b = np.interp(scene.z, (-140, -60, 40, 75, 140), (66, 60, 58, 66, 68))
    scene.outline(np.abs(scene.x / a) ** 2.4 + np.abs((scene.y - 2) / b) ** 2.4 < 1, SOFT_PERCENT_PER_ML)
    grow = (volume_ml / 18.0) ** (1 / 3)
    patches, fine = np.exp(disease.patchiness * scene.texture(rng, 7.0)), np.exp(0.08 * scene.texture(rng, 5.0))
    bright = SALIVARY_PERCENT * disease.salivary * float(np.exp(rng.normal(0, 0.2)))
    scene.ellipsoid("isthmus", (0.0, -50.0, -11.0), (14.0 * grow, 5.5 * grow, 8.0 * grow))
    for name, centre, axes, tilt, salivary in GLANDS:
        for side, sign in (("left", 1.0), ("right", -1.0)):
            k = grow if name == "lobe" else 1.0
            x, y, z = np.array((sign * centre[0] * k, *centre[1:])) + rng.normal(0, 2.0, 3)
            p, q, r = np.array(axes) * k * np.exp(rng.normal(0, 0.09, 3))
            inside = scene.ellipsoid(f"{side} {name}", (x, y, z), (p, q, r), sign * tilt)
            scene.deposit(inside, bright * salivary * float(np.exp(rng.normal(0, 0.15))), fine)
    scene.deposit(scene.ellipsoid("mouth", (0.0, -45.0, 84.0), (20.0, 18.0, 8.0)), bright * 0.1, fine)
    scene.deposit(scene.owned(*THYROID), uptake, patches)
    return scene

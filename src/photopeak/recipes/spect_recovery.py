"""S1: ways of reconstructing SPECT, on the same virtual bone SPECT/CT, against the activity that was laid.

Every way sees the same counts. What comes back is compared with the truth, patient by patient: the activity of the
whole field, of vertebrae without lesions, of lesions; the noise of soft tissue away from bone; and the distance of
the whole image. The classical way, filtered back-projection with Chang's correction, stands in the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import Image, Mask, Study
from photopeak.core.step import run
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.patients.bone_spect import FIELD_ROWS, MATRIX, PIXEL_MM, BoneSpect
from photopeak.patients.protocol import Clinic
from photopeak.physics.spect import SpectCamera
from photopeak.recipes.outcome import Figure, figure
from photopeak.recon.reconstruct import MuFromCt, Reconstruct

COHORT_SEED: Final = 505
MIX: Final = "N=0.25,M=0.5,A=0.25"
EDGE_ROWS: Final = 6  # at the ends of the field, where activity beyond it has a say
LEAST_VOXELS: Final = 4  # of a lesion that is measured
AWAY_MM: Final = 25.0  # of soft tissue from bone
RESAMPLES: Final = 2000

WAYS: Final = {
    "FBP, Chang": Reconstruct("fbp", attenuation=True),
    "OSEM, nothing corrected": Reconstruct("osem", psf=False),
    "OSEM, attenuation": Reconstruct("osem", attenuation=True, psf=False),
    "OSEM, attenuation, blur": Reconstruct("osem", attenuation=True),
    "OSEM, attenuation, blur, TEW": Reconstruct("osem", attenuation=True, scatter="tew"),
    "OSEM, attenuation, blur, photons": Reconstruct("osem", attenuation=True, scatter="photons"),
    "BSREM, relative difference, all, TEW": Reconstruct("bsrem", 8, attenuation=True, scatter="tew"),
    "BSREM, Bowsher, all, TEW": Reconstruct("bsrem", 8, attenuation=True, scatter="tew", prior="bowsher"),
}
FIGURES: Final = ("field", "vertebrae", "lesions", "noise", "distance")


@dataclass(frozen=True)
class Preset:
    """How many patients, projections of each head, and which ways."""

    patients: int
    views: int
    ways: tuple[str, ...] = tuple(WAYS)


FEW: Final = ("FBP, Chang", "OSEM, nothing corrected", "OSEM, attenuation, blur, TEW")
PRESETS: Final = {"smoke": Preset(1, 6, FEW), "quick": Preset(8, 60), "full": Preset(200, 60)}


def study(preset: Preset, say: Callable[[str], None]) -> dict[str, Figure]:
    """Every figure of every way, with intervals by patient."""
    clinic = Clinic(BoneSpect(mix=MIX, views=preset.views), preset.patients, COHORT_SEED)
    rows: dict[str, list[Float[np.ndarray, " figure"]]] = {name: [] for name in preset.ways}
    for i in range(len(clinic)):
        patient = clinic[i]
        seen = run(MuFromCt(), patient.only("counts", "ct"))
        for name in preset.ways:
            entry = run(WAYS[name], seen)["reconstruction"]
            assert isinstance(entry, Image)
            rows[name].append(compared(patient, np.asarray(entry.values, np.float64) / counts_per_bq_ml(patient)))
        say(f"patient {i + 1} of {len(clinic)}")
    return figures(rows)


def counts_per_bq_ml(patient: Study) -> float:
    """What all projections count of a voxel with 1 Bq/ml in air."""
    counts = patient["counts"]
    assert isinstance(counts, Image)
    seconds = float(str(patient.acquisition.facts["ActualFrameDuration"])) / 1000.0
    one = SpectCamera(frame_s=seconds).counts_per_bq_ml(PIXEL_MM)
    return one * counts.grid.axis("angle").size


def compared(patient: Study, image: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, " figure"]:
    """One patient's figures, in the order of ``FIGURES``; NaN where there is nothing to measure."""
    truth, lesions, regions = (patient[f"truth/{n}"] for n in ("activity", "lesions", "regions"))
    assert isinstance(truth, Image)
    assert isinstance(lesions, Mask)
    assert isinstance(regions, Mask)
    low = (MATRIX - FIELD_ROWS) // 2 + EDGE_ROWS
    inner = slice(low, MATRIX - low)
    t, x, sick, named = (np.asarray(v)[inner] for v in (truth.values, image, lesions.values, regions.values))
    vertebra = [k for k, n in regions.names.items() if re.fullmatch(r"[TL]\d+", n)]
    spine = np.isin(named, vertebra) & (sick == 0)
    spots = [sick == k for k in lesions.names if (sick == k).sum() >= LEAST_VOXELS]
    soft = away_from_bone(regions, inner)
    return np.array(
        [
            x.sum() / t.sum(),
            x[spine].mean() / t[spine].mean() if spine.any() else np.nan,
            np.mean([x[s].mean() / t[s].mean() for s in spots]) if spots else np.nan,
            x[soft].std() / max(x[soft].mean(), 1e-9) if soft.any() else np.nan,
            np.linalg.norm(x - t) / np.linalg.norm(t),
        ]
    )


def away_from_bone(regions: Mask, inner: slice) -> Bool[np.ndarray, "z y x"]:
    """Soft tissue farther than ``AWAY_MM`` from everything that has a name of its own, and from the skin."""
    from scipy.ndimage import distance_transform_edt

    soft: Bool[np.ndarray, "z y x"] = regions.of("soft tissue")
    far = np.asarray(distance_transform_edt(soft)) * PIXEL_MM > AWAY_MM
    return np.asarray(far[inner])


def figures(rows: Mapping[str, Sequence[Float[np.ndarray, " figure"]]]) -> dict[str, Figure]:
    """Means over patients with 95 % intervals; patients without a lesion are left out of lesions."""
    out: dict[str, Figure] = {}
    for name, each in rows.items():
        for what, values in zip(FIGURES, np.array(each).T, strict=True):
            mine = values[np.isfinite(values)]
            if not len(mine):
                continue
            patients = [str(i) for i in range(len(mine))]
            drawn = resampled(partial(_mean_of, mine), patients, RESAMPLES)
            low, high = interval(drawn)[0]
            out[f"{what}: {name}"] = figure(float(mine.mean()), float(low), float(high), n=len(mine))
    return out


def _mean_of(values: Float[np.ndarray, " patient"], chosen: Int[np.ndarray, " drawn"]) -> float:
    return float(values[chosen].mean())

"""How close simulated bone scans come to real ones, in numbers.

    benchmarks/run realism [--patients 60] [--seed 2026] [--real SCAN.dcm]

Everybody is imaged at 12 cm/min on the Siemens camera. With ``--real``, the same measures are taken from a
real anterior whole-body scan and stand beside ours; the scan itself never enters the repository. Regions of
the real scan are not known, so only what needs none is compared with it.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from harness import figure, write

PIXEL_MM = 2.4
BAND_PER_MM = (0.01, 0.05)

#: figure -> what it should be, and where that is from
EXPECTED = {
    "counts_anterior": ((2.0, 3.6), "C: ICRP-110 geometry, 12 cm/min, 740 MBq, 3 h"),
    "counts_posterior": ((2.0, 3.6), "the same"),
    "posterior_lumbar_mean": ((80.0, 150.0), "C: the same"),
    "ratio_sternum_to_lumbar": (None, "anterior"),
    "ratio_femur_to_lumbar": (None, "posterior"),
    "max_posterior": (None, "no bladder counted"),
}


def main() -> None:
    from photopeak.patients.acquisition import Acquisition
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    clinic = Clinic(BoneScan(acquisition=Acquisition(speed_cm_min=12.0)), options.patients, options.seed)
    rows = [measures(clinic[i]) for i in range(len(clinic))]
    figures = {}
    for name in rows[0]:
        expected, source = EXPECTED.get(name, (None, ""))
        extra = {"source": source} if source else {}
        if expected:
            extra |= {"expected": list(expected)}
        figures[name] = figure([r[name] for r in rows], UNITS[name.split("_")[0]], **extra)
    if options.real:
        for name, value in image_measures(real_scan(options.real), 2.26).items():
            figures[name]["real"] = round(value, 4)
    write("realism", figures, seeds=[options.seed], cohort={"patients": options.patients, "mix": "as published"})


UNITS = {
    "counts": "M",
    "posterior": "counts/pixel",
    "ratio": "1",
    "max": "counts/pixel",
    "slope": "1",
    "p99.5": "counts/pixel",
}


def measures(study) -> dict[str, float]:  # type: ignore[no-untyped-def]
    anterior, posterior = (np.asarray(v, np.float64) for v in study["counts"].values)
    regions = study["truth/regions"]

    def mean(view: int, name: str) -> float:
        here = regions.of(name)[view]
        return float((anterior, posterior)[view][here].mean())

    lumbar = mean(1, "lumbar spine")
    thigh = np.median(posterior[regions.of("left femur")[1]])
    no_bladder = np.where(regions.of("bladder")[1], 0, posterior)
    return {
        **image_measures(anterior, PIXEL_MM),
        "counts_posterior": posterior.sum() / 1e6,
        "posterior_lumbar_mean": lumbar,
        "ratio_thoracic_to_lumbar": mean(1, "thoracic spine") / lumbar,
        "ratio_sacrum_to_lumbar": mean(1, "sacrum") / lumbar,
        "ratio_femur_to_lumbar": float(thigh) / lumbar,
        "ratio_skull_to_sternum": mean(0, "skull") / mean(0, "sternum"),
        "ratio_kidney_to_lumbar": mean(1, "left kidney") / lumbar,
        "max_posterior": float(no_bladder.max()),
    }


def image_measures(anterior: np.ndarray, pixel_mm: float) -> dict[str, float]:
    """What can be measured without knowing where anything is."""
    lit = anterior[anterior > 0]
    return {
        "counts_anterior": anterior.sum() / 1e6,
        "p99.5_anterior": float(np.percentile(anterior, 99.5)),
        "max_anterior": float(anterior.max()),
        "slope_spectrum": spectral_slope(anterior, pixel_mm),
        "ratio_median_to_p99.5": float(np.median(lit[lit > 2]) / np.percentile(anterior, 99.5)),
    }


def spectral_slope(image: np.ndarray, pixel_mm: float) -> float:
    """Slope of the radially averaged power spectrum, log–log, over 0.01–0.05 /mm, the white noise taken off."""
    rows = int(np.nonzero(image.sum(axis=1))[0][0])
    body = image[rows : rows + 780]
    window = np.hanning(body.shape[0])[:, None] * np.hanning(body.shape[1])
    power = np.abs(np.fft.fft2(np.sqrt(body) * window)) ** 2
    fy, fx = (np.fft.fftfreq(n, pixel_mm) for n in body.shape)
    radius = np.hypot(fy[:, None], fx)
    power -= np.median(power[radius > 0.19])
    edges = np.geomspace(*BAND_PER_MM, 13)
    centre, level = [], []
    for low, high in itertools.pairwise(edges):
        ring = (radius >= low) & (radius < high)
        centre.append(np.sqrt(low * high))
        level.append(max(float(power[ring].mean()), 1e-12))
    return float(np.polyfit(np.log(centre), np.log(level), 1)[0])


def real_scan(path: Path) -> np.ndarray:
    from photopeak.dicom import read

    return np.asarray(read(path, assume={"view": "anterior"})[0]["counts"].values[0], np.float64)  # type: ignore[union-attr]


if __name__ == "__main__":
    main()

"""Sheets for a blind trial: one real whole-body scan hidden among eleven simulated ones, ten times.

    benchmarks/run blind_trial --real SCAN.dcm --out DIR [--sheets 10] [--seed 1]
    benchmarks/run blind_trial --real SCAN.dcm --out DIR --beside      # one sheet, the real one first and named

Every scan is an anterior view at the same pixel, field of view, crop and window. ``DIR/key.json`` says
where the real one is; show the sheets to someone who has not seen it, each to another person, and do not
open the key before. The real scan never enters the repository. The simulated patients are drawn as any
cohort's: no patient is chosen by eye.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

ROWS = slice(36, 900)  # what the real scan's field covers, and a little


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sheets", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--beside", action="store_true", help="one sheet for comparing, the real scan first")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    real = real_scan(options.real)
    if options.beside:
        scans = [simulated_scan(options.seed * 1000, i) for i in range(5)]
        draw([real, *scans], ["real", *(f"simulated {i + 1}" for i in range(5))]).save(options.out / "beside.png")
        print(f"wrote {options.out / 'beside.png'}")
        return
    rng = np.random.default_rng(options.seed)
    key = {}
    for sheet in range(options.sheets):
        scans = [simulated_scan(options.seed * 1000 + sheet, i) for i in range(11)]
        place = int(rng.integers(12))
        scans.insert(place, real)
        name = f"sheet-{sheet + 1:02d}.png"
        draw(scans, [str(i + 1) for i in range(len(scans))]).save(options.out / name)
        key[name] = place + 1
    (options.out / "key.json").write_text(json.dumps(key, indent=1))
    print(f"{options.sheets} sheets and key.json in {options.out}")


def real_scan(path: Path) -> np.ndarray:
    from photopeak.core import Image
    from photopeak.dicom import read

    counts = read(path, assume={"view": "anterior"})[0]["counts"]
    assert isinstance(counts, Image)
    return np.asarray(counts.values[0])


def simulated_scan(seed: int, patient: int) -> np.ndarray:
    """An anterior view of patient ``patient``, on the real scan's camera settings."""
    from photopeak.patients.acquisition import Acquisition, draw_acquisition
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic
    from photopeak.patients.streams import stream

    drawn = draw_acquisition(stream(seed, patient, "trial"))
    settings = {"camera": "ge", "pixel_mm": 2.26, "top_margin_mm": 200.0, "speed_cm_min": 10.0}
    # As many counts as the real scan has, so that noise does not tell them apart.
    here = Acquisition(**{**vars(drawn), **settings, "counts_scale": 1.3 * drawn.counts_scale})
    study = Clinic(BoneScan(acquisition=here), 11, seed)[patient]
    return np.asarray(study["counts"].values[0])  # type: ignore[union-attr]


def draw(scans: list[np.ndarray], captions: list[str]):  # type: ignore[no-untyped-def]
    from photopeak.patients.sheet import contact_sheet

    return contact_sheet([[s[ROWS]] for s in scans], captions, columns=6)


if __name__ == "__main__":
    main()

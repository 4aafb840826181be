"""The bone scan index: how much of the skeleton is metastatic, in per cent.

    BSI = 100 · k · Σ_r w_r · mean over views (area of metastases in r / area of r)

after :cite:`imbriaco1998`, who weigh each bone with its share w_r of the skeleton. Here w_r is the region's share of
the bone volume of the virtual clinic's people (``data/skeleton.json`` says how it was made), and k, from patients kept
for calibration, turns the area that a lesion covers into the volume it takes.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, UInt8


@lru_cache(maxsize=1)
def region_shares() -> dict[str, float]:
    """w_r of each bony region; they add up to 1."""
    text = (files("photopeak.classify") / "data" / "skeleton.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["shares"])


def bone_scan_index(
    metastases: Bool[np.ndarray, "view row column"],
    regions: UInt8[np.ndarray, "view row column"],
    names: tuple[str, ...],
    k: float = 1.0,
) -> float:
    """BSI in per cent; a view without any region does not count.

    >>> half = np.array([[[True, False]]])
    >>> round(bone_scan_index(half, np.ones((1, 1, 2), np.uint8), ("lumbar spine",)), 3)
    1.945
    """
    weights = np.array([0.0, *(region_shares().get(n, 0.0) for n in names)])
    shares = []
    for spots, where in zip(metastases, regions, strict=True):
        area = np.bincount(where.ravel(), minlength=len(weights))
        if area[1:].any():
            taken = np.bincount(where[spots], minlength=len(weights))
            shares.append(float((weights * taken / np.maximum(area, 1)).sum()))
    return min(100.0, 100.0 * k * float(np.mean(shares))) if shares else float("nan")

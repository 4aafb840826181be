"""How the skeleton's volume is shared out over its regions: the weights of the bone scan index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from photopeak.classify.lesions import URINE
from photopeak.core.writing import whole_file
from photopeak.patients.bone_scan import BoneScan, draw_body
from photopeak.patients.protocol import Streams
from photopeak.patients.truth import region_names, region_of


def shares(patients: int, seed: int) -> dict[str, float]:
    """The mean share of each bony region in the bone of ``patients`` virtual people."""
    protocol = BoneScan()
    total = dict.fromkeys((r for r in region_names().values() if r not in URINE), 0.0)
    for i, plan in enumerate(protocol.plans(patients, seed)):
        body, _ = draw_body(plan, Streams(seed, i), protocol.difficulty, protocol.voxel_mm)
        voxels = np.bincount(body.label.ravel(), minlength=len(body.names))
        own = {r: sum(int(voxels[k]) for k, n in enumerate(body.names) if region_of(n) == r) for r in total}
        for region, n in own.items():
            total[region] += n / sum(own.values()) / patients
    return total


def write_shares(path: Path, patients: int = 60, seed: int = 1) -> None:
    """The table that ``classify.bsi`` reads."""
    meaning = (
        f"Mean share of each region in the bone volume of {patients} virtual people (seed {seed}), "
        "made by photopeak reproduce skeleton."
    )
    table = {name: round(share, 5) for name, share in shares(patients, seed).items()}
    with whole_file(path) as work:
        work.write_text(json.dumps({"meaning": meaning, "shares": table}, indent=1) + "\n", encoding="utf-8")

"""One vertebra as primitives, from its row of ten numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Primitive = dict[str, Any]

#: Uptake of the bodies relative to the arches behind them, from below upwards
BODY_SHARE = {
    "L5": 0.63,
    "L4": 0.63,
    "L3": 0.63,
    "L2": 0.68,
    "L1": 0.68,
    "T12": 0.76,
    "T11": 0.76,
    "T10": 0.76,
    "T9": 0.76,
}
REGION = {"C": "cervical spine", "T": "thoracic spine", "L": "lumbar spine"}


WEDGE_DEG = {"L5": 9.0, "L4": 4.0}
"""The lowest lumbar bodies lean forward beyond the curve of their neighbours' centres."""


def leans_deg(rows: Sequence[Sequence[Any]]) -> list[float]:
    """How far each body leans forward: square to the curve through its neighbours' centres, plus its wedge.

    From the front the discs of a straight column would be a ladder; where the spine curves, bodies hide them.
    """
    leans = []
    for i, row in enumerate(rows):
        above, below = rows[max(i - 1, 0)], rows[min(i + 1, len(rows) - 1)]
        lean = -math.degrees(math.atan((above[2] - below[2]) / (above[1] - below[1])))
        leans.append(round(lean + WEDGE_DEG.get(row[0], 0.0), 1))
    return leans


def vertebra_primitives(row: Sequence[Any], lean: float) -> list[Primitive]:
    """Body, end plates, pedicles, facets, transverse and spinous processes; ``lean`` of the body to the front, degrees.

    A row is name, z, y: centre of the body; a, b, c: its half width, depth, height; tp: half span of the
    transverse processes; sp: from the body's centre to the spinous tip, which lies dr lower; u: uptake. All mm.
    """
    name, z, y, a, b, c, tp, sp, dr, u = row
    level = name[0]
    base = {"b": name, "g": REGION[level], "k": "spine", "sd": 0.17}
    lumbar = level == "L"
    back = y + b
    deep = BODY_SHARE.get(name, 0.92)
    arch = 1.38 if lumbar else 1.0
    parts: list[Primitive] = [
        {"n": "body", "t": "ell", "u": deep * u, "c": [0, y, z], "s": [a, b, c], "e": 4, "rot": [lean, 0, 0]},
        {"n": "spinous", "t": "chain", "u": 0.9 * arch * u, "p": [[0, back + 15, z, 4.5], [0, y + sp, z - dr, 4]]},
    ]
    if level in "TL":
        plate = {
            "t": "ell",
            "u": 1.05 * deep * u,
            "sd": 0.4,
            "s": [0.95 * a, 0.95 * b, 2.2],
            "e": 4,
            "j": "endplate",
            "rot": [lean, 0, 0],
        }
        up, back_up = (c - 0.8) * math.cos(math.radians(lean)), -(c - 0.8) * math.sin(math.radians(lean))
        parts += [{"n": f"endplate{s}", **plate, "c": [0, y + s * back_up, z + s * up]} for s in (1, -1)]
        # Rims and insertions of the disc below: from the front the gaps between bodies are never empty.
        rim = {"t": "ell", "u": 0.55 * deep * u, "sd": 0.5, "s": [a, b, 1.6], "e": 3, "rot": [lean, 0, 0]}
        parts += [{"n": "rim", **rim, "c": [0, y + (c + 1.6) * math.sin(math.radians(lean)), z - c - 1.6]}]
    parts += _arch(a, back, (z, c), (tp, 0.35 * u if lumbar else 1.0 * u), arch * u)
    return [{**base, **part, "n": f"{name}.{part['n']}"} for part in parts]


def _arch(
    a: float, back: float, height: tuple[float, float], transverse: tuple[float, float], u: float
) -> list[Primitive]:
    """Pedicles, laminae, facets and transverse processes of the left; ``transverse`` is half span and uptake."""
    z, c = height
    pedicle = [[0.62 * a, back, z + 2, 4.5], [0.62 * a, back + 11, z + 1, 4.5]]
    lamina = [[0.55 * a, back + 12, z - 3, 4.5], [0, back + 18, z - 4, 4.5]]
    process = [[0.62 * a, back + 10, z + 2, 5], [transverse[0], back + 15, z + 3, 4.5]]
    return [
        {"n": "pedicle", "t": "chain", "u": 1.1 * u, "lr": 1, "p": pedicle},
        {"n": "lamina", "t": "chain", "u": 0.9 * u, "lr": 1, "p": lamina},
        {
            "n": "facet",
            "t": "ell",
            "u": 0.9 * u,
            "sd": 0.3,
            "lr": 1,
            "j": "facet",
            "c": [0.75 * a, back + 15, z - c - 2],
            "s": [5, 5, 8],
        },
        {"n": "transverse", "t": "chain", "u": transverse[1], "lr": 1, "p": process},
    ]

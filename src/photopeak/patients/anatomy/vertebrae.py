"""One vertebra as primitives, from its row of ten numbers."""

from __future__ import annotations

from typing import Any

Primitive = dict[str, Any]

#: Uptake of the bodies relative to the arches behind them, from below upwards
BODY_SHARE = {
    "L5": 0.70,
    "L4": 0.70,
    "L3": 0.70,
    "L2": 0.75,
    "L1": 0.75,
    "T12": 0.82,
    "T11": 0.82,
    "T10": 0.82,
    "T9": 0.82,
}
REGION = {"C": "cervical spine", "T": "thoracic spine", "L": "lumbar spine"}


def vertebra_primitives(
    name: str, z: float, y: float, a: float, b: float, c: float, tp: float, sp: float, dr: float, u: float
) -> list[Primitive]:
    """Body, end plates, pedicles, facets, transverse and spinous processes.

    z, y: centre of the body; a, b, c: its half width, depth, height; tp: half span of the transverse
    processes; sp: from the body's centre to the spinous tip, which lies dr lower; u: uptake. All mm.
    """
    level = name[0]
    base = {"b": name, "g": REGION[level], "k": "spine", "sd": 0.17}
    lumbar = level == "L"
    back = y + b
    deep = BODY_SHARE.get(name, 0.92)
    arch = 1.3 if lumbar else 1.0
    parts: list[Primitive] = [
        {"n": "body", "t": "ell", "u": deep * u, "c": [0, y, z], "s": [a, b, c], "e": 4},
        {"n": "spinous", "t": "chain", "u": 0.9 * arch * u, "p": [[0, back + 15, z, 4.5], [0, y + sp, z - dr, 4]]},
    ]
    if level in "TL":
        plate = {"t": "ell", "u": 1.05 * deep * u, "sd": 0.4, "s": [0.95 * a, 0.95 * b, 2.2], "e": 4, "j": "endplate"}
        parts += [{"n": f"endplate{s}", **plate, "c": [0, y, z + s * (c - 0.8)]} for s in (1, -1)]
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

"""A T1-weighted magnetic resonance of a head, as a scanner of 3 T would show it."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt16

from photopeak.patients.brain.head import Head
from photopeak.patients.brain.structures import TISSUE_OF, TISSUES

BIAS_SD: Final = 0.05  # of the receive coil's sensitivity, linear and quadratic along each axis
NOISE: Final = 0.022  # standard deviation in each channel, relative to white matter
POINT_SPREAD_VOXELS: Final = 0.45
WHITE_MATTER: Final = 1000.0


def t1_weighted(head: Head, rng: np.random.Generator) -> UInt16[np.ndarray, "z y x"]:
    """Signal of tissues, partial volume, a smooth bias field and Rician noise, √((S + n₁)² + n₂²)."""
    from scipy.ndimage import gaussian_filter

    signal = head.picture(np.array([TISSUES[t].t1 for t in TISSUE_OF]))
    signal = gaussian_filter(signal, POINT_SPREAD_VOXELS, output=np.float32, truncate=3.0)
    for axis, size in enumerate(signal.shape):
        at = np.linspace(-1.0, 1.0, size)
        linear, square = rng.normal(0.0, BIAS_SD, 2)
        field = np.exp(linear * at + square * (at**2 - 1.0 / 3.0)).astype(np.float32)
        signal *= field.reshape([size if k == axis else 1 for k in range(3)])
    noise = [np.float32(NOISE) * rng.standard_normal(signal.shape, np.float32) for _ in range(2)]
    return np.asarray(WHITE_MATTER * np.hypot(signal + noise[0], noise[1]), np.uint16)

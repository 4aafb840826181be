"""A small part of a body, built from ellipsoids: what organ protocols (thyroid, …) are made of.

A ``Scene`` is filled structure by structure with shares of the injected activity, and imaged by a planar
camera. Coordinates are the patient's: mm, x left, y back, z up.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from photopeak.physics.planar import PlanarCamera, expected_counts, project_labels
from photopeak.physics.planar_geometry import Placement

Where = Bool[np.ndarray, "z y x"]


class Scene:
    """Voxels, their share of the injected activity (%), and which structure owns each.

    ``outline`` is where tissue is; it takes ``background_per_ml`` % of the injected activity in each
    millilitre. Structures lie inside it, later ones over earlier ones.
    """

    def __init__(self, shape: tuple[int, int, int], voxel_mm: float, origin_mm: tuple[float, float, float]) -> None:
        self.voxel_mm = voxel_mm
        self.origin_mm = origin_mm
        axes = (o + voxel_mm * np.arange(n) for o, n in zip(origin_mm[::-1], shape, strict=True))
        self.z, self.y, self.x = np.meshgrid(*axes, indexing="ij")
        self.share: Float32[np.ndarray, "z y x"] = np.zeros(shape, np.float32)
        self.label: UInt8[np.ndarray, "z y x"] = np.zeros(shape, np.uint8)
        self.tissue: Where = np.zeros(shape, np.bool_)
        self.names: list[str] = []

    def outline(self, inside: Where, background_per_ml: float) -> None:
        """Fill the body with its background."""
        self.tissue = inside
        self.share[inside] = background_per_ml * self.voxel_mm**3 / 1000.0

    def ellipsoid(
        self,
        name: str,
        centre_mm: tuple[float, float, float],
        semi_axes_mm: tuple[float, float, float],
        tilt_deg: float = 0.0,
    ) -> Where:
        """Add a structure: an ellipsoid whose upper end leans to the patient's left by ``tilt_deg``."""
        dx, dy, dz = self.x - centre_mm[0], self.y - centre_mm[1], self.z - centre_mm[2]
        c, s = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
        across, along = dx * c - dz * s, dx * s + dz * c
        a, b, h = semi_axes_mm
        inside: Where = ((across / a) ** 2 + (dy / b) ** 2 + (along / h) ** 2 < 1) & self.tissue
        self.names.append(name)
        self.label[inside] = len(self.names)
        return inside

    def owned(self, *names: str) -> Where:
        """The voxels that belong to these structures."""
        return np.isin(self.label, [i for i, n in enumerate(self.names, 1) if n in names])

    def deposit(self, where: Where, percent: float, pattern: Float64[np.ndarray, "z y x"]) -> None:
        """Lay ``percent`` of the injected activity into voxels, following a pattern."""
        total = float(pattern[where].sum())
        if percent > 0 and total > 0:
            self.share[where] += (pattern[where] * (percent / total)).astype(np.float32)

    def texture(self, rng: np.random.Generator, cell_mm: float) -> Float64[np.ndarray, "z y x"]:
        """Smooth noise of unit variance with patches of about ``cell_mm``."""
        from scipy.ndimage import gaussian_filter

        noise = gaussian_filter(rng.standard_normal(self.share.shape), cell_mm / self.voxel_mm / 2.0)
        return np.asarray(noise / noise.std())

    def image(
        self, camera: PlanarCamera, injected_mbq: float, mu_per_cm: float
    ) -> tuple[Float32[np.ndarray, "view row column"], UInt8[np.ndarray, "view row column"]]:
        """Expected counts, and the structure that shines most in each pixel, from the front."""
        mu = np.where(self.tissue, np.float32(mu_per_cm), np.float32(0)).astype(np.float32)
        rows, _ = camera.matrix
        z, y, _ = self.share.shape
        top = self.origin_mm[2] + 0.5 * (z * self.voxel_mm + rows * camera.pixel_mm)
        front, back = self.origin_mm[1], self.origin_mm[1] + y * self.voxel_mm
        faces = (front - camera.gap_mm[0], back + camera.gap_mm[1])
        place = Placement((z, y, self.share.shape[2]), self.voxel_mm, self.origin_mm, faces, top)
        expected = expected_counts(self.share, mu, place, camera, injected_mbq / 100.0)
        return expected[:1], project_labels(self.share, mu, self.label, place, camera)[:1]

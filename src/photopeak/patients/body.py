"""A body on a voxel grid: what shines, what absorbs, and what everything is called.

The frame is the anatomical one of the coded skeleton: millimetres, x to the patient's left, y to the
back, z up from the soles. Arrays are (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import ArrayLike

from photopeak.core import Grid, scaling


@dataclass(frozen=True)
class Person:
    """Who the virtual patient is."""

    sex: str  # "F" or "M"
    age_years: float
    height_m: float
    weight_kg: float


@dataclass(frozen=True)
class Variant:
    """A normal variant that was drawn: ``factor`` multiplies local uptake, or is added (vertebra = 1)."""

    name: str
    side: str  # "left", "right" or ""
    factor: float


@runtime_checkable
class Placement(Protocol):
    """Takes sites of the neutral reference skeleton into a posed body (``anatomy.Posed`` is one)."""

    def place(self, points_mm: ArrayLike, group: str, side: str = "") -> Float[np.ndarray, "n 3"]:
        """Points of one kinematic group (``k`` of ``anatomy.sites``), given for the left, in the body's frame."""
        ...

    def ellipsoid(
        self, centre_mm: ArrayLike, semi_axes_mm: ArrayLike, group: str, side: str = ""
    ) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
        """The same for an ellipsoid: its centre, and its semi-axes as columns."""
        ...


@dataclass(frozen=True, eq=False)
class Body:
    """One posed person on a grid.

    ``uptake`` is tracer concentration relative to a normal vertebral body; ``mu_per_cm`` is the linear
    attenuation at the tracer's energy; ``label`` numbers the structure that owns a voxel, 0 for none;
    ``names`` gives the word for each number ("L3", "left rib 5", "right femur", "bladder"; ``names[0]``
    is "").

    ``placement`` puts any site of the reference skeleton into this body, as a lesion, a joint or an
    artefact needs it: ``body.placement.place([[60, -93, 1283]], "chest", "left")`` is where this person's
    left fifth rib meets its cartilage. ``variants`` lists the normal variants that were drawn.
    """

    person: Person
    voxel_mm: float
    origin_mm: tuple[float, float, float]  # centre of voxel [0, 0, 0], as (x, y, z)
    uptake: Float32[np.ndarray, "z y x"]
    mu_per_cm: Float32[np.ndarray, "z y x"]
    label: UInt8[np.ndarray, "z y x"]
    names: tuple[str, ...]
    placement: Placement
    variants: tuple[Variant, ...] = ()

    @property
    def grid(self) -> Grid:
        h = self.voxel_mm
        z, y, x = self.uptake.shape
        return Grid.volume((z, y, x), scaling((h, h, h), self.origin_mm), "anatomical")

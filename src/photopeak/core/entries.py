"""Entries of a Study: images, masks, measurements and texts, each with its unit and its meaning.

Arrays are numpy and are made read-only: an entry, once made, is what it is. ``learning.Plan`` is the
only place where entries become tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photopeak.core.errors import PhotopeakError
from photopeak.core.grid import Grid
from photopeak.core.units import dimension, factor


def _read_only(values: NDArray[Any], grid: Grid) -> NDArray[Any]:
    if values.shape != grid.shape:
        raise PhotopeakError(f"values have shape {values.shape} but the grid's axes {grid.names} have {grid.shape}.")
    view = values.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Image:
    """Numbers on a grid, in one unit; ``sd`` is their standard deviation where it is known."""

    values: NDArray[Any]
    grid: Grid
    unit: str
    sd: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        dimension(self.unit)
        object.__setattr__(self, "values", _read_only(self.values, self.grid))
        if self.sd is not None:
            object.__setattr__(self, "sd", _read_only(self.sd, self.grid))

    def to(self, unit: str) -> Image:
        """The same image in another unit of the same dimension."""
        f = factor(self.unit, unit)
        return Image(self.values * f, self.grid, unit, None if self.sd is None else self.sd * f)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle forgets that an array is read-only; made anew, it is so again.
        return Image, (self.values, self.grid, self.unit, self.sd)


@dataclass(frozen=True, eq=False)
class Mask:
    """Whole numbers on a grid; 0 is nothing, every other number has a name."""

    values: NDArray[Any]
    grid: Grid
    names: Mapping[int, str]
    unit: str = field(default="{label}", init=False)

    def __post_init__(self) -> None:
        if not (self.values.dtype == np.bool_ or np.issubdtype(self.values.dtype, np.integer)):
            raise PhotopeakError(f"a mask holds whole numbers, not {self.values.dtype}.")
        if 0 in self.names:
            raise PhotopeakError("0 means nothing in a mask and cannot have a name.")
        object.__setattr__(self, "values", _read_only(self.values, self.grid))
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    def of(self, name: str) -> NDArray[np.bool_]:
        """Where the structure called ``name`` is."""
        numbers = [number for number, n in self.names.items() if n == name]
        if not numbers:
            raise PhotopeakError(f"no {name!r} in this mask. It names: {', '.join(self.names.values())}.")
        return np.isin(self.values, numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return Mask, (np.asarray(self.values), self.grid, dict(self.names))


@dataclass(frozen=True)
class Measurement:
    """One number with its unit, its uncertainty, where it was measured and what qualifies it.

    ``region`` names the structure, ``code`` the concept ("scheme:value", for example "SCT:94222008"),
    ``flags`` are quality flags such as "partial volume" or "truncated field of view".
    """

    value: float
    unit: str
    sd: float | None = None
    region: str = ""
    code: str = ""
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        dimension(self.unit)

    def to(self, unit: str) -> Measurement:
        f = factor(self.unit, unit)
        sd = None if self.sd is None else self.sd * f
        return Measurement(self.value * f, unit, sd, self.region, self.code, self.flags)


@dataclass(frozen=True)
class Text:
    """Prose in a plain language, such as a diagnostic report."""

    value: str
    language: str = "en"
    unit: str = field(default="{text}", init=False)


Entry = Image | Mask | Measurement | Text | tuple[Measurement, ...]


def unit_of(entry: Entry) -> str:
    """The unit of an entry; a table of measurements has the unit its rows share, or ``""``."""
    if not isinstance(entry, tuple):
        return entry.unit
    units = {row.unit for row in entry}
    return units.pop() if len(units) == 1 else ""

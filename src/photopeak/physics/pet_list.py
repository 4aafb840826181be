"""PET in list mode: one row for each coincidence, instead of a sinogram that is mostly empty.

A short frame on a scanner with time of flight has far fewer events than its sinogram has bins; each event keeps its
own crystals and its own timing. Row k of the operator is the line of event k, exactly as ``PetScanner.operator`` has
it: ȳ_k = g ∫ x(s) p_b(s) ds with the event's own bin b :cite:`barrett1997`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int, Num

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import Axis, scaling
from photopeak.physics import pet_list_kernels as kernels
from photopeak.physics.engines import single
from photopeak.physics.operator import Operator
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_kernels import GROUPS
from photopeak.physics.pet_operator import ring_of, yxz

Tensor = torch.Tensor
COLUMNS: Final = ("first ring", "first crystal", "second ring", "second crystal", "bin")


@dataclass(frozen=True, eq=False)
class Events:
    """Coincidences of a scanner, one row each: ring and crystal of both photons, and the time-of-flight bin.

    The bin counts from where the first photon came first, as the sinogram's do for its own order of the two crystals;
    it is 0 without time of flight.
    """

    scanner: PetScanner
    rows: Int[np.ndarray, "event 5"]

    def __post_init__(self) -> None:
        s = self.scanner
        most = np.array([s.rings, s.crystals, s.rings, s.crystals, 1 if s.tof is None else s.tof.bins])
        wrong = ((self.rows < 0) | (self.rows >= most)).any(0)
        if wrong.any():
            column = int(np.flatnonzero(wrong)[0])
            raise PhotopeakError(
                f"events have a {COLUMNS[column]} outside 0 … {most[column] - 1}. Remedy: give the scanner they were "
                "measured with, and count from 0."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def bins(self) -> Int[np.ndarray, "event 4"]:
        """Each event's (angle, plane, bin, radial) in the sinogram; −1 throughout where the sinogram leaves it out."""
        s = self.scanner
        line = np.full((s.crystals, s.crystals, 2), -1)
        pairs = s.pairs()
        line[pairs[..., 0], pairs[..., 1]] = np.moveaxis(np.indices(pairs.shape[:2]), 0, -1)
        plane = np.full((s.rings, s.rings), -1)
        for number, together in enumerate(s.planes()):
            for a, b in together:
                plane[a, b] = number
        ring, crystal, other_ring, other, bin_ = self.rows.T
        swapped = line[crystal, other, 0] < 0
        at = np.where(swapped[:, None], line[other, crystal], line[crystal, other])
        of = np.where(swapped, plane[other_ring, ring], plane[ring, other_ring])
        last = 0 if s.tof is None else s.tof.bins - 1
        found = np.stack([at[:, 0], of, np.where(swapped, last - bin_, bin_), at[:, 1]], 1)
        found[(found < 0).any(1)] = -1
        return found

    def covered(self) -> Events:
        """Those that the sinogram has a bin for, by its radial bins and ring differences."""
        return Events(self.scanner, self.rows[self.bins()[:, 0] >= 0])

    def binned(self) -> Int[np.ndarray, "angle plane *bins radial"]:
        """The sinogram of all events that it has a bin for."""
        found = self.bins()
        counts = np.zeros(_whole_shape(self.scanner), np.int64)
        np.add.at(counts, tuple(found[found[:, 0] >= 0].T), 1)
        return counts.reshape(self.scanner.sinogram().shape)

    def of_each(self, sinogram: Float[Tensor, "angle plane *bins radial"]) -> Float[Tensor, " event"]:
        """What a sinogram says of each event's bin: its attenuation factor, say. 0 for events it leaves out."""
        shape = _whole_shape(self.scanner)
        whole = sinogram if self.scanner.tof is not None else sinogram[:, :, None]
        angle, plane, bin_, radial = torch.from_numpy(self.bins()).unbind(1)
        values = whole.expand(shape)[angle, plane, bin_, radial]
        return torch.where(angle >= 0, values, torch.zeros(()).to(values))

    def share_of_each(self, sinogram: Float[Tensor, "angle plane *bins radial"]) -> Float[Tensor, " event"]:
        """As ``of_each`` for what a plane sums over its pairs of rings, such as randoms: one pair's share of it."""
        pairs = torch.tensor([len(p) for p in self.scanner.planes()]).to(sinogram)
        return self.of_each(sinogram / pairs.reshape(-1, *(1 for _ in sinogram.shape[2:])))


def events_of(scanner: PetScanner, counts: Num[np.ndarray, "angle plane *bins radial"], seed: int) -> Events:
    """A sinogram's counts as events in a random order; with a span, each with one of the plane's pairs of rings."""
    if counts.shape != scanner.sinogram().shape:
        raise PhotopeakError(f"counts have shape {counts.shape}, the scanner's sinogram {scanner.sinogram().shape}.")
    whole = counts.reshape(_whole_shape(scanner))
    if (whole < 0).any() or (whole != np.round(whole)).any():
        raise PhotopeakError("events are counted in whole numbers of at least 0. Remedy: give counts, not means.")
    rng = np.random.default_rng(seed)
    at = rng.permutation(np.repeat(np.arange(whole.size), whole.reshape(-1).astype(np.int64)))
    angle, plane, bin_, radial = np.unravel_index(at, whole.shape)
    planes = scanner.planes()
    sizes, starts = np.array([len(p) for p in planes]), np.cumsum([0, *(len(p) for p in planes)])
    rings = np.array([pair for p in planes for pair in p])
    chosen = rings[starts[plane] + rng.integers(0, sizes[plane])]
    pair = scanner.pairs()[angle, radial]
    return Events(scanner, np.stack([chosen[:, 0], pair[:, 0], chosen[:, 1], pair[:, 1], bin_], 1))


class ListOperator(Operator):
    """Activity (Bq/ml; z y x) to the expected count of each event's own line and bin."""

    def __init__(self, events: Events, grid: Grid) -> None:
        if not len(events):
            raise PhotopeakError("there are no events: nothing to reconstruct. Remedy: check the frame's times.")
        self.events, self.domain = events, grid
        self.range = Grid((Axis("event", len(events)),), scaling((1.0, 1.0, 1.0)))
        rows = events.rows
        pairs = np.ascontiguousarray(rows[:, None, [1, 3]])
        self._ring = ring_of(events.scanner, grid)._replace(pairs=pairs)
        self._where = np.ascontiguousarray(rows[:, [0, 2, 4]])

    def subset(self, k: int, n: int) -> Operator:
        """Every n-th event from the k-th on."""
        if not 0 <= k < n <= len(self.events):
            raise PhotopeakError(f"subset {k} of {n} does not exist for {len(self.events)} events.")
        part = copy.copy(self)
        part.events = Events(self.events.scanner, self.events.rows[k::n])
        part.range = Grid((Axis("event", len(part.events)),), self.range.affine_mm)
        part._ring = self._ring._replace(pairs=np.ascontiguousarray(self._ring.pairs[k::n]))
        part._where = np.ascontiguousarray(self._where[k::n])
        return part

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, " event"]:
        values = np.empty(len(self.events), np.float32)
        kernels.project(yxz(x), self._ring, self._where, values)
        return torch.from_numpy(values * np.float32(self.events.scanner.counts_per_bq_ml_mm)).to(x)

    def apply_adjoint(self, y: Float[Tensor, " event"]) -> Float[Tensor, "z y x"]:
        n_z, n_y, n_x = self.domain.shape
        parts = np.empty((GROUPS, n_y, n_x, n_z), np.float32)
        values = single(y) * np.float32(self.events.scanner.counts_per_bq_ml_mm)
        kernels.back_project(values, self._ring, self._where, parts)
        return torch.from_numpy(parts).sum(0).permute(2, 0, 1).contiguous().to(y)


def _whole_shape(scanner: PetScanner) -> tuple[int, int, int, int]:
    bins = 1 if scanner.tof is None else scanner.tof.bins
    return scanner.angles, len(scanner.planes()), bins, scanner.radial

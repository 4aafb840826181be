"""A Protocol turns a seed and a number into an examination with its truth.

To add one, write a frozen dataclass with ``name`` and ``case`` (and ``plans`` where the cohort's mix is
decided before its patients are drawn), and register it in the entry-point group ``photopeak.protocols``.
``thyroid.py`` is the shortest complete example.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np

from photopeak.core import Image, PhotopeakError, Study
from photopeak.core.study import Json, Studies
from photopeak.patients.streams import stream

GROUP = "photopeak.protocols"


@dataclass(frozen=True)
class Case:
    """One virtual examination: the Study, and documents that go beside it in a cohort folder.

    ``rows`` has one entry for each image (view) with its labels; ``documents`` are JSON files by name,
    such as ``truth.json`` and ``reader1.json``, or plain text such as ``input.csv``. ``image`` is the file
    that holds the counts.
    """

    study: Study
    rows: tuple[Mapping[str, Json], ...]
    documents: Mapping[str, Json] = field(default_factory=dict)
    image: str = "planar.dcm"


@dataclass(frozen=True)
class Streams:
    """The random streams of one patient, by purpose."""

    seed: int
    patient: int

    def __call__(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, self.patient, purpose)


@runtime_checkable
class VirtualProtocol(Protocol):
    """What every protocol has.

    ``default_patients`` is the size of a cohort when nobody says. ``plans(n, seed)`` decides who has what:
    one opaque plan for each patient, each depending on its own index alone unless the cohort is a
    published one. ``case`` simulates one patient.
    """

    @property
    def name(self) -> str: ...

    @property
    def default_patients(self) -> int: ...

    def plans(self, patients: int, seed: int) -> Sequence[Any]: ...

    def case(self, plan: Any, streams: Streams) -> Case: ...


class Clinic(Studies):
    """A virtual cohort: a plain sequence of Studies, simulated when asked for.

    >>> from photopeak.patients import bone_scan
    >>> clinic = Clinic(bone_scan.BoneScan(), patients=2, seed=7)
    >>> len(clinic)
    2
    """

    def __init__(self, protocol: VirtualProtocol, patients: int, seed: int) -> None:
        if patients < 1:
            raise PhotopeakError(f"a clinic has at least one patient, not {patients}.")
        self.protocol = protocol
        self.seed = seed
        self._plans = protocol.plans(patients, seed)

    def __len__(self) -> int:
        return len(self._plans)

    def study(self, index: int) -> Study:
        return self.case(index).study

    def case(self, index: int) -> Case:
        """Patient ``index`` with every document of the cohort folder."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"patient {index} of {len(self)}")
        index %= len(self)
        return self.protocol.case(self._plans[index], Streams(self.seed, index))


def protocols() -> dict[str, Any]:
    """Every installed protocol by name, ours and plugins', not yet loaded."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def counts_hash(study: Study) -> str:
    """sha256 of the integer counts: the sameness of two simulations."""
    counts = study["counts"]
    assert isinstance(counts, Image)
    whole = np.ascontiguousarray(counts.values, dtype="<u4")
    return hashlib.sha256(repr(whole.shape).encode() + whole.tobytes()).hexdigest()

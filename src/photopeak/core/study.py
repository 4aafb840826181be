"""A Study: named entries of one examination, with who, how and what was done.

Immutable and append-only. ``study.add(...)`` gives a new Study; nothing replaces an entry in place.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from photopeak.core.entries import Entry
from photopeak.core.errors import MissingEntry, PhotopeakError
from photopeak.core.vocabulary import check_entry

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class Patient:
    """Who was imaged. ``None`` and ``""`` mean that nobody said, never a default."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    sex: str = ""
    birth_date: dt.date | None = None
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True)
class Radiopharmaceutical:
    """What was given, how much and when."""

    name: str = ""
    nuclide: str = ""  # as in "Tc-99m"
    activity_mbq: float | None = None
    administered_at: dt.datetime | None = None
    half_life_s: float | None = None
    route: str = ""


@dataclass(frozen=True)
class EnergyWindow:
    """One window, possibly of several ranges, (lower, upper) in keV."""

    name: str
    ranges_kev: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Detector:
    """One camera head as it stood for this acquisition."""

    collimator: str = ""
    collimator_type: str = ""
    start_angle_deg: float | None = None
    radius_mm: float | None = None


@dataclass(frozen=True)
class Acquisition:
    """How it was imaged: equipment, times, windows, and every other fact a file states.

    ``kind`` is DICOM's word: STATIC, WHOLE BODY, DYNAMIC, GATED, TOMO, GATED TOMO, RECON TOMO,
    RECON GATED TOMO for nuclear medicine; PT and CT have none. ``facts`` holds further stated facts
    by their DICOM keyword, and ``assumed`` the ones a user stated with ``--assume``.
    """

    modality: str = ""
    kind: str = ""
    manufacturer: str = ""
    model: str = ""
    institution: str = ""
    description: str = ""
    study_uid: str = ""
    series_uid: str = ""
    started_at: dt.datetime | None = None
    duration_s: float | None = None
    scan_velocity_mm_s: float | None = None
    scan_length_mm: float | None = None
    radiopharmaceuticals: tuple[Radiopharmaceutical, ...] = ()
    energy_windows: tuple[EnergyWindow, ...] = ()
    detectors: tuple[Detector, ...] = ()
    position: str = ""  # patient position, such as "HFS"
    decay_correction: str = ""  # START, ADMIN or NONE
    decay_reference: dt.datetime | None = None
    corrections: tuple[str, ...] = ()  # CorrectedImage, as in ("ATTN", "DECY")
    facts: Mapping[str, Json] = field(default_factory=dict)
    assumed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        object.__setattr__(self, "assumed", MappingProxyType(dict(self.assumed)))

    def __reduce__(self) -> tuple[Any, ...]:
        state = {f: getattr(self, f) for f in self.__dataclass_fields__}
        state["facts"], state["assumed"] = dict(self.facts), dict(self.assumed)
        return _rebuild_acquisition, (state,)


def _rebuild_acquisition(state: dict[str, Any]) -> Acquisition:
    return Acquisition(**state)


@dataclass(frozen=True)
class Record:
    """One thing that was done: which Step, in which version, with what, to give what.

    ``references`` are keys of ``references.bib``; ``photopeak cite`` prints them.
    """

    step: str
    version: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    gives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "step": self.step,
            "version": self.version,
            "parameters": dict(self.parameters),
            "gives": list(self.gives),
            "references": list(self.references),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Record:
        return Record(
            str(data["step"]),
            str(data["version"]),
            dict(data.get("parameters", {})),
            tuple(data.get("gives", ())),
            tuple(data.get("references", ())),
        )


class Study(Mapping[str, Entry]):
    """An immutable, append-only mapping of entry names to entries.

    >>> from photopeak.core import Measurement
    >>> s = Study(patient=Patient("P1")).add({"reader/p_metastasis": Measurement(0.8, "1")})
    >>> s["reader/p_metastasis"].value, s.patient.patient_id
    (0.8, 'P1')
    """

    __slots__ = ("_entries", "acquisition", "history", "patient")

    def __init__(
        self,
        entries: Mapping[str, Entry] | None = None,
        patient: Patient | None = None,
        acquisition: Acquisition | None = None,
        history: tuple[Record, ...] = (),
    ) -> None:
        entries = dict(entries or {})
        for name, entry in entries.items():
            check_entry(name, entry)
        object.__setattr__(self, "_entries", entries)
        object.__setattr__(self, "patient", patient or Patient())
        object.__setattr__(self, "acquisition", acquisition or Acquisition())
        object.__setattr__(self, "history", tuple(history))

    patient: Patient
    acquisition: Acquisition
    history: tuple[Record, ...]
    _entries: dict[str, Entry]

    def __setattr__(self, name: str, value: object) -> None:
        raise PhotopeakError(f"a Study is immutable; {name!r} cannot be set. Remedy: study.add(...).")

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise MissingEntry(
                f"this study holds no {name!r}; it holds {', '.join(self._entries) or 'nothing'}. "
                "Remedy: run the Step that gives it first."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    # Mapping defines these through __getitem__ and KeyError; ours raises MissingEntry.
    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str, default: Any = None) -> Any:
        return self._entries.get(name, default)

    def add(self, entries: Mapping[str, Entry], record: Record | None = None) -> Study:
        """A new Study with these entries beside the old ones; a name already there is refused."""
        repeated = sorted(set(entries) & set(self._entries))
        if repeated:
            raise PhotopeakError(
                f"the study already holds {', '.join(repeated)}. "
                "Remedy: run the Step on a study without it, for example study.only(...)."
            )
        history = self.history if record is None else (*self.history, record)
        return Study({**self._entries, **entries}, self.patient, self.acquisition, history)

    def only(self, *names: str) -> Study:
        """The Study with these entries alone; patient, acquisition and history stay."""
        return Study({n: self[n] for n in names}, self.patient, self.acquisition, self.history)

    def __repr__(self) -> str:
        return f"Study({', '.join(self._entries)}; patient {self.patient.patient_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Study, (self._entries, self.patient, self.acquisition, self.history)


# A checker of types at run time would otherwise look into a source, and so simulate a patient or read a file at every
# call that is given one.
if TYPE_CHECKING:
    _Sequence = Sequence[Study]
else:
    _Sequence = Sequence


class Studies(_Sequence):
    """What gives Studies when asked: a plain sequence. Whoever derives from it says ``__len__`` and ``study``."""

    @abstractmethod
    def study(self, index: int) -> Study:
        """The Study at a place, counted from 0."""

    @overload
    def __getitem__(self, index: int) -> Study: ...
    @overload
    def __getitem__(self, index: slice) -> list[Study]: ...
    def __getitem__(self, index: int | slice) -> Study | list[Study]:
        if isinstance(index, slice):
            return [self.study(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"study {index} of {len(self)}")
        return self.study(index % len(self))

"""The names of entries. An undeclared name fails; plugins declare theirs with ``declare``.

A ``Kind`` is an entry's type and unit. Everything downstream (DICOM object, display, default metric) is
registered by Kind in the rooms that do it; this module knows only names.
"""

from __future__ import annotations

from dataclasses import dataclass

from photopeak.core.entries import Entry, Image, Mask, Measurement, Text, unit_of
from photopeak.core.errors import UndeclaredName, UnitError
from photopeak.core.units import dimension

TYPES: dict[str, type] = {"image": Image, "mask": Mask, "measurement": Measurement, "text": Text, "table": tuple}


@dataclass(frozen=True)
class Kind:
    """Type ("image", "mask", "measurement", "text" or "table") and unit. ``""`` leaves the unit open."""

    entry: str
    unit: str = ""

    def __post_init__(self) -> None:
        if self.entry not in TYPES:
            raise UndeclaredName(f"unknown entry type {self.entry!r}. Remedy: use one of {', '.join(TYPES)}.")
        if self.unit:
            dimension(self.unit)

    def admits(self, other: Kind) -> bool:
        """True where an entry of ``other`` can be given where this Kind is needed."""
        if self.entry != other.entry:
            return False
        return not self.unit or not other.unit or dimension(self.unit) == dimension(other.unit)


@dataclass(frozen=True)
class Declaration:
    """A declared name: what kind of entry it is and what it means."""

    name: str
    kind: Kind
    meaning: str


_DECLARED: dict[str, Declaration] = {}


def declare(name: str, kind: Kind, meaning: str) -> str:
    """Add a name to the vocabulary; the same declaration twice is one, a different one is refused."""
    old = _DECLARED.get(name)
    if old is not None and old.kind != kind:
        raise UndeclaredName(f"{name!r} is already declared as {old.kind}. Remedy: choose another name.")
    _DECLARED[name] = Declaration(name, kind, meaning)
    return name


def kind_of(name: str) -> Kind:
    """The Kind of a declared name.

    >>> kind_of("counts")
    Kind(entry='image', unit='{counts}')
    """
    return declaration(name).kind


def declaration(name: str) -> Declaration:
    """The declaration of a name; an undeclared one is refused."""
    try:
        return _DECLARED[name]
    except KeyError:
        raise UndeclaredName(
            f"{name!r} is not in the vocabulary. Remedy: declare(name, Kind(type, unit), meaning) once, "
            f"or use one of {', '.join(sorted(_DECLARED))}."
        ) from None


def declared() -> dict[str, Declaration]:
    """Every declared name."""
    return dict(_DECLARED)


def check_entry(name: str, entry: Entry) -> None:
    """Refuse an entry whose type or unit is not what its name promises."""
    kind = kind_of(name)
    if not isinstance(entry, TYPES[kind.entry]):
        raise UnitError(f"{name!r} holds a {kind.entry}, not a {type(entry).__name__}.")
    if isinstance(entry, tuple) and not all(isinstance(row, Measurement) for row in entry):
        raise UnitError(f"{name!r} is a table: every row of it is a Measurement.")
    unit = unit_of(entry)
    if kind.unit and unit and dimension(unit) != dimension(kind.unit):
        raise UnitError(
            f"{name!r} is {declaration(name).meaning}, in {kind.unit}; {unit} measures {dimension(unit)}. "
            "Remedy: use another name, or declare one."
        )


for _name, _kind, _meaning in (
    ("counts", Kind("image", "{counts}"), "detected counts, as acquired or simulated"),
    ("activity", Kind("image", "Bq/ml"), "activity concentration at the acquisition's reference time"),
    ("ct", Kind("image", "[hnsf'U]"), "CT numbers"),
    ("mr", Kind("image", "1"), "T1-weighted magnetic resonance, in the scanner's own unit"),
    ("uptake", Kind("image", ""), "values in a unit the file names and no other entry fits"),
    ("suv/bw", Kind("image", "g/ml{SUVbw}"), "standardised uptake by body weight"),
    ("suv/lbm", Kind("image", "g/ml{SUVlbm}"), "standardised uptake by lean body mass (Janmahasatian)"),
    ("suv/bsa", Kind("image", "cm2/ml{SUVbsa}"), "standardised uptake by body surface area (Du Bois)"),
    ("mu", Kind("image", "1/cm"), "linear attenuation at the tracer's energy, on the camera's lattice"),
    ("tia", Kind("image", "Bq.s/ml"), "time-integrated activity concentration: decays of every ml"),
    ("dose", Kind("image", "Gy"), "absorbed dose of the decays after one injection"),
    (
        "normalised",
        Kind("image", "1"),
        "counts scaled to [0, 1] view by view, between the view's own minimum and maximum",
    ),
    ("truth/regions", Kind("mask"), "named structures, as simulated"),
    ("truth/lesions", Kind("mask"), "lesions, one number each, as simulated"),
    ("truth/activity", Kind("image"), "activity distribution, as simulated"),
    ("truth/mu", Kind("image", "1/cm"), "linear attenuation, as simulated"),
    ("truth/visibility", Kind("table", "1"), "contrast-to-noise ratio of each lesion in each view"),
    ("truth/label_m", Kind("measurement", "1"), "1 where the patient has bone metastases"),
    ("truth/label_a", Kind("measurement", "1"), "1 where the patient has arthritis"),
    ("truth/bsi", Kind("measurement", "%"), "share of the skeleton's volume that is metastatic, as simulated"),
    ("truth/sbr", Kind("table", "1"), "specific binding ratio of each region, as simulated"),
    ("truth/diagnosis", Kind("text"), "the disease that was simulated, in one word"),
    (
        "truth/suvr",
        Kind("table", "1"),
        "concentration of each region over the reference's, in the tissue, as simulated",
    ),
    (
        "truth/centiloid",
        Kind("measurement", "{CL}"),
        "amyloid on the Centiloid scale, of an image without noise, as simulated",
    ),
    ("truth/tia", Kind("image", "Bq.s/ml"), "time-integrated activity, as simulated"),
    ("truth/dose", Kind("image", "Gy"), "absorbed dose, as simulated"),
    ("truth/organ_dose", Kind("table", "Gy"), "mean absorbed dose of each region, as simulated"),
    ("truth/report", Kind("text"), "diagnostic report in plain prose"),
    ("reader/regions", Kind("mask"), "named structures, as the reader sees them"),
    ("reader/lesions", Kind("mask"), "lesions, as the reader sees them"),
    ("reader/p_metastasis", Kind("measurement", "1"), "probability of bone metastasis"),
    ("reader/p_arthritis", Kind("measurement", "1"), "probability of arthritis"),
    ("reader/bsi", Kind("measurement", "%"), "bone scan index: share of the skeleton's mass that is metastatic"),
    ("reader/flags", Kind("table"), "what qualifies the reading"),
):
    declare(_name, _kind, _meaning)

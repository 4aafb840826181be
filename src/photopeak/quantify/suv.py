"""Standardised uptake values: activity concentration per injected activity and per size of the patient.

    SUV = C · S / A,    A = A₀ · 2^(−Δt / T½)

C (Bq/ml) is the concentration, decay-corrected to a reference moment; A₀ (Bq) the activity given, Δt (s) the
time from its administration to that moment, T½ (s) the half-life, and S the patient's size: body mass (g),
lean body mass (g) or body surface (cm²). The residue in the syringe is not subtracted: DICOM states only
what was given. The rules are those of QIBA's vendor-neutral recipe :cite:`kinahan2010`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Float

from photopeak.core import Entry, Image, Kind, MissingEntry, Patient, Radiopharmaceutical, Study
from photopeak.core.units import factor

Values = Float[np.ndarray, "..."]

_T = TypeVar("_T")

MAX_HALF_LIVES = 10.0
"""After this many nothing is left to see; a longer gap means that a time is wrong."""


def decayed_activity_bq(activity_bq: float, elapsed_s: float, half_life_s: float) -> float:
    """A₀ · 2^(−Δt / T½).

    >>> decayed_activity_bq(400e6, 6586.2, 6586.2)
    200000000.0
    """
    return float(activity_bq * 2.0 ** (-elapsed_s / half_life_s))


def lean_body_mass_kg(weight_kg: float, height_m: float, sex: str) -> float:
    """Lean body mass by Janmahasatian :cite:`janmahasatian2005`.

    m_lean = 9270 m / (6680 + 216 m/h²) for men, 9270 m / (8780 + 244 m/h²) for women; m in kg, h in m.

    >>> round(lean_body_mass_kg(70, 1.70, "M"), 1), round(lean_body_mass_kg(70, 1.70, "F"), 1)
    (54.5, 44.2)
    """
    constant, slope = {"M": (6680.0, 216.0), "F": (8780.0, 244.0)}[sex]
    return 9270.0 * weight_kg / (constant + slope * weight_kg / height_m**2)


def body_surface_cm2(weight_kg: float, height_m: float) -> float:
    """Body surface by Du Bois :cite:`dubois1916`: 71.84 m^0.425 h^0.725 cm², m in kg and h in cm.

    >>> round(body_surface_cm2(70, 1.70))
    18097
    """
    return float(71.84 * weight_kg**0.425 * (100.0 * height_m) ** 0.725)


def suv_bw(concentration_bq_ml: Values, activity_bq: float, weight_kg: float) -> Values:
    """SUV by body weight, g/ml. ``activity_bq`` is what is left at the moment of the concentration.

    >>> float(suv_bw(np.array([5000.0]), 350e6, 70.0)[0])
    1.0
    """
    return concentration_bq_ml * (1000.0 * weight_kg / activity_bq)


def suv_lbm(concentration_bq_ml: Values, activity_bq: float, lean_mass_kg: float) -> Values:
    """SUV by lean body mass (SUL), g/ml."""
    return concentration_bq_ml * (1000.0 * lean_mass_kg / activity_bq)


def suv_bsa(concentration_bq_ml: Values, activity_bq: float, surface_cm2: float) -> Values:
    """SUV by body surface, cm²/ml."""
    return concentration_bq_ml * (surface_cm2 / activity_bq)


def activity_at_reference_bq(study: Study) -> float:
    """What is left of the administered activity at the moment to which the image is decay-corrected.

    DecayCorrection ADMIN means that nothing has to be subtracted; START that the concentration is that of the
    scan's start; with NONE every frame has a moment of its own, and one number would be wrong for all.
    """
    tracer = _tracer(study)
    given_bq = factor("MBq", "Bq") * _stated(tracer.activity_mbq, study, "activity_mbq")
    _require_corrections(study)
    correction = study.acquisition.decay_correction
    if correction == "ADMIN":
        return given_bq
    if correction != "START":
        raise _missing(study, "(0054,1102) Decay Correction", *_NO_CORRECTION[correction == "NONE"])
    administered_at = _stated(tracer.administered_at, study, "administered_at")
    reference = _stated(study.acquisition.decay_reference, study, "decay_reference")
    half_life_s = _stated(tracer.half_life_s, study, "half_life_s")
    elapsed_s = (reference - administered_at).total_seconds()
    if not 0.0 <= elapsed_s < MAX_HALF_LIVES * half_life_s:
        raise _missing(
            study,
            "(0018,1078) Radiopharmaceutical Start DateTime",
            f"the scan starts {elapsed_s / 3600:.1f} h after the administration, so one of the two times is wrong",
            "correct the time in the file",
        )
    return decayed_activity_bq(given_bq, elapsed_s, half_life_s)


_NO_CORRECTION = {
    False: ("nobody said to which moment the values are decay-corrected", "state --assume decay_correction=START"),
    True: (
        "the values are not decay-corrected, so frames taken at different times cannot be compared",
        "reconstruct with decay correction",
    ),
}

_FACTS = {
    "weight_kg": ("(0010,1030) Patient's Weight", "the uptake cannot be related to the body"),
    "height_m": ("(0010,1020) Patient's Size", "lean mass and body surface need the height"),
    "sex": ("(0010,0040) Patient's Sex", "lean body mass has one formula for men and one for women"),
    "activity_mbq": ("(0018,1074) Radionuclide Total Dose", "the uptake cannot be related to the activity given"),
    "half_life_s": ("(0018,1075) Radionuclide Half Life", "the decay from administration to scan is unknown"),
    "administered_at": (
        "(0018,1078) Radiopharmaceutical Start DateTime",
        "the decay from administration to scan is unknown",
    ),
    "decay_reference": (
        "(0008,0021), (0008,0031) Series Date and Time",
        "nothing settles to which moment the values are decay-corrected",
    ),
}


def _stated(value: _T | None, study: Study, key: str) -> _T:
    """A fact, or the refusal that says which tag lacks it and how to state it."""
    if value is None or value == "" or value == 0:
        tag, meaning = _FACTS[key]
        raise _missing(study, tag, meaning, f"state --assume {key}=…")
    return value


def _missing(study: Study, tag: str, meaning: str, remedy: str) -> MissingEntry:
    who = study.patient.patient_id or "without an ID"
    return MissingEntry(f"no SUV for patient {who}: {tag}: {meaning}. Remedy: {remedy}.")


def _tracer(study: Study) -> Radiopharmaceutical:
    tracers = study.acquisition.radiopharmaceuticals
    if len(tracers) > 1:
        meaning = f"{len(tracers)} radiopharmaceuticals were given; their uptakes cannot be told apart"
        raise _missing(study, "(0054,0016) Radiopharmaceutical Information Sequence", meaning, "separate the scans")
    return tracers[0] if tracers else Radiopharmaceutical()


def _require_corrections(study: Study) -> None:
    lacking = [name for name in ("ATTN", "DECY") if name not in study.acquisition.corrections]
    if study.acquisition.decay_correction == "NONE" and "DECY" in lacking:
        lacking.remove("DECY")  # said better below
    if lacking:
        meaning = f"the image is not said to be corrected for {' and '.join(_CORRECTIONS[c] for c in lacking)}"
        raise _missing(study, "(0028,0051) Corrected Image", meaning, "reconstruct with these corrections")


_CORRECTIONS = {"ATTN": "attenuation (ATTN)", "DECY": "decay (DECY)"}


def _weight_kg(study: Study) -> float:
    return _stated(study.patient.weight_kg, study, "weight_kg")


def _lean_mass_kg(study: Study) -> float:
    patient: Patient = study.patient
    sex = _stated(patient.sex if patient.sex in ("M", "F") else None, study, "sex")
    return lean_body_mass_kg(_weight_kg(study), _stated(patient.height_m, study, "height_m"), sex)


def _surface_cm2(study: Study) -> float:
    return body_surface_cm2(_weight_kg(study), _stated(study.patient.height_m, study, "height_m"))


def _concentration(study: Study) -> Image:
    image = study["activity"]
    assert isinstance(image, Image)
    return image.to("Bq/ml")


def _suv(study: Study, values: Values, unit: str) -> Image:
    return Image(values.astype(np.float32, copy=False), _concentration(study).grid, unit)


@dataclass(frozen=True)
class SuvBw:
    """Standardised uptake value by body weight, by QIBA's rules :cite:`kinahan2010`."""

    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"suv/bw": Kind("image", "g/ml{SUVbw}")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        values = suv_bw(_concentration(study).values, activity_at_reference_bq(study), _weight_kg(study))
        return {"suv/bw": _suv(study, values, "g/ml{SUVbw}")}


@dataclass(frozen=True)
class SuvLbm:
    """Standardised uptake value by lean body mass, by Janmahasatian :cite:`kinahan2010,janmahasatian2005`."""

    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"suv/lbm": Kind("image", "g/ml{SUVlbm}")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        values = suv_lbm(_concentration(study).values, activity_at_reference_bq(study), _lean_mass_kg(study))
        return {"suv/lbm": _suv(study, values, "g/ml{SUVlbm}")}


@dataclass(frozen=True)
class SuvBsa:
    """Standardised uptake value by body surface, by Du Bois :cite:`kinahan2010,dubois1916`."""

    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"suv/bsa": Kind("image", "cm2/ml{SUVbsa}")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        values = suv_bsa(_concentration(study).values, activity_at_reference_bq(study), _surface_cm2(study))
        return {"suv/bsa": _suv(study, values, "cm2/ml{SUVbsa}")}

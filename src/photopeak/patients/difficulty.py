"""Every knob that makes recognising disease harder, in one frozen dataclass.

The defaults are meant to be clinically plausible. A cohort is simulated at one ``Difficulty``; freezing its
JSON freezes how hard the task is.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from photopeak.core import PhotopeakError


def _knob(default: float, low: float, high: float, unit: str, meaning: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class Difficulty:
    """How hard the bone-scan recognition task is.

    Each field holds its unit, meaning and admitted range in its metadata (``knobs()`` lists them). "×"
    multiplies the clinical prior, "share" is a probability in [0, 1].

    >>> Difficulty(lesion_contrast_scale=0.5).lesion_contrast_scale
    0.5
    """

    lesion_contrast_scale: float = _knob(1.0, 0.05, 5.0, "×", "uptake of metastases above normal bone")
    lesion_contrast_sd: float = _knob(0.5, 0.0, 1.5, "ln", "spread of that uptake between lesions, log-normal")
    lesion_size_scale: float = _knob(1.0, 0.3, 3.0, "×", "diameter of metastases (median 20 mm)")
    faint_share: float = _knob(0.15, 0.0, 1.0, "share", "metastases with a third of the usual excess uptake")
    tiny_share: float = _knob(0.1, 0.0, 1.0, "share", "metastases 8 to 12 mm across")
    lytic_share: float = _knob(0.05, 0.0, 1.0, "share", "metastases with a cold centre and a hot rim")
    occult_rate: float = _knob(0.5, 0.0, 20.0, "1/patient", "mean number of metastases too faint to be annotated")
    superscan_share: float = _knob(0.05, 0.0, 1.0, "share", "metastatic patients with a superscan")
    flare_share: float = _knob(
        0.04, 0.0, 1.0, "share", "metastatic patients imaged during a flare (all lesions hotter)"
    )
    visible_cnr: float = _knob(3.0, 0.5, 20.0, "1", "contrast-to-noise ratio from which a lesion counts as visible")

    arthritis_uptake_scale: float = _knob(1.0, 0.05, 5.0, "×", "added uptake of arthritic joints")
    arthritis_uptake_sd: float = _knob(0.35, 0.0, 1.5, "ln", "spread of that uptake between patients, log-normal")
    arthritis_asymmetric_share: float = _knob(
        0.45, 0.0, 1.0, "share", "affected pairs of joints affected on one side alone"
    )
    arthritis_atypical_share: float = _knob(
        0.2, 0.0, 1.0, "share", "arthritic findings that are focal and axial (facet, end plate, costovertebral)"
    )
    joint_wear_scale: float = _knob(1.0, 0.0, 5.0, "×", "uptake of age-related joint wear, which everybody has")

    mimic_rate: float = _knob(1.0, 0.0, 10.0, "×", "prior of each mimic: fracture, prosthesis, contamination, Paget …")
    benign_focus_rate: float = _knob(
        0.25, 0.0, 10.0, "1/patient", "mean number of benign foci: isolated rib, tooth, sinus"
    )
    variant_rate: float = _knob(1.0, 0.0, 5.0, "×", "prior of each normal variant")

    counts_scale: float = _knob(1.0, 0.01, 10.0, "×", "counts in each view (visibility is judged at 1)")
    motion_rate: float = _knob(0.05, 0.0, 1.0, "share", "scans during which the patient moves")
    defect_rate: float = _knob(0.01, 0.0, 1.0, "share", "scans with a detector defect")

    annotator_noise: float = _knob(
        1.0, 0.0, 5.0, "×", "disagreement of the three annotators: misses, false marks, edges"
    )
    label_noise: float = _knob(0.0, 0.0, 0.5, "share", "patients whose recorded class differs from the true one")

    def __post_init__(self) -> None:
        for knob in dataclasses.fields(self):
            value, low, high = getattr(self, knob.name), knob.metadata["low"], knob.metadata["high"]
            if not low <= value <= high:  # also refuses NaN
                raise PhotopeakError(
                    f"difficulty: {knob.name} = {value!r} ({knob.metadata['meaning']}) lies outside "
                    f"[{low}, {high}] {knob.metadata['unit']}. Remedy: choose a value inside."
                )

    def to_json(self) -> str:
        """All knobs as JSON, to freeze in a file."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @staticmethod
    def frozen() -> Difficulty:
        """The difficulty at which readers are measured, chosen once (``photopeak reproduce difficulty``)."""
        path = files("photopeak.patients") / "data" / "frozen-difficulty.json"
        return Difficulty.from_json(path.read_text(encoding="utf-8"))

    @staticmethod
    def from_json(text: str) -> Difficulty:
        """The Difficulty of a JSON text; an unknown knob is refused, an absent one has its default."""
        values = json.loads(text)
        known = {f.name for f in dataclasses.fields(Difficulty)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise PhotopeakError(
                f"difficulty: no knob is called {', '.join(unknown)}. Remedy: use {', '.join(sorted(known))}."
            )
        return Difficulty(**{name: float(value) for name, value in values.items()})


def knobs() -> tuple[tuple[str, float, str, str], ...]:
    """Name, default, unit and meaning of every knob, for the reference page and the command's help.

    >>> knobs()[0][0]
    'lesion_contrast_scale'
    """
    return tuple(
        (f.name, float(f.default), str(f.metadata["unit"]), str(f.metadata["meaning"]))  # type: ignore[arg-type]
        for f in dataclasses.fields(Difficulty)
    )

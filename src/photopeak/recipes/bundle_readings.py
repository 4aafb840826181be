"""What bone-scan readers say of a cohort with labels, as predictions that ``evaluate`` measures and compares."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from photopeak.classify.asking import diagnoses
from photopeak.classify.reader import Model, load_model, seen
from photopeak.classify.scans import Scans
from photopeak.core import PhotopeakError
from photopeak.evaluate.predictions import Predictions
from photopeak.learning.bundles import load_bundle


def bundle_predictions(model: Model, scans: Scans) -> Predictions:
    """The calibrated probabilities of every scan, M and A each on its own: p(N) = (1 − p(M)) (1 − p(A)).

    A scan of one view is read with the temperature of that view.
    """
    there = scans.counts.max(axis=(2, 3)) > 0
    temperature = np.array([model.doubt[seen(row)].temperature for row in there])
    p = expit(diagnoses(model.network, scans.counts).astype(np.float64) / temperature)
    scores = np.stack(((1 - p[:, 0]) * (1 - p[:, 1]), p[:, 0], p[:, 1]), 1)
    return Predictions(
        scans.patients, _numbered(scans.patients), ("",) * len(scans), scans.classes, ("N", *"MA"), scores
    )


def readings_of(names: Sequence[str], scans: Scans) -> dict[str, tuple[Model, Predictions]]:
    """Each bundle's reading of the cohort; a bundle that was taught with a scan of it is refused."""
    out = {}
    for name in names:
        _not_taught(name, scans)
        model = load_model(name)
        out[name] = model, bundle_predictions(model, scans)
    return out


def hashes(scans: Scans) -> list[str]:
    """Of each scan's counts: they tell a scan that comes back, and nobody's name."""
    return [hashlib.sha256(np.ascontiguousarray(c).tobytes()).hexdigest()[:16] for c in scans.counts]


def _not_taught(name: str, scans: Scans) -> None:
    taught = set(load_bundle(name).model.get("taught_scans", ()))
    both = [patient for patient, h in zip(scans.patients, hashes(scans), strict=True) if h in taught]
    if both:
        raise PhotopeakError(
            f"the bundle {name!r} was taught with {len(both)} scans of this cohort ({', '.join(both[:3])}): what is "
            "measured would be memory. Remedy: evaluate on other patients; those held back are measured in the bundle."
        )


def _numbered(patients: Sequence[str]) -> tuple[str, ...]:
    """A scan's place among its patient's, from the second on: a patient may have several."""
    seen: dict[str, int] = {}
    out = []
    for patient in patients:
        seen[patient] = seen.get(patient, 0) + 1
        out.append("" if seen[patient] == 1 else f"scan {seen[patient]}")
    return tuple(out)

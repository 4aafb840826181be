"""S2: figures of regions, and what the committed ones say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from photopeak.patients.therapy_field import TherapyCamera
from photopeak.quantify.absorbed_dose import METHODS
from photopeak.recipes.therapy_dose import HOURS, PRESETS, S_VALUE, figures, sensitivity

RESULTS = Path(__file__).resolve().parents[2] / "results" / "S2" / "quick.json"


def test_figures_are_medians_with_the_least_and_the_greatest():
    (one,) = figures({"kidneys: local": [0.7, 0.9, 0.8]}).values()
    assert (one["value"], one["low"], one["high"], one["n"]) == (0.8, 0.7, 0.9, 3)


def test_the_sensitivity_is_that_of_a_medium_energy_collimator():
    fine, coarse = (sensitivity(TherapyCamera(m, 60, 60.0)) for m in (128, 64))
    assert fine == coarse  # of the holes and the crystal, not of the pixels
    assert 5.0 < fine < 20.0


def test_the_committed_figures_hold_every_way_and_say_what_partial_volume_takes():
    told = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert told["cohort"]["patients"] == PRESETS["quick"].patients
    assert len(HOURS) == 4
    for way in (*METHODS, S_VALUE):
        assert told["figures"][f"kidneys: {way}"]["value"] == pytest.approx(0.85, abs=0.06)
        assert told["figures"][f"tumours below 8 ml: {way}"]["value"] < 0.5
        assert told["figures"][f"tumours from 8 ml: {way}"]["value"] > 0.85

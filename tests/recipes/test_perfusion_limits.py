"""Normal limits come from normal patients of both sexes, reconstructed in both ways."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
from photopeak.quantify.perfusion_scores import Limits, scored, shipped
from photopeak.quantify.polar_map import of_segments
from photopeak.recipes.perfusion_limits import WAYS, normal_maps, normals
from photopeak.recon.running import described

pytestmark = pytest.mark.untraced


def test_a_normal_patient_is_mapped_in_both_ways_and_is_normal():
    protocol = MyocardialPerfusion(mix="normal=1", views=16)
    chosen = normals(protocol, 3, 5)
    sexes = [protocol.plans(36, 5)[i].sex for i in chosen]
    assert sexes.count("F") == sexes.count("M") == 3
    found = dict(normal_maps(protocol, 3, 5, chosen[0]))
    (one, other), (corrected, bare) = zip(*found.items(), strict=True)
    assert one[0] == other[0]
    assert {one[2:], other[2:]} == {"corrected", "uncorrected"}
    assert not np.allclose(of_segments(corrected) / corrected.mean(), of_segments(bare) / bare.mean(), rtol=0.02)
    limits = Limits.of([corrected * factor for factor in (1.0, 2.0, 3.0, 4.0)])
    assert scored(corrected, limits).summed == 0  # the scale is taken out


def test_shipped_limits_are_those_of_the_command():
    """Made anew they would be told as now: the ways have not changed since."""
    document = json.loads(shipped().read_text())
    assert document["series"] == {way: described(step) for way, step in WAYS.items()}
    assert document["reconstruction"] == {way: asdict(step) for way, step in WAYS.items()}
    assert document["protocol"] == asdict(MyocardialPerfusion(mix="normal=1"))

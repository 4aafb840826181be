"""Normal limits come from normal patients of both sexes, reconstructed in both ways."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
from photopeak.quantify.perfusion_scores import Limits, scored
from photopeak.quantify.polar_map import of_segments
from photopeak.recipes.perfusion_limits import normal_maps, normals

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

"""The brain scanner counts what it says it counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.patients.brain import Variation, make_head
from photopeak.patients.head_pet import SENSITIVITY, SINGLES, HeadPet
from photopeak.physics.nuclides import ANNIHILATION_KEV, decay_during, nuclide


def test_a_source_in_the_middle_is_counted_with_the_stated_sensitivity():
    scan = HeadPet("F-18", 10.0, 4.8)
    z, y, x = scan.grid_shape
    source = np.zeros(scan.grid_shape, np.float32)
    source[z // 2 : z // 2 + 2, y // 2 - 3 : y // 2 + 3, x // 2 - 3 : x // 2 + 3] = 1000.0
    counts = float(scan.scanner.operator(scan.grid)(torch.from_numpy(source)).sum(dtype=torch.float64))
    left = decay_during(nuclide("F-18").half_life_s, np.zeros(1), 600.0)[0]
    decays = source.sum() * scan.voxel_mm**3 / 1000.0 * 600.0 * left
    assert counts / (decays * nuclide("F-18").positrons) == pytest.approx(SENSITIVITY, rel=0.04)


def test_randoms_grow_as_the_square_of_activity():
    scan = HeadPet("C-11", 20.0, 4.8)
    activity = np.full(scan.grid_shape, 500.0, np.float32)
    one, three = scan.randoms(activity), scan.randoms(3.0 * activity)
    assert three == pytest.approx(9.0 * one, rel=1e-5)
    assert scan.randoms(activity).sum() > 0.0
    assert 0.1 < SINGLES < 1.0


def test_everything_beside_the_image_lies_where_the_image_lies():
    scan = HeadPet("F-18", 10.0, 4.8)
    head = make_head(Variation(), scan.edge_mm)
    mu = head.mu_per_cm(ANNIHILATION_KEV)
    coarse = scan.cut(mu)
    volume = scan.volume(head, "1.2.3")
    fine, grid = scan.painted(head, mu, "1.2.3")
    middles = []
    for values, where in ((coarse, volume), (fine, grid)):
        weights = values.astype(np.float64)
        index = [float((weights.sum(tuple(k for k in range(3) if k != a)) @ np.arange(n)) / weights.sum())
                 for a, n in enumerate(values.shape)]  # fmt: skip
        middles.append((where.matrix_mm @ [*index[::-1], 1.0])[:3])
    assert middles[0] == pytest.approx(middles[1], abs=0.01)
    assert coarse[-2:].max() == 0.0  # air above the crown
    assert coarse[0].max() > 0.05  # and the head goes on below


def test_no_time_and_other_voxels_are_refused():
    with pytest.raises(PhotopeakError, match=r"voxels of 2\.4 or 4\.8"):
        HeadPet("F-18", 10.0, 3.0)
    with pytest.raises(PhotopeakError, match="minutes above 0"):
        HeadPet("F-18", 0.0)

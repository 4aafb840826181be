"""Direct planes: the same lines as a whole scanner of one ring has, slice by slice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.physics.direct_planes import DirectPlanes
from photopeak.physics.pet import PetScanner, TimeOfFlight

RING = PetScanner(120.0, 48, 1, 8.0, 31, counts_per_bq_ml_mm=0.3)
INSIDE = np.ones((20, 20), bool)


def test_every_slice_is_what_a_ring_counts():
    planes = DirectPlanes(RING, 3, (7.0, 5.0), INSIDE)
    x = torch.rand(planes.domain.shape, generator=torch.Generator().manual_seed(1))
    whole = RING.operator(RING.grid(7.0, 20))
    for z in range(3):
        assert torch.allclose(planes(x)[:, z], whole(x[z : z + 1])[:, 0], rtol=1e-5, atol=1e-5)
    assert planes.domain.spacing_mm == {"z": 5.0, "y": 7.0, "x": 7.0}


def test_what_is_not_inside_counts_nothing_and_gets_nothing():
    inside = INSIDE.copy()
    inside[:8] = False
    planes, all_ = DirectPlanes(RING, 2, (7.0, 5.0), inside), DirectPlanes(RING, 2, (7.0, 5.0), INSIDE)
    x = torch.rand(planes.domain.shape, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(planes(x), all_(x * torch.from_numpy(inside)), rtol=1e-5, atol=1e-5)
    back = planes.adjoint(torch.ones(planes.range.shape))
    assert float(back[:, :8].abs().max()) == 0.0 < float(back[:, 8:].max())


def test_subsets_are_angles_and_their_transposes_exact():
    planes = DirectPlanes(RING, 3, (7.0, 5.0), INSIDE)
    g = torch.Generator().manual_seed(3)
    x, y = torch.rand(planes.domain.shape, generator=g), torch.rand(planes.range.shape, generator=g)
    part = planes.subset(1, 5)
    assert torch.allclose(part(x), planes(x)[1::5])
    assert part.range.axis("angle").values == planes.range.axis("angle").values[1::5]
    assert check_operator(part, x, y[1::5].contiguous()) < 1e-6


def test_what_cannot_be_is_refused():
    with pytest.raises(PhotopeakError, match="rings=1"):
        DirectPlanes(PetScanner(120.0, 48, 2, 8.0, 31), 3, (7.0, 5.0), INSIDE)
    with pytest.raises(PhotopeakError, match="time of flight"):
        DirectPlanes(PetScanner(120.0, 48, 1, 8.0, 31, tof=TimeOfFlight(300.0, 7, 250.0)), 3, (7.0, 5.0), INSIDE)
    with pytest.raises(PhotopeakError, match="square slices"):
        DirectPlanes(RING, 3, (7.0, 5.0), INSIDE[1:])
    with pytest.raises(PhotopeakError, match="does not exist for 24 angles"):
        DirectPlanes(RING, 3, (7.0, 5.0), INSIDE).subset(25, 25)

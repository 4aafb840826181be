"""Photons in voxels: what is known of slabs, energies and angles, and that runs can be split."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import SpectScatter, simulated_scatter
from photopeak.physics.transport import Transported, Voxels, Windows, _material, transported

LINE = 140.511
WATER = mu_per_cm("water", LINE)


def cube(n: int, edge_cm: float, kev: float = LINE, mu: float | None = None) -> Voxels:
    value = mu_per_cm("water", kev) if mu is None else mu
    return Voxels.of(np.full((n, n, n), value, np.float32), kev, edge_cm)


def point(n: int) -> np.ndarray:
    decays = np.zeros((n, n, n))
    decays[n // 2, n // 2, n // 2] = 1.0
    return decays


def test_energy_is_conserved_and_photons_leave_or_are_absorbed():
    run = transported(point(21), cube(21, 1.0), LINE, 20_000, 3)
    assert run.escaped_kev + run.deposited_kev.sum() == pytest.approx(20_000 * LINE, rel=1e-9)
    assert 0 < run.unscattered < run.escaped < 20_000


@pytest.mark.parametrize("kev", [140.511, 208.37, 364.49, 510.999])
def test_a_sphere_of_water_lets_through_what_beer_and_lambert_say(kev):
    n, edge = 41, 0.5
    at = (np.arange(n) - n // 2) * edge
    inside = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 <= 8.0**2
    voxels = Voxels.of((inside * mu_per_cm("water", kev)).astype(np.float32), kev, edge)
    run = transported(point(n), voxels, kev, 60_000, 1)
    # Photons that scatter coherently lose nothing and count as unscattered.
    coherent = 1.0 - sum(t[0] for t in _shares(kev))
    expected = math.exp(-mu_per_cm("water", kev) * 8.0 * (1.0 - coherent))
    sd = math.sqrt(expected * (1 - expected) / 60_000)
    assert run.unscattered / 60_000 == pytest.approx(expected, abs=4 * sd + 0.01 * expected)


def _shares(kev: float) -> list[tuple[float]]:
    _, photo, compton, *_ = _material("water", kev)
    return [(photo[round(kev)],), (compton[round(kev)],)]


def test_parts_add_up_to_the_whole_and_seeds_differ():
    decays, voxels = point(11), cube(11, 2.0)
    windows = Windows((0.0, 120.0, 240.0), np.ones((1, 142)), asked=3)

    def run(seed: int, part: tuple[int, int] = (0, 1)) -> Transported:
        return transported(decays, voxels, LINE, 250_000, seed, windows, part)

    whole, parts = run(5), [run(5, (k, 3)) for k in range(3)]
    assert sum(p.photons for p in parts) == whole.photons == 250_000
    assert sum(p.unscattered for p in parts) == whole.unscattered
    assert sum(p.deposited_kev for p in parts) == pytest.approx(whole.deposited_kev, rel=1e-12)
    assert sum(p.source for p in parts) == pytest.approx(whole.source, rel=1e-4)
    again = run(5)
    assert np.array_equal(again.source, whole.source)
    assert run(6).unscattered != whole.unscattered


def test_angles_of_scatter_follow_klein_and_nishina_where_binding_does_not_matter():
    *_, cosines, _, per_sr = _material("water", 510.999)
    node = 50  # 500 keV
    alpha = 500.0 / 510.999
    half = np.linspace(0.0, 1.0, per_sr.shape[1])
    cosine = 1.0 - 2.0 * half**2
    ratio = 1.0 / (1.0 + alpha * (1.0 - cosine))
    formula = ratio**2 * (ratio + 1.0 / ratio - 1.0 + cosine**2)
    formula /= 8.0 * math.pi * np.trapezoid(formula * half, half)
    assert per_sr[node][half > 0.15] == pytest.approx(formula[half > 0.15], rel=0.03)
    assert cosines[node][0] == 1.0
    assert cosines[node][-1] == pytest.approx(-1.0)
    mean = np.trapezoid(cosines[node], np.linspace(0, 1, cosines.shape[1]))
    assert mean == pytest.approx(8.0 * math.pi * np.trapezoid(formula * cosine * half, half), abs=0.01)


def cylinder() -> tuple[Grid, torch.Tensor, torch.Tensor]:
    """A line source in the axis of a water cylinder of 22 cm."""
    grid = Grid.volume((32, 40, 40), scaling((6.0, 6.0, 6.0)))
    at = (torch.arange(40) - 19.5) * 6.0
    inside = torch.hypot(at[:, None], at[None]) < 110.0
    mu = WATER * inside.float().expand(32, 40, 40).clone()
    source = torch.zeros(grid.shape)
    source[2:-2, 19:21, 19:21] = 1e4
    return grid, mu, source


def test_scatter_of_first_order_is_the_operators():
    (grid, mu, source), orbit = cylinder(), Orbit.circle(4, 150.0, 20.0)
    windows = [(126.45, 154.55), (92.0, 125.0)]
    simulated = simulated_scatter(SpectCamera(), grid, orbit, mu, source, windows, 400_000, 1, orders=1)
    for images, window in zip(simulated, windows, strict=True):
        computed = SpectScatter(SpectCamera(), grid, orbit, mu, window)(source)
        # The operator leaves coherent scatter out and rounds its kernel off to voxels of 12 mm.
        assert float(computed.sum() / images.sum()) == pytest.approx(1.0, abs=0.09)
        assert float((computed - images).norm() / images.norm()) < 0.15


def test_the_scatter_in_a_cylinder_is_as_published():
    (grid, mu, source), orbit = cylinder(), Orbit.circle(4, 150.0, 20.0)
    primary = float(SpectCamera().physics(grid, orbit, mu).operator(source).sum())
    peak, low = (
        simulated_scatter(SpectCamera(), grid, orbit, mu, source, [(126.45, 154.55), (92.0, 125.0)], 300_000, 1).sum(
            (1, 2, 3)
        )
        / primary
    )
    assert 0.3 < peak < 0.62  # 30 to 60 % of primary
    assert 0.4 < peak / low < 0.6  # the factor 0.5 of the dual window


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(PhotopeakError, match="somewhere above 0"):
        transported(np.zeros((3, 3, 3)), cube(3, 1.0), LINE, 10, 1)
    with pytest.raises(PhotopeakError, match="shape"):
        transported(point(5), cube(3, 1.0), LINE, 10, 1)

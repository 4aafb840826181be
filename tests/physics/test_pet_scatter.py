"""Single scatter against Monte Carlo: as many, where and when they come, with no scale between the two."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.pet_scatter import PhotonWindow, klein_nishina, scaled_to_tails, single_scatter
from photopeak.physics.pet_transport import Coincidences, simulated_coincidences
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem
from photopeak.recon.pet import PetMeasurement, osem_with_scatter

pytestmark = pytest.mark.untraced

CRYSTALS = 240
FACE_MM = 2.0 * math.pi * 300.0 / CRYSTALS
TIMED = PetScanner(300.0, CRYSTALS, 5, 24.0, 141, tof=TimeOfFlight(400.0, 9, 250.0))
PLAIN = replace(TIMED, tof=None)
GRID = PLAIN.grid(12.0, 24)
DECAYS = 1_000_000


def patient() -> tuple[torch.Tensor, torch.Tensor]:
    """A cylinder of water with a hot rod on one side and a cold one on the other."""
    at = (np.arange(24) - 11.5) * 12.0
    x, y = at[None, :], at[:, None]
    water = np.hypot(x, y) < 90.0
    activity = water * (1.0 + 4.0 * (np.hypot(x - 40.0, y) < 25.0) - (np.hypot(x + 45.0, y) < 25.0))
    planes = (activity.astype(np.float32), (water * mu_per_cm("water", 511.0)).astype(np.float32))
    one, other = (torch.from_numpy(p).expand(GRID.shape).contiguous() for p in planes)
    return one, other


def per_line() -> torch.Tensor:
    """Counts per Bq/ml and mm of the simulated decays: A² cos²/(2π R²) for faces A, and the chance to be measured."""
    i, j = (p.astype(float) for p in np.moveaxis(PLAIN.pairs(), -1, 0))
    half = np.sin(np.pi * np.abs(i - j) / CRYSTALS)
    chord = 2.0 * 300.0 * half
    rise = np.array([(b - a) * 24.0 for ((a, b),) in PLAIN.planes()])
    square = chord[:, None] ** 2 + rise[None, :, None] ** 2
    solid = (FACE_MM * 24.0) ** 2 * (chord * half)[:, None] ** 2 / square**2 / (2.0 * math.pi)
    decays_per_ml = DECAYS / (float(patient()[0].sum()) * 12.0**3)
    energy = PhotonWindow().chance(np.array([511.0]))[0] ** 2
    return torch.from_numpy((solid * decays_per_ml * energy).astype(np.float32))


@pytest.fixture(scope="module")
def simulated() -> Coincidences:
    return simulated_coincidences(TIMED, GRID, patient(), DECAYS, 5)


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    return single_scatter(TIMED, GRID, patient()) * per_line()[:, :, None]


def test_true_coincidences_are_the_projector_s(simulated: Coincidences) -> None:
    activity, mu = patient()
    trues = TIMED.operator(GRID)(activity) * attenuation_factors(TIMED, GRID, mu) * per_line()[:, :, None]
    found = torch.from_numpy(simulated.only(simulated.scatters == 0).binned())
    assert float(trues.sum()) == pytest.approx(float(found.sum()), rel=0.03)
    for axes in ((0, 1, 2), (0, 1, 3), (0, 2, 3)):
        close(found.sum(axes), trues.sum(axes), 0.03)


def close(found: torch.Tensor, mean: torch.Tensor, model: float) -> None:
    """Counts as Poisson's, around a mean that is known up to ``model`` of it: χ² per bin."""
    there = mean > 20.0
    variance = mean + (model * mean) ** 2
    chi2 = float(((found - mean) ** 2 / variance)[there].mean())
    assert chi2 < 1.0 + 4.0 * math.sqrt(2.0 / int(there.sum())), chi2


def test_single_scatter_is_what_monte_carlo_counts(simulated: Coincidences, expected: torch.Tensor) -> None:
    found = torch.from_numpy(simulated.only(simulated.scatters == 1).binned())
    assert float(expected.sum()) == pytest.approx(float(found.sum()), rel=0.03)
    for axes in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):  # across, in time, along the axis, around
        close(found.sum(axes), expected.sum(axes), 0.03)


def test_the_bins_of_time_add_up_to_scatter_without_them(expected: torch.Tensor) -> None:
    wide = replace(TIMED, tof=TimeOfFlight(400.0, 41, 250.0))
    summed = single_scatter(wide, GRID, patient()).sum(2)
    plain = single_scatter(PLAIN, GRID, patient())
    assert torch.allclose(summed, plain, rtol=2e-3, atol=1e-3 * float(plain.max()))
    assert float(expected.sum()) < float((plain * per_line()).sum())


def test_a_higher_threshold_lets_less_scatter_in(simulated: Coincidences) -> None:
    low, high = (single_scatter(PLAIN, GRID, patient(), PhotonWindow(e)).sum() for e in (400.0, 470.0))
    assert float(high) < 0.7 * float(low)
    share = (simulated.scatters > 0).mean()
    assert 0.1 < share < 0.4
    assert PhotonWindow(1.0, 1000.0).chance(np.array([511.0]))[0] == pytest.approx(1.0, abs=1e-6)


def test_scatter_taken_off_leaves_the_image_of_the_true_coincidences(simulated: Coincidences) -> None:
    prompts, trues = (
        torch.from_numpy(events.binned().sum(2)).float()
        for events in (simulated.events, simulated.only(simulated.scatters == 0))
    )
    measured = PetMeasurement(PLAIN, GRID, prompts, patient()[1], 0.0, per_line())
    image, _, _ = osem_with_scatter(measured, 2, 12)
    plain, ideal = (osem(Physics(measured.operator()), y, 2, 12) for y in (prompts, trues))
    at = (np.arange(24) - 11.5) * 12.0
    cold = torch.from_numpy(np.hypot(at[None, :] + 45.0, at[:, None]) < 14.0)
    warm = torch.from_numpy(np.hypot(at[None, :], at[:, None] - 50.0) < 20.0)
    hot = torch.from_numpy(np.hypot(at[None, :] - 40.0, at[:, None]) < 14.0)
    for region in (cold, warm, hot):
        found, without, best = (float(x[:, region].mean()) for x in (image, plain, ideal))
        assert found == pytest.approx(best, rel=0.02, abs=0.05)  # Bq/ml, where warm water has 1
        assert without > best + 0.1


def test_tails_beside_the_patient_give_the_factor() -> None:
    scatter = single_scatter(PLAIN, GRID, patient())
    factors = attenuation_factors(PLAIN, GRID, patient()[1])
    y = PLAIN.operator(GRID)(patient()[0]) * factors + 1.3 * scatter
    _, factor = scaled_to_tails(scatter, y, factors)
    assert factor == pytest.approx(1.3, rel=1e-3)
    with pytest.raises(PhotopeakError, match="too few to scale"):
        scaled_to_tails(scatter, 1e-6 * y, factors)


def test_klein_and_nishina_s_total_is_the_integral_of_their_angles() -> None:
    energy = 511.0 / 510.999
    cosine = np.linspace(-1.0, 1.0, 20001)
    left = 1.0 / (1.0 + energy * (1.0 - cosine))
    shape = 0.5 * left**2 * (left + 1.0 / left - (1.0 - cosine**2))  # dσ/dΩ in r_e²
    assert float(klein_nishina(np.array([energy]))[0]) == pytest.approx(np.trapezoid(shape, cosine), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activity": torch.full(GRID.shape, math.nan)}, "activity must be finite"),
        ({"mu": torch.zeros(GRID.shape)}, "mu must be finite, at least 0 and somewhere above"),
        ({"mu": torch.ones(3, 3, 3)}, "mu has shape"),
    ],
)
def test_a_patient_that_cannot_be_is_refused(change: dict[str, torch.Tensor], words: str) -> None:
    activity, mu = patient()
    with pytest.raises(PhotopeakError, match=words):
        single_scatter(PLAIN, GRID, (change.get("activity", activity), change.get("mu", mu)))


def test_photons_need_cubes_inside_the_scanner() -> None:
    with pytest.raises(PhotopeakError, match="cubes"):
        simulated_coincidences(PLAIN, PLAIN.grid(10.0, 24), patient(), 10, 1)
    small = replace(PLAIN, radius_mm=150.0)
    with pytest.raises(PhotopeakError, match="fits inside the scanner"):
        simulated_coincidences(small, GRID, patient(), 10, 1)
    with pytest.raises(PhotopeakError, match="Remedy: give the two energies in order"):
        PhotonWindow(600.0, 500.0)


def test_a_seed_repeats_and_another_differs() -> None:
    one, again, other = (simulated_coincidences(PLAIN, GRID, patient(), 20_000, seed) for seed in (5, 5, 6))
    assert (again.events.rows == one.events.rows).all()
    assert len(one.events) != len(other.events) or (one.events.rows != other.events.rows).any()

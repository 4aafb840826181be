"""List mode: an event is a bin of the sinogram with one count, and everything else is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.physics.operator import Weighted
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.physics.pet_list import Events, ListOperator, events_of
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.physics import Physics
from photopeak.recon.em import mlem
from photopeak.recon.list_mode import list_mode_em

PLAIN = PetScanner(120.0, 48, 4, 8.0, 31, counts_per_bq_ml_mm=0.02)
TIMED = PetScanner(120.0, 48, 3, 8.0, 31, tof=TimeOfFlight(300.0, 7, 250.0), counts_per_bq_ml_mm=0.02)
SPANNED = PetScanner(120.0, 48, 5, 8.0, 31, difference=4, span=3, counts_per_bq_ml_mm=0.02)


def image(scanner: PetScanner) -> torch.Tensor:
    grid = scanner.grid(7.0, 20)
    y, x = np.meshgrid(*(np.arange(20) - 9.5,) * 2, indexing="ij")
    disc = torch.from_numpy((np.hypot(x - 2, y + 1) < 6) * (1.0 + (np.hypot(x - 4, y) < 2))).float()
    return disc.expand(grid.shape).contiguous() * torch.linspace(0.5, 1.0, grid.shape[0])[:, None, None]


def counts(scanner: PetScanner, scale: float = 1.0) -> np.ndarray:
    mean = scanner.operator(scanner.grid(7.0, 20))(image(scanner)).numpy() * scale
    return np.random.default_rng(4).poisson(mean)


@pytest.mark.parametrize("scanner", [PLAIN, TIMED, SPANNED])
def test_events_go_back_into_the_bins_they_came_from(scanner: PetScanner) -> None:
    measured = counts(scanner)
    events = events_of(scanner, measured, 1)
    assert len(events) == measured.sum() > 500
    assert (events.binned() == measured).all()
    turned = Events(scanner, _turned(events))
    assert (turned.binned() == measured).all()


def _turned(events: Events) -> np.ndarray:
    """The same coincidences with their two photons in the other order."""
    rows = events.rows[:, [2, 3, 0, 1, 4]].copy()
    if events.scanner.tof is not None:
        rows[:, 4] = events.scanner.tof.bins - 1 - rows[:, 4]
    return rows


@pytest.mark.parametrize("scanner", [PLAIN, TIMED])
def test_the_lines_of_events_are_those_of_the_sinogram(scanner: PetScanner) -> None:
    grid, x = scanner.grid(7.0, 20), image(scanner)
    events = events_of(scanner, counts(scanner), 1)
    expected = events.of_each(scanner.operator(grid)(x))
    for same in (events, Events(scanner, _turned(events))):
        assert torch.allclose(ListOperator(same, grid)(x), expected, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("scanner", [PLAIN, TIMED, SPANNED])
def test_the_transpose_is_exact(scanner: PetScanner) -> None:
    operator = ListOperator(events_of(scanner, counts(scanner), 1), scanner.grid(7.0, 20))
    g = torch.Generator().manual_seed(2)
    x, y = torch.rand(operator.domain.shape, generator=g), torch.rand(operator.range.shape, generator=g)
    assert check_operator(operator, x, y) < 1e-6
    assert torch.allclose(operator.subset(1, 3)(x), operator(x)[1::3])


@pytest.mark.parametrize("scanner", [PLAIN, TIMED])
def test_a_list_and_its_sinogram_give_the_same_image(scanner: PetScanner) -> None:
    grid, measured = scanner.grid(7.0, 20), counts(scanner)
    factors = attenuation_factors(scanner, grid, 0.03 * (image(scanner) > 0))
    background = torch.full(scanner.sinogram().shape, 0.01)
    whole = Weighted(scanner.operator(grid), factors)
    events = events_of(scanner, measured, 1)
    lines = Weighted(ListOperator(events, grid), events.of_each(factors))
    sensitivity = whole.adjoint(torch.ones(whole.range.shape))
    found = list_mode_em(Physics(lines, events.share_of_each(background)), sensitivity, 5)
    expected = mlem(Physics(whole, background), torch.from_numpy(measured).float(), 5)
    # An empty bin adds nothing to either, so the two differ by rounding alone.
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_subsets_go_the_same_way_faster() -> None:
    grid, measured = PLAIN.grid(7.0, 20), counts(PLAIN, 30.0)
    events = events_of(PLAIN, measured, 1)
    physics, whole = Physics(ListOperator(events, grid)), PLAIN.operator(grid)
    sensitivity = whole.adjoint(torch.ones(whole.range.shape))
    y = torch.from_numpy(measured).float()

    def likelihood(x: torch.Tensor) -> float:
        return -float(Physics(whole, 1e-9).nll(x, y))

    one, four = list_mode_em(physics, sensitivity, 2), list_mode_em(physics, sensitivity, 2, 4)
    eight = list_mode_em(physics, sensitivity, 8)
    assert likelihood(one) < likelihood(four)
    assert likelihood(four) == pytest.approx(likelihood(eight), rel=2e-3)


def test_what_the_sinogram_leaves_out_is_said() -> None:
    scanner = PetScanner(120.0, 48, 4, 8.0, 31, difference=1)
    rows = np.array([[0, 0, 3, 24, 0], [0, 0, 1, 24, 0], [0, 0, 0, 1, 0]])
    events = Events(scanner, rows)
    assert (events.bins()[:, 0] >= 0).tolist() == [False, True, False]
    assert len(events.covered()) == 1
    assert events.binned().sum() == 1
    with pytest.raises(PhotopeakError, match="second crystal outside 0 … 47"):
        Events(scanner, np.array([[0, 0, 0, 48, 0]]))
    with pytest.raises(PhotopeakError, match="no events"):
        ListOperator(Events(scanner, rows[:0]), scanner.grid(7.0, 20))

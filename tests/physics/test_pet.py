"""PET: lines are where crystals are, integrals are chords, transposes are exact, timing tells where."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.physics.pet import MM_PER_PS, PetScanner, TimeOfFlight
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.physics import Physics
from photopeak.recon.em import mlem, osem

SMALL = PetScanner(radius_mm=120.0, crystals=48, rings=5, ring_mm=8.0, radial=31)
TIMED = PetScanner(120.0, 48, 4, 8.0, 31, tof=TimeOfFlight(300.0, 7, 250.0))


def disc(scanner: PetScanner, voxel_mm: float, width: int, radius: float, x: float = 0.0, y: float = 0.0):
    grid = scanner.grid(voxel_mm, width)
    fine = (np.arange(width * 6) - (width * 6 - 1) / 2) * voxel_mm / 6
    inside = (fine[None, :] - x) ** 2 + (fine[:, None] - y) ** 2 <= radius**2
    plane = inside.reshape(width, 6, width, 6).mean((1, 3)).astype(np.float32)
    return grid, torch.from_numpy(plane).expand(grid.shape).contiguous()


@pytest.mark.parametrize("scanner", [SMALL, TIMED, PetScanner(120.0, 48, 6, 8.0, 31, span=3, difference=4)])
def test_the_transpose_is_exact(scanner):
    operator = scanner.operator(scanner.grid(7.0, 20))
    g = torch.Generator().manual_seed(2)
    x, y = torch.rand(operator.domain.shape, generator=g), torch.rand(operator.range.shape, generator=g)
    assert check_operator(operator, x, y) < 1e-6
    part = operator.subset(1, 5)
    assert torch.allclose(part(x), operator(x)[1::5], rtol=1e-6)
    assert check_operator(part, x, y[1::5]) < 1e-6


def test_a_disc_gives_its_chords_and_oblique_lines_are_longer():
    scanner = PetScanner(300.0, 240, 3, 40.0, 101)
    grid, image = disc(scanner, 1.5, 150, 100.0)
    counts = scanner.operator(grid)(image)
    i, j = scanner.pairs()[0].T
    turn = 2 * math.pi / scanner.crystals
    # The distance of a chord between two points of a circle from its middle.
    distance = scanner.radius_mm * np.abs(np.cos((i - j) * turn / 2))
    chord = 2 * np.sqrt(np.clip(100.0**2 - distance**2, 0, None))
    direct = counts[:, :3].numpy()
    error = np.abs(direct - chord)[:, :, distance < 97.0]
    assert (error < 1.0).mean() > 0.997  # mm
    planes = scanner.planes()
    oblique = planes.index([(0, 2)])
    middle = scanner.radial // 2
    ratio = counts[:, oblique, middle] / counts[:, 0, middle]
    assert ratio.numpy() == pytest.approx(math.sqrt(1 + (80.0 / 600.0) ** 2), rel=2e-3)


def test_crystals_of_a_line_see_each_other_and_angles_turn():
    pairs = SMALL.pairs()
    assert pairs.shape == (24, 31, 2)
    middle = pairs[:, 15]
    assert ((middle[:, 1] - middle[:, 0]) % 48 == 24).all()
    assert len({tuple(sorted(p)) for p in pairs.reshape(-1, 2).tolist()}) == 24 * 31  # each line once


def test_a_point_is_on_the_lines_that_pass_it():
    grid = SMALL.grid(6.0, 31)
    image = torch.zeros(grid.shape)
    image[4, 15, 20] = 1.0  # 30 mm to the left, in the middle slice
    counts = SMALL.operator(grid)(image)
    direct = counts[:, 2]  # the middle ring with itself
    seen = direct.argmax(1).numpy()
    turn = 2 * math.pi / 48
    for a in range(24):
        i, j = SMALL.pairs()[a, seen[a]]
        direction = (i + j - 24) * turn / 2  # of the line, halfway between its crystals
        offset = 120.0 * math.cos((i - j) * turn / 2) * np.sign(math.sin((j - i) * turn / 2) or 1.0)
        normal = np.array([math.cos((i + j) * turn / 2), math.sin((i + j) * turn / 2)])
        assert abs(abs(normal @ [30.0, 0.0]) - abs(offset)) < 8.0
        assert math.isfinite(direction)


def test_planes_of_a_span_sum_their_rings():
    single = PetScanner(120.0, 48, 6, 8.0, 31, difference=4)
    spanned = PetScanner(120.0, 48, 6, 8.0, 31, difference=4, span=3)
    assert sum(len(p) for p in spanned.planes()) == sum(len(p) for p in single.planes()) == 6 + 2 * (5 + 4 + 3 + 2)
    assert len(spanned.planes()) < len(single.planes())
    grid = single.grid(7.0, 20)
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(1))
    one, other = single.operator(grid)(x), spanned.operator(grid)(x)
    place = {p[0]: k for k, p in enumerate(single.planes())}
    for k, pairs in enumerate(spanned.planes()):
        assert torch.allclose(other[:, k], sum(one[:, place[p]] for p in pairs), rtol=1e-5)


def test_timing_shares_the_counts_out_and_knows_the_side():
    grid = TIMED.grid(6.0, 31)
    image = torch.zeros(grid.shape)
    image[2, 15, 22] = 1.0  # 42 mm to the left: nearer to crystal 0
    timed, plain = TIMED.operator(grid)(image), PetScanner(120.0, 48, 4, 8.0, 31).operator(grid)(image)
    assert timed.sum(2).numpy() == pytest.approx(plain.numpy(), abs=1e-4 * float(plain.max()))
    line = timed[0, 1, :, 15]  # from the first crystal, at the left, to the one opposite
    starts = np.array(timed_values())
    mean_ps = float((line.numpy() * (starts + 125.0)).sum() / line.sum())
    assert mean_ps * MM_PER_PS == pytest.approx(-42.0, abs=4.0)


def timed_values() -> tuple[float, ...]:
    return TIMED.sinogram().axis("time").values


def test_attenuation_is_that_of_the_whole_line():
    scanner = PetScanner(300.0, 120, 2, 40.0, 61)
    grid, body = disc(scanner, 4.0, 80, 100.0)
    factors = attenuation_factors(scanner, grid, 0.096 * body)
    assert factors[:, 0, 30].numpy() == pytest.approx(math.exp(-0.096 * 20.0), rel=0.02)
    assert float(factors[:, :, 0].min()) == 1.0


@pytest.mark.parametrize("tof", [None, TimeOfFlight(300.0, 9, 180.0)])
def test_em_brings_a_hot_spot_back_and_timing_brings_it_sooner(tof):
    scanner = PetScanner(150.0, 96, 3, 8.0, 61, tof=tof, counts_per_bq_ml_mm=0.02)
    grid, body = disc(scanner, 5.0, 40, 80.0)
    _, spot = disc(scanner, 5.0, 40, 15.0, 30.0, -20.0)
    truth = body + 3.0 * spot
    physics = scanner.physics(grid, 0.096 * body)
    y = physics.sample(truth * 50.0, np.random.default_rng(4)) / 50.0
    image = osem(Physics(physics.operator), y, 4, 6)
    hot, rest = spot[2] > 0.9, (body[2] > 0.9) & (spot[2] == 0)
    assert float(image[2][hot].mean()) == pytest.approx(4.0, rel=0.12)
    assert float(image[2][rest].mean()) == pytest.approx(1.0, rel=0.05)


def test_timing_brings_the_likelihood_up_faster():
    error = {}
    for tof in (None, TimeOfFlight(200.0, 9, 180.0)):
        scanner = PetScanner(150.0, 96, 3, 8.0, 61, tof=tof)
        grid, body = disc(scanner, 5.0, 40, 80.0)
        truth = body + 3.0 * disc(scanner, 5.0, 40, 15.0, 30.0, -20.0)[1]
        physics = Physics(scanner.operator(grid))
        error[tof is None] = float((mlem(physics, physics.mean(truth), 4) - truth).norm())
    assert error[False] < 0.7 * error[True]


def test_what_cannot_be_a_scanner_is_refused():
    with pytest.raises(PhotopeakError, match="even number"):
        PetScanner(100.0, 47, 2, 4.0, 11)
    with pytest.raises(PhotopeakError, match="odd span"):
        PetScanner(100.0, 48, 4, 4.0, 11, span=2)
    with pytest.raises(PhotopeakError, match=r"scanner\.grid"):
        SMALL.operator(TIMED.grid(6.0, 20))
    with pytest.raises(PhotopeakError, match="24 angles"):
        SMALL.operator(SMALL.grid(6.0, 20)).subset(0, 25)

"""The joint dictionary: codes are exact where they can be, and anatomy helps without taking a lesion away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion

from photopeak.core import PhotopeakError
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_corrections import GaussianBlur
from photopeak.physics.physics import Physics
from photopeak.recon.em import em_gain, osem, parts
from photopeak.recon.joint_dictionary import JointDictionary, joint_dictionary, learned, matched, pulled
from photopeak.recon.kernel_em import kernel, through

WIDTH, PATIENT = 28, 103


def head(seed: int, lesion: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Activity, an MR-like image, and where a lesion is that MR does not show: an own one for every seed."""
    rng = np.random.default_rng(seed)
    at = np.arange(WIDTH) - (WIDTH - 1) / 2
    y, x = np.meshgrid(at, at, indexing="ij")

    def ellipse(cy: float, cx: float, a: float, b: float, turn: float = 0.0) -> np.ndarray:
        along, across = x - cx, y - cy
        u, v = along * np.cos(turn) + across * np.sin(turn), across * np.cos(turn) - along * np.sin(turn)
        return (u / a) ** 2 + (v / b) ** 2 < 1.0

    turn = rng.uniform(0.0, np.pi)
    activity, mr = np.zeros((2, WIDTH, WIDTH))
    for part, hot, bright in ((ellipse(0, 0, 13, 11.5, turn), 4.0, 0.6), (ellipse(0, 0, 10, 8.5, turn), 1.0, 1.0)):
        activity[part], mr[part] = hot, bright
    for _ in range(3):
        angle, r = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(3.0, 6.0)
        grey = ellipse(
            r * np.sin(angle), r * np.cos(angle), rng.uniform(2, 3.5), rng.uniform(1.5, 2.5), rng.uniform(0, 3)
        )
        activity[grey], mr[grey] = 4.0, 0.6
    place = rng.uniform(-5.0, 5.0, 2)
    spot = ellipse(*place, 2.0, 2.0)
    if lesion:
        activity[spot] = 7.0
    volumes = (np.repeat(v[None], 3, 0) for v in (activity.astype(np.float32), mr.astype(np.float32), spot))
    return tuple(torch.from_numpy(v) for v in volumes)


@pytest.fixture(scope="module")
def dictionary() -> JointDictionary:
    return learned([head(s, s % 3 == 0)[:2] for s in range(1, 19)], rounds=4)


@pytest.fixture(scope="module")
def scan() -> tuple[Physics, torch.Tensor, PetScanner]:
    """One patient who was not learned from, counted by a small scanner with 6 mm of blur."""
    scanner = PetScanner(110.0, 72, 2, 8.0, 49)
    grid = scanner.grid(4.0, WIDTH)
    blur = GaussianBlur(grid, 6.0)
    gain = 1.2e5 / float((scanner.operator(grid) @ blur)(head(PATIENT, True)[0]).sum())
    physics = Physics(replace(scanner, counts_per_bq_ml_mm=gain).operator(grid) @ blur)
    return physics, physics.sample(head(PATIENT, True)[0], np.random.default_rng(3)), scanner


def test_a_patch_of_few_atoms_is_coded_exactly():
    g = torch.Generator().manual_seed(1)
    atoms = torch.linalg.qr(torch.randn(54, 54, generator=g)).Q[:, :40]
    index = torch.stack([torch.randperm(40, generator=g)[:3] for _ in range(50)])
    code = 1.0 + torch.rand(50, 3, generator=g)
    vectors = torch.einsum("rpk,pk->pr", atoms[:, index], code)
    found, how_much = matched(atoms, vectors, 3)
    assert torch.equal(found.sort(1).values, index.sort(1).values)
    assert torch.allclose(torch.einsum("rpk,pk->pr", atoms[:, found], how_much), vectors, atol=1e-4)


def test_an_image_like_those_learned_from_stays_and_noise_does_not(dictionary):
    truth, mr, _ = head(PATIENT, True)
    assert torch.allclose(dictionary.both.norm(dim=0), torch.ones(160), atol=1e-5)
    kept = dictionary.approximate(truth, mr)
    assert float((kept - truth).norm()) < 0.2 * float(truth.norm())
    noise = 0.5 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    assert float((dictionary.approximate(truth + noise, mr) - kept).norm()) < 0.6 * float(noise.norm())
    flat = torch.full((3, 6, 6), 2.0)
    assert torch.allclose(dictionary.approximate(flat, flat), flat, atol=1e-5)


def test_the_update_is_the_maximum_of_every_voxel():
    counted, s, towards = torch.tensor([3.0, 3.0, 0.0, 5.0]), torch.tensor([2.0, 0.5, 1.0, 0.0]), torch.full((4,), 2.0)
    shape = (1, 1, 4)
    x = pulled(counted.reshape(shape), s.reshape(shape), 0.7, towards.reshape(shape))[0, 0]
    slope = counted[:2] / x[:2] - s[:2] - 0.7 * (x[:2] - towards[:2])
    assert torch.allclose(slope, torch.zeros(2), atol=1e-5)
    assert x[2] == pytest.approx(2.0 - 1.0 / 0.7, abs=1e-5)  # no counts: the prior alone holds it up
    assert x[3] == 0.0  # not seen
    plain = pulled(counted.reshape(shape), s.reshape(shape), 0.0, towards.reshape(shape))[0, 0]
    assert torch.allclose(plain[:2], counted[:2] / s[:2])


def test_with_one_subset_and_held_codes_the_objective_never_falls(dictionary, scan):
    physics, y, _ = scan
    (part,) = parts(physics, y, 1)
    x, weight = osem(physics, y, 1, 8), 0.3 * float(part.sensitivity.mean())
    towards = dictionary.approximate(x, head(PATIENT, True)[1])
    values = []
    for _ in range(6):
        values.append(-float(physics.nll(x, y)) - 0.5 * weight * float(((x - towards) ** 2).sum()))
        x = pulled(x * em_gain(part, x), part.sensitivity, weight, towards)
    assert (np.diff(values) > 0.0).all()


def test_less_error_than_osem_at_its_noise_and_more_of_the_lesion_than_kernel_em(dictionary, scan):
    """MR does not show the lesion, and kernel EM spreads it."""
    physics, y, scanner = scan
    truth, mr, spot = head(PATIENT, True)
    inner = torch.from_numpy(binary_erosion((truth == 1.0).numpy(), np.ones((1, 3, 3))))

    def of(x: torch.Tensor) -> tuple[float, float, float]:
        error, noise = float((x - truth).norm() / truth.norm()), float(x[inner].std() / x[inner].mean())
        return error, noise, float(x[spot].mean() / truth[spot].mean())

    seen: list[int] = []
    x = joint_dictionary(physics, y, (dictionary, mr), 0.1, 8, 6, progress=lambda i, _: seen.append(i))
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]
    error, noise, lesion = of(x)
    grid = scanner.grid(4.0, WIDTH)
    passes: list[torch.Tensor] = []
    osem(physics, y, 4, 6, progress=lambda _, x: passes.append(x))
    plain = [of(x) for x in passes] + [of(GaussianBlur(grid, f)(passes[-1])) for f in (4.0, 6.0)]
    likes = kernel(grid, mr, 24, 2, 0.5)
    shared = of(likes(osem(through(physics, likes), y, 8, 6)))
    assert error < 0.75 * min(e for e, n, _ in plain if n <= 1.1 * noise)
    assert lesion > 0.72
    assert shared[2] < 0.62
    assert error == pytest.approx(shared[0], rel=0.15)


def test_what_cannot_be_is_refused(dictionary, scan):
    physics, y, _ = scan
    with pytest.raises(PhotopeakError, match="make no dictionary"):
        learned([], atoms=8)
    with pytest.raises(PhotopeakError, match="flat"):
        learned([(torch.ones(3, 5, 5), torch.ones(3, 5, 5))])
    with pytest.raises(PhotopeakError, match="the anatomical one"):
        dictionary.approximate(torch.ones(3, 5, 5), torch.ones(3, 5, 6))
    with pytest.raises(PhotopeakError, match="beta=-1"):
        joint_dictionary(physics, y, (dictionary, head(1, False)[1]), -1.0, 1)

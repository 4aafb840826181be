"""Filtered back-projection, slice by slice, for projections of parallel beams.

    x = π/N Σ_θ q_θ(u·u(θ)),   q = p ∗ ramp · window,   p the line integrals of x

:cite:`kak1988`. Attenuation, blur and scatter are not modelled: it is the classical floor, linear and fast.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.spect import SpectCamera
from photopeak.physics.spect_operator import SpectOperator, spect_operator
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor
WINDOWS = ("ramp", "shepp-logan", "cosine", "hamming", "hann", "butterworth")


def fbp(
    operator: SpectOperator,
    y: Float[Tensor, "angle row column"],
    window: str = "ramp",
    cutoff: float = 1.0,
    order: float = 5.0,
) -> Float[Tensor, "z y x"]:
    """Activity in Bq/ml from counts; negative values are kept, since cutting them off would bias means.

    ``cutoff`` is a share of the Nyquist frequency; ``order`` the Butterworth window's.
    """
    scene = operator.scene
    _check_arc(scene.orbit.angles_deg)
    edge = voxel_mm(scene.grid)
    ideal = spect_operator(SpectCamera(collimator=None), scene.grid, scene.orbit, None, "auto")
    integrals = y * (edge / operator.gain)  # counts → Bq/ml · mm
    n = y.shape[-1]
    padded = 2 ** math.ceil(math.log2(2 * n))
    response = ramp(padded).to(y) * apodise(torch.fft.rfftfreq(padded).to(y) * 2.0, window, cutoff, order)
    filtered = torch.fft.irfft(torch.fft.rfft(integrals, padded) * response, padded)[..., :n] / edge
    # The transpose spreads a projection over a voxel with weights that sum to nearly 1; dividing makes it 1.
    coverage = ideal.adjoint(torch.ones_like(y))
    return torch.where(coverage > 0, math.pi * ideal.adjoint(filtered) / coverage.clamp_min(1e-12), 0.0)


def ramp(n: int) -> Float[Tensor, " frequency"]:
    """|f| as the spectrum of its band-limited samples h(0) = ¼, h(odd k) = −1/π²k², which keeps the mean."""
    k = torch.fft.fftfreq(n, 1.0 / n).double()
    kernel = torch.where(k % 2 == 1, -1.0 / (math.pi * k.abs().clamp_min(1.0)) ** 2, 0.0)
    kernel[0] = 0.25
    spectrum: Tensor = torch.fft.rfft(kernel).real
    return spectrum


def apodise(frequency: Tensor, window: str, cutoff: float, order: float = 5.0) -> Tensor:
    """The window at frequencies given as shares of Nyquist; 1 at 0, and 0 beyond the cut-off but for Butterworth's."""
    if window not in WINDOWS:
        raise PhotopeakError(f"unknown window {window!r}. Remedy: use one of {', '.join(WINDOWS)}.")
    if not 0.0 < cutoff <= 1.0:
        raise PhotopeakError(f"a cut-off of {cutoff} Nyquist keeps nothing real. Remedy: give 0 < cutoff <= 1.")
    f = frequency / cutoff
    if window == "butterworth":
        return 1.0 / torch.sqrt(1.0 + f ** (2.0 * order))
    shapes = {
        "ramp": torch.ones_like(f),
        "shepp-logan": torch.sinc(f / 2.0),
        "cosine": torch.cos(math.pi * f / 2.0),
        "hamming": 0.54 + 0.46 * torch.cos(math.pi * f),
        "hann": 0.5 + 0.5 * torch.cos(math.pi * f),
    }
    return torch.where(f <= 1.0, shapes[window], 0.0)


def _check_arc(angles_deg: tuple[float, ...]) -> None:
    """Evenly over 180° or 360°, whatever the start and the direction."""
    n = len(angles_deg)
    step = (angles_deg[-1] - angles_deg[0]) / max(n - 1, 1)
    even = all(abs(a - angles_deg[0] - i * step) < 0.1 for i, a in enumerate(angles_deg))
    if n < 3 or not even or min(abs(abs(step) * n - arc) for arc in (180.0, 360.0)) > 0.5 * abs(step):
        raise PhotopeakError(
            f"filtered back-projection needs evenly spaced angles over 180° or 360°; these {n} cover "
            f"{abs(step) * n:.0f}°. Remedy: reconstruct them with osem."
        )

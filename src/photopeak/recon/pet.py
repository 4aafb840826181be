"""PET with all its corrections: scatter is estimated from the image, and the image from the data less scatter.

    x_0 ← OSEM with b = r,     then in every round   b ← r + n s(x, μ),   x ← OSEM with b

with randoms r, the lines' normalisation n and ``single_scatter`` s :cite:`watson2000`. Two rounds are usual: scatter
is smooth, and hardly changes with what is left to correct in the image.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float

from photopeak.core import Grid, PhotopeakError
from photopeak.physics.operator import Operator, Weighted
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.pet_scatter import PhotonWindow, single_scatter
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class PetMeasurement:
    """Prompts of a scanner and what is known beside them.

    ``mu`` in 1/cm at 511 keV on ``grid``; ``randoms`` expected on the sinogram; ``normalisation`` multiplies every
    line's counts (crystal efficiencies, solid angles), or None if all are alike.
    """

    scanner: PetScanner
    grid: Grid
    prompts: Float[Tensor, "angle plane *bins radial"]
    mu: Float[Tensor, "z y x"]
    randoms: Tensor | float = 0.0
    normalisation: Tensor | None = None
    window: PhotonWindow = field(default_factory=PhotonWindow)

    def operator(self) -> Operator:
        """Activity to the true coincidences."""
        lines = Weighted(self.scanner.operator(self.grid), attenuation_factors(self.scanner, self.grid, self.mu))
        return lines if self.normalisation is None else Weighted(lines, self.normalisation)

    def scatter(self, activity: Float[Tensor, "z y x"]) -> Float[Tensor, "angle plane *bins radial"]:
        """The scattered coincidences that this activity would give."""
        expected = single_scatter(self.scanner, self.grid, (activity, self.mu), self.window)
        return expected if self.normalisation is None else expected * self.normalisation.to(expected)


def osem_with_scatter(
    measured: PetMeasurement, iterations: int, subsets: int, rounds: int = 2
) -> tuple[Float[Tensor, "z y x"], Float[Tensor, "angle plane *bins radial"]]:
    """The image and the scatter that was taken off, after ``rounds`` estimates of it."""
    if rounds < 1:
        raise PhotopeakError(f"{rounds} rounds estimate no scatter. Remedy: give at least 1, or use osem.")
    operator, prompts = measured.operator(), measured.prompts.float()
    randoms = torch.as_tensor(measured.randoms, dtype=prompts.dtype).expand(prompts.shape)
    image = osem(Physics(operator, randoms.contiguous()), prompts, iterations, subsets)
    scatter = torch.zeros_like(prompts)
    for _ in range(rounds):
        scatter = measured.scatter(image)
        image = osem(Physics(operator, randoms + scatter), prompts, iterations, subsets)
    return image, scatter

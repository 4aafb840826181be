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
from photopeak.physics.pet_corrections import GaussianBlur
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.pet_scatter import PhotonWindow, scaled_to_tails, single_scatter
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class PetMeasurement:
    """Prompts of a scanner and what is known beside them.

    ``mu`` in 1/cm at 511 keV on ``grid``; ``randoms`` expected on the sinogram; ``normalisation`` multiplies every
    line's counts (crystal efficiencies, solid angles), or None if all are alike. ``blur_mm`` is the FWHM of the
    scanner's blur to model in the image; 0: none.
    """

    scanner: PetScanner
    grid: Grid
    prompts: Float[Tensor, "angle plane *bins radial"]
    mu: Float[Tensor, "z y x"]
    randoms: Tensor | float = 0.0
    normalisation: Tensor | None = None
    window: PhotonWindow = field(default_factory=PhotonWindow)
    blur_mm: float = 0.0

    def operator(self) -> Operator:
        """Activity to the true coincidences."""
        lines = Weighted(self.scanner.operator(self.grid), attenuation_factors(self.scanner, self.grid, self.mu))
        whole = lines if self.normalisation is None else Weighted(lines, self.normalisation)
        return whole @ GaussianBlur(self.grid, self.blur_mm) if self.blur_mm else whole

    def scatter(self, activity: Float[Tensor, "z y x"]) -> Float[Tensor, "angle plane *bins radial"]:
        """The scattered coincidences that this activity would give."""
        expected = single_scatter(self.scanner, self.grid, (activity, self.mu), self.window)
        return expected if self.normalisation is None else expected * self.normalisation.to(expected)


def osem_with_scatter(
    measured: PetMeasurement, iterations: int, subsets: int, rounds: int = 2, tails: bool = False
) -> tuple[Float[Tensor, "z y x"], Float[Tensor, "angle plane *bins radial"], list[float]]:
    """The image, the scatter that was taken off after ``rounds`` estimates of it, and what multiplied each of these.

    With ``tails`` an estimate is scaled to what was counted beside the patient; else it has a scale of its own.
    """
    if rounds < 1:
        raise PhotopeakError(f"{rounds} rounds estimate no scatter. Remedy: give at least 1, or use osem.")
    operator, prompts = measured.operator(), measured.prompts.float()
    randoms = torch.as_tensor(measured.randoms, dtype=prompts.dtype).expand(prompts.shape)
    image = osem(Physics(operator, randoms.contiguous()), prompts, iterations, subsets)
    scatter, factors = torch.zeros_like(prompts), []
    kept = attenuation_factors(measured.scanner, measured.grid, measured.mu) if tails else None
    for _ in range(rounds):
        scatter, factor = measured.scatter(image), 1.0
        if kept is not None:
            scatter, factor = scaled_to_tails(scatter, prompts - randoms, kept)
        factors.append(factor)
        image = osem(Physics(operator, randoms + scatter), prompts, iterations, subsets)
    return image, scatter, factors

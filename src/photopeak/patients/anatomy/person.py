"""Who the virtual patient is."""

from __future__ import annotations

import numpy as np

from photopeak.patients.body import Person

HEIGHT_M = {"M": (1.76, 0.07), "F": (1.63, 0.065)}
BMI = (26.8, 5.0)


def draw_person(
    rng: np.random.Generator,
    *,
    sex: str | None = None,
    age_years: float | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
) -> Person:
    """An adult of a bone-scan clinic; whatever is given is kept.

    Height 176 ± 7 cm (men), 163 ± 6.5 cm (women); body-mass index 26.8 ± 5 kg/m² with a tail to the
    heavy (a quarter above 30); age 64 ± 12 years, 20 to 92.
    """
    drawn_sex = "M" if rng.random() < 0.53 else "F"
    drawn_age = float(np.clip(rng.normal(64.0, 12.0), 20.0, 92.0))
    z_height, z_bmi = np.clip(rng.standard_normal(2), -2.5, 2.8)
    sex = sex or drawn_sex
    mean, sd = HEIGHT_M[sex]
    height = height_m if height_m is not None else float(mean + sd * z_height)
    spread = BMI[1] / BMI[0]
    bmi = float(np.clip(BMI[0] * np.exp(spread * z_bmi - spread**2 / 2), 17.0, 42.0))
    weight = weight_kg if weight_kg is not None else bmi * height**2
    return Person(sex, age_years if age_years is not None else drawn_age, height, weight)

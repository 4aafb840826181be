"""Perfusion of the left ventricle with narrowed coronary arteries: what is planned, laid, and true of each segment.

A defect is a patch of an artery's territory with a border some millimetres wide. In its middle the inner share τ of the
wall (the transmural degree) takes up the residual r of what normal wall does, so that over the whole wall
1 − τ (1 − r) is left. Ischaemia has its residual at stress and fills at rest; an infarct has one residual always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from photopeak.patients.streams import stream
from photopeak.patients.ventricle import SEGMENTS, TERRITORIES

State = Literal["stress", "rest"]
CLASSES: Final = ("normal", "ischaemia", "infarct", "both")
WOMEN: Final = 0.42  # of those referred; a judgement
AGE_YEARS: Final = (63.0, 10.5)
#: Which artery is ill; a judgement: the left anterior descending supplies most and is narrowed most often.
ARTERIES: Final = {"LAD": 0.45, "RCA": 0.32, "LCx": 0.23}
#: φ of a territory's middle, from anterior by septum; half its width
MIDDLE_DEG: Final = {"LAD": 35.0, "RCA": 155.0, "LCx": 268.0}
#: Percent of normal at and above which a segment scores 0, 1, 2 and 3; below all of them it scores 4.
SCORED_FROM: Final = (85.0, 70.0, 55.0, 35.0)
BORDER_MM: Final = 5.0


@dataclass(frozen=True)
class HeartPlan:
    """Who comes, and which arteries are narrowed (``ischaemic``) or were closed (``infarcted``)."""

    index: int
    sex: str
    age_years: float
    label: str
    ischaemic: tuple[str, ...] = ()
    infarcted: tuple[str, ...] = ()


def plan(index: int, seed: int, shares: Mapping[str, float]) -> HeartPlan:
    """Plan *i* depends on the seed, the shares and *i* alone."""
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=[shares[c] for c in CLASSES]))
    sex = "F" if rng.random() < WOMEN else "M"
    age = float(np.clip(rng.normal(*AGE_YEARS), 35.0, 88.0))
    arteries = [str(a) for a in rng.choice(list(ARTERIES), 2, replace=False, p=list(ARTERIES.values()))]
    second = bool(rng.random() < 0.25)
    ischaemic = arteries[: 2 if second else 1] if label == "ischaemia" else arteries[1:] if label == "both" else []
    infarcted = arteries[:1] if label in ("infarct", "both") else []
    return HeartPlan(index, sex, round(age, 1), label, tuple(ischaemic), tuple(infarcted))


@dataclass(frozen=True)
class Defect:
    """One patch: its middle φ and half width (deg), the u it lies between, and how deep it is."""

    artery: str
    phi_deg: float
    half_deg: float
    from_u: float
    to_u: float
    transmural: float
    residual: Mapping[State, float]

    def weight(
        self, u: Float[np.ndarray, " ..."], phi_deg: Float[np.ndarray, " ..."], radius_mm: float, length_mm: float
    ) -> Float[np.ndarray, " ..."]:
        """1 inside, 0 outside, over a border of ``BORDER_MM`` on the wall."""
        apart = np.abs(np.mod(phi_deg - self.phi_deg + 180.0, 360.0) - 180.0)
        # Near the apex all angles are close together: a degree is as long as the wall is wide there.
        wide = radius_mm * np.sqrt(np.clip(u, 0.0, 1.0))
        across = np.deg2rad(self.half_deg - apart) * wide
        if self.from_u <= 0.0:  # it takes in the apex, where φ says nothing
            across = np.maximum(across, (0.07 - u) * length_mm)
        along = np.minimum(u - self.from_u if self.from_u > 0.0 else np.ones_like(u), self.to_u - u) * length_mm
        return np.asarray(_step(across) * _step(along))

    def left(
        self, state: State, weight: Float[np.ndarray, " ..."], depth: Float[np.ndarray, " ..."]
    ) -> Float[np.ndarray, " ..."]:
        """Perfusion as a share of normal, at a depth of 0 (inside) to 1 (outside) in the wall."""
        inner = np.clip((self.transmural - depth) / 0.2 + 0.5, 0.0, 1.0) if self.transmural < 1.0 else 1.0
        return np.asarray(1.0 - weight * inner * (1.0 - self.residual[state]))


def _step(inside_mm: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
    return np.asarray(1.0 / (1.0 + np.exp(-4.0 * np.clip(inside_mm / BORDER_MM, -8.0, 8.0))))


def draw_defects(patient: HeartPlan, rng: np.random.Generator) -> tuple[Defect, ...]:
    """A patch for each artery of the plan; a closed artery leaves a deep one, a narrow one any."""
    found = [_draw(artery, False, rng) for artery in patient.ischaemic]
    return tuple(found + [_draw(artery, True, rng) for artery in patient.infarcted])


def _draw(artery: str, infarct: bool, rng: np.random.Generator) -> Defect:
    half = float(rng.uniform(30.0, 56.0))
    phi = MIDDLE_DEG[artery] + float(rng.uniform(-0.4, 0.4)) * (60.0 - half)
    # Downstream of a narrowing: from the apex (LAD) or the apical ring on, the further up the nearer the narrowing.
    from_u = 0.0 if artery == "LAD" and rng.random() < 0.75 else float(rng.uniform(0.08, 0.25))
    to_u = float(rng.uniform(0.55, 0.85)) if artery == "LAD" else float(rng.uniform(0.75, 1.1))
    transmural = float(rng.uniform(0.75, 1.0))
    low = float(rng.uniform(0.08, 0.3) if infarct else rng.uniform(0.2, 0.5))
    residual: dict[State, float] = {"stress": low, "rest": low if infarct else 1.0}
    return Defect(artery, phi, half, from_u, to_u, transmural, residual)


def perfusion(
    defects: tuple[Defect, ...],
    state: State,
    place: tuple[Float[np.ndarray, " ..."], ...],
    size_mm: tuple[float, float],
) -> Float[np.ndarray, " ..."]:
    """Share of normal at ``place`` (u, φ, depth) in a wall of radius and length ``size_mm``, by the worst defect."""
    u, phi, depth = place
    least = np.ones_like(u)
    for one in defects:
        least = np.minimum(least, one.left(state, one.weight(u, phi, *size_mm), depth))
    return least


def score(percent_of_normal: float) -> int:
    """0 normal, 1 mild, 2 moderate, 3 severe, 4 absent, as readers score segments :cite:`cerqueira2002`.

    >>> [score(p) for p in (100, 80, 60, 40, 20)]
    [0, 1, 2, 3, 4]
    """
    return sum(percent_of_normal < limit for limit in SCORED_FROM)


def summed(percent: Mapping[int, float]) -> int:
    """The summed score of 17 segments."""
    assert len(percent) == len(SEGMENTS)
    return sum(score(p) for p in percent.values())


def arteries_of(percent: Mapping[int, float]) -> list[str]:
    """The territories in which a segment scores at least 2."""
    return [name for name, numbers in TERRITORIES.items() if any(score(percent[n]) >= 2 for n in numbers)]

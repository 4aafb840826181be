"""Tracer in a head over time: rates of every structure, the input that drives them, and what frames see.

Each structure answers the arterial input as two tissues do (``physics.kinetics``). Tissues of one class share k₂ to k₄
and the share of blood; K₁ is each structure's own, as large as makes its concentration in the tracer's usual window
what the static protocol lays there:

    C_s = V_b C_p + (1 − V_b) f_s C_class,     K₁ of s = f_s K₁ of its class.

So delivery carries the differences between regions, of disease too; in people the phosphorylation of glucose falls
with it. FDG's rates in grey and white matter are those measured first in man :cite:`huang1980`. FET goes in and out
:cite:`koopman2018`; its rates are chosen so that curves run as they are known to run, a judgement: high-grade gliomas
peak early and decline, low-grade ones rise :cite:`law2019,albert2016`, and healthy brain rises to a plateau. Inputs
have the shape that FDG has in plasma :cite:`feng1993`, blood holds what plasma holds, and no vessel is drawn.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.patients.brain import Head
from photopeak.patients.brain.structures import BRAIN, NAMES, NUMBER, TISSUE_OF
from photopeak.patients.brain_tracers import Tracer
from photopeak.physics.kinetics import Curve, TwoTissue, feng_input, frame_means

RATE_SD: Final = 0.10
"""Of ln k of each rate of a class between people, cut at two of them; a judgement."""
_GREY: Final = ("grey matter", "deep grey matter", "thalamus", "pallidum")
_WHITE: Final = ("white matter", "brain stem")
Rates = Mapping[str, TwoTissue]
Table = Float[np.ndarray, " structure"]
Frames = Float[np.ndarray, " frame"]

FDG_RATES: Final[Rates] = {
    "grey": TwoTissue(0.102, 0.130, 0.062, 0.0, 0.05),
    "white": TwoTissue(0.054, 0.109, 0.045, 0.0, 0.03),
    "outside": TwoTissue(0.030, 0.300, 0.020, 0.0, 0.0),
}
FET_RATES: Final[Rates] = {
    "grey": TwoTissue(0.030, 0.060, 0.020, 0.040, 0.04),
    "white": TwoTissue(0.025, 0.060, 0.020, 0.040, 0.03),
    "outside": TwoTissue(0.050, 0.060, 0.0, 0.0, 0.0),
    "high-grade": TwoTissue(0.100, 0.120, 0.015, 0.035, 0.06),
    "low-grade": TwoTissue(0.060, 0.060, 0.030, 0.040, 0.04),
}


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Plasma (Bq/ml, decay corrected to the injection) over minutes, and the rates of every structure; air has none."""

    time_min: Curve
    plasma: Curve
    rates: tuple[TwoTissue | None, ...]

    def frames(self, starts_min: Frames, durations_min: Frames) -> Float[np.ndarray, "frame structure"]:
        """Mean concentration in every frame, Bq/ml, decay corrected to the injection."""
        out = np.zeros((len(starts_min), len(self.rates)))
        seen: dict[TwoTissue, Frames] = {}
        for k, model in enumerate(self.rates):
            if model is None:
                continue
            shape = dataclasses.replace(model, k1=1.0, blood=0.0)
            if shape not in seen:
                seen[shape] = frame_means(
                    self.time_min, shape.response(self.time_min, self.plasma), starts_min, durations_min
                )
            blood = frame_means(self.time_min, self.plasma, starts_min, durations_min)
            out[:, k] = (1.0 - model.blood) * model.k1 * seen[shape] + model.blood * blood
        return out

    def net_influx(self) -> Table:
        """(1 − V_b) K_i of every structure, 1/min: the slope that Patlak's plot has."""
        return np.array([0.0 if m is None else (1.0 - m.blood) * m.net_influx for m in self.rates])

    def volume(self) -> Table:
        """(1 − V_b) V_T + V_b of every structure: the slope that Logan's plot has, where the tracer comes back."""
        return np.array([0.0 if m is None else (1.0 - m.blood) * m.volume + m.blood for m in self.rates])


def draw_rates(rates: Rates, rng: np.random.Generator, k4_per_min: float | None = None) -> Rates:
    """One person's rates of every class; ``k4_per_min`` takes the place of k₄."""
    out = {}
    for name, model in rates.items():
        k2, k3, k4 = (k * math.exp(RATE_SD * float(np.clip(rng.standard_normal(), -2, 2))) for k in _back(model))
        out[name] = dataclasses.replace(model, k2=k2, k3=k3, k4=k4 if k4_per_min is None else k4_per_min)
    return out


def dynamics(head: Head, table: Table, tracer: Tracer, rates: Rates, brain_mbq: float, until_min: float) -> Dynamics:
    """Rates and input with which ``table`` holds in the tracer's window, and the brain ``brain_mbq`` of it then.

    ``table`` is relative to grey matter with the class's own K₁; a tumour's class is the key of ``rates`` beyond the
    usual three.
    """
    window = (np.array([tracer.wait_min]), np.array([tracer.minutes]))
    time = _times(max(until_min, tracer.wait_min + tracer.minutes))
    shape = feng_input(time)
    blood = float(frame_means(time, shape, *window)[0])
    tissue = {
        name: float(frame_means(time, dataclasses.replace(m, blood=0.0).response(time, shape), *window)[0])
        for name, m in rates.items()
    }
    unit = (1.0 - rates["grey"].blood) * tissue["grey"] + rates["grey"].blood * blood
    found: list[TwoTissue | None] = []
    for k, relative in enumerate(table):
        name = class_of(k, rates)
        model = rates[name]
        share = (float(relative) * unit - model.blood * blood) / ((1.0 - model.blood) * tissue[name])
        found.append(dataclasses.replace(model, k1=share * model.k1) if share > 0 else None)
    volumes = head.volumes_ml()
    held = sum(float(table[k]) * unit * volumes[NAMES[k]] for k in BRAIN)
    return Dynamics(time, shape * (brain_mbq * 1e6 / held), tuple(found))


def class_of(structure: int, rates: Rates) -> str:
    """Whose rates a structure has."""
    if structure in (NUMBER["tumour"], NUMBER["necrosis"]):
        return next((name for name in rates if name not in ("grey", "white", "outside")), "outside")
    tissue = TISSUE_OF[structure]
    return "grey" if tissue in _GREY else "white" if tissue in _WHITE else "outside"


def _back(model: TwoTissue) -> tuple[float, float, float]:
    return model.k2, model.k3, model.k4


def _times(until_min: float) -> Curve:
    """Dense where the bolus passes."""
    return np.unique(np.concatenate([np.arange(0.0, 3.0, 0.02), np.arange(3.0, until_min, 0.1), [until_min]]))

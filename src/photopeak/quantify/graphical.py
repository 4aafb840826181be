"""Graphical analysis of dynamic scans: influx by Patlak's plot, volume of distribution by Logan's.

    Patlak   C(t)/C_p(t) = K_i ∫₀ᵗC_p/C_p(t) + V₀         for tracers that are trapped    :cite:`patlak1983`
    Logan    ∫₀ᵗC/C(t)  = V_T ∫₀ᵗC_p/C(t) + b            for tracers that come back      :cite:`logan1990`

Both are straight lines from some time on; slopes are fitted by least squares to the frames after it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from photopeak.core import Entry, Grid, Image, Kind, PhotopeakError, Study
from photopeak.core.vocabulary import declare
from photopeak.physics.kinetics import Curve, frame_means, integral

declare(
    "patlak/ki", Kind("image", "1/min"), "net influx K_i by Patlak's plot: ml of plasma per cm³ of tissue and minute"
)
declare("patlak/intercept", Kind("image", "1"), "intercept of Patlak's plot: what equilibrates at once")
declare("logan/vt", Kind("image", "1"), "total volume of distribution V_T by Logan's plot")
Frames = Float[np.ndarray, " frame"]
Activity = Float[np.ndarray, "frame *voxels"]
FEWEST = 3


@dataclass(frozen=True)
class Patlak:
    """Net influx of a trapped tracer, voxel by voxel :cite:`patlak1983`."""

    input_csv: Path = field(metadata={"help": "Arterial input: time_min, bq_per_ml."})
    start_min: float = field(default=20.0, metadata={"help": "Frames from this time on are fitted."})
    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"patlak/ki": Kind("image", "1/min"), "patlak/intercept": Kind("image", "1")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        values, starts, durations, grid = dynamic(study)
        slope, intercept = patlak(values, starts, durations, read_curve(self.input_csv), self.start_min)
        return {"patlak/ki": Image(slope, grid, "1/min"), "patlak/intercept": Image(intercept, grid, "1")}


@dataclass(frozen=True)
class Logan:
    """Volume of distribution of a tracer that comes back, voxel by voxel :cite:`logan1990`."""

    input_csv: Path = field(metadata={"help": "Arterial input: time_min, bq_per_ml."})
    start_min: float = field(default=20.0, metadata={"help": "Frames from this time on are fitted."})
    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"logan/vt": Kind("image", "1")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        values, starts, durations, grid = dynamic(study)
        volume = logan(values, starts, durations, read_curve(self.input_csv), self.start_min)
        return {"logan/vt": Image(volume, grid, "1")}


def patlak(
    values: Activity, starts_min: Frames, durations_min: Frames, curve: tuple[Curve, Curve], start_min: float
) -> tuple[Float[np.ndarray, "*voxels"], Float[np.ndarray, "*voxels"]]:
    """Slope (1/min) and intercept of each voxel; 0 where a voxel holds nothing."""
    late = _late(starts_min, start_min)
    time, plasma = curve
    mean = frame_means(time, plasma, starts_min, durations_min)
    area = frame_means(time, integral(time, plasma), starts_min, durations_min)
    if mean[late].min() <= 0:
        raise PhotopeakError("the input is 0 in a frame that is fitted. Remedy: give the input over the whole scan.")
    return _line(area[late] / mean[late], values[late] / _over(mean[late], values))


def logan(
    values: Activity, starts_min: Frames, durations_min: Frames, curve: tuple[Curve, Curve], start_min: float
) -> Float[np.ndarray, "*voxels"]:
    """V_T of each voxel; 0 where it holds nothing. Noise biases the slope low, which is the method's known fault."""
    late = _late(starts_min, start_min)
    time, plasma = curve
    middle = starts_min + 0.5 * durations_min
    whole = np.cumsum(values * _over(durations_min, values), axis=0) - 0.5 * values * _over(durations_min, values)
    area = np.interp(middle, time, integral(time, plasma))
    held = np.where(values[late] > 0, values[late], np.nan)
    x, y = _over(area[late], values) / held, whole[late] / held
    with np.errstate(invalid="ignore"):
        slope = ((x - x.mean(0)) * (y - y.mean(0))).sum(0) / ((x - x.mean(0)) ** 2).sum(0)
    return np.asarray(np.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0))


def dynamic(study: Study) -> tuple[Activity, Frames, Frames, Grid]:
    """Activity, starts and durations (min from the injection, where it is known) of a dynamic volume's frames."""
    image = study["activity"]
    assert isinstance(image, Image)
    if "time" not in image.grid.names or image.grid.names[0] != "time":
        raise PhotopeakError(
            f"the activity has axes {image.grid.names}: graphical analysis needs time frames. "
            "Remedy: give a dynamic PET series."
        )
    a, axis = study.acquisition, image.grid.axis("time")
    stated = a.facts.get("ActualFrameDuration")
    if not isinstance(stated, list) or len(axis.values) != axis.size:
        raise PhotopeakError(
            "FrameReferenceTime (0054,1300) or ActualFrameDuration (0018,1242) is missing, so frames have no time. "
            "Remedy: export the series with them."
        )
    each = len(stated) // axis.size  # one for each slice of each frame, or one for each frame
    seconds = np.array([float(str(stated[k * each])) for k in range(axis.size)]) / 1000.0
    waited = 0.0
    tracer = a.radiopharmaceuticals[0] if a.radiopharmaceuticals else None
    if tracer is not None and tracer.administered_at is not None and a.started_at is not None:
        waited = (a.started_at - tracer.administered_at).total_seconds()
    starts = (np.array(axis.values) + waited) / 60.0
    return np.asarray(image.values, np.float64), starts, seconds / 60.0, image.grid.without("time")


def read_curve(path: Path) -> tuple[Curve, Curve]:
    """Times (min) and activity (Bq/ml) of an input function from a CSV file with these two columns."""
    if not path.is_file():
        raise PhotopeakError(f"{path} is missing. Remedy: --input-csv with columns time_min and bq_per_ml.")
    with path.open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    try:
        curve = np.array([[float(r["time_min"]), float(r["bq_per_ml"])] for r in rows])
    except (KeyError, TypeError, ValueError):
        raise PhotopeakError(f"{path} needs the columns time_min and bq_per_ml, and numbers in them.") from None
    if len(curve) < FEWEST or (np.diff(curve[:, 0]) <= 0).any() or not np.isfinite(curve).all():
        raise PhotopeakError(f"{path} needs at least {FEWEST} rows whose times grow.")
    return curve[:, 0], curve[:, 1]


def _late(starts_min: Frames, start_min: float) -> np.ndarray:
    late = starts_min >= start_min - 1e-9
    if late.sum() < FEWEST:
        raise PhotopeakError(
            f"{int(late.sum())} frames begin at {start_min:g} min or later, and a line needs {FEWEST}. "
            "Remedy: an earlier --start-min, or a longer scan."
        )
    return np.asarray(late)


def _line(x: Frames, y: Activity) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept over the first axis."""
    off = x - x.mean()
    slope = np.tensordot(off, y, 1) / (off**2).sum()
    return np.asarray(slope), np.asarray(y.mean(0) - slope * x.mean())


def _over(each: Float[np.ndarray, " _"], values: Activity) -> np.ndarray:
    return each.reshape(-1, *(1,) * (values.ndim - 1))

"""The picture of measure-kinetics.md, drawn by ``make_pictures.py``, or alone: ``docs/kinetics_pictures.py``.

Above, FDG in a healthy brain: frames, the net influx that Patlak's plot finds in each voxel, and the true one. Below,
FET in a glioma of high and of low grade: MR, the mean of 20 to 40 minutes, and curves of tumour and healthy brain,
lines as they lie in the tissue and points as the images show them. Heads are the first of the cohort that lie straight.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from brain_pictures import middle, straight
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Picture

from photopeak.core import Grid, Image, Mask
from photopeak.core.step import run
from photopeak.patients.protocol import Case, Clinic
from photopeak.quantify.brain_uptake import region_means
from photopeak.quantify.graphical import Patlak
from photopeak.recipes.brain_dynamic import BrainFdgDynamic, BrainFet

HALF_MM = 106.0
SHOWN_MIN = (0.3, 4.0, 16.0, 56.0)


def draw(path: Path, seed: int, voxel_mm: str = "2.4") -> None:
    """Simulate, measure, draw."""
    figure = Figure(figsize=(11.4, 4.4), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 6)
    influx(axes[0], first(BrainFdgDynamic("normal=1", voxel_mm=voxel_mm), seed))  # type: ignore[arg-type]
    for k, label in enumerate(("high-grade", "low-grade")):
        uptake(axes[1, 3 * k : 3 * k + 3], first(BrainFet(f"{label}=1", voxel_mm=voxel_mm), seed), label)  # type: ignore[arg-type]
    figure.savefig(path, dpi=110)
    sheet = Picture.open(path).convert("RGB")
    sheet.quantize(128, method=Picture.Quantize.FASTOCTREE).save(path, optimize=True)


def first(protocol: Any, seed: int) -> Case:
    """The first patient whose head lies straight."""
    index = straight(protocol, seed)
    return Clinic(protocol, index + 1, seed).case(index)


def influx(axes: Any, case: Case) -> None:
    """Frames, and both maps of influx in one scale."""
    study = case.study
    activity, regions = study["activity"], study["truth/regions"]
    assert isinstance(activity, Image)
    assert isinstance(regions, Mask)
    grid = activity.grid.without("time")
    z = middle(grid, regions, "putamen")[0]
    starts = np.array(activity.grid.axis("time").values) / 60.0
    for ax, minute in zip(axes, SHOWN_MIN, strict=False):
        frame = int(np.searchsorted(starts, minute, side="right")) - 1
        show(ax, plane(activity.values[frame], grid, z) / 1000.0, (0.0, 36.0), f"{starts[frame]:.1f} min")
    with tempfile.TemporaryDirectory() as folder:
        curve = Path(folder) / "input.csv"
        curve.write_text(str(case.documents["input.csv"]), encoding="utf-8")
        found = run(Patlak(curve, 25.0), study)["patlak/ki"]
    for ax, entry, title in ((axes[4], found, "$K_i$, Patlak"), (axes[5], study["truth/ki"], "$K_i$, true")):
        assert isinstance(entry, Image)
        show(ax, plane(entry.values, grid, z), (0.0, 0.045), title)


def uptake(axes: Any, case: Case, label: str) -> None:
    """MR, FET and curves."""
    study = case.study
    activity, lesions, mr = study["activity"], study["truth/lesions"], study["mr"]
    assert isinstance(activity, Image)
    assert isinstance(lesions, Mask)
    assert isinstance(mr, Image)
    told: Any = case.documents["truth.json"]
    grid = activity.grid.without("time")
    z = middle(grid, lesions, "tumour")[0]
    starts = np.array(told["starts_min"])
    late = (starts >= 20.0) & (starts < 40.0)
    high = middle(mr.grid, lesions, "tumour")[0]
    show(axes[0], plane(mr.values, mr.grid, high), (0.0, 1150.0), f"{label} glioma, MR", "gray")
    mean = np.asarray(activity.values)[late].mean(0)
    brain = other_side(told)
    level = np.average(healthy(told, brain)[late])
    ratio = told["tbr"]["tumour"]
    show(axes[1], plane(mean, grid, z) / level, (0.0, 4.0), f"FET over brain (true {ratio:.1f})")
    curves(axes[2], study, told, brain)


def other_side(told: Any) -> str:
    """White matter of the healthy hemisphere."""
    return f"{'left' if told['side'] == 'right' else 'right'} white matter"


def healthy(told: Any, brain: str) -> np.ndarray:
    """Its curve."""
    return np.array(told["curves_bq_ml"][brain])


def curves(ax: Axes, study: Any, told: Any, brain: str) -> None:
    """Lines as laid, points as measured in whole regions."""
    activity = study["activity"]
    grid = activity.grid.without("time")
    middles = np.array(told["starts_min"]) + 0.5 * np.array(told["durations_min"])
    marks = ((study["truth/lesions"], "tumour", "#ff7f50"), (study["truth/regions"], brain, "#7fb2ff"))
    for mask, name, colour in marks:
        seen = [region_means(Image(v, grid, "Bq/ml"), mask)[name].mean / 1000.0 for v in activity.values]
        ax.plot(middles, np.array(told["curves_bq_ml"][name]) / 1000.0, color=colour, lw=1)
        ax.plot(middles, seen, ".", color=colour, ms=4, label=name.removeprefix("left ").removeprefix("right "))
    ax.set_facecolor("black")
    ax.set_xlabel("min", color="white", fontsize=7)
    ax.set_title("kBq/ml", color="white", fontsize=8)
    ax.set_ylim(0.0, None)
    ax.tick_params(colors="white", labelsize=6)
    for side in ax.spines.values():
        side.set_color("grey")
    ax.legend(fontsize=6, labelcolor="white", facecolor="black", loc="lower right")


def plane(values: Any, grid: Grid, z: float) -> np.ndarray:
    """An axial slice around the axis of rotation, a little to the back of which the head lies."""
    half = round(HALF_MM / grid.spacing_mm["x"])
    x, y = (round(float(-grid.matrix_mm[k, 3]) / grid.spacing_mm["x"]) for k in (0, 1))
    return np.asarray(values, np.float64)[round(z), max(y - half, 0) : y + half, max(x - half, 0) : x + half]


def show(ax: Axes, values: np.ndarray, window: tuple[float, float], title: str, colours: str = "nipy_spectral") -> None:
    """One picture."""
    ax.imshow(values, cmap=colours, vmin=window[0], vmax=window[1], interpolation="bicubic")
    ax.set_title(title, color="white", fontsize=8)
    ax.axis("off")


if __name__ == "__main__":
    draw(Path(__file__).parent / "pictures" / "kinetics.png", 11)

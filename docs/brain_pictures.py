"""The pictures of simulate-brain.md, drawn by ``make_pictures.py``, or alone: ``docs/brain_pictures.py [NAME …]``.

In each, columns are classes, rows axial slices through striata and parietal lobes, a coronal one through the posterior
cingulate, and a sagittal one beside the midline, in one scale of uptake over the cerebellum. The head is that of the
first patient of the cohort whose head lies straight: no picture is chosen by eye.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Picture

from photopeak.core import Grid, Image, Mask, Study
from photopeak.core.step import run
from photopeak.patients.brain import draw_variation
from photopeak.patients.brain_perfusion import BrainPerfusion
from photopeak.patients.protocol import Clinic
from photopeak.patients.streams import stream
from photopeak.quantify.brain_uptake import brain_uptake
from photopeak.recipes.brain_pet import BrainAmyloid, BrainFdg
from photopeak.recon.reconstruct import MuFromCt, Reconstruct

FDG = {
    "normal": BrainFdg("normal=1"),
    "MCI": BrainFdg("mci=1"),
    "Alzheimer, moderate": BrainFdg("ad=1", "moderate"),
    "Lewy bodies, moderate": BrainFdg("dlb=1", "moderate"),
}
PERFUSION = {
    "normal": BrainPerfusion("normal=1"),
    "Alzheimer, moderate": BrainPerfusion("ad=1", "moderate"),
    "Lewy bodies, moderate": BrainPerfusion("dlb=1", "moderate"),
}
AMYLOID = {"negative": BrainAmyloid("negative=1"), "positive": BrainAmyloid("positive=1")}
PICTURES: dict[str, Mapping[str, Any]] = {"brain-fdg": FDG, "brain-perfusion": PERFUSION, "brain-amyloid": AMYLOID}
TOPS = {"brain-fdg": 1.5, "brain-perfusion": 1.4, "brain-amyloid": 3.0}


def draw(folder: Path, seed: int, names: Sequence[str] = tuple(PICTURES)) -> None:
    """The pictures of these names."""
    for name in names:
        columns = {}
        for title, protocol in PICTURES[name].items():
            index = straight(protocol, seed)
            study = Clinic(protocol, index + 1, seed)[index]  # type: ignore[arg-type]
            image = uptake_image(study)
            regions = study["truth/regions"]
            assert isinstance(regions, Mask)
            measured = brain_uptake(image, [regions], tracer="pib" if "centiloid" in "".join(study) else "")
            words = title
            if measured.centiloid is not None:
                true = study["truth/centiloid"].value  # type: ignore[union-attr]
                words += f"\n{measured.centiloid.value:.0f} Centiloid (true {true:.0f})"
            columns[words] = slices(image, regions, measured.reference_mean)
        save(columns, TOPS[name], folder / f"{name}.png")


def straight(protocol: Any, seed: int) -> int:
    """The first patient whose head is turned by less than four degrees about every axis."""
    for i, plan in enumerate(protocol.plans(24, seed)):
        pose = draw_variation(stream(seed, i, "anatomy"), plan.sex, plan.age_years, plan.atrophy).pose
        if max(abs(t) for t in pose.turns_deg) < 4.0:
            return i
    raise LookupError("no head lies straight")


def uptake_image(study: Study) -> Image:
    """The PET as it is, or the SPECT reconstructed."""
    if "activity" in study:
        found = study["activity"]
    else:
        step = Reconstruct(iterations=6, subsets=10, attenuation=True, scatter="tew", blur_mm=6.0)
        found = run(step, run(MuFromCt(), study).only("counts", "mu"))["reconstruction"]
    assert isinstance(found, Image)
    return found


def slices(image: Image, regions: Mask, reference: float) -> list[np.ndarray]:
    """Four planes of 200 × 200 mm around the brain."""
    ratio = np.asarray(image.values, np.float64) / reference
    z, y, _ = middle(image.grid, regions, "putamen")
    _, back, _ = middle(image.grid, regions, "posterior cingulate")
    x = middle(image.grid, regions, "cortex")[2] - 5.0 / image.grid.spacing_mm["x"]
    mm = image.grid.spacing_mm["z"]
    half = round(100.0 / mm)
    whole = np.pad(ratio, half)
    cz, cy, cx = (round(v) + half for v in (z + 12.0 / mm, y + 14.0 / mm, middle(image.grid, regions, "cortex")[2]))
    rows, columns = slice(cy - half, cy + half), slice(cx - half, cx + half)
    up = slice(cz + half, cz - half, -1)
    return [
        whole[round(z + 2.0 / mm) + half, rows, columns],
        whole[round(z + 42.0 / mm) + half, rows, columns],
        whole[up, round(back) + half, columns],
        whole[up, rows, round(x) + half],
    ]


def middle(grid: Grid, regions: Mask, word: str) -> np.ndarray:
    """Of the regions with this word in their names, in the image's voxels (z, y, x)."""
    inside = np.isin(regions.values, [k for k, n in regions.names.items() if word in n])
    at = np.array([*np.argwhere(inside).mean(0)[::-1], 1.0])
    return (np.linalg.inv(grid.matrix_mm) @ regions.grid.matrix_mm @ at)[2::-1]


def save(columns: dict[str, list[np.ndarray]], top: float, path: Path) -> None:
    """Black ground, the colours in which brain PET is read, one scale for all."""
    figure = Figure(figsize=(1.75 * len(columns) + 0.9, 7.4), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, len(columns))
    for column, (title, planes) in zip(axes.T, columns.items(), strict=True):
        for ax, plane in zip(column, planes, strict=True):
            drawn = ax.imshow(plane, cmap="nipy_spectral", vmin=0.0, vmax=top, interpolation="bicubic")
            ax.axis("off")
        column[0].set_title(title, color="white", fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.5, aspect=30)
    bar.ax.tick_params(colors="white", labelsize=7)
    bar.set_label("over the cerebellum", color="white", fontsize=8)
    figure.savefig(path, dpi=110)
    sheet = Picture.open(path).convert("RGB")
    sheet.quantize(128, method=Picture.Quantize.FASTOCTREE).save(path, optimize=True)


if __name__ == "__main__":
    draw(Path(__file__).parent / "pictures", 11, sys.argv[1:] or tuple(PICTURES))

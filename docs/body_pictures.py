"""Pictures of Y-90 and of breathing, drawn by ``make_pictures.py``, or alone: ``docs/body_pictures.py [NAME …]``.

y90        the first patient treated in the right lobe: PET on CT, dose from the image beside the true one, histograms
breathing  one patient three times: nobody breathes; breathing, with a CT at some moment; and after a breath in
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Picture

from photopeak.core import Image, Study
from photopeak.core.step import run
from photopeak.patients.protocol import Clinic
from photopeak.quantify.absorbed_dose import AbsorbedDose, serial
from photopeak.quantify.dose_series import gathered
from photopeak.quantify.region_dose import histogram
from photopeak.recipes.fdg_body import FdgBody
from photopeak.recipes.y90 import Radioembolisation
from photopeak.recon.attenuation import with_mu

ACROSS = slice(36, 116)  # voxels of the body in an image
BREATHS = {
    "nobody breathes": FdgBody("local=1", reach="chest", breath_mm=0.0),
    "breathing; CT at some moment": FdgBody("local=1", reach="chest", ct="free"),
    "breathing; CT after a breath in": FdgBody("local=1", reach="chest", ct="in"),
}


def y90(path: Path, seed: int) -> None:
    """Coronal and transverse planes through the hottest tumour, and what tumours and liver receive."""
    study = Clinic(Radioembolisation("right lobe=1"), 1, seed)[0]
    dose, true = measured(study), values(study, "truth/dose")
    ct, pet, laid = (values(study, n) for n in ("ct", "activity", "truth/activity"))
    z, y, _ = np.unravel_index(int(np.argmax(blurred(laid))), laid.shape)
    top, most = float(np.percentile(laid, 99.95)), float(np.percentile(true, 99.97))
    figure = Figure(figsize=(11.0, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 4, width_ratios=(1.0, 1.0, 1.0, 1.25))
    layers = (("PET", pet / 1e6, "inferno", top / 1e6), ("dose, from the PET", dose, "inferno", most),
              ("dose, true", true, "inferno", most))  # fmt: skip
    for k, (title, image, colours, high) in enumerate(layers):
        for ax, at in ((axes[0, k], np.s_[::-1, y, ACROSS]), (axes[1, k], np.s_[z, 48:112, ACROSS])):
            ax.imshow(ct[at], cmap="gray", vmin=-200.0, vmax=260.0)
            alpha = np.clip(image[at] / (0.06 * high) - 0.5, 0.0, 1.0) * 0.85
            drawn = ax.imshow(image[at], cmap=colours, vmin=0.0, vmax=high, alpha=alpha, interpolation="bilinear")
            ax.axis("off")
        axes[0, k].set_title(title, fontsize=9)
        figure.colorbar(drawn, ax=axes[:, k], location="bottom", shrink=0.7, label="Gy" if k else "MBq/ml")
    histograms(axes[0, 3], study, (dose, true))
    means(axes[1, 3], study, (dose, true))
    save(figure, path)


def measured(study: Study) -> np.ndarray:
    """Dose from the one scan, by voxel S values over the CT's mass."""
    found, ct = gathered([study.only("activity"), study.only("ct")], 1)
    assert ct is not None
    step = AbsorbedDose("kernel", voxels="decay")
    dose = run(step, with_mu(found, ct, serial(found).grid, 511.0))["dose"]
    assert isinstance(dose, Image)
    return np.asarray(dose.values, np.float64)


def named(study: Study) -> dict[str, np.ndarray]:
    """Tumours and the treated liver."""
    masks: list[Any] = [study["truth/lesions"], study["truth/regions"]]
    return {n: m.of(n) for m in masks for n in m.names.values() if n.startswith(("tumour", "treated"))}


def histograms(ax: Any, study: Study, doses: tuple[np.ndarray, np.ndarray]) -> None:
    """Dose-volume histograms: lines from the image, dashes the truth."""
    for name, where in named(study).items():
        (line,) = ax.plot(*histogram(doses[0][where]), lw=1.2, label=name)
        ax.plot(*histogram(doses[1][where]), "--", lw=1.0, color=line.get_color())
    ax.set_title("volume that receives as much (dashes: true)", fontsize=8)
    ax.set_xlabel("Gy", fontsize=8), ax.set_ylabel("%", fontsize=8)
    ax.tick_params(labelsize=7), ax.legend(fontsize=6, frameon=False)


def means(ax: Any, study: Study, doses: tuple[np.ndarray, np.ndarray]) -> None:
    """Mean dose of each, measured over true."""
    where = named(study)
    at = np.arange(len(where))
    for k, (dose, label) in enumerate(zip(doses, ("from the PET", "true"), strict=True)):
        ax.bar(at + 0.4 * k - 0.2, [dose[w].mean() for w in where.values()], 0.38, label=label, color=f"C{k}")
    ax.set_xticks(at, [n.replace("treated ", "") for n in where], fontsize=7, rotation=20)
    ax.set_ylim(top=1.3 * ax.get_ylim()[1])
    ax.set_ylabel("mean, Gy", fontsize=8), ax.tick_params(axis="y", labelsize=7), ax.legend(fontsize=7, frameon=False)


def breathing(path: Path, seed: int) -> None:
    """Coronal planes through the middle of the liver: PET above, CT below."""
    figure = Figure(figsize=(8.4, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(BREATHS))
    for column, (title, protocol) in zip(axes.T, BREATHS.items(), strict=True):
        case = Clinic(protocol, 1, seed).case(0)
        told: Any = case.documents["truth.json"]
        regions: Any = case.study["truth/regions"]
        y = int(np.argwhere(regions.of("liver"))[:, 1].mean())
        suv = values(case.study, "activity") / told["bq_ml_per_suv"]
        column[0].imshow(suv[::-1, y, ACROSS], cmap="gray_r", vmin=0.0, vmax=4.0, interpolation="bilinear")
        ct = values(case.study, "ct")[::-1, y, ACROSS]
        column[1].imshow(ct, cmap="gray", vmin=-950.0, vmax=250.0, interpolation="bilinear")
        low = f"\nCT {told['ct_below_mm']:.0f} mm low" if told["breath_mm"] else ""
        column[0].set_title(title + low, fontsize=9)
        for ax in column:
            ax.axis("off")
    save(figure, path)


def values(study: Study, name: str) -> np.ndarray:
    """An image's numbers."""
    image = study[name]
    assert isinstance(image, Image)
    return np.asarray(image.values, np.float64)


def blurred(image: np.ndarray) -> np.ndarray:
    """So that one voxel does not decide."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, 2.0)


def save(figure: Figure, path: Path) -> None:
    """As PNG of few colours."""
    figure.savefig(path, dpi=110)
    sheet = Picture.open(path).convert("RGB")
    sheet.quantize(192, method=Picture.Quantize.FASTOCTREE).save(path, optimize=True)


PICTURES = {"y90": y90, "breathing": breathing}


def draw(folder: Path, seed: int, names: Sequence[str] = tuple(PICTURES)) -> None:
    """The pictures of these names."""
    for name in names:
        PICTURES[name](folder / f"{name}.png", seed)


if __name__ == "__main__":
    draw(Path(__file__).parent / "pictures", 11, sys.argv[1:] or tuple(PICTURES))

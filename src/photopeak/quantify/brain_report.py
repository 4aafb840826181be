"""One brain measured: a table in words, a document, and the slices a reader looks at, all with one scale."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from photopeak.core import Image, Mask, PhotopeakError
from photopeak.core.writing import whole_file
from photopeak.quantify.brain_uptake import Uptake, brain_uptake

COLOURS: Final = "nipy_spectral"
SLICES: Final = 8
ENDS: Final = ((0.26, 0.88), (0.16, 0.88), (0.16, 0.84))  # of what is bright, where the first and last slices lie
OF_THE_TOP: Final = 99.0  # percentile of the voxels above half of the reference that is white


def brain_report(path: Path, regions: Sequence[Mask], reference: str, tracer: str, out: Path | None) -> Iterator[str]:
    """Read an image, measure it, write ``brain-uptake.json`` and ``.png``; yields what is worth telling."""
    from photopeak.dicom import read

    held = [
        (s, s[n]) for s in read(path) for n in ("activity", "suv/bw", "counts")
        if isinstance(s.get(n), Image) and s[n].grid.names == ("z", "y", "x")  # type: ignore[union-attr]
    ]  # fmt: skip
    if len(held) != 1:
        raise PhotopeakError(
            f"{path} holds {len(held)} volumes of PET or SPECT. Remedy: give one PT series or one RECON TOMO file."
        )
    study, image = held[0]
    assert isinstance(image, Image)
    measured = brain_uptake(image, regions, reference, tracer)
    yield from in_words(measured)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    who = study.patient.patient_id
    with whole_file(out / "brain-uptake.json") as part:
        told = {"patient_id": who, **as_document(measured)}
        part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    yield f"wrote {out / 'brain-uptake.json'}"
    words = "" if measured.centiloid is None else f"   {measured.centiloid.value:.0f} Centiloid"
    title = f"{who}   uptake over {reference}{words}   (research software, not a medical device)"
    yield f"wrote {save_picture(image, measured.reference_mean, title, out / 'brain-uptake.png')}"


def in_words(measured: Uptake) -> Iterator[str]:
    """The table: pairs with their asymmetry, then what lies in the middle."""
    yield f"reference {measured.reference}: {measured.reference_mean:.4g} {measured.unit.strip('{}')}"
    yield f"{'region':24s} {'left':>6s} {'right':>6s} {'asymmetry':>10s}"
    pairs = measured.pairs()
    for pair in pairs:
        left, right = measured.suvr(f"left {pair}"), measured.suvr(f"right {pair}")
        yield f"{pair:24s} {left:6.2f} {right:6.2f} {measured.asymmetry_percent(pair):+8.1f} %"
    paired = {f"{side} {pair}" for pair in pairs for side in ("left", "right")}
    for name, region in measured.regions.items():
        if name not in paired:
            yield f"{name:24s} {measured.suvr(name):6.2f}"
        if region.outside > 0:
            yield f"  ({name}: {100 * region.outside:.0f} % of it lies outside the image)"
    if measured.centiloid is not None:
        yield f"Centiloid {measured.centiloid.value:.0f}"


def as_document(measured: Uptake) -> dict[str, Any]:
    """The numbers as JSON."""
    regions = {
        name: {
            "suvr": round(measured.suvr(name), 4),
            "volume_ml": round(r.volume_ml, 2),
            "outside": round(r.outside, 4),
        }
        for name, r in measured.regions.items()
    }
    told: dict[str, Any] = {
        "reference": measured.reference,
        "reference_mean": round(measured.reference_mean, 3),
        "unit": measured.unit,
        "regions": regions,
        "asymmetry_percent": {p: round(measured.asymmetry_percent(p), 2) for p in measured.pairs()},
    }
    if measured.centiloid is not None:
        told["centiloid"] = round(measured.centiloid.value, 1)
    return told


def planes(values: Float[np.ndarray, "z y x"], low: float) -> dict[str, list[Float[np.ndarray, "row column"]]]:
    """Axial slices seen from below, coronal from the front, sagittal from the left; of what is above ``low``."""
    hot = values > low
    ends = [np.nonzero(hot.any(axis=tuple(k for k in range(3) if k != axis)))[0][[0, -1]] for axis in range(3)]
    (z0, z1), (y0, y1), (x0, x1) = ((max(0, a - 3), b + 4) for a, b in ends)
    part = values[z0:z1, y0:y1, x0:x1]
    chosen = [np.linspace(a, b, SLICES) * n for n, (a, b) in zip(part.shape, ENDS, strict=True)]
    return {
        "axial": [part[int(k)] for k in chosen[0]],
        "coronal": [part[::-1, int(k)] for k in chosen[1]],
        "sagittal": [part[::-1, :, int(k)] for k in chosen[2][::-1]],
    }


def save_picture(image: Image, reference: float, title: str, path: Path) -> Path:
    """Slices in the colours in which brain PET is read, and their scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ratio = np.asarray(image.values, np.float64) / reference
    top = float(np.percentile(ratio[ratio > 0.5], OF_THE_TOP))
    rows = planes(ratio, 0.4 * top)
    width = max(p.shape[1] for row in rows.values() for p in row)
    sheet = np.vstack([np.hstack([_widened(p, width) for p in row]) for row in rows.values()])
    inches = 12.0 * sheet.shape[0] / sheet.shape[1]
    figure = Figure(figsize=(13.2, inches + 0.4))
    FigureCanvasAgg(figure)
    tall = inches / (inches + 0.4)
    ax, bar = figure.add_axes((0.02, 0.0, 0.91, tall)), figure.add_axes((0.94, 0.2 * tall, 0.012, 0.6 * tall))
    drawn = ax.imshow(sheet, cmap=COLOURS, vmin=0.0, vmax=top, interpolation="bicubic", aspect="auto")
    ax.axis("off")
    figure.colorbar(drawn, cax=bar, label="over the reference")
    figure.text(0.02, tall + 0.3 * (1.0 - tall), title, fontsize=9)
    with whole_file(path) as part, part.open("wb") as f:
        figure.savefig(f, format="png", dpi=100)
    return path


def _widened(plane: Float[np.ndarray, "row column"], width: int) -> Float[np.ndarray, "row width"]:
    """With air on both sides."""
    missing = width - plane.shape[1]
    return np.pad(plane, ((0, 0), (missing // 2, missing - missing // 2)))

"""Explanations for a person: colours over the scan, on a fixed scale that is told in words, and a list of places."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.classify.explain import FULL, Explanation
from photopeak.classify.reports import grey
from photopeak.core import Image, Study
from photopeak.core.writing import whole_file

MOST: Final = 8
"""Places that are printed."""
OPAQUE: Final = 0.75
"""Of the colour where the scale ends, so that the counts are seen below."""
TICKS: Final = {
    "lesion evidence": {0.0: "no lesion", 0.5: "as likely as not", 1.0: "surely {question}"},
    "occlusion": {
        -4.0: "speaks against {question}:\nodds × 55 when covered",
        0.0: "covering changes nothing",
        4.0: "speaks for {question}:\nodds ÷ 55 when covered",
    },
    "gradient": {0.0: "no weight", 4.0: "weighs most for {question}"},
}


def in_words(who: str, e: Explanation) -> str:
    """The answer, and the places that it rests on."""
    lines = [f"{who or 'unnamed patient'}: {e.question} {percent(e.probability)}, by {e.method}"]
    for p in e.places[:MOST]:
        where = f"  {p.region or 'unnamed site':16s}  {' and '.join(p.views):22s}"
        if p.without is not None:
            lines.append(
                f"{where}  {percent(e.probability)} → {percent(p.without)} when covered ({-p.value:+.1f} log-odds)"
            )
        else:
            unit = "" if e.image.unit == "1" else " log-odds"
            lines.append(f"{where}  {p.value:.2f}{unit}")
    if len(e.places) > MOST:
        lines.append(f"  and {len(e.places) - MOST} more")
    return "\n".join(lines if e.places else [*lines, "  no place stands out"])


def percent(p: float) -> str:
    """A probability, with decimals only where they are needed to tell it from 0 or 1.

    >>> percent(0.5), percent(0.9996), percent(0.0002), percent(1 - 1e-9)
    ('50 %', '99.96 %', '0.02 %', 'over 99.99 %')
    """
    if 0.01 <= p <= 0.99:
        return f"{100 * p:.0f} %"
    if p < 0.0001:
        return "below 0.01 %"
    return f"{100 * p:.2f} %" if p <= 0.9999 else "over 99.99 %"


def draw(study: Study, e: Explanation, path: Path) -> Path:
    """The views, dark on white, under the map's colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    image = study["counts"]
    assert isinstance(image, Image)
    labels = image.grid.axes[0].labels
    figure = Figure(figsize=(3.4 * len(labels) + 1.6, 11.6), layout="constrained")
    axes = np.ravel(figure.subplots(1, len(labels)))
    for ax, label, plane, values in zip(axes, labels, image.values, e.image.values, strict=True):
        ax.imshow(grey(np.asarray(plane, np.float64)), cmap="gray", vmin=0, vmax=255)
        ax.imshow(coloured(np.asarray(values, np.float64) / FULL[e.method]))
        ax.set_title(label)
        ax.set_axis_off()
    signed = e.method == "occlusion"
    scale = np.linspace(-1.0 if signed else 0.0, 1.0, 256)
    rgba = coloured(scale[None])[0]
    on_white = rgba[:, :3] * rgba[:, 3:] + 1.0 - rgba[:, 3:]
    norm = Normalize(float(scale[0]) * FULL[e.method], FULL[e.method])
    bar = figure.colorbar(ScalarMappable(norm, ListedColormap(on_white)), ax=axes.tolist(), shrink=0.35, aspect=30)
    words = TICKS[e.method]
    bar.set_ticks(list(words), labels=[w.format(question=e.question) for w in words.values()])
    one = "\none map for both views" if e.method == "gradient" else ""
    figure.suptitle(f"{e.question} {percent(e.probability)}, by {e.method}{one}", fontsize=10)
    with whole_file(path) as work:
        figure.savefig(work, dpi=100, format="png")
    return path


def coloured(share: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column 4"]:
    """Orange for, blue against, the more opaque the farther from 0; beyond ±1 no more than there."""
    out = np.zeros((*share.shape, 4))
    out[share > 0, :3] = (0.83, 0.37, 0.0)
    out[share < 0, :3] = (0.0, 0.45, 0.7)
    out[..., 3] = OPAQUE * np.clip(np.abs(share), 0.0, 1.0)
    return out

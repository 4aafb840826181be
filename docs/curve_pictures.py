"""pictures/curves.png: contrast, resolution and bias against noise, from the committed figures of study S3.

.venv/bin/python docs/curve_pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
SHOWN = (
    ("contrast 22 mm", "contrast of the 22 mm sphere"),
    ("resolution", "width of the impulse response, mm"),
    ("bias", "bias of the background"),
)
FURTHEST = 0.3


def main() -> None:
    """Draw it."""
    curves = json.loads((HERE.parent / "results" / "S3" / "quick.json").read_text(encoding="utf-8"))["curves"]
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(13, 4.2), layout="constrained")
    for axis, (name, words) in zip(axes, SHOWN, strict=True):
        for k, (way, curve) in enumerate(curves.items()):
            points = [
                (n, v) for n, v in zip(curve["noise"], curve[name], strict=True) if v is not None and n < FURTHEST
            ]
            if name == "bias" and way == "OSEM, nothing corrected":
                continue  # four fifths are missing: it would hide the others
            axis.plot(
                *zip(*points, strict=True), color=f"C{k}", marker="o", markersize=3.5, label=f"{way} ({curve['knob']})"
            )
        axis.set(xlabel="noise", ylabel=words, xlim=(0, FURTHEST))
        axis.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(HERE / "pictures" / "curves.png", dpi=90)


if __name__ == "__main__":
    main()

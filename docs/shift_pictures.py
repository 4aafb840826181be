"""pictures/shifts.png: the macro area under each shift and in each group, from the committed figures of study R2.

.venv/bin/python docs/shift_pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
PANELS = (
    ("macro area", (("macro_auc", "reader", "C0", "o"), ("forest", "hot spots, random forest", "0.55", "s"))),
    (
        "answers that hold the truth",
        (("coverage metastasis", "metastasis", "C3", "o"), ("coverage arthritis", "arthritis", "C2", "D")),
    ),
    ("lesions found, of those that the truth marks", (("lesion sensitivity", "", "C0", "o"),)),
    ("false lesions an image", (("false lesions", "", "C0", "o"),)),
)
PROMISED = 0.9


def main() -> None:
    """Draw it."""
    figures = json.loads((HERE.parent / "results" / "R2" / "quick.json").read_text(encoding="utf-8"))["figures"]
    groups = list(dict.fromkeys(name.split(": ", 1)[1] for name in figures))
    drawing, axes = plt.subplots(
        1, len(PANELS), figsize=(16, 0.27 * len(groups) + 1.4), sharey=True, layout="constrained"
    )
    for axis, (title, curves) in zip(axes, PANELS, strict=True):
        for k, (name, words, colour, marker) in enumerate(curves):
            y = [i + 0.24 * (k - (len(curves) - 1) / 2) for i in range(len(groups))]
            these = [figures.get(f"{name}: {g}") for g in groups]
            known = [(at, f) for at, f in zip(y, these, strict=True) if f]
            axis.hlines([at for at, _ in known], [f["low"] for _, f in known], [f["high"] for _, f in known], colour)
            axis.plot([f["value"] for _, f in known], [at for at, _ in known], marker, color=colour, ms=5, label=words)
        if len(curves) > 1:
            axis.legend(frameon=False, fontsize=8, loc="lower left")
        if title.startswith("answers"):
            axis.axvline(PROMISED, color="0.4", ls=":", lw=1)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(groups)), groups, fontsize=9)
    axes[0].set_ylim(len(groups) - 0.3, -0.7)
    drawing.savefig(HERE / "pictures" / "shifts.png", dpi=80)


if __name__ == "__main__":
    main()

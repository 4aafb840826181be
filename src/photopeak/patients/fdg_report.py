"""What a reader would dictate of an FDG PET/CT of the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from photopeak.patients.fdg_lesions import LesionTruth, Tumour
from photopeak.patients.lung_cancer import CancerPlan

NO_NODES: Final = "Hilar, mediastinal and supraclavicular nodes do not take up more than blood."
ELSEWHERE: Final = "Physiological uptake in brain, heart, liver, spleen, bowel, kidneys and bladder."


def report(plan: CancerPlan, lesions: Sequence[tuple[Tumour, LesionTruth]], mbq: float, waited_s: int) -> str:
    """Technique, findings with their SUVmax, and the stage."""
    lines = [f"FDG PET/CT, {mbq:.0f} MBq, {waited_s / 60:.0f} minutes after injection."]
    if not plan.t:
        return "\n".join([*lines, NO_NODES, ELSEWHERE, "Impression: no focus suspicious of malignancy.", ""])
    for kind in ("primary", "node", "metastasis"):
        found = [(t, truth) for t, truth in lesions if t.kind == kind]
        if kind == "primary":
            lines += [f"Mass of {t.diameter_mm:.0f} mm in the {t.site}, SUVmax {v.suv_max:.1f}." for t, v in found]
        elif found:
            word = {"node": "Nodes", "metastasis": "Metastases"}[kind]
            each = ", ".join(f"{t.site} (SUVmax {v.suv_max:.1f})" for t, v in found)
            lines.append(f"{word} that take up: {each}.")
        elif kind == "node":
            lines.append(NO_NODES)
    return "\n".join([*lines, ELSEWHERE, f"Impression: lung cancer, {plan.tnm}, stage {plan.stage}.", ""])

"""The reader's bundle: its weights, what was calibrated for it, and a card written from the measured figures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from photopeak.learning.bundles import save_bundle
from photopeak.recipes.outcome import Outcome

ROWS = (
    ("macro_auc reader", "Macro AUC over N, M and A, patients; mean of the seeds"),
    ("auc_M reader", "AUC of metastasis; mean of the seeds"),
    ("auc_A reader", "AUC of arthritis; mean of the seeds"),
    ("M&A sensitivity at specificity .9", "Sensitivity for both together at specificity .9"),
    ("lesion sensitivity, listed: all", "Lesions found, of those the truth marks"),
    ("false lesions an image, listed", "False lesions an image"),
    ("region dice", "Overlap (Dice) of the bones' regions, mean over regions"),
    ("bone scan index, r", "Bone scan index against truth, r"),
    ("ece metastasis", "Calibration error, metastasis"),
    ("ece arthritis", "Calibration error, arthritis"),
    ("answers hold the truth metastasis", "Answers that hold the truth, metastasis (90 % promised)"),
    ("answers hold the truth arthritis", "Answers that hold the truth, arthritis (90 % promised)"),
    ("sure metastasis", 'Answered yes or no, not "not sure", metastasis'),
    ("sure arthritis", 'Answered yes or no, not "not sure", arthritis'),
    ("auc metastasis, anterior alone", "AUC of metastasis from the anterior view alone"),
    ("auc arthritis, anterior alone", "AUC of arthritis from the anterior view alone"),
)


def write_bundle(
    outcome: Outcome, weights: Path, regions: tuple[str, ...], taught: dict[str, Any], folder: Path
) -> str:
    """Write the bundle anew; gives the sha256 of its weights."""
    model = {
        "network": "photopeak.networks.reader:Reader",
        "regions": list(regions),
        "calibration": outcome.notes["calibration"],
        "taught": taught,
        "measured": {k: outcome.known[k] for k, _ in ROWS if k in outcome.known},
    }
    shutil.rmtree(folder, ignore_errors=True)
    return save_bundle(folder, load_file(weights), model, card(outcome, taught))


def card(outcome: Outcome, taught: dict[str, Any]) -> str:
    """The model card."""
    table = "\n".join(
        f"| {words} | {f['value']:.3f} | {f['low']:.3f} to {f['high']:.3f} |"
        for name, words in ROWS
        if (f := outcome.known.get(name)) is not None
    )
    return f"""# The Photopeak bone-scan reader

Reads whole-body bone scans with Tc-99m phosphonates: regions, lesions by type, probabilities of metastasis and of
arthritis, bone scan index. **Research software, not a medical device. Taught with simulated patients only; no real scan
has been used to teach or to measure it.**

## Taught with

{taught["patients"]} virtual patients ({taught["mix"]}; seed {taught["seed"]}) at the frozen difficulty,
{taught["epochs"]} epochs with pixel truth, mirrored, turned, stretched, shifted, thinned to a quarter of the counts,
and some with one view alone.

## Measured on

{outcome.cohort["patients"]} fresh virtual patients ({outcome.cohort["mix"]}), whose seed {outcome.cohort["seed"]} is in
the hash of the weights.

| figure | value | 95 % interval |
|---|---|---|
{table}

## Limits

- Virtual patients resemble each other more than real ones do, and the frozen difficulty has brighter lesions and fewer
  mimics than a clinic: expect worse on real scans, by an unknown amount.
- Children, other tracers, other nuclides, SPECT and PET are not its matter and are refused where the file says so.
- Lytic lesions that take up nothing are not seen. A superscan can look evenly bright.
- Probabilities are calibrated for the mix above; where disease is rarer they are too high.
"""

"""The report that a physician would dictate, in plain clinical prose.

It is written from what each view shows: every annotated lesion is named with its side, site and intensity;
lesions that no view shows are not mentioned; mimics are named for what they are, with the doubt a physician
would have. The wording varies, the statement does not: it never contradicts the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photopeak.patients.body import Variant
from photopeak.patients.disease import Disease, Finding
from photopeak.patients.lesions import Lesion, bare, side_of
from photopeak.patients.phrases import bilateral, ordinal, pick, sentence, together

#: Contrast-to-noise ratio from which uptake is called moderate, and intense.
MODERATE_CNR, INTENSE_CNR = 6.0, 15.0
REPORTED_VARIANT = 1.5  # normal variants weaker than this are not worth a word


@dataclass(frozen=True)
class Technique:
    """What the first lines of a report state."""

    injected_mbq: float = 740.0
    delay_h: float = 3.0
    agent: str = "Tc-99m MDP"


def report(disease: Disease, technique: Technique, rng: np.random.Generator) -> str:
    """The whole report: indication, technique, comparison, findings, impression."""
    person, plan = disease.body.person, disease.plan
    who = f"{int(person.age_years)}-year-old {'woman' if person.sex == 'F' else 'man'}"
    parts = (
        ("CLINICAL INFORMATION", pick(rng, "indication", who=who, primary=PRIMARY[plan.primary])),
        ("TECHNIQUE", _technique(technique, rng)),
        ("COMPARISON", "None."),
        ("FINDINGS", " ".join(_findings(disease, rng))),
        ("IMPRESSION", " ".join(_impression(disease, rng))),
    )
    return "WHOLE-BODY BONE SCINTIGRAPHY\n\n" + "\n".join(f"{title}: {text}" for title, text in parts) + "\n"


PRIMARY = {
    "prostate": "prostate cancer",
    "breast": "breast cancer",
    "lung": "lung cancer",
    "gastrointestinal": "gastrointestinal cancer",
    "kidney": "renal cell carcinoma",
    "thyroid": "thyroid cancer",
}


def site_phrase(lesion: Lesion) -> str:
    """How a report calls the place of a lesion.

    >>> from photopeak.patients.lesions import ball
    >>> site_phrase(Lesion(1, "metastasis", "left rib 5", "rib", "left", (0, 0, 0), ball(8)))
    'left 5th rib'
    """
    side, bone = side_of(lesion.site), bare(lesion.site)
    if lesion.kind == "arthritis":
        return lesion.site
    if bone.startswith("rib "):
        return f"{side} {ordinal(int(bone[4:]))} rib"
    if bone[1:].isdigit() and bone[0] in "CTL":
        return f"{lesion.part} of {bone}" if lesion.part else f"{bone} vertebra"
    if lesion.part == "shaft":
        return f"shaft of the {lesion.site}"
    return f"{lesion.part} {lesion.site}".strip()


def intensity(finding: Finding) -> str:
    """ "mild", "moderate" or "intense" from the better view."""
    best = max(finding.cnr)
    return "mild" if best < MODERATE_CNR else "moderate" if best < INTENSE_CNR else "intense"


def _technique(technique: Technique, rng: np.random.Generator) -> str:
    hours = f"{technique.delay_h:.0f} hours" if abs(technique.delay_h % 1) < 0.05 else f"{technique.delay_h:.1f} hours"
    return pick(rng, "technique", mbq=f"{technique.injected_mbq:.0f}", hours=hours, agent=technique.agent)


def _findings(disease: Disease, rng: np.random.Generator) -> list[str]:
    shown = [f for f in disease.findings if any(f.annotated)]
    text = []
    if disease.plan.superscan:
        text.append(pick(rng, "superscan"))
    for kind in ("metastasis", "arthritis"):
        text += _described([f for f in shown if f.lesion.kind == kind], kind, rng)
    text += _mimics(disease.mimics, rng)
    text += _variants(disease.body.variants, rng)
    if not disease.plan.label_m:
        text.append(pick(rng, "no focus" if disease.plan.label_a or disease.mimics else "normal"))
    if not disease.plan.superscan:
        missing = any(v.name.startswith("kidney absent") for v in disease.body.variants)
        text.append(pick(rng, "one kidney" if missing else "kidneys"))
    return text


def _described(findings: Sequence[Finding], kind: str, rng: np.random.Generator) -> list[str]:
    """One sentence for each region and intensity, the most affected region first."""
    groups: dict[tuple[str, str, bool], list[Finding]] = {}
    for f in findings:
        groups.setdefault((f.lesion.region, intensity(f), f.lesion.lytic), []).append(f)
    text = []
    for (_, strength, cold), members in sorted(groups.items(), key=lambda g: -len(g[1])):
        places = together(bilateral([site_phrase(f.lesion) for f in members]))
        views = _views(members)
        lytic = " with a photopenic centre" if cold else ""
        text.append(pick(rng, kind, strength=strength, places=places, views=views, lytic=lytic))
    return text


def _views(findings: Sequence[Finding]) -> str:
    anterior, posterior = (any(f.annotated[v] for f in findings) for v in (0, 1))
    if anterior and posterior:
        return ""
    return f" on the {'anterior' if anterior else 'posterior'} view"


def _mimics(mimics: Sequence[Finding], rng: np.random.Generator) -> list[str]:
    """Each kind of mimic once, with its places."""
    kinds: dict[str, list[Lesion]] = {}
    for f in mimics:
        kinds.setdefault(f.lesion.kind, []).append(f.lesion)
    return [pick(rng, kind, places=together([site_phrase(m) for m in found])) for kind, found in kinds.items()]


def _variants(variants: Sequence[Variant], rng: np.random.Generator) -> list[str]:
    """The stronger normal variants, some of the time: physicians do not list what everybody has."""
    notable = [v for v in variants if v.factor >= REPORTED_VARIANT and rng.random() < 0.5]
    names = sorted({f"{v.side} {v.name.split(' (')[0]}".strip() for v in notable})
    return [pick(rng, "variants", places=together(names))] if names else []


def _impression(disease: Disease, rng: np.random.Generator) -> list[str]:
    plan = disease.plan
    shown = [f for f in disease.findings if any(f.annotated)]
    metastases = [f for f in shown if f.lesion.kind == "metastasis"]
    joints = [f for f in shown if f.lesion.kind == "arthritis"]
    text = []
    if plan.label_m:
        faint = not plan.superscan and all(intensity(f) == "mild" for f in metastases)
        key = "superscan impression" if plan.superscan else "likely metastases" if faint else "metastases"
        regions = together(sorted({REGION.get(f.lesion.region, f.lesion.region) for f in metastases}))
        number = "a solitary lesion" if len(metastases) == 1 else f"{len(metastases)} lesions"
        text.append(pick(rng, key, regions=regions, number=number))
    if plan.label_a:
        groups = together(sorted({REGION.get(f.lesion.region, f.lesion.region) for f in joints}))
        text.append(pick(rng, "arthritis impression", regions=groups))
    if not plan.label_m:
        text.append(pick(rng, "no metastasis"))
    if any(f.lesion.kind in UNCERTAIN for f in disease.mimics):
        text.append(pick(rng, "uncertain"))
    return [sentence(t) for t in text]


UNCERTAIN = ("isolated rib focus", "bone island", "vertebral compression fracture")
REGION = {
    "vertebra": "the spine",
    "rib": "the ribs",
    "other": "the appendicular skeleton",
    "knee": "the knees",
    "shoulder": "the shoulders",
    "hand": "the hands",
    "foot": "the feet",
    "hip": "the hips",
    "sacroiliac": "the sacroiliac joints",
    "sternoclavicular": "the sternoclavicular joints",
    "symphysis": "the pubic symphysis",
    "manubriosternal": "the manubriosternal joint",
    "spine": "the thoracolumbar spine",
    "lumbar spine": "the lumbar facet joints",
    "cervical spine": "the cervical facet joints",
} | {
    n: f"the {n}"
    for n in ("femur", "pelvis", "sternum", "scapula", "humerus", "skull", "clavicle", "elbow", "wrist", "ankle")
}

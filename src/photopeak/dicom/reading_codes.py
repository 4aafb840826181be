"""Codes for what a reader finds: sites, findings, and what is measured.

Sites are SNOMED CT as PS3.16 lists them, so that a PACS knows them; what no standard names has a code of the private
scheme 99PHOTOPEAK, with its meaning in words.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Concept(NamedTuple):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


PRIVATE: Final = "99PHOTOPEAK"

SITES: Final = {
    "skull": Concept("89546000", "SCT", "Skull"),
    "face": Concept("89545001", "SCT", "Face"),
    "cervical spine": Concept("122494005", "SCT", "Cervical spine"),
    "thoracic spine": Concept("122495006", "SCT", "Thoracic spine"),
    "lumbar spine": Concept("122496007", "SCT", "Lumbar spine"),
    "sacrum": Concept("54735007", "SCT", "Sacrum"),
    "sternum": Concept("56873002", "SCT", "Sternum"),
    "ribs": Concept("113197003", "SCT", "Rib"),
    "clavicle": Concept("51299004", "SCT", "Clavicle"),
    "scapula": Concept("79601000", "SCT", "Scapula"),
    "humerus": Concept("85050009", "SCT", "Humerus"),
    "forearm": Concept("14975008", "SCT", "Forearm"),
    "hand": Concept("85562004", "SCT", "Hand"),
    "pelvis": Concept("816092008", "SCT", "Pelvis"),
    "femur": Concept("71341001", "SCT", "Femur"),
    "lower leg": Concept("30021000", "SCT", "Lower leg"),
    "foot": Concept("56459004", "SCT", "Foot"),
    "kidney": Concept("64033007", "SCT", "Kidney"),
    "bladder": Concept("89837001", "SCT", "Bladder"),
}
SIDES: Final = {"left": Concept("7771000", "SCT", "Left"), "right": Concept("24028007", "SCT", "Right")}
SKELETON: Final = Concept("skeleton", PRIVATE, "Skeleton")

FINDINGS: Final = {
    "metastasis": Concept("94222008", "SCT", "Bony metastasis"),
    "arthritis": Concept("396275006", "SCT", "Osteoarthritis"),
}

PROBABILITIES: Final = {
    "metastasis": Concept("p-metastasis", PRIVATE, "Probability of bone metastasis"),
    "arthritis": Concept("p-arthritis", PRIVATE, "Probability of arthritis"),
}
PROBABILITY: Final = Concept("p-finding", PRIVATE, "Probability of the finding")
BONE_SCAN_INDEX: Final = Concept("bone-scan-index", PRIVATE, "Bone scan index")
MAXIMUM: Final = Concept("56851009", "SCT", "Maximum")
AREA: Final = Concept("42798000", "SCT", "Area")
NOTE: Final = Concept("qualifies", PRIVATE, "What qualifies the reading")
ANSWER: Final = Concept("possible-answers", PRIVATE, "Answers that cannot be left out")
ANSWERS: Final = {
    ("yes",): Concept("yes", PRIVATE, "Yes"),
    ("no",): Concept("no", PRIVATE, "No"),
    ("yes", "no"): Concept("not-sure", PRIVATE, "Not sure"),
}

SIGNED_ANSWERS: Final = {"yes": ANSWERS["yes",], "no": ANSWERS["no",], "unsure": ANSWERS["yes", "no"]}
"""What a physician may answer."""
SECTIONS: Final = {
    "indication": Concept("121109", "DCM", "Indications for Procedure"),
    "technique": Concept("121065", "DCM", "Procedure Description"),
    "comparison": Concept("comparison", PRIVATE, "Comparison"),
    "findings": Concept("121071", "DCM", "Finding"),
    "conclusion": Concept("121077", "DCM", "Conclusion"),
    "limitations": Concept("limitations", PRIVATE, "Limitations"),
}
COMMENT: Final = Concept("121106", "DCM", "Comment")
ORIGIN: Final = Concept("proposed-by", PRIVATE, "Proposed by")
ORIGINS: Final = {
    "physician": Concept("physician", PRIVATE, "Physician"),
    "network": Concept("network-accepted", PRIVATE, "Network, accepted by the physician"),
    "network, edited": Concept("network-edited", PRIVATE, "Network, edited by the physician"),
}
CONTENT_HASH: Final = Concept("content-sha256", PRIVATE, "SHA-256 of the signed content")
BUNDLE: Final = Concept("bundle", PRIVATE, "Network at hand")
BUNDLE_HASH: Final = Concept("bundle-sha256", PRIVATE, "SHA-256 of the network")


def site(region: str) -> tuple[Concept, Concept | None]:
    """A region's site and side.

    >>> [c.meaning for c in site("left ribs")]
    ['Rib', 'Left']
    """
    first, _, rest = region.partition(" ")
    if first in SIDES:
        return SITES.get(rest, SKELETON), SIDES[first]
    return SITES.get(region, SKELETON), None


_FINDINGS: Final = {(c.scheme, c.value): name for name, c in FINDINGS.items()}
_SITES: Final = {(c.scheme, c.value): name for name, c in SITES.items()}
_SIDES: Final = {(c.scheme, c.value): name for name, c in SIDES.items()}


def key_of(sequence: Any) -> tuple[str, str]:
    """Scheme and value of a sequence of one code; empty where there is none."""
    if not sequence:
        return "", ""
    return str(sequence[0].get("CodingSchemeDesignator", "")), str(sequence[0].get("CodeValue", ""))


def finding_of(scheme: str, value: str) -> str:
    """Our name of a finding's code, "" for one that we do not know.

    >>> finding_of("SCT", "94222008")
    'metastasis'
    """
    return _FINDINGS.get((scheme, value), "")


def region_of(where: tuple[str, str], side: tuple[str, str]) -> str:
    """Our name of a site with its side, each as scheme and value; "" for a site that we do not know.

    >>> region_of(("SCT", "113197003"), ("SCT", "7771000"))
    'left ribs'
    """
    known = _SITES.get(where, "")
    return f"{_SIDES.get(side, '')} {known}".strip() if known else ""

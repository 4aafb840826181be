"""Code sequence items, and the patient's position in codes."""

from __future__ import annotations

from pydicom.dataset import Dataset

from photopeak.dicom.codes import ENTRIES, POSTURES, RECUMBENT, Code, find
from photopeak.dicom.elements import Elements


def code_item(code: Code) -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def ucum_item(unit: str, meaning: str = "") -> Dataset:
    """A unit in UCUM."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = unit, "UCUM", meaning or unit
    return item


def read_position(e: Elements) -> str:
    """The patient's position, such as "HFS": as stated, else from the orientation codes of the NM module."""
    if stated := e.text("PatientPosition"):
        return stated
    value, _, meaning = e.code("PatientGantryRelationshipCodeSequence")
    entry = find(ENTRIES, value, meaning)
    lying = e.item("PatientOrientationCodeSequence")
    if lying is None:
        return ""
    # The modifier belongs into the orientation's item; some write it beside it.
    modifier = lying if lying.items("PatientOrientationModifierCodeSequence") else e
    value, _, meaning = modifier.code("PatientOrientationModifierCodeSequence")
    posture = find(POSTURES, value, meaning)
    return entry + posture if entry and posture else ""


def put_position(ds: Dataset, position: str) -> None:
    """The position as the codes that NM and PT require; empty where it is not known."""
    ds.PatientOrientationCodeSequence = []
    ds.PatientGantryRelationshipCodeSequence = []
    if not position:
        return
    if position[:2] not in ENTRIES or position[2:] not in POSTURES:
        ds.PatientPosition = position  # the standard allows the word only where the codes are not given
    else:
        lying = code_item(RECUMBENT)
        lying.PatientOrientationModifierCodeSequence = [code_item(POSTURES[position[2:]])]
        ds.PatientOrientationCodeSequence = [lying]
        ds.PatientGantryRelationshipCodeSequence = [code_item(ENTRIES[position[:2]])]

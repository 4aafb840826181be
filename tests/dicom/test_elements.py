"""Elements without pydicom's conversions say the same as with them, and refuse what is not theirs."""

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from photopeak.core import DicomError
from photopeak.dicom.elements import Elements, plain_values, tag_of


def raw(vr: str, data: bytes, little: bool = True) -> RawDataElement:
    return RawDataElement(Tag(0x00991010), vr, len(data), data, 0, False, little)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=5), st.booleans())
def test_numbers_in_both_byte_orders(numbers: list[int], little: bool) -> None:
    data = np.array(numbers, dtype="<u2" if little else ">u2").tobytes()
    assert plain_values(raw("US", data, little)) == numbers


@given(st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=20))
def test_text_is_split_and_trimmed_as_pydicom_does(text: str) -> None:
    ours = plain_values(raw("SH", text.encode()))
    if ours is None:  # an escape begins another character set: left to pydicom
        assert "\x1b" in text
    else:
        assert ours == [p for part in text.split("\\") if (p := part.strip(" \0"))]


def test_long_texts_are_one_value() -> None:
    assert plain_values(raw("UT", b"a\\b ")) == ["a\\b"]


def test_what_is_not_plain_is_left_to_pydicom() -> None:
    assert plain_values(raw("US", b"\x01\x02\x03")) is None
    assert plain_values(raw("OW", b"\x01\x02")) is None
    assert plain_values(raw("LO", "ä".encode())) is None


def test_a_representation_that_is_not_the_standards_is_left_to_the_checks() -> None:
    rows = RawDataElement(Tag(0x00280010), "LO", 2, b"12", 0, False, True)
    assert plain_values(rows) is None


def elements(**values: object) -> Elements:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Elements(ds, "file")


def test_one_value_where_one_belongs() -> None:
    with pytest.raises(DicomError, match="2 values where one"):
        elements(RescaleSlope=["1", "2"]).number("RescaleSlope")
    with pytest.raises(DicomError, match="3 values where 2"):
        elements(PixelSpacing=[1, 2, 3]).numbers("PixelSpacing", 2)


def test_whole_numbers_and_sequences() -> None:
    with pytest.raises(DicomError, match="not a whole number"):
        elements(RescaleSlope="1.5").integer("RescaleSlope")
    assert elements().items("DetectorInformationSequence") == []
    assert elements(DetectorInformationSequence=[]).item("DetectorInformationSequence") is None


def test_codes_that_are_absent() -> None:
    assert elements().code("ViewCodeSequence") == ("", "", "")


def test_private_elements_by_creator() -> None:
    ds = Dataset()
    ds.private_block(0x0009, "OTHER", create=True).add_new(0x0D, "DS", "7")
    ds.private_block(0x0009, "OURS", create=True).add_new(0x0D, "DS", "8")
    e = Elements(ds, "file")
    assert e.private(0x0009, "OURS", 0x0D) == [8]
    assert e.private(0x0009, "NOBODY", 0x0D) == []
    assert e.private(0x0009, "OURS", 0x0E) == []


def test_every_keyword_we_use_is_of_the_standard() -> None:
    from photopeak.dicom import facts, gated

    for keyword in (*facts.TEXTS, *facts.NUMBERS, *gated.INTERVAL_FACTS):
        assert tag_of(keyword) == pydicom.datadict.tag_for_keyword(keyword)
    with pytest.raises(KeyError):
        tag_of("NoSuchKeyword")

"""Files, folders and zips to datasets; what is damaged is refused with its tag, what is hostile too."""

import os
import struct
import zipfile
import zlib

import numpy as np
import pydicom
import pytest

from photopeak.core import DicomError
from photopeak.dicom import limits
from photopeak.dicom.files import datasets, each, read_bytes
from photopeak.dicom.parse import Budget, looks_like_dicom, parse
from tests.dicom.dicom_samples import EXPLICIT, NM_KINDS, SYNTAXES, as_bytes, ct, nm, pt
from tests.dicom.mutate import element


def with_element(data, tag, vr, body):
    """The file with one element more, in its place."""
    from tests.dicom.mutate import before

    at = before(data, tag)
    return data[:at] + element(tag, vr, body) + data[at:]


def read_all(data, source):
    ds = parse(data, source)
    return [ds[tag] for tag in list(ds.keys())]


def refusal(data, source="scan.dcm"):
    with pytest.raises(DicomError) as caught:
        read_all(data, source)
    assert caught.value.path == source
    return caught.value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_same_dataset_as_pydicom(syntax, tmp_path):
    data = as_bytes(nm("STATIC"), syntax)
    (tmp_path / "a.dcm").write_bytes(data)
    ((name, ours),) = datasets(tmp_path / "a.dcm")
    theirs = pydicom.dcmread(tmp_path / "a.dcm")
    assert name == str(tmp_path / "a.dcm")
    assert set(ours.keys()) == set(theirs.keys())
    assert all(ours[tag] == theirs[tag] for tag in theirs.keys())  # noqa: SIM118
    assert ours.file_meta == theirs.file_meta
    assert ours.original_encoding == theirs.original_encoding


@pytest.mark.parametrize("kind", NM_KINDS)
def test_elements_of_sequences_are_read(kind):
    ds = parse(as_bytes(nm(kind)), "x")
    assert ds.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence[0].EnergyWindowLowerLimit == 126.4
    assert str(ds.PatientName) == "Müller^Jürgen"


@pytest.mark.parametrize(
    ("charset", "raw", "name"),
    [
        ("ISO_IR 192", "王^小東".encode(), "王^小東"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
    ],
)
def test_character_sets(charset, raw, name):
    ds = nm("STATIC")
    del ds.PatientName, ds.SpecificCharacterSet
    data = with_element(as_bytes(ds), 0x00080005, b"CS", charset.encode())
    assert str(parse(with_element(data, 0x00100010, b"PN", raw), "x").PatientName) == name


def test_an_unknown_character_set_is_refused_only_where_it_matters():
    ds = nm("STATIC")
    del ds.SpecificCharacterSet
    ds.PatientName = "Miller^Jane"
    data = with_element(as_bytes(ds), 0x00080005, b"CS", b"ISO_IR 999")
    assert str(parse(data, "x").PatientName) == "Miller^Jane"
    broken = parse(data.replace(b"Miller^Jane", b"M\xfcller^Jane"), "x")
    with pytest.raises(DicomError, match=r"\(0010,0010\)"):
        _ = broken.PatientName
    assert broken.Rows == 40


def test_without_preamble_and_meta(tmp_path):
    data = as_bytes(nm("STATIC"), "implicit")
    start = data.index(struct.pack("<HHI", 8, 5, 10))
    (tmp_path / "old.dcm").write_bytes(data[start:])
    ((_, ds),) = datasets(tmp_path / "old.dcm")
    assert ds.Rows == 40
    assert ds.original_encoding == (True, True)


def test_big_endian_without_meta():
    data = as_bytes(ct(), "big")
    start = data.index(b"\0\x08\0\x05CS")
    assert parse(data[start:], "x").Rows == 16


def test_trailing_padding_is_passed_over():
    assert parse(as_bytes(ct()) + b"\xfc\xff\xfc\xffOB\0\0" + b"\x04\0\0\0" + bytes(4), "x").Rows == 16
    assert parse(as_bytes(ct()) + bytes(5), "x").Rows == 16


@pytest.mark.parametrize("text", [b"", b"hello, this is no image at all", bytes(300), b"PK\x07\x08", b"\x08\x00\x16"])
def test_what_is_no_dicom_is_refused_as_such(text):
    assert "not a DICOM file" in refusal(text).meaning


def test_every_cut_is_noticed():
    data = as_bytes(nm("STATIC"))
    for end in range(133, len(data) - 1, 97):
        error = refusal(data[:end])
        assert error.meaning
        assert error.remedy


def test_a_cut_in_the_pixels_names_them():
    assert refusal(as_bytes(nm("STATIC"))[:-100]).tag == "(7FE0,0010)"
    assert refusal(as_bytes(nm("STATIC"), "rle")[:-100]).tag == "(7FE0,0010)"


@pytest.mark.parametrize(
    ("tag", "vr", "body", "says"),
    [
        (0x00280030, b"DS", b"abc\\2", "not a number"),
        (0x00280030, b"DS", b"nan\\2 ", "finite"),
        (0x00280030, b"DS", b"1\\2\\3 ", "3 values where the standard has 2"),
        (0x00280010, b"LO", b"4 ", "not a number"),
        (0x00280010, b"US", b"\1\0\2\0", "2 values"),
        (0x00280010, b"US", b"", ""),
        (0x00100020, b"US", b"\1\0", "not text"),
        (0x00540016, b"LO", b"none", "not a sequence"),
        (0x00280008, b"IS", b"1A", "not a number"),
        (0x00280103, b"FD", struct.pack("<d", float("inf")), "not a number"),
        (0x00180088, b"FL", b"\0\0", "cannot be decoded"),
    ],
)
def test_wrong_types_are_refused_when_they_are_read(tag, vr, body, says):
    ds = nm("STATIC")
    if tag in ds:
        del ds[tag]
    read = parse(with_element(as_bytes(ds), tag, vr, body), "scan.dcm")
    assert read.Columns == 32
    if not says:
        assert read[tag].value is None
        return
    for _ in range(2):  # the second look must not find it mended
        with pytest.raises(DicomError, match=says) as caught:
            read[tag]
        assert caught.value.tag == f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def test_unknown_vr_repeated_element_and_stray_delimiter():
    data = as_bytes(ct())
    assert "does not exist" in refusal(with_element(data, 0x00081048, b"??", b"ab")).meaning
    assert (
        "twice" in refusal(with_element(with_element(data, 0x00081048, b"PN", b"a"), 0x00081048, b"PN", b"a")).meaning
    )
    assert "delimiter" in refusal(data + b"\xfe\xff\xdd\xe0OB\0\0" + bytes(4)).meaning


@pytest.mark.parametrize("defined", [True, False])
def test_deep_nesting_is_refused(defined):
    def nested(depth):
        body = b""
        for _ in range(depth):
            if defined:
                body = element(0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body)
            else:
                head = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
                body = (
                    head + b"\xfe\xff\0\xe0\xff\xff\xff\xff" + body + b"\xfe\xff\r\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
                )
        data = as_bytes(ct())
        at = data.index(b"\x10\0\x10\0PN")
        return data[:at] + body + data[at:]

    assert parse(nested(limits.MAX_DEPTH), "x").Rows == 16
    error = refusal(nested(limits.MAX_DEPTH + 1))
    assert error.tag == "(0008,1140)"
    assert "nested" in error.meaning


def test_sequences_that_do_not_end():
    head = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    for tail in (
        b"",
        b"\xfe\xff\0\xe0\xff\xff\xff\xff",
        b"\xfe\xff\0\xe0\x10\0\0\0ab",
        b"\1\2\3\4\5\6\7\x08",
        b"\xfe\xff",
    ):
        data = as_bytes(ct())
        at = data.index(b"\x10\0\x10\0PN")
        assert refusal(data[:at] + head + tail).meaning
    assert refusal(with_element(as_bytes(ct()), 0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 99))).tag


def test_too_many_elements(monkeypatch):
    body = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * (limits.MAX_HEADER_ELEMENTS + 1)
    assert "more elements" in refusal(with_element(as_bytes(ct()), 0x00081140, b"SQ", body)).meaning
    with pytest.raises(DicomError, match="more elements"):
        parse(as_bytes(ct()), "x", Budget(10))


def test_sequence_written_as_unknown_vr():
    inner = struct.pack("<HHI", 0x0008, 0x1150, 4) + b"1.2\0"
    body = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    ds = parse(with_element(as_bytes(ct()), 0x00081140, b"UN", body), "x")
    assert ds.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2"


def test_undefined_length_belongs_to_sequences_and_pixels():
    data = as_bytes(ct())
    at = data.index(b"\x10\0\x10\0PN")
    stray = struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 0xFFFFFFFF)
    assert "undefined length" in refusal(data[:at] + stray + data[at:]).meaning


def deflated(payload):
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return bytes(128) + b"DICM" + meta + packer.compress(payload) + packer.flush()


def test_deflate_bombs_and_damage(monkeypatch):
    head = element(0x00080005, b"CS", b"ISO_IR 100")
    assert "expands" in refusal(deflated(head + bytes(limits.FREE_EXPANSION_BYTES + 2**20))).meaning
    assert "damaged" in refusal(deflated(head)[:-20] + b"\xff" * 20).meaning
    assert "cut off" in refusal(deflated(head + bytes(range(256)) * 9)[:-9]).meaning


def test_unknown_transfer_syntax_and_empty_file():
    data = as_bytes(ct()).replace(EXPLICIT.encode() + b"\0", b"1.2.3.4.5.6.7.8.90.1")
    assert refusal(data).tag == "(0002,0010)"
    meta_only = as_bytes(ct())[: as_bytes(ct()).index(b"\x08\0\x05\0CS")]
    assert "no data element" in refusal(meta_only).meaning


def test_file_meta_holds_only_its_group():
    data = as_bytes(ct())
    stray = element(0x00010010, b"LO", b"ab")
    assert refusal(data[:144] + stray + data[144:]).tag == "(0001,0010)"


def test_folders(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.dcm").write_bytes(as_bytes(ct()))
    (tmp_path / "a.dcm").write_bytes(as_bytes(pt()))
    (tmp_path / "README.txt").write_text("nothing")
    directory = as_bytes(ct()).replace(b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0")
    (tmp_path / "DICOMDIR").write_bytes(directory)
    assert [ds.Modality for _, ds in datasets(tmp_path)] == ["PT", "CT"]
    (tmp_path / "c.dcm").write_bytes(as_bytes(ct())[:-9])
    with pytest.raises(DicomError, match="cut off"):
        list(datasets(tmp_path))
    assert [isinstance(found, DicomError) for _, found in each(tmp_path)] == [False, True, False]


def test_nothing_there(tmp_path):
    with pytest.raises(DicomError, match="no DICOM file"):
        list(datasets(tmp_path))
    with pytest.raises(DicomError, match="cannot be read"):
        list(datasets(tmp_path / "missing.dcm"))
    with pytest.raises(DicomError, match="cannot be read"):
        list(datasets("nul\0.dcm"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DicomError, match="regular file"):
        read_bytes(tmp_path / "pipe")


def test_file_larger_than_the_limit(tmp_path):
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(DicomError, match="more than"):
        read_bytes(path)


def zipped(tmp_path, members, method=zipfile.ZIP_DEFLATED):
    path = tmp_path / "scan.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_zips(tmp_path):
    path = zipped(tmp_path, {"x/a.dcm": as_bytes(ct()), "notes.txt": "nothing", "../../b.dcm": as_bytes(pt())})
    assert [(n, ds.Modality) for n, ds in datasets(path)] == [(f"{path}!x/a.dcm", "CT"), (f"{path}!../../b.dcm", "PT")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan.zip"]


@pytest.mark.parametrize(
    ("members", "method", "says"),
    [
        ({"a.dcm": b"PK\x03\x04 and more"}, zipfile.ZIP_DEFLATED, "zip within a zip"),
        ({"a.txt": b"nothing"}, zipfile.ZIP_DEFLATED, "no DICOM"),
        ({"a.dcm": b"a"}, zipfile.ZIP_BZIP2, "deflate"),
        ({"a.dcm": bytes(limits.FREE_EXPANSION_BYTES + 1)}, zipfile.ZIP_DEFLATED, "expands"),
    ],
)
def test_zips_that_are_refused(tmp_path, members, method, says):
    with pytest.raises(DicomError, match=says):
        list(datasets(zipped(tmp_path, members, method)))


def test_damaged_and_locked_zips(tmp_path):
    path = zipped(tmp_path, {"a.dcm": as_bytes(ct())})
    data = bytearray(path.read_bytes())
    for flag in (6, data.rindex(b"PK\x01\x02") + 8):
        data[flag] |= 1  # says that the member is encrypted
    path.write_bytes(bytes(data))
    with pytest.raises(DicomError, match="damaged or locked"):
        list(datasets(path))
    path.write_bytes(bytes(data[:50]))
    with pytest.raises(DicomError, match="damaged or locked"):
        list(datasets(path))


def test_zip_with_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr("photopeak.dicom.files.MAX_ZIP_MEMBERS", 1)
    with pytest.raises(DicomError, match="2 files"):
        list(datasets(zipped(tmp_path, {"a": b"a", "b": b"b"})))
    monkeypatch.setattr("photopeak.dicom.files.MAX_FILE_BYTES", 0)
    monkeypatch.setattr("photopeak.dicom.files.MAX_ZIP_MEMBERS", 9)
    with pytest.raises(DicomError, match="are not read"):
        list(datasets(zipped(tmp_path, {"a": b"a"})))


def test_implicit_private_sequences_stay_checked():
    """pydicom parses these itself; what it makes of them must refuse damage like everything else."""
    ds = nm("STATIC")
    block = ds.private_block(0x0019, "SIEMENS MED NM", create=True)
    block.add_new(0xA5, "SL", [1, 2])
    read = parse(as_bytes(ds, "implicit"), "x")
    assert read[0x0019, 0x10A5].value is not None


def test_looks():
    assert looks_like_dicom(as_bytes(ct())[:132])
    assert not looks_like_dicom(b"\x08\0\x05\0")
    assert not looks_like_dicom(np.arange(33, dtype="<u4").tobytes())

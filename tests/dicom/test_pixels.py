"""Pixels: every transfer syntax, every size claimed against the bytes that are there, and a decoder that may die."""

import struct

import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate

from photopeak.core import DicomError
from photopeak.dicom.decoder import Decoder, DecodingFailed, _receive
from photopeak.dicom.decoder_child import _read, check_jpeg, decode_frame
from photopeak.dicom.parse import parse
from photopeak.dicom.pixels import decode
from tests.dicom.dicom_samples import SYNTAXES, as_bytes, ct, nm


def stored(ds):
    return np.frombuffer(ds.PixelData, "<u2").reshape(-1, ds.Rows, ds.Columns)


def with_pixels(values, bits=16, bits_stored=None, high_bit=None, signed=False):
    ds = ct()
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.NumberOfFrames = values.shape[0]
    ds.BitsAllocated, ds.BitsStored = bits, bits_stored or bits
    ds.HighBit, ds.PixelRepresentation = (high_bit if high_bit is not None else ds.BitsStored - 1), int(signed)
    ds.add_new(0x7FE00010, "OW", values.tobytes() + b"\0" * (values.nbytes % 2))
    return ds


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_gives_the_same_pixels(syntax):
    expected = stored(nm("DYNAMIC"))
    values = decode(parse(as_bytes(nm("DYNAMIC"), syntax), "x"), "x")
    assert values.shape == (4, 40, 32)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(("bits", "kind"), [(8, "u1"), (8, "i1"), (16, "<i2"), (32, "<u4"), (32, "<i4")])
def test_containers(bits, kind):
    info = np.iinfo(kind)
    values = np.array([[[info.min, info.max, 5]]], kind)
    got = decode(parse(as_bytes(with_pixels(values, bits, signed=kind[-2] == "i")), "x"), "x")
    np.testing.assert_array_equal(got, values)
    assert got.dtype == np.dtype(kind).newbyteorder("=")


def test_unused_bits_are_cleared_or_sign_extended():
    raw = np.array([[[0xF123, 0x0FFF, 0x0800]]], "<u2")
    unsigned = decode(parse(as_bytes(with_pixels(raw, bits_stored=12)), "x"), "x")
    assert unsigned.tolist() == [[[0x123, 0xFFF, 0x800]]]
    signed = decode(parse(as_bytes(with_pixels(raw, bits_stored=12, signed=True)), "x"), "x")
    assert signed.tolist() == [[[0x123, -1, -2048]]]
    high = decode(parse(as_bytes(with_pixels(raw, bits_stored=12, high_bit=15)), "x"), "x")
    assert high.tolist() == [[[0xF12, 0x0FF, 0x080]]]
    high_signed = decode(parse(as_bytes(with_pixels(raw, bits_stored=12, high_bit=15, signed=True)), "x"), "x")
    assert high_signed.tolist() == [[[-238, 0x0FF, 0x080]]]


def test_float_pixels():
    ds = ct()
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    values = np.linspace(-1, 1, 256, dtype="<f4").reshape(1, 16, 16)
    ds.BitsAllocated = 32
    ds.add_new(0x7FE00008, "OF", values.tobytes())
    np.testing.assert_array_equal(decode(parse(as_bytes(ds), "x"), "x"), values)


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("Rows", 17, "(7FE0,0010)"),
        ("Rows", 15, "(7FE0,0010)"),
        ("Rows", 0, "(0028,0010)"),
        ("Rows", None, "(0028,0010)"),
        ("Columns", 65535, "(7FE0,0010)"),
        ("NumberOfFrames", 0, "(0028,0008)"),
        ("NumberOfFrames", -1, "(0028,0008)"),
        ("NumberOfFrames", 10**9, "(7FE0,0010)"),
        ("SamplesPerPixel", 3, "(0028,0002)"),
        ("BitsAllocated", 12, "(0028,0100)"),
        ("BitsStored", 17, "(0028,0101)"),
        ("HighBit", 16, "(0028,0102)"),
        ("HighBit", 3, "(0028,0102)"),
    ],
)
def test_claims_that_do_not_fit_are_refused(keyword, value, tag):
    ds = ct()
    setattr(ds, keyword, value)
    with pytest.raises(DicomError) as caught:
        decode(parse(as_bytes(ds), "x"), "x")
    assert caught.value.tag == tag


def test_no_pixels_and_wrong_syntax():
    ds = ct()
    del ds.PixelData
    with pytest.raises(DicomError, match="no pixel data"):
        decode(parse(as_bytes(ds), "x"), "x")
    native = parse(as_bytes(ct()), "x")
    native.file_meta.TransferSyntaxUID = SYNTAXES["rle"]
    with pytest.raises(DicomError, match="says compressed"):
        decode(native, "x")
    packed = parse(as_bytes(nm("STATIC"), "rle"), "x")
    packed.file_meta = FileMetaDataset()
    with pytest.raises(DicomError, match="no decoder"):
        decode(packed, "x")
    broken = as_bytes(nm("STATIC"), "rle")
    at = broken.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OB"))
    with pytest.raises(DicomError, match="cut off or damaged"):
        parse(broken[: at + 12] + b"abcdefgh" + broken[at + 12 :], "x")


def repacked(value, syntax="jpeg-ls"):
    """The dynamic study's compressed frames, packed anew."""
    ds = parse(as_bytes(nm("DYNAMIC"), syntax), "x")
    from pydicom.encaps import generate_frames

    frames = list(generate_frames(ds.PixelData, number_of_frames=4))
    element = ds[0x7FE00010]
    element._value = value(frames)
    return ds


def items(*parts):
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(p)) + p for p in parts)


def test_fragments_are_sorted_by_the_offset_table():
    def halves(frames):
        fragments, offsets, at = [], [], 0
        for frame in frames:
            offsets.append(at)
            for part in (frame[:10], frame[10:]):
                fragments.append(part)
                at += 8 + len(part)
        return items(struct.pack("<4I", *offsets), *fragments)

    np.testing.assert_array_equal(decode(repacked(halves), "x"), stored(nm("DYNAMIC")))


def test_fragments_that_cannot_be_sorted():
    for value in (
        lambda frames: b"",
        lambda frames: items(b""),
        lambda frames: items(b"", *frames[:3]),
        lambda frames: items(b"", *frames, frames[0]),
        lambda frames: items(struct.pack("<4I", 0, 0, 0, 0), *frames, frames[0]),
    ):
        with pytest.raises(DicomError) as caught:
            decode(repacked(value), "x")
        assert caught.value.tag == "(7FE0,0010)"


def test_extended_offset_table():
    def halves(frames):
        return items(b"", *[part for f in frames for part in (f[:10], f[10:])])

    ds = repacked(halves)
    from pydicom.encaps import generate_frames

    whole = parse(as_bytes(nm("DYNAMIC"), "jpeg-ls"), "x")
    sizes = [len(f) + 16 for f in generate_frames(whole.PixelData, number_of_frames=4)]
    ds.add_new(0x7FE00001, "OV", struct.pack("<4Q", *np.cumsum([0, *sizes[:3]])))
    np.testing.assert_array_equal(decode(ds, "x"), stored(nm("DYNAMIC")))


def test_one_frame_of_several_fragments():
    ds = parse(as_bytes(ct(), "rle"), "x")
    from pydicom.encaps import generate_frames

    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    ds[0x7FE00010]._value = items(b"", frame[:70], frame[70:])
    np.testing.assert_array_equal(decode(ds, "x"), stored(ct()))


@pytest.mark.parametrize("syntax", ["rle", "jpeg-ls", "jpeg2000", "jpeg-lossless"])
def test_damaged_frames_are_refused_and_the_next_file_is_read(syntax):
    ds = parse(as_bytes(nm("STATIC"), syntax), "broken.dcm")
    ds[0x7FE00010]._value = encapsulate([b"\xff" * 64, b"\0" * 64], has_bot=False)[:-8]
    with pytest.raises(DicomError, match="cannot be decoded") as caught:
        decode(ds, "broken.dcm")
    assert caught.value.tag == "(7FE0,0010)"
    np.testing.assert_array_equal(decode(parse(as_bytes(nm("STATIC"), syntax), "x"), "x"), stored(nm("STATIC")))


def test_few_bytes_that_claim_a_huge_image_are_refused():
    ds = parse(as_bytes(nm("STATIC"), "jpeg2000"), "x")
    ds.Rows, ds.Columns, ds.NumberOfFrames = 5000, 5000, 2
    with pytest.raises(DicomError, match="as no image does"):
        decode(ds, "x")


def test_a_codestream_of_another_size_is_refused():
    for syntax in ("jpeg-ls", "jpeg2000", "jpeg-lossless", "rle"):
        ds = parse(as_bytes(nm("STATIC"), syntax), "x")
        ds.Rows = 41
        with pytest.raises(DicomError, match="cannot be decoded"):
            decode(ds, "x")


HEAD = {"syntax": SYNTAXES["rle"], "rows": 2, "columns": 2, "bits": 16, "bits_stored": 16}


def test_a_decoder_that_hangs_or_dies_is_replaced(monkeypatch):
    monkeypatch.setattr("photopeak.dicom.decoder.BASE_SECONDS", 0.2)
    decoder = Decoder()
    try:
        process = decoder._running()
        import os
        import signal

        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(DecodingFailed, match="longer than"):
            decoder.decode([b"abc"], HEAD, 8)
        assert process.poll() is not None
        fresh = decoder._running()
        assert fresh is not process
        fresh.kill()
        fresh.wait()
        with pytest.raises(DecodingFailed):
            decoder.decode([b"abc"], HEAD, 8)
    finally:
        decoder.close()


def test_a_decoder_has_limited_memory():
    import psutil

    decoder = Decoder()
    try:
        process = psutil.Process(decoder._running().pid)
        if not hasattr(process, "rlimit"):
            pytest.skip("this system has no limit of address space for another process to see")
        soft, hard = process.rlimit(psutil.RLIMIT_AS)
        assert soft == hard
        assert soft < 2**33
    finally:
        decoder.close()


def test_answers_are_not_believed_either():
    import io

    with pytest.raises(EOFError):
        _receive(io.BytesIO(b""), 8)
    body = b'{"bytes": 9}'
    with pytest.raises(DecodingFailed, match="9 bytes"):
        _receive(io.BytesIO(struct.pack("<I", len(body)) + body + bytes(9)), 8)
    with pytest.raises(EOFError):
        _receive(io.BytesIO(struct.pack("<I", len(body)) + body + bytes(3)), 9)


def test_the_child_in_this_process():
    """The decoding itself, once in the test's own process, where coverage can see it."""
    import io

    for syntax in ("rle", "jpeg-ls", "jpeg2000", "jpeg-lossless"):
        ds = parse(as_bytes(nm("STATIC"), syntax), "x")
        from pydicom.encaps import generate_frames

        frame = next(generate_frames(ds.PixelData, number_of_frames=2))
        head = {"syntax": SYNTAXES[syntax], "rows": 40, "columns": 32, "bits": 16, "bits_stored": 16}
        got = np.frombuffer(decode_frame(frame, head), "<u2").reshape(40, 32)
        np.testing.assert_array_equal(got, stored(nm("STATIC"))[0])
    assert _read(io.BytesIO(b"")) is None
    text = b'{"sizes": [2, 1]}'
    assert _read(io.BytesIO(struct.pack("<I", len(text)) + text + b"abc")) == ({"sizes": [2, 1]}, [b"ab", b"c"])


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"no", "not JPEG"),
        (b"\xff\xd8\xff\xda", "no JPEG frame header"),
        (b"\xff\xd8\xff\xc3\x00\x0b\x10\x00\x02\x00\x02\x03", "3 components"),
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x02\x00\x02\x01", "lossless"),
    ],
)
def test_jpeg_headers_are_checked_before_decoding(frame, says):
    with pytest.raises(ValueError, match=says):
        check_jpeg(frame, {**HEAD, "syntax": SYNTAXES["jpeg-lossless"]})


def test_twelve_bit_jpeg_is_refused():
    frame = b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x02\x00\x02\x01"
    with pytest.raises(ValueError, match="12 bits"):
        check_jpeg(frame, {**HEAD, "syntax": "1.2.840.10008.1.2.4.51"})


def test_the_real_scan_in_eight_transfer_syntaxes(shared_data):
    folder = shared_data / "wb_bone_ge_nm1"
    expected = None
    for name in ("UNC", "RLE", "JPLL", "JLSL", "J2KR"):
        path = folder / f"NM1_{name}.dcm"
        values = decode(parse(path.read_bytes(), str(path)), path)
        expected = values if expected is None else expected
        np.testing.assert_array_equal(values, expected)
    assert (expected.shape, expected.max(), expected.sum()) == ((1, 1024, 256), 278, 3_596_452)
    for name in ("NM1_JPLY.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"):
        with pytest.raises(DicomError) as caught:
            decode(parse((folder / name).read_bytes(), name), name)
        assert caught.value.tag == "(7FE0,0010)"

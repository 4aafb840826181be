"""De-identification: nothing that could name the patient survives, what is needed does, and files stay linked."""

import io
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from photopeak.core import DicomError, run
from photopeak.dicom import read
from photopeak.dicom.anonymise import Anonymiser, Options, anonymise_file, may_show_identity, shifted
from photopeak.dicom.confidentiality import known_codes, safe_term, safe_text, table
from photopeak.dicom.files import datasets
from photopeak.dicom.parse import parse
from tests.dicom.dicom_samples import NM_KINDS, SYNTAXES, as_bytes, code, item, nm, pt

KEY = bytes(range(32))
EVERYTHING = Options(dates=True, patient=True, device=True, descriptors=True, uids=True, private=True)
POISON = "ZZPOISON"
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
#: retain device identity keeps these, by the table, word for word
DEVICE = {tag for tag, (_, options) in table().items() if options.get("device") == "K"}


def cleaned(ds, options=Options(), key=KEY, syntax="explicit"):  # noqa: B008
    return Anonymiser(key, options)(parse(as_bytes(ds, syntax), "scan.dcm"), "scan.dcm")


def saved(ds):
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def poison_value(vr):
    return {
        "CS": POISON,
        "AE": POISON,
        "UR": f"http://{POISON}",
        "PN": f"{POISON}^{POISON}",
        "AS": "077Y",
        "DA": "19770707",
        "DT": "19770707070707",
        "TM": "070707.77",
        "UI": "1.2.777.777",
        "IS": "777",
        "DS": "777.7",
    }.get(vr, f"Whole body {POISON}")


def poisoned(skip=()):
    """An NM file in which every text attribute of the dictionary, and every private way of hiding one, is poisoned."""
    ds = nm("WHOLE BODY")
    keep = {"ImageType", "Modality", "PhotometricInterpretation", "SpecificCharacterSet", "BurnedInAnnotation"}
    keep |= {"RecognizableVisualFeatures"}
    nest = Dataset()
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        if vr in TEXT_VRS and 0x0008 <= group < 0xFFFC and keyword not in keep and tag not in skip:
            ds.add_new(tag, vr, poison_value(vr))
            if keyword not in ("CodeValue", "LongCodeValue", "URNCodeValue"):
                nest.add_new(tag, vr, poison_value(vr))
    for name, (vr, _, _, _, _) in RepeatersDictionary.items():
        if vr in TEXT_VRS:
            ds.add_new(int(name.replace("x", "0"), 16), vr, poison_value(vr))
    nest.PersonName = POISON
    deeper = item(ConceptNameCodeSequence=[code(POISON, "99" + POISON, POISON)], UnformattedTextValue=POISON)
    ds.AnatomicRegionSequence = [code("12738006", "SCT", POISON)]
    ds.RequestAttributesSequence = [nest]
    ds.DetectorInformationSequence[0].ViewCodeSequence = [code("399321004", "SCT", f"Anterior {POISON}")]
    ds.DetectorInformationSequence[0].add(nest["ImageComments"])
    ds.AcquisitionContextSequence = [nest, deeper]
    block = ds.private_block(0x0029, f"{POISON} PRIVATE", create=True)
    block.add_new(0x01, "LO", POISON)
    block.add_new(0x02, "SQ", [nest])
    block.add_new(0x03, "UN", POISON.encode())
    ds.add_new(0x60003000, "OW", POISON.encode())
    ds.add_new(0x50003000, "OW", POISON.encode())
    ds.add_new(0x00880200, "SQ", [nest])
    ds.add_new(0x00420011, "OB", POISON.encode())
    ds.file_meta.SourceApplicationEntityTitle = POISON
    ds.file_meta.PrivateInformationCreatorUID = "1.2.777.777"
    ds.file_meta.PrivateInformation = POISON.encode()
    return ds


def poisoned_file(ds):
    data = saved(ds)
    return (POISON * 16).encode()[:128] + data[128:]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "options", [Options(), Options(dates=True), Options(descriptors=True), Options(patient=True, private=True)], ids=str
)
def test_no_poison_survives(options, tmp_path):
    data = poisoned_file(poisoned())
    assert data.count(POISON.encode()) > 800
    path = anonymise_file(parse(data, "scan.dcm"), "scan.dcm", Anonymiser(KEY, options), tmp_path)
    left = path.read_bytes()
    at = left.find(POISON.encode())
    assert at < 0, left[max(0, at - 40) : at + 40]
    assert POISON.lower().encode() not in left.lower()
    assert b"777.777" not in left
    (one,) = read(path)
    assert one["counts"].grid.labels("view") == ("anterior", "posterior")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_with_every_option_only_the_device_keeps_its_words():
    clean = Anonymiser(KEY, EVERYTHING)(parse(poisoned_file(poisoned(skip=DEVICE)), "x"), "x")
    assert POISON.encode() not in saved(clean)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dates_of_every_kind_go_or_shift():
    ds = nm("STATIC")
    for tag, (vr, _, _, _, _) in DicomDictionary.items():
        if vr in ("DA", "DT") and tag >> 16 > 7:
            ds.add_new(tag, vr, poison_value(vr))
    ds.add_new(0x00320040, "DA", "no date")
    assert b"19770707" not in saved(cleaned(ds))
    kept = cleaned(ds, Options(dates=True))
    assert b"19770707" not in saved(kept)
    days = Anonymiser(KEY).shift_days("\\P1")
    assert kept.StudyDate == shifted("19770707", "DA", days)
    assert 0x00320040 not in kept
    assert kept.LongitudinalTemporalInformationModified == "MODIFIED"
    assert kept.PatientBirthDate in (None, "")


def test_intervals_stay_and_differ_between_patients():
    one, other = nm("STATIC"), nm("STATIC")
    one.StudyDate, other.StudyDate = "20240101", "20240311"
    a, b = (cleaned(ds, Options(dates=True)) for ds in (one, other))
    days = [np.datetime64(f"{d.StudyDate[:4]}-{d.StudyDate[4:6]}-{d.StudyDate[6:]}") for d in (a, b)]
    assert (days[1] - days[0]).astype(int) == 70
    shifts = {Anonymiser(KEY).shift_days(f"\\P{i}") for i in range(50)}
    assert len(shifts) > 45
    assert all(1 <= s <= 3650 for s in shifts)


@pytest.mark.parametrize(
    ("text", "vr"), [("2024", "DA"), ("20241340", "DA"), ("10e5", "TM"), ("x", "DT"), ("00010101", "DA")]
)
def test_what_is_no_date_is_not_kept(text, vr):
    assert shifted(text, vr, 400) is None


def test_files_of_a_cohort_stay_linked():
    first, second = nm("STATIC"), nm("DYNAMIC")
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = "2.25.2001"
    first.ReferencedImageSequence = [
        item(ReferencedSOPClassUID=second.SOPClassUID, ReferencedSOPInstanceUID="2.25.2001")
    ]
    a, b = cleaned(first), cleaned(second)
    assert a.StudyInstanceUID == b.StudyInstanceUID != first.StudyInstanceUID
    assert a.SOPInstanceUID != b.SOPInstanceUID
    assert a.PatientID == b.PatientID == a.PatientName != "P1"
    assert a.ReferencedImageSequence[0].ReferencedSOPInstanceUID == b.SOPInstanceUID
    assert a.SOPClassUID == first.SOPClassUID
    assert a.file_meta.MediaStorageSOPInstanceUID == a.SOPInstanceUID
    assert cleaned(nm("STATIC"), key=b"another key of ours").PatientID != a.PatientID
    assert int(a.SOPInstanceUID[5:]) < 2**128


def test_patients_with_one_id_from_two_issuers_are_two():
    first, second = nm("STATIC"), nm("STATIC")
    first.IssuerOfPatientID, second.IssuerOfPatientID = "A", "B"
    assert cleaned(first).PatientID != cleaned(second).PatientID


def test_a_file_without_patient_id_is_known_by_its_study():
    first, second = nm("STATIC"), nm("STATIC")
    first.PatientID = second.PatientID = ""
    second.StudyInstanceUID = "2.25.5"
    assert cleaned(first).PatientID != cleaned(second).PatientID


def test_what_was_done_is_said():
    plain, full = cleaned(nm("STATIC")), cleaned(nm("STATIC"), EVERYTHING)
    assert plain.PatientIdentityRemoved == "YES"
    assert [c.CodeValue for c in plain.DeidentificationMethodCodeSequence] == ["113100"]
    assert plain.LongitudinalTemporalInformationModified == "REMOVED"
    assert {c.CodeValue for c in full.DeidentificationMethodCodeSequence} == {
        "113100", "113105", "113107", "113108", "113109", "113110", "113111"
    }  # fmt: skip
    for one in full.DeidentificationMethodCodeSequence:
        assert known_codes()["DCM"][one.CodeValue][:64] == one.CodeMeaning


def test_options_keep_what_they_name():
    ds = nm("STATIC")
    ds.StationName, ds.PatientAge, ds.SmokingStatus, ds.TimezoneOffsetFromUTC = "CAM1", "093Y", "NO", "+0100"
    plain, full = cleaned(ds), cleaned(ds, EVERYTHING)
    assert "PatientWeight" not in plain
    assert not plain.PatientSex
    assert plain.StationName == "ANONYMISED"
    assert "StudyDescription" not in plain
    assert (full.PatientWeight, full.PatientSex, full.StationName) == (70, "F", "CAM1")
    assert full.PatientAge == "090Y"
    assert full.StudyDescription == "Whole body bone"
    assert full.SOPInstanceUID == ds.SOPInstanceUID
    assert full.TimezoneOffsetFromUTC == "+0100"
    assert full.PatientName == full.PatientID != "P1"


def test_suv_is_the_same_afterwards(tmp_path):
    from photopeak.quantify.suv import SuvBw

    before, after = tmp_path / "before.dcm", tmp_path / "after"
    before.write_bytes(as_bytes(pt()))
    ((name, ds),) = datasets(before)
    path = anonymise_file(ds, name, Anonymiser(KEY, Options(dates=True, patient=True)), after)
    suv = [run(SuvBw(), read(p)[0])["suv/bw"].values for p in (before, path)]
    np.testing.assert_allclose(*suv, rtol=1e-6)


def test_safe_private_elements():
    ds = pt()
    philips = ds.private_block(0x7053, "Philips PET Private Group", create=True)
    philips.add_new(0x00, "DS", "0.000551")
    philips.add_new(0x09, "DS", "7654321")
    philips.add_new(0x01, "LO", "Miller")
    ge = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
    ge.add_new(0x0D, "DT", "20240531101500.00")
    ge.add_new(0x02, "LO", "Miller")
    hidden = parse(as_bytes(ds).replace(b"7654321", b"Miller "), "x")
    kept = Anonymiser(KEY, Options(private=True, dates=True))(hidden, "x")
    assert float(kept[0x7053, 0x1000].value) == 0.000551
    assert {hex(t) for t in kept.keys() if t.is_private} == {  # noqa: SIM118
        "0x90010", "0x9100d", "0x70530010", "0x70531000"
    }  # fmt: skip
    assert kept[0x0009, 0x100D].value[:8] == shifted("20240531", "DA", Anonymiser(KEY).shift_days("\\P1"))
    implicit = cleaned(ds, Options(private=True), syntax="implicit")
    assert float(implicit[0x7053, 0x1000].value) == 0.000551
    assert not [t for t in cleaned(ds).keys() if t.is_private]  # noqa: SIM118


@pytest.mark.parametrize("keyword", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
def test_identity_in_the_pixels_is_refused(keyword):
    ds = nm("STATIC")
    setattr(ds, keyword, "YES")
    with pytest.raises(DicomError, match="pixels themselves"):
        cleaned(ds)


def test_overlays_within_pixels_are_refused_and_captures_flagged():
    ds = nm("STATIC")
    ds.add_new(0x60000102, "US", 12)
    with pytest.raises(DicomError, match=r"\(6000,0102\)"):
        cleaned(ds)
    capture = nm("STATIC")
    capture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    assert may_show_identity(capture)
    capture.BurnedInAnnotation = "NO"
    assert not may_show_identity(capture)
    assert not may_show_identity(nm("STATIC"))


def test_what_cannot_be_read_is_left_out():
    data = as_bytes(nm("STATIC")).replace(b"PixelSpacing", b"PixelSpacing")
    broken = parse(data.replace(b"2.4\\2.4", b"2.4\\abc"), "x")
    assert "PixelSpacing" not in Anonymiser(KEY)(broken, "x")


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "rle", "jpeg-ls", "jpeg2000", "deflated"])
def test_pixels_and_transfer_syntax_stay(syntax, tmp_path):
    ds = parse(as_bytes(nm("STATIC"), syntax), "x")
    path = anonymise_file(ds, "x", Anonymiser(KEY), tmp_path)
    assert path.parent.name.startswith("PP-")
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == SYNTAXES[syntax]
    np.testing.assert_array_equal(read(path)[0]["counts"].values.sum(), 22971)


def test_a_file_that_cannot_be_written_again_leaves_nothing(tmp_path):
    ds = parse(as_bytes(nm("STATIC"), "rle"), "x")
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.999.1"
    with pytest.raises(DicomError, match=r"\(0002,0010\)"):
        anonymise_file(ds, "x", Anonymiser(KEY), tmp_path)
    assert not list(tmp_path.rglob("*.*"))


def errors_of(tool, path):
    done = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("kind", NM_KINDS)
@pytest.mark.parametrize("options", [Options(), EVERYTHING], ids=["basic", "everything"])
def test_conformance_is_not_lost(kind, options, dciodvfy, tmp_path):
    before = tmp_path / "before.dcm"
    before.write_bytes(as_bytes(nm(kind)))
    ((name, ds),) = datasets(before)
    after = anonymise_file(ds, name, Anonymiser(KEY, options), tmp_path / "after")
    assert set(errors_of(dciodvfy, after)) <= set(errors_of(dciodvfy, before))


def test_the_table_and_the_vocabularies():
    assert len(table()) > 600
    assert {action for action, _ in table().values()} == set("XZDU")
    assert table()[Tag("PatientName")][0] == "Z"
    assert table()[Tag("InstitutionName")][0] in "XZD"
    assert safe_text("Knochenszinti Müller 12345678") == ""
    assert safe_text("SPECT/CT Tc-99m HDP, Dr. Miller") == "SPECT/CT Tc-99m HDP"
    assert safe_term("WHOLE BODY")
    assert not safe_term("MILLER")
    assert known_codes()["SRT"]["R-10206"] == "Anterior projection"

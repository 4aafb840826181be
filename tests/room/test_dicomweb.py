"""DICOMweb as an independent client uses it: search, retrieval, pictures and storage over a real connection."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from photopeak.dicom.parse import parse
from photopeak.dicom.pixels import decode
from photopeak.room.dicomweb.multipart import decode as parts_of
from photopeak.room.dicomweb.negotiation import split_parameters
from tests.room.dicomweb_peers import Served, as_bytes, image, make_room, serving

SYNTAXES = ("explicit", "implicit", "big", "deflated", "rle", "jpeg-ls", "jpeg2000")
FILES = {syntax: as_bytes(image(number, study=1, series=1), syntax) for number, syntax in enumerate(SYNTAXES, 1)}
NAMES = {syntax: ("2.25.11", "2.25.211", f"2.25.311{number}") for number, syntax in enumerate(SYNTAXES, 1)}
TRUTH = decode(parse(FILES["explicit"], "explicit"), "explicit")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    room = make_room(tmp_path_factory.mktemp("dicomweb"))
    for data in FILES.values():
        room.receive(data, "CAMERA")
    with serving(room) as served:
        yield served
    room.database.close()


def path(syntax: str = "explicit") -> str:
    study, series, sop = NAMES[syntax]
    return f"/studies/{study}/series/{series}/instances/{sop}"


def test_a_client_searches_at_every_level(served: Served) -> None:
    client = served.client()
    (study,) = map(Dataset.from_json, client.search_for_studies(search_filters={"PatientName": "müller*"}))
    assert str(study.PatientName) == "Müller^Jürgen"
    assert study.StudyInstanceUID == "2.25.11"
    assert study.NumberOfStudyRelatedInstances == len(SYNTAXES)
    (row,) = served.get("/studies?StudyInstanceUID=2.25.11").json()  # the client's Host leaves the port out
    assert row["00081190"]["Value"] == [f"{served.url}/studies/2.25.11"]
    (series,) = map(Dataset.from_json, client.search_for_series("2.25.11"))
    assert series.Modality == "NM"
    found = [Dataset.from_json(i) for i in client.search_for_instances("2.25.11", "2.25.211", limit=3, offset=2)]
    assert [i.SOPInstanceUID for i in found] == ["2.25.3113", "2.25.3114", "2.25.3115"]
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_a_retrieved_object_is_what_was_stored(served: Served) -> None:
    for syntax, data in FILES.items():
        answer = served.get(path(syntax), 'multipart/related; type="application/dicom"; transfer-syntax=*')
        (part,) = parts_of(answer.content, split_parameters(answer.headers["content-type"])[1]["boundary"])
        assert part.content == data
        alone = served.get(path(syntax), "application/dicom; transfer-syntax=*")
        assert alone.content == data


def test_a_client_retrieves_a_study_in_explicit_little_endian(served: Served) -> None:
    found = served.client().retrieve_study("2.25.11")
    assert len(found) == len(SYNTAXES)
    for ds in found:
        assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert ds.PatientName == "Müller^Jürgen"
        np.testing.assert_array_equal(ds.pixel_array, TRUTH)
    one = served.client().retrieve_instance(*NAMES["jpeg-ls"])
    np.testing.assert_array_equal(one.pixel_array, TRUTH)
    assert one.EnergyWindowInformationSequence[0].EnergyWindowName == "Tc-99m"


def test_metadata_are_a_dataset_without_its_pixels(served: Served) -> None:
    for syntax in SYNTAXES:
        (model,) = served.get(path(syntax) + "/metadata", "application/dicom+json").json()
        assert model["7FE00010"]["BulkDataURI"] == f"{served.url}{path(syntax)}/bulkdata/7FE00010"
        ds = Dataset.from_json(model, bulk_data_uri_handler=lambda _: b"")
        want = pydicom.dcmread(io.BytesIO(FILES[syntax]))
        del ds.PixelData, want.PixelData, ds.AvailableTransferSyntaxUID
        ds.SpecificCharacterSet = want.SpecificCharacterSet
        assert ds == want
        assert served.get(path(syntax) + "/bulkdata/7FE00010", "application/octet-stream").content == TRUTH.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client says itself that it does not fetch the pixels
        assert len(served.client().retrieve_study_metadata("2.25.11")) == len(SYNTAXES)
    (bulk,) = served.client().retrieve_bulkdata(f"{served.url}{path()}/bulkdata/7FE00010")
    assert bulk == TRUTH.tobytes()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_frames_are_the_decoded_pixels(served: Served, syntax: str) -> None:
    for kinds in (None, ("application/octet-stream",)):
        frames = served.client().retrieve_instance_frames(*NAMES[syntax], frame_numbers=[2, 1], media_types=kinds)
        assert frames == [TRUTH[1].tobytes(), TRUTH[0].tobytes()]
    alone = served.get(path(syntax) + "/frames/2", "application/octet-stream")
    assert alone.content == TRUTH[1].tobytes()


def test_pictures(served: Served) -> None:
    client = served.client()
    png = client.retrieve_instance_rendered(*NAMES["explicit"], media_types=("image/png",))
    grey = np.asarray(Image.open(io.BytesIO(png)))
    top = np.percentile(TRUTH[0], 99.5)
    np.testing.assert_array_equal(grey, np.round(255 * (1 - np.clip(TRUTH[0] / top, 0, 1))))
    jpeg = client.retrieve_instance_frames_rendered(*NAMES["rle"], frame_numbers=[2], media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(jpeg)).size == (32, 40)
    window = served.get(path() + "/frames/2/rendered?window=10,20,linear&viewport=64,64", "image/png")
    assert Image.open(io.BytesIO(window.content)).size == (51, 64)
    assert Image.open(io.BytesIO(served.get("/studies/2.25.11/thumbnail").content)).size == (102, 128)


def test_a_client_stores_and_gets_it_back(served: Served) -> None:
    ds = image(1, study=7, PatientID="P7")
    answer = served.client().store_instances([ds])
    assert answer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.3711"
    assert answer.ReferencedSOPSequence[0].RetrieveURL.endswith("/2.25.3711")
    assert "FailedSOPSequence" not in answer
    back = served.client().retrieve_instance("2.25.17", "2.25.271", "2.25.3711")
    assert back == ds

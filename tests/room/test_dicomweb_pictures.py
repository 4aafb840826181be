"""Pictures and pixels that are not the common ones: broken, in colour, through a window."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from photopeak.dicom.parse import parse
from photopeak.room.room import Room
from tests.room.dicomweb_peers import as_bytes, calling, image
from tests.room.node_peers import put

WEB = "/dicomweb"
ONE = f"{WEB}/studies/2.25.11/series/2.25.211/instances/2.25.3111"


@pytest.fixture
def called(tmp_path: Any) -> Iterator[tuple[TestClient, Room]]:
    with calling(tmp_path) as (client, room):
        put(room, image(1, study=1))
        yield client, room


def test_what_cannot_be_decoded_is_told(called: tuple[TestClient, Room]) -> None:
    client, room = called
    ds = image(1, study=91)
    ds.PixelData = ds.PixelData[:100]
    put(room, ds)
    ds = image(2, study=91, RescaleSlope="1", SamplesPerPixel=1)
    put(room, ds, "rle")
    data = bytearray(as_bytes(image(3, study=91), "jpeg-ls"))
    data[-200:-20] = bytes(180)
    room.receive(bytes(data), "CAMERA")
    base = f"{WEB}/studies/2.25.191/series/2.25.2911/instances/2.25.39111"
    for end in ("/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"):
        answer = client.get(base + end)
        assert answer.status_code == 409
        assert "Remedy" in answer.json()["detail"]
    broken = client.get(base.replace("39111", "39113"))
    assert broken.status_code == 406
    assert "Remedy" in broken.json()["detail"]
    partly = client.get(f"{WEB}/studies/2.25.191")
    assert partly.status_code == 206
    assert "1 objects" in partly.headers["warning"]


def test_colour_and_windows(called: tuple[TestClient, Room]) -> None:
    client, room = called
    ds = image(1, study=95, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=1)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.NumberOfFrames = 8, 8, 7, 1
    pixels = np.random.default_rng(2).integers(0, 255, (3, 40, 32), np.uint8)
    ds.add_new(0x7FE00010, "OB", pixels.tobytes())
    put(room, ds)
    base = f"{WEB}/studies/2.25.195/series/2.25.2951/instances/2.25.39511"
    png = client.get(base + "/rendered", headers={"Accept": "image/png"}).content
    np.testing.assert_array_equal(grey_of(png), np.moveaxis(pixels, 0, -1))
    assert client.get(base + "/frames/1", headers={"Accept": "application/octet-stream"}).content == pixels.tobytes()
    truth = np.frombuffer(parse(as_bytes(image(1, study=1)), "x").PixelData, "<u2").reshape(2, 40, 32)[0]
    png = client.get(ONE + "/rendered?window=10,21,linear", headers={"Accept": "image/png"}).content
    want = np.round(255 * np.clip((truth - 9.5) / 20 + 0.5, 0, 1))
    np.testing.assert_array_equal(grey_of(png), want)


def grey_of(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)))

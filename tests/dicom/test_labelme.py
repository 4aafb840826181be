"""Marks in LabelMe's words: what the simulated readers write reads back, and nothing hostile gets further."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.dicom import labelme
from photopeak.dicom.codes import VIEWS
from photopeak.dicom.labelme import Mark, read_labelme, write_labelme
from photopeak.patients import annotators
from photopeak.patients.difficulty import Difficulty

SHAPE = (1024, 256)
SQUARE = [[10.0, 10.0], [20.0, 10.0], [20.0, 22.0], [10.0, 22.0]]


def shape(**more: Any) -> dict[str, Any]:
    return {
        "label": "M left ribs",
        "points": SQUARE,
        "group_id": None,
        "description": "cold centre",
        "shape_type": "polygon",
        "flags": {"anterior": True, "posterior": False},
        "mask": None,
        **more,
    }


def document(*shapes: Any, **more: Any) -> dict[str, Any]:
    about = {"version": "5.5.0", "flags": {}, "imagePath": "a.png", "imageData": None}
    return {**about, "shapes": list(shapes), "imageHeight": 1024, "imageWidth": 256, **more}


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()


def read_one(**more: Any) -> Mark:
    (mark,) = read_labelme(packed(document(shape(**more))), "a.json", SHAPE)
    return mark


def simulated() -> dict[str, Any]:
    """Three readers' files of a scan with two lesions and a mimic."""
    seen = {view: {"cnr": 9.0, "annotated": True, "polygon": SQUARE} for view in ("anterior", "posterior")}
    lesions = [
        {"kind": "metastasis", "region": "left ribs", "views": seen},
        {"kind": "arthritis", "region": "right lower leg", "views": seen},
        {"kind": "metastasis", "region": "", "views": seen},
    ]
    truth = {"views": {"anterior": {}, "posterior": {}}, "lesions": lesions, "mimics": lesions[:1]}
    return annotators.reader_files(truth, SHAPE, Difficulty(annotator_noise=1.0), np.random.default_rng(1))


def test_a_shape_is_read() -> None:
    points = ((10.0, 10.0), (20.0, 10.0), (20.0, 22.0), (10.0, 22.0))
    assert read_one() == Mark("metastasis", "left ribs", "anterior", "polygon", points, "cold centre")
    assert read_one(label="A", description=None).site == ""
    assert read_one(points=[[1, 2], [3, 4]], shape_type="rectangle").points_px == ((1.0, 2.0), (3.0, 4.0))
    assert read_one(points=[[1, 2], [3, 4]], shape_type="circle").shape == "circle"


def test_what_labelme_may_leave_out_has_its_meaning() -> None:
    bare = {"label": "A skull", "points": SQUARE}
    (mark,) = read_labelme(packed(document(bare)), "a.json", view="posterior")
    assert (mark.shape, mark.view, mark.comment) == ("polygon", "posterior", "")
    assert read_labelme(packed({"version": "5.0.1", "shapes": []}), "a.json") == ()
    with pytest.raises(PhotopeakError, match="its view is 'upside'"):
        read_labelme(packed(document(bare)), "a.json", view="upside")


def test_the_view_of_the_flags_overrules_that_of_the_others() -> None:
    other = shape(flags={"posterior": True})
    assert read_labelme(packed(document(other)), "a.json", view="anterior")[0].view == "posterior"


def test_the_simulated_readers_files_read_and_write_unchanged() -> None:
    assert labelme.CODES == annotators.CODES
    files = simulated()
    marks = {name: read_labelme(packed(file), name, SHAPE) for name, file in files.items()}
    kinds = {(m.finding, m.site, m.view, m.shape) for each in marks.values() for m in each}
    assert {k[0] for k in kinds} == set(labelme.CODES)
    assert {k[1] for k in kinds} == {"left ribs", "right lower leg", ""}
    assert {k[2] for k in kinds} == {"anterior", "posterior"}
    assert {k[3] for k in kinds} == {"polygon", "rectangle"}
    for name, file in files.items():
        again = json.loads(write_labelme(marks[name], SHAPE))
        assert read_labelme(packed(again), name, SHAPE) == marks[name]
        for one in file["shapes"]:
            one["label"] = one["label"].rstrip()  # without a site the simulation leaves the blank
        assert again == file
        for view in ("anterior", "posterior"):
            alone = read_labelme(packed(annotators.of_view(file, view)), name, SHAPE)
            assert alone == tuple(m for m in marks[name] if m.view == view)


numbers = st.floats(-labelme.FARTHEST_PX, labelme.FARTHEST_PX)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def mark_fields(draw: st.DrawFn) -> tuple[Any, ...]:
    kind = draw(st.sampled_from(sorted(labelme.SHAPES)))
    fewest, most = labelme.SHAPES[kind]
    points = draw(st.lists(st.tuples(numbers, numbers), min_size=fewest, max_size=min(most, 8)))
    site = "".join(c for c in draw(texts) if c.isprintable()).strip()
    comment = "".join(c for c in draw(texts) if c in "\n\t" or c.isprintable())
    finding, view = draw(st.sampled_from(sorted(labelme.CODES))), draw(st.sampled_from(sorted(VIEWS)))
    return finding, site, view, kind, tuple(points), comment


@given(st.lists(mark_fields(), max_size=5))
def test_marks_read_back_as_they_were_written(fields: list[tuple[Any, ...]]) -> None:
    marks = tuple(Mark(*f) for f in fields)
    assert read_labelme(write_labelme(marks, SHAPE), "a.json", SHAPE) == marks


def test_every_shape_has_an_outline() -> None:
    assert read_one().outline() == read_one().points_px
    box = Mark("arthritis", "", "anterior", "rectangle", ((1.0, 2.0), (3.0, 5.0))).outline()
    assert set(box) == {(1.0, 2.0), (3.0, 2.0), (3.0, 5.0), (1.0, 5.0)}
    circle = np.array(Mark("arthritis", "", "anterior", "circle", ((50.0, 60.0), (53.0, 64.0))).outline())
    assert np.hypot(*(circle - [50, 60]).T) == pytest.approx(5)
    x, y = circle.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert area == pytest.approx(math.pi * 25, rel=2e-3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shape_type": "linestrip"}, "type 'linestrip' encloses nothing.*draw a polygon, a rectangle, a circle"),
        ({"shape_type": 3}, "is no text"),
        ({"points": SQUARE[:2]}, "a polygon has 3 to 1000 points, and this one 2"),
        ({"points": SQUARE * 251}, "and this one 1004"),
        ({"points": SQUARE, "shape_type": "rectangle"}, "a rectangle has 2 points, and this one 4"),
        ({"points": SQUARE[:1], "shape_type": "circle"}, "a circle has 2 points, and this one 1"),
        ({"points": [[1, 2, 3]] * 3}, "no list of x, y"),
        ({"points": "abc"}, "no list of x, y"),
        ({"points": None}, "no list of x, y"),
        ({"points": [[1, "2"]] * 3}, "no place on an image"),
        ({"points": [[1, True]] * 3}, "no place on an image"),
        ({"points": [[1, 10**400]] * 3}, "no place on an image"),
        ({"points": [[1, -7e4]] * 3}, "no place on an image"),
        ({"label": None}, "is no text"),
        ({"label": "metastasis"}, r"'metastasis' does not begin with M \(metastasis\) or A \(arthritis\)"),
        ({"label": ""}, "does not begin with"),
        ({"label": "M left\nribs"}, "is no plain text"),
        ({"label": "M " + "x" * 65}, "is no plain text"),
        ({"label": "M \ud800"}, "is no plain text"),
        ({"description": 1}, "is no text"),
        ({"description": "x" * 2001}, "its comment has more than 2000"),
        ({"description": "\x00"}, "control characters"),
        ({"description": "\udfff"}, "control characters"),
        ({"flags": {}}, "its flags name no view, or two"),
        ({"flags": None}, "its flags name no view, or two"),
        ({"flags": {"anterior": True, "posterior": True}}, "its flags name no view, or two"),
        ({"flags": {"anterior": 1}}, "not true or false"),
        ({"flags": ["anterior"]}, "not true or false"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_file_number_and_remedy(more: dict[str, Any], message: str) -> None:
    with pytest.raises(PhotopeakError, match=message) as error:
        read_labelme(packed(document(shape(), shape(**more))), "anna.json", SHAPE)
    assert str(error.value).startswith("anna.json, shape 2: ")
    assert "Remedy: " in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\xfd", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"9" * 5000, "no JSON"),
        (packed(document()).replace(b"256", b"NaN"), "no JSON"),
        (packed(document(shape())).replace(b"22.0", b"-Infinity"), "no JSON"),
        (packed(document(shape())).replace(b"22.0", b"1e999"), "shape 1: .* no place on an image"),
        (b"[]", "no file of LabelMe 5"),
        (packed({"shapes": []}), "no file of LabelMe 5"),
        (packed(document(version="4.5.6")), "no file of LabelMe 5"),
        (packed(document(version=5.5)), "no file of LabelMe 5"),
        (packed(document() | {"shapes": {}}), "no list of at most 500 shapes"),
        (packed(document(*[shape()] * 501)), "no list of at most 500 shapes"),
        (packed(document(*[shape(points=SQUARE * 250)] * 21)), "over 20000 points"),
        (packed(document(3)), "shape 1: it is no shape"),
        (packed(document(imageHeight=512)), "an image of 512 × 256 rows and columns, and the view has 1024 × 256"),
        (packed(document(imageWidth=None)), "an image of no rows"),
        (packed(document(imageWidth=10**300)), "an image of no rows"),
        (b" " * (8 * 2**20 + 1), "over 8 MiB"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_a_remedy(data: bytes, message: str) -> None:
    with pytest.raises(PhotopeakError, match=f"^anna.json.*{message}.*Remedy: "):
        read_labelme(data, "anna.json", SHAPE)


def test_true_is_no_image_size() -> None:
    with pytest.raises(PhotopeakError, match="an image of no rows"):
        read_labelme(packed(document(imageHeight=True, imageWidth=True)), "a.json", (1, 1))


def test_what_could_not_be_read_is_not_written() -> None:
    mark = read_one()
    with pytest.raises(PhotopeakError, match="501 marks are too many"):
        write_labelme([mark] * 501, SHAPE)
    for more in ({"finding": "cyst"}, {"site": " skull"}, {"points_px": ((math.nan, 1.0),) * 3}, {"view": "above"}):
        with pytest.raises(PhotopeakError, match="Remedy"):
            Mark(**{**vars(mark), **more})


def json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["version", "shapes", "label", "points", "flags", "shape_type", "x"])
    return st.recursive(leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=12)


anything = json_values(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("5.0"))


def read_or_refused(data: bytes) -> None:
    try:
        marks = read_labelme(data, "a.json")
    except PhotopeakError:
        return
    assert read_labelme(write_labelme(marks, SHAPE), "a.json", SHAPE) == marks


@given(st.binary(max_size=200) | anything.map(packed))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    read_or_refused(data)


@given(st.sampled_from(["version", "shapes", "flags", "imageHeight", "imageWidth"]), anything)
def test_no_value_in_a_file_raises_anything_else(key: str, value: Any) -> None:
    read_or_refused(packed(document(shape()) | {key: value}))


@given(st.sampled_from(["label", "points", "flags", "shape_type", "description", "group_id", None]), anything)
def test_no_value_in_a_shape_raises_anything_else(key: str | None, value: Any) -> None:
    read_or_refused(packed(document(shape(), value if key is None else shape(**{key: value}))))


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_no_flipped_byte_raises_anything_else(where: int, byte: int) -> None:
    data = bytearray(packed(document(shape(), shape(points=SQUARE[:2], shape_type="circle"))))
    data[where % len(data)] = byte
    read_or_refused(bytes(data))

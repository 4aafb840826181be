"""Three physicians: clearer lesions are missed less, noise 0 is the truth, the files are LabelMe's."""

import json
from itertools import pairwise

import numpy as np
import pytest

from photopeak.patients.acquisition import Acquisition
from photopeak.patients.annotators import (
    READERS,
    abnormal,
    annotate,
    marking_probability,
    of_view,
    reader_files,
    recorded_labels,
)
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import draw_disease
from photopeak.patients.truth import truth_of
from tests.patients.disease_bodies import healthy, plan, viewing

SHAPE = (1024, 256)
SQUARE = [[10.0, 10.0], [20.0, 10.0], [20.0, 22.0], [10.0, 22.0]]


def document(cnr, kind="metastasis", mimic_cnr=0.0):
    def lesion(k, c):
        views = {v: {"cnr": c, "annotated": c >= 3, "polygon": SQUARE} for v in ("anterior", "posterior")}
        return {"kind": k, "region": "rib", "views": views}

    views = {"anterior": {}, "posterior": {}}
    return {"views": views, "lesions": [lesion(kind, cnr)], "mimics": [lesion("dental focus", mimic_cnr)]}


def marks(cnr, noise=1.0, reader=READERS[1], n=400, **more):
    rng, hard = np.random.default_rng(1), Difficulty(annotator_noise=noise)
    return [annotate(document(cnr, **more), SHAPE, reader, hard, rng)["shapes"] for _ in range(n)]


@pytest.fixture(scope="module")
def files():
    hard = Difficulty()
    disease = draw_disease(healthy(), plan("M", (5, 5)), hard, viewing, np.random.default_rng(1))
    truth = truth_of(disease, viewing(healthy()), Acquisition())
    return reader_files(truth.document, SHAPE, hard, np.random.default_rng(2))


def test_misses_fall_with_the_cnr():
    rates = [np.mean([len(s) for s in marks(c)]) / 2 for c in (1.0, 2.0, 3.0, 5.0, 9.0, 30.0)]
    assert all(a < b for a, b in pairwise(rates))
    assert rates[-1] > 0.98
    probabilities = [marking_probability(c, 3.0, 1.0) for c in np.linspace(0, 40, 200)]
    assert probabilities == sorted(probabilities)


def test_more_noise_more_disagreement():
    assert np.mean([len(s) for s in marks(6.0, noise=3.0)]) < np.mean([len(s) for s in marks(6.0, noise=0.5)])
    assert marking_probability(0.0, 3.0, 1.0) == 0.0


def test_without_noise_everybody_draws_the_truth():
    for shapes in marks(3.5, noise=0.0, n=20):
        assert len(shapes) == 2
        for s in shapes:
            assert s["label"] == "M rib"
            if s["shape_type"] == "polygon":
                assert s["points"] == SQUARE
            else:
                assert s["points"] == [[10.0, 10.0], [20.0, 22.0]]
    assert not any(marks(2.9, noise=0.0, n=20, mimic_cnr=50.0))


def test_mimics_are_marked_falsely_now_and_then():
    false = np.mean([len(s) for s in marks(0.0, mimic_cnr=20.0)]) / 2
    assert false == pytest.approx(READERS[1].false_mark, abs=0.06)


def test_types_are_confused_rarely_and_both_ways():
    for kind, code in (("metastasis", "M"), ("arthritis", "A")):
        labels = [s["label"][0] for shapes in marks(30.0, kind=kind) for s in shapes]
        assert 0.85 < np.mean([c == code for c in labels]) < 1.0


def test_outlines_stay_near_the_lesion():
    for shapes in marks(30.0, n=60):
        for s in shapes:
            assert np.abs(np.mean(s["points"], axis=0) - [15.0, 16.0]).max() < 4.0


def test_files_are_labelme(files):
    assert list(files) == ["reader1.json", "reader2.json", "reader3.json"]
    for one in json.loads(json.dumps(files)).values():
        assert set(one) == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
        assert (one["imageHeight"], one["imageWidth"], one["imageData"]) == (1024, 256, None)
        assert one["flags"]["metastasis"] == any(s["label"].startswith("M") for s in one["shapes"])
        for s in one["shapes"]:
            assert set(s) == {"label", "points", "group_id", "shape_type", "flags"}
            assert s["shape_type"] in ("polygon", "rectangle")
            assert len(s["points"]) == 2 if s["shape_type"] == "rectangle" else len(s["points"]) >= 3
            assert s["flags"]["anterior"] != s["flags"]["posterior"]


def test_readers_differ_and_repeat(files):
    assert len({json.dumps(f["shapes"]) for f in files.values()}) == 3
    again = annotate(document(5.0), SHAPE, READERS[0], Difficulty(), np.random.default_rng(3))
    assert again == annotate(document(5.0), SHAPE, READERS[0], Difficulty(), np.random.default_rng(3))


def test_one_view_alone_and_the_majority(files):
    readers = list(files.values())
    posterior = of_view(readers[0], "posterior")
    assert all(s["flags"]["posterior"] for s in posterior["shapes"])
    assert abnormal(readers, "posterior")
    empty = [{"shapes": []}, {"shapes": []}, readers[0]]
    assert not abnormal(empty, "anterior")


def test_recorded_labels_err_with_their_share():
    rng = np.random.default_rng(0)
    assert {recorded_labels(plan("M&A"), 0.0, rng) for _ in range(20)} == {(1, 1)}
    wrong = np.mean([recorded_labels(plan("M"), 0.3, rng) != (1, 0) for _ in range(600)])
    assert wrong == pytest.approx(0.3, abs=0.08)

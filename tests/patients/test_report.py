"""A report names what is seen and only that, in words that vary while the statement does not."""

import re

import numpy as np
import pytest

from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import draw_disease
from photopeak.patients.lesions import Lesion, ball
from photopeak.patients.mimics import MAKERS
from photopeak.patients.phrases import bilateral, pick, together, wordings
from photopeak.patients.report import Technique, intensity, report, site_phrase
from tests.patients.disease_bodies import healthy, plan, viewing

SECTIONS = ("CLINICAL INFORMATION", "TECHNIQUE", "COMPARISON", "FINDINGS", "IMPRESSION")
#: What only a report of a patient with the disease may assert, once its denials are taken out.
DENIAL = re.compile(r"\b(no|not|without|otherwise no)\b[^.]*\.", re.IGNORECASE)
ASSERTS_M = re.compile(r"metasta|superscan", re.IGNORECASE)
ASSERTS_A = re.compile(r"arthritis|arthritic|arthropathy|periarticular|of degenerative type", re.IGNORECASE)


def asserted(text):
    """Findings and impression without the sentences that deny something."""
    return DENIAL.sub("", text.split("FINDINGS")[1])


def written(label="M", metastases=(0, 0), arthritis=(0, 0), seed=1, difficulty=Difficulty(), **more):  # noqa: B008
    which = plan(label, metastases, arthritis, **more)
    disease = draw_disease(healthy(), which, difficulty, viewing, np.random.default_rng(seed))
    return disease, report(disease, Technique(712.0, 3.0), np.random.default_rng(seed + 100))


@pytest.mark.parametrize("seed", range(4))
def test_every_visible_lesion_is_named(seed):
    disease, text = written("M&A", (5, 6), (4, 3), seed)
    low = text.lower()
    for f in disease.findings:
        if any(f.annotated):
            name = site_phrase(f.lesion)
            both_sides = f"{name.split(' ', 1)[-1]} on both sides"
            assert name.lower() in low or both_sides.lower() in low, name


@pytest.mark.parametrize("seed", range(4))
def test_lesions_that_no_view_shows_are_not_mentioned(seed):
    disease, text = written(
        "M", (1, 1), seed=seed, difficulty=Difficulty(occult_rate=6.0, mimic_rate=0, benign_focus_rate=0)
    )
    shown = {site_phrase(f.lesion) for f in disease.findings if any(f.annotated)}
    hidden = {site_phrase(f.lesion) for f in disease.findings if not any(f.annotated)} - shown
    findings = text.split("FINDINGS")[1]
    assert hidden
    assert not [h for h in hidden if re.search(rf"\b{re.escape(h)}\b", findings)]


@pytest.mark.parametrize("seed", range(6))
def test_reports_never_contradict_the_labels(seed):
    for label, m, a in (("N", (0, 0), (0, 0)), ("A", (0, 0), (2, 2)), ("M", (2, 2), (0, 0)), ("M&A", (2, 2), (2, 2))):
        _, text = written(label, m, a, seed)
        assert bool(ASSERTS_M.search(asserted(text))) == ("M" in label), text
        assert bool(ASSERTS_A.search(asserted(text))) == ("A" in label), text


def test_a_normal_report_says_so():
    _, text = written("N", difficulty=Difficulty(mimic_rate=0.0, benign_focus_rate=0.0))
    assert re.search(r"normal|physiological", text, re.IGNORECASE)
    assert "focal uptake" not in re.sub(r"(no|without) (abnormal |suspicious )?foc\w+( uptake)?", "", text.lower())


def test_it_has_its_sections_technique_and_age():
    _, text = written("M", (2, 2))
    positions = [text.index(f"{s}:") for s in SECTIONS]
    assert positions == sorted(positions)
    assert "712 MBq" in text
    assert "66-year-old man" in text


def test_wording_varies_with_the_stream_and_repeats_with_the_seed():
    disease, _ = written("M", (3, 3))
    texts = [report(disease, Technique(), np.random.default_rng(s)) for s in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) >= 4


def test_a_superscan_is_called_one():
    _, text = written("M", (13, 13), superscan=True)
    assert "uperscan" in text.split("FINDINGS")[1]


def test_every_mimic_has_its_words():
    disease, text = written("N", difficulty=Difficulty(mimic_rate=10.0, benign_focus_rate=6.0), seed=3)
    kinds = {m.lesion.kind for m in disease.mimics}
    assert len(kinds) > 4
    for m in disease.mimics:
        assert site_phrase(m.lesion).lower() in text.lower() or "on both sides" in text
    renamed = {"rib fractures": "rib fracture"}
    assert {renamed.get(k, k) for k in MAKERS} <= set(wordings())


def test_intensity_follows_the_cnr():
    disease, _ = written("M", (6, 6))
    strong = sorted(disease.findings, key=lambda f: max(f.cnr))
    order = ["mild", "moderate", "intense"]
    ranks = [order.index(intensity(f)) for f in strong]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(("site", "part", "words"), [
    ("left rib 5", "", "left 5th rib"), ("L3", "body", "body of L3"), ("T12", "", "T12 vertebra"),
    ("right femur", "proximal", "proximal right femur"), ("left femur", "shaft", "shaft of the left femur"),
    ("sacrum", "", "sacrum"),
])  # fmt: skip
def test_places_in_words(site, part, words):
    zero = (0.0, 0.0, 0.0)
    assert site_phrase(Lesion(1, "metastasis", site, "x", "", zero, ball(5.0), part=part)) == words


def test_every_wording_can_be_filled_in():
    fill = dict.fromkeys(
        ("who", "primary", "mbq", "hours", "agent", "places", "views", "strength", "lytic", "regions", "number"), "x"
    )
    rng = np.random.default_rng(0)
    for key in wordings():
        for _ in range(6):
            assert "{" not in pick(rng, key, **fill)


def test_grammar():
    assert together(["a"]) == "a"
    assert together([]) == ""
    assert together(["a", "b", "c"]) == "a, b and c"
    assert together(["a"] * 7) == "a (7 foci)"
    assert bilateral(["left knee", "left hip", "right knee"]) == ["knee on both sides", "left hip"]

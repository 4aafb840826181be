"""Two of three, for a case and for a lesion."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.evaluate.consensus import Cluster, consensus_outline, disagreements, lesion_consensus, majority
from photopeak.evaluate.outlines import Outline, filled

SHAPE = (60, 60)


def box(x0: float, y0: float, x1: float, y1: float, finding: str = "metastasis", site: str = "skull") -> Outline:
    return Outline(finding, site, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def pixels(cluster: Cluster) -> int:
    return int(filled(cluster.points, SHAPE).sum())


def test_majority_of_all_votes_of_three() -> None:
    for votes in itertools.product((True, False), repeat=3):
        assert majority(votes) is (sum(votes) >= 2)
    assert majority([True, False]) is majority([]) is majority([True, True, False, False]) is None
    assert majority([False]) is False


def test_lesions_that_two_of_three_marked_stand() -> None:
    readers = {
        "a": [box(0, 0, 10, 10), box(30, 30, 40, 40)],
        "b": [box(0, 50, 5, 55), box(0, 0, 10, 9)],
        "c": [],
    }
    stands, *rest = lesion_consensus(readers, SHAPE, 0.3)
    assert (stands.finding, stands.site, stands.majority) == ("metastasis", "skull", True)
    assert dict(stands.marked) == {"a": 0, "b": 1}
    assert pixels(stands) == 100  # of two, one is half
    assert [dict(c.marked) for c in rest] == [{"a": 1}, {"b": 0}]
    assert disagreements((stands, *rest)) == tuple(rest)
    assert rest[0].points == readers["a"][1].points


def test_who_marked_nothing_counts_and_half_is_no_majority() -> None:
    same = [box(0, 0, 10, 10)]
    assert lesion_consensus({"a": same}, SHAPE, 0.5)[0].majority
    assert not lesion_consensus({"a": same, "b": []}, SHAPE, 0.5)[0].majority
    assert not lesion_consensus({"a": same, "b": same, "c": [], "d": []}, SHAPE, 0.5)[0].majority
    assert lesion_consensus({"a": [], "b": []}, SHAPE, 0.5) == lesion_consensus({}, SHAPE, 0.5) == ()


def test_another_finding_or_site_is_another_lesion() -> None:
    readers = {
        "a": [box(0, 0, 10, 10)],
        "b": [box(0, 0, 10, 10, finding="arthritis")],
        "c": [box(0, 0, 10, 10, site="face")],
    }
    clusters = lesion_consensus(readers, SHAPE, 0.3)
    assert [(c.finding, c.site) for c in clusters] == [
        ("metastasis", "skull"), ("arthritis", "skull"), ("metastasis", "face")
    ]  # fmt: skip
    assert disagreements(clusters) == clusters


def test_a_reader_has_one_outline_in_a_cluster_and_the_closest() -> None:
    readers = {"a": [box(0, 0, 10, 6), box(0, 0, 10, 9)], "b": [box(0, 0, 10, 10)], "c": [box(0, 0, 10, 10)]}
    first, second = lesion_consensus(readers, SHAPE, 0.3)
    assert dict(first.marked) == {"a": 1, "b": 0, "c": 0}
    assert dict(second.marked) == {"a": 0}


def test_clusters_that_two_pairs_began_are_joined() -> None:
    """The pair c–d begins before a–b, and b–c joins the two."""
    readers = {
        "a": [box(0, 0, 10, 10)],
        "b": [box(1, 0, 11, 10)],
        "c": [box(4, 0, 14, 10)],
        "d": [box(4, 0, 14, 10)],
    }
    (one,) = lesion_consensus(readers, SHAPE, 0.5)
    assert set(one.marked) == set("abcd")
    assert pixels(one) == 130  # columns 1 to 13, which two or more share
    assert len(lesion_consensus(readers, SHAPE, 0.7)) == 2


def test_the_consensus_of_three_is_what_two_included() -> None:
    outlines = [box(0, 0, 10, 10), box(2, 0, 12, 10), box(4, 0, 14, 10)]
    inside = filled(consensus_outline(outlines, SHAPE), SHAPE)
    assert (inside == filled(box(2, 0, 12, 10).points, SHAPE)).all()


def test_where_no_pixel_is_in_half_of_them_those_in_most_count() -> None:
    outlines = [box(10 * i, 0, 10 * i + 11, 10) for i in range(5)]
    inside = filled(consensus_outline(outlines, SHAPE), SHAPE)
    assert inside.sum() == 10  # one of the strips that two share
    beside = [box(100, 0, 110, 10), box(100, 0, 111, 10)]
    assert consensus_outline(beside, SHAPE) == beside[0].points


def test_a_mark_without_a_pixel_is_kept_for_the_adjudicator() -> None:
    tiny = [box(5.1, 5.1, 5.3, 5.3)]
    (a, b) = lesion_consensus({"a": tiny, "b": tiny}, SHAPE, 0.5)
    assert a.points == b.points == tiny[0].points
    with pytest.raises(PhotopeakError, match="Remedy: state an intersection"):
        lesion_consensus({}, SHAPE, 2.0)


corners = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(2, 15), st.integers(2, 15))
kinds = st.tuples(st.sampled_from(["metastasis", "arthritis"]), st.sampled_from(["skull", "face"]))
drawings = st.fixed_dictionaries(dict.fromkeys("abc", st.lists(st.tuples(corners, kinds), max_size=5)))


@given(drawings, st.sampled_from([0.1, 0.5]))
def test_each_outline_is_in_one_cluster_of_its_kind(drawn: dict[str, list[Any]], threshold: float) -> None:
    readers = {n: [box(x, y, x + w, y + h, *kind) for (x, y, w, h), kind in each] for n, each in drawn.items()}
    clusters = lesion_consensus(readers, SHAPE, threshold)
    members = [(name, i) for c in clusters for name, i in c.marked.items()]
    assert sorted(members) == [(name, i) for name in "abc" for i in range(len(readers[name]))]
    for c in clusters:
        assert {(readers[n][i].finding, readers[n][i].site) for n, i in c.marked.items()} == {(c.finding, c.site)}
        assert c.majority is (len(c.marked) >= 2)
        union = np.any([filled(readers[n][i].points, SHAPE) for n, i in c.marked.items()], axis=0)
        assert pixels(c) > 0
        assert not (filled(c.points, SHAPE) & ~union).any() or len(c.marked) > 2  # a filled hole may be in none
    assert [len(c.marked) for c in clusters] == sorted((len(c.marked) for c in clusters), reverse=True)


def test_the_order_of_readers_changes_no_cluster() -> None:
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 40, (3, 6, 2))
    sizes = rng.uniform(8, 20, (3, 6, 2))
    readers = {
        name: [box(*(float(v) for v in (*c, *(c + s)))) for c, s in zip(at, size, strict=True)]
        for name, at, size in zip("abc", corners, sizes, strict=True)
    }
    found = [
        {frozenset(c.marked.items()) for c in lesion_consensus({n: readers[n] for n in order}, SHAPE, 0.3)}
        for order in itertools.permutations("abc")
    ]
    assert all(f == found[0] for f in found)
    assert any(len(c) > 1 for c in found[0])

"""The vocabulary: undeclared names fail, declared ones keep their kind."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from photopeak.core import Grid, Image, Kind, Measurement, Text, UndeclaredName, UnitError, declare, kind_of
from photopeak.core.vocabulary import check_entry, declaration, declared


@pytest.fixture
def own_vocabulary(monkeypatch) -> None:
    """Declarations made here do not outlive the test."""
    monkeypatch.setattr("photopeak.core.vocabulary._DECLARED", declared())


FIRST_NAMES = [
    "counts",
    "truth/regions",
    "truth/lesions",
    "truth/activity",
    "truth/mu",
    "reader/regions",
    "reader/lesions",
]
FIRST_NAMES += ["reader/p_metastasis", "reader/p_arthritis", "reader/bsi", "reader/flags"]


@pytest.mark.parametrize("name", FIRST_NAMES)
def test_the_blueprints_names_are_declared_with_a_meaning(name: str) -> None:
    assert declaration(name).meaning


def test_an_undeclared_name_is_refused_with_the_remedy() -> None:
    with pytest.raises(UndeclaredName, match="declare"):
        kind_of("plugin/unheard_of")


@pytest.mark.usefixtures("own_vocabulary")
def test_declaring_twice_is_once_and_differently_is_refused() -> None:
    kind = Kind("measurement", "MBq")
    assert declare("plugin/dose", kind, "dose given") == "plugin/dose"
    declare("plugin/dose", kind, "dose given")
    assert kind_of("plugin/dose") == kind
    with pytest.raises(UndeclaredName, match="another name"):
        declare("plugin/dose", Kind("measurement", "Gy"), "dose absorbed")


def test_kinds_admit_what_has_their_type_and_dimension() -> None:
    assert Kind("measurement", "MBq").admits(Kind("measurement", "Bq"))
    assert Kind("image").admits(Kind("image", "Bq/ml"))
    assert Kind("image", "Bq/ml").admits(Kind("image"))
    assert not Kind("image", "Bq/ml").admits(Kind("image", "{counts}"))
    assert not Kind("mask").admits(Kind("image"))


@pytest.mark.parametrize(("entry", "unit"), [("picture", ""), ("image", "mCi")])
def test_a_kind_of_nothing_known_is_refused(entry: str, unit: str) -> None:
    with pytest.raises((UndeclaredName, UnitError)):
        Kind(entry, unit)


def test_entries_are_checked_against_their_name() -> None:
    grid = Grid.planar(("anterior",), (2, 2), (1.0, 1.0))
    counts = Image(np.ones((1, 2, 2)), grid, "{counts}")
    check_entry("counts", counts)
    check_entry("reader/flags", ())
    for name, entry in (
        ("suv/bw", counts),  # another dimension
        ("truth/report", counts),  # another type
        ("counts", Text("many")),
    ):
        with pytest.raises(UnitError, match=name):
            check_entry(name, entry)


def test_every_row_of_a_table_is_a_measurement() -> None:
    # Under test the type checker may see it first: it looks at one row, chosen by chance.
    with pytest.raises((UnitError, TypeCheckError)):
        check_entry("reader/flags", (Measurement(1.0, "1"), "late"))

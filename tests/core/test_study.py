"""Studies: immutable, append-only, whole after pickling."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import (
    Acquisition,
    Grid,
    Image,
    Measurement,
    MissingEntry,
    Patient,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
    UndeclaredName,
)

GRID = Grid.planar(("anterior",), (2, 2), (1.0, 1.0))
COUNTS = Image(np.ones((1, 2, 2), dtype=np.uint16), GRID, "{counts}")
RECORD = Record("suv", "0.1.0", {"kind": "bw"}, ("suv/bw",), ("kinahan2010",))


def test_adding_gives_a_new_study_and_leaves_the_old() -> None:
    old = Study({"counts": COUNTS}, Patient("P1"))
    new = old.add({"reader/p_metastasis": Measurement(0.8, "1")}, RECORD)
    assert list(old) == ["counts"]
    assert list(new) == ["counts", "reader/p_metastasis"]
    assert new["counts"] is COUNTS
    assert (new.patient, new.history, old.history) == (Patient("P1"), (RECORD,), ())
    assert len(new) == 2
    assert repr(new) == "Study(counts, reader/p_metastasis; patient 'P1')"


def test_nothing_is_replaced_or_set() -> None:
    study = Study({"counts": COUNTS})
    with pytest.raises(PhotopeakError, match="already holds counts"):
        study.add({"counts": COUNTS})
    with pytest.raises(PhotopeakError, match="immutable"):
        study.patient = Patient("P2")
    with pytest.raises(TypeError):
        study["counts"] = COUNTS


def test_a_missing_entry_says_what_there_is() -> None:
    study = Study({"counts": COUNTS})
    with pytest.raises(MissingEntry, match="it holds counts"):
        study["activity"]
    assert study.get("activity") is None
    assert "activity" not in study


def test_undeclared_names_are_refused() -> None:
    with pytest.raises(UndeclaredName):
        Study({"plugin/unheard_of": COUNTS})


def test_only_keeps_who_and_how() -> None:
    study = Study({"counts": COUNTS}, Patient("P1"), Acquisition("NM"), (RECORD,))
    study = study.add({"reader/p_metastasis": Measurement(0.8, "1")})
    left = study.only("reader/p_metastasis")
    assert list(left) == ["reader/p_metastasis"]
    assert (left.patient, left.acquisition, left.history) == (study.patient, study.acquisition, study.history)


def test_a_study_survives_pickling() -> None:
    acquisition = Acquisition(
        "NM", radiopharmaceuticals=(Radiopharmaceutical("MDP", "Tc-99m", 740.0),), facts={"Rows": 2}, assumed={"a": "b"}
    )
    study = pickle.loads(pickle.dumps(Study({"counts": COUNTS}, Patient("P1"), acquisition, (RECORD,))))
    np.testing.assert_array_equal(study["counts"].values, COUNTS.values)
    assert study.acquisition == acquisition
    assert study.history == (RECORD,)
    with pytest.raises(TypeError):
        study.acquisition.facts["Rows"] = 3


words = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words


@given(words, words, st.dictionaries(words, values | st.lists(values)), st.lists(words), st.lists(words))
def test_records_survive_json(step, version, parameters, gives, references) -> None:
    record = Record(step, version, parameters, tuple(gives), tuple(references))
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record

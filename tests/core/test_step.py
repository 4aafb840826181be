"""Steps: needs and gives are checked, units are converted or refused, what was done is recorded."""

import json
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pytest

from photopeak import __version__
from photopeak.core import (
    ChainError,
    Grid,
    Image,
    Kind,
    Measurement,
    MissingEntry,
    PhotopeakError,
    Study,
    UnitError,
    check_chain,
    load,
    registry,
    run,
    run_chain,
)
from photopeak.core import step as steps

GRID = Grid.planar(("anterior",), (2, 2), (1.0, 1.0))
ACTIVITY = Image(np.full((1, 2, 2), 3.0), GRID, "kBq/ml")


@dataclass(frozen=True)
class Window:
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Peak:
    """The greatest activity concentration :cite:`kinahan2010`."""

    needs: ClassVar = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar = {"reader/bsi": Kind("measurement", "%")}

    window: Window = Window()
    names: tuple[str, ...] = ("a", "b")
    scale: float = field(default_factory=lambda: np.float64(1e-3))

    def __call__(self, study):
        return {"reader/bsi": Measurement(float(study["activity"].values.max()) * self.scale, "%")}


@dataclass(frozen=True)
class Probability:
    """One number from another."""

    needs: ClassVar = {"reader/bsi": Kind("measurement", "1")}
    gives: ClassVar = {"reader/p_metastasis": Kind("measurement", "1")}

    def __call__(self, study):
        return {"reader/p_metastasis": Measurement(study["reader/bsi"].value, "1")}


@dataclass(frozen=True)
class Liar:
    """Promises one thing and gives another."""

    needs: ClassVar = {}
    gives: ClassVar = {"reader/bsi": Kind("measurement", "%")}
    gift: str = "reader/p_metastasis"

    def __call__(self, study):
        return {self.gift: Measurement(1.0, "1")}


@dataclass(frozen=True)
class WrongUnit:
    """Promises counts of a unit-free name and gives becquerels."""

    needs: ClassVar = {}
    gives: ClassVar = {"uptake": Kind("image", "{counts}")}

    def __call__(self, study):
        return {"uptake": ACTIVITY}


def test_a_step_sees_its_declared_unit_and_the_study_keeps_its_own() -> None:
    result = run(Peak(), Study({"activity": ACTIVITY}))
    assert result["reader/bsi"].value == pytest.approx(3000.0 * 1e-3)
    assert result["activity"].unit == "kBq/ml"


def test_tables_are_converted_row_by_row() -> None:
    @dataclass(frozen=True)
    class Longest:
        needs: ClassVar = {"reader/flags": Kind("table", "s")}
        gives: ClassVar = {"reader/p_metastasis": Kind("measurement", "1")}

        def __call__(self, study):
            return {"reader/p_metastasis": Measurement(max(row.value for row in study["reader/flags"]), "1")}

    table = (Measurement(2.0, "min"), Measurement(1.0, "min"))
    assert run(Longest(), Study({"reader/flags": table}))["reader/p_metastasis"].value == 120.0


def test_a_record_holds_the_fields_and_nothing_else() -> None:
    (record,) = run(Peak(), Study({"activity": ACTIVITY})).history
    assert record.step == "Peak"
    assert record.version == __version__
    assert record.parameters == {"window": {"low": 0.0, "high": 1.0}, "names": ["a", "b"], "scale": 1e-3}
    assert record.gives == ("reader/bsi",)
    assert record.references == ("kinahan2010",)
    assert json.loads(json.dumps(record.to_json())) == record.to_json()


def test_a_missing_need_is_refused() -> None:
    with pytest.raises(MissingEntry, match="Peak needs 'activity'"):
        run(Peak(), Study())


def test_broken_promises_are_refused() -> None:
    with pytest.raises(PhotopeakError, match=r"promised \['reader/bsi'\] but gave \['reader/p_metastasis'\]"):
        run(Liar(), Study())
    with pytest.raises(UnitError, match="promised 'uptake'"):
        run(WrongUnit(), Study())


def test_a_chain_runs_in_order_and_converts_between() -> None:
    result = run_chain([Peak(), Probability()], Study({"activity": ACTIVITY}))
    assert result["reader/p_metastasis"].value == pytest.approx(0.03)
    assert [record.step for record in result.history] == ["Peak", "Probability"]


@dataclass(frozen=True)
class Explodes:
    """Must not be reached."""

    needs: ClassVar = {}
    gives: ClassVar = {"reader/p_arthritis": Kind("measurement", "1")}

    def __call__(self, study):
        raise AssertionError("the chain was not checked before it ran")


@dataclass(frozen=True)
class NeedsSuv:
    """Needs lean-body SUV of whatever is called uptake."""

    needs: ClassVar = {"uptake": Kind("image", "g/ml{SUVlbm}")}
    gives: ClassVar = {"reader/p_arthritis": Kind("measurement", "1")}

    def __call__(self, study):
        return {"reader/p_arthritis": Measurement(0.0, "1")}


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ([Explodes(), Peak()], "Peak needs 'activity', which neither"),
        ([Explodes(), Liar(), Liar()], "gives reader/bsi, which the study or an earlier Step gives already"),
        ([Explodes(), NeedsSuv()], r"NeedsSuv needs 'uptake', image in g/ml\{SUVlbm\}.*Remedy"),
    ],
)
def test_a_chain_that_cannot_work_is_refused_before_it_starts(chain, message) -> None:
    study = Study({"uptake": Image(ACTIVITY.values, GRID, "g/ml{SUVbw}")})
    with pytest.raises(ChainError, match=message):
        run_chain(chain, study)


def test_check_chain_accepts_what_runs() -> None:
    check_chain([Peak(), Probability()], Study({"activity": ACTIVITY}))


def test_a_unit_of_another_dimension_is_refused() -> None:
    with pytest.raises(ChainError, match="Remedy"):
        run(NeedsSuv(), Study({"uptake": Image(ACTIVITY.values, GRID, "g/ml{SUVbw}")}))


@pytest.fixture
def installed(monkeypatch):
    """Registers entry points for one test."""

    def register(*entries: EntryPoint) -> None:
        monkeypatch.setattr(registry, "entry_points", lambda group: entries)
        registry.registered.cache_clear()

    yield register
    registry.registered.cache_clear()


def test_registered_steps_load_by_name(installed) -> None:
    installed(EntryPoint("peak", f"{Peak.__module__}:Peak", registry.GROUP))
    assert list(registry.registered()) == ["peak"]
    assert load("peak") is Peak
    assert steps.name_of(Peak()) == "peak"
    assert steps.name_of(Probability) == "Probability"
    with pytest.raises(PhotopeakError, match="use one of peak"):
        load("valley")


def test_two_steps_of_one_name_are_refused(installed) -> None:
    installed(*(EntryPoint("peak", f"{package}:Peak", registry.GROUP) for package in ("one", "another")))
    with pytest.raises(PhotopeakError, match=r"two Steps are called 'peak'.*uninstall"):
        registry.registered()

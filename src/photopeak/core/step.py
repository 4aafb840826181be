"""Steps: the only workflow interface.

A Step is a frozen dataclass. Its fields are at once the configuration, the command-line options, the
form in the reading room and the provenance record. It has no numerics of its own: ``__call__`` hands
arrays to pure functions and gives new entries back.

    @dataclass(frozen=True)
    class Suv:
        '''Standardised uptake value :cite:`qiba2016`.'''
        needs: ClassVar = {"activity": Kind("image", "Bq/ml")}
        gives: ClassVar = {"suv/bw": Kind("image", "g/ml{SUVbw}")}
        def __call__(self, study: Study) -> dict[str, Entry]: ...
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np

from photopeak.core.entries import Entry, Image, Measurement, unit_of
from photopeak.core.errors import ChainError, MissingEntry, PhotopeakError, UnitError
from photopeak.core.references import references_of
from photopeak.core.registry import registered
from photopeak.core.study import Json, Record, Study
from photopeak.core.vocabulary import Kind, kind_of


@runtime_checkable
class Step(Protocol):
    """What every Step has: what it needs, what it gives, and the call that does it."""

    needs: ClassVar[Mapping[str, Kind]]
    gives: ClassVar[Mapping[str, Kind]]

    def __call__(self, study: Study) -> dict[str, Entry]: ...


# A protocol with data members cannot answer issubclass(), which a checker of types at run time would ask.
if TYPE_CHECKING:
    StepType = type[Step]
else:
    StepType = type


def run(step: Step, study: Study) -> Study:
    """Run one Step: check what it needs, add what it gives, record that it was done.

    The Step sees what it needs in the units it declared, whatever unit of that dimension the study holds.
    """
    for name in step.needs:
        if name not in study:
            raise MissingEntry(
                f"{name_of(step)} needs {name!r}; the study holds {', '.join(study) or 'nothing'}. "
                "Remedy: run the Step that gives it first."
            )
        _check_unit(step, name, _kind_held(study, name))
    entries = step(_in_declared_units(study, step.needs))
    if set(entries) != set(step.gives):
        raise PhotopeakError(
            f"{name_of(step)} promised {sorted(step.gives)} but gave {sorted(entries)}. "
            "Remedy: this is a fault of the Step; report it to its author."
        )
    for name, entry in entries.items():
        if not step.gives[name].admits(Kind(kind_of(name).entry, unit_of(entry))):
            raise UnitError(
                f"{name_of(step)} promised {name!r} in {step.gives[name].unit} but gave it in {unit_of(entry)}. "
                "Remedy: this is a fault of the Step; report it to its author."
            )
    return study.add(entries, record_of(step))


def run_chain(steps: Iterable[Step], study: Study) -> Study:
    """Run Steps in order, after checking that each finds what it needs."""
    steps = tuple(steps)
    check_chain(steps, study)
    for step in steps:
        study = run(step, study)
    return study


def check_chain(steps: Iterable[Step], study: Study) -> None:
    """Refuse a chain before any of it runs: a need nobody gives, a unit that does not fit, a name given twice."""
    available = {name: _kind_held(study, name) for name in study}
    for step in steps:
        for name in step.needs:
            if name not in available:
                raise ChainError(
                    f"{name_of(step)} needs {name!r}, which neither the study nor an earlier Step gives. "
                    f"Available: {', '.join(available) or 'nothing'}. Remedy: add a Step that gives it before."
                )
            _check_unit(step, name, available[name])
        if repeated := sorted(set(step.gives) & set(available)):
            raise ChainError(
                f"{name_of(step)} gives {', '.join(repeated)}, which the study or an earlier Step gives already. "
                "Remedy: leave one of the two out, or start from study.only(...)."
            )
        available.update(step.gives)


def _check_unit(step: Step, name: str, held: Kind) -> None:
    needed = step.needs[name]
    if not needed.admits(held):
        raise ChainError(
            f"{name_of(step)} needs {name!r}, {needed.entry} in {needed.unit}, but it is {held.entry} in {held.unit}. "
            f"Remedy: run a Step that gives it in {needed.unit} before."
        )


def _in_declared_units(study: Study, needs: Mapping[str, Kind]) -> Study:
    converted = {name: _to(study[name], kind.unit) for name, kind in needs.items() if kind.unit}
    if all(converted[name] is study[name] for name in converted):
        return study
    return Study({**study, **converted}, study.patient, study.acquisition, study.history)


def _to(entry: Entry, unit: str) -> Entry:
    match entry:
        case Image() | Measurement() if entry.unit != unit:
            return entry.to(unit)
        case tuple() if any(row.unit != unit for row in entry):
            return tuple(row.to(unit) for row in entry)
        case _:
            return entry


def _kind_held(study: Study, name: str) -> Kind:
    return Kind(kind_of(name).entry, unit_of(study[name]))


def name_of(step: Step | type) -> str:
    """The registered name of a Step, or its class name when it is not registered."""
    cls = step if isinstance(step, type) else type(step)
    for entry in registered().values():
        if entry.value == f"{cls.__module__}:{cls.__qualname__}":
            return entry.name
    return cls.__qualname__


def record_of(step: Step) -> Record:
    """The provenance of one Step: its fields are its parameters."""
    from photopeak import __version__

    fields = dataclasses.fields(cast(Any, step)) if dataclasses.is_dataclass(type(step)) else ()
    parameters = {f.name: _json(getattr(step, f.name)) for f in fields}
    return Record(name_of(step), __version__, parameters, tuple(step.gives), references_of(type(step)))


def _json(value: Any) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return _json(value.item())
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def load(name: str) -> StepType:
    """The class of a registered Step."""
    try:
        entry = registered()[name]
    except KeyError:
        raise PhotopeakError(
            f"no Step is called {name!r}. Remedy: use one of {', '.join(registered()) or '(none installed)'}."
        ) from None
    cls: StepType = entry.load()
    return cls

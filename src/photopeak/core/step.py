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
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol, runtime_checkable

from photopeak.core.entries import Entry, unit_of
from photopeak.core.errors import ChainError, MissingEntry, PhotopeakError
from photopeak.core.references import references_of
from photopeak.core.study import Json, Record, Study
from photopeak.core.vocabulary import Kind, kind_of

GROUP = "photopeak.steps"


@runtime_checkable
class Step(Protocol):
    """What every Step has: what it needs, what it gives, and the call that does it."""

    needs: ClassVar[Mapping[str, Kind]]
    gives: ClassVar[Mapping[str, Kind]]

    def __call__(self, study: Study) -> dict[str, Entry]: ...


def run(step: Step, study: Study) -> Study:
    """Run one Step: check what it needs, add what it gives, record that it was done."""
    _check_needs(step, study)
    entries = step(study)
    missing = set(step.gives) - set(entries)
    extra = set(entries) - set(step.gives)
    if missing or extra:
        raise PhotopeakError(
            f"{name_of(step)} promised {sorted(step.gives)} but gave {sorted(entries)}. "
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
    """Refuse a chain before any of it runs: a need nobody gives, or a unit that does not fit."""
    available = {name: _kind_held(study, name) for name in study}
    for step in steps:
        for name, kind in step.needs.items():
            if name not in available:
                raise ChainError(
                    f"{name_of(step)} needs {name!r}, which neither the study nor an earlier Step gives. "
                    f"Available: {', '.join(available) or 'nothing'}. Remedy: add a Step that gives it before."
                )
            if not kind.admits(available[name]):
                raise ChainError(
                    f"{name_of(step)} needs {name!r} in {kind.unit}, but it is in {available[name].unit}. "
                    f"Remedy: convert it to {kind.unit} before."
                )
        available.update(step.gives)


def _check_needs(step: Step, study: Study) -> None:
    for name, kind in step.needs.items():
        if name not in study:
            raise MissingEntry(
                f"{name_of(step)} needs {name!r}; the study holds {', '.join(study) or 'nothing'}. "
                "Remedy: run the Step that gives it first."
            )
        if not kind.admits(_kind_held(study, name)):
            raise ChainError(f"{name_of(step)} needs {name!r} in {kind.unit}, but it is in another unit.")


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

    parameters: dict[str, Json] = {}
    if hasattr(step, "__dataclass_fields__"):
        parameters = {name: _json(getattr(step, name)) for name in step.__dataclass_fields__}
    return Record(name_of(step), __version__, parameters, tuple(step.gives), references_of(type(step)))


def _json(value: Any) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def registered() -> dict[str, EntryPoint]:
    """Every Step that is installed, ours and plugins', by name, without importing any."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def load(name: str) -> type[Step]:
    """The class of a registered Step."""
    try:
        entry = registered()[name]
    except KeyError:
        raise PhotopeakError(
            f"no Step is called {name!r}. Remedy: use one of {', '.join(registered()) or '(none installed)'}."
        ) from None
    cls: type[Step] = entry.load()
    return cls

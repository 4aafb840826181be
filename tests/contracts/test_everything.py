"""Every contract, over everything that is registered: a new Step, operator or source is checked by being there."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch

from photopeak.core import load, registered
from photopeak.core.contracts import check_operator, check_source, check_step
from photopeak.core.references import bibliography, references_of
from photopeak.patients.protocol import Clinic, protocols

pytestmark = pytest.mark.untraced

_spec = importlib.util.spec_from_file_location("contract_examples", Path(__file__).with_name("examples.py"))
assert _spec is not None
assert _spec.loader is not None
examples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(examples)


@pytest.mark.parametrize("name", registered())
def test_steps(name: str) -> None:
    step = examples.step_for(load(name))
    result = check_step(step, examples.study_for(step))
    assert result.history[-1].step == name
    assert references_of(type(step)), f"{name} cites nothing: where is its equation from?"
    assert set(references_of(type(step))) <= set(bibliography())


@pytest.mark.parametrize("cls", examples.operators(), ids=lambda cls: cls.__qualname__)
def test_operators(cls: type) -> None:
    assert cls.__qualname__ in examples.OPERATORS, "give an example of it in examples.py"
    operator = examples.OPERATORS[cls.__qualname__]()
    assert type(operator) is cls
    generator = torch.Generator().manual_seed(1)
    precision = getattr(getattr(operator, "mu", None), "dtype", torch.float64)
    x = torch.rand(operator.domain.shape, generator=generator, dtype=precision)
    y = torch.rand(operator.range.shape, generator=generator, dtype=precision)
    assert check_operator(operator, x, y) < 1e-6
    back = check_operator(operator.H, y, x)
    assert back < 1e-6


@pytest.mark.parametrize("name", protocols())
def test_protocols(name: str) -> None:
    protocol = protocols()[name].load()(**examples.SMALL.get(name, {}))
    assert dataclasses.is_dataclass(protocol)
    assert (type(protocol).__doc__ or "").strip()
    check_source(Clinic(protocol, patients=1 if name in examples.SMALL else 2, seed=7))  # these take their time

"""Contracts, as public functions: what every Operator, Step, network and source must keep.

``tests/contracts`` runs them over everything registered, ours and a plugin's. Each raises
``ContractError`` with what was broken and by how much.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photopeak.core.entries import Entry, Image, Mask
from photopeak.core.errors import ContractError
from photopeak.core.step import Step, run
from photopeak.core.study import Study
from photopeak.core.vocabulary import kind_of

if TYPE_CHECKING:
    import torch


def check_operator(operator: Any, x: torch.Tensor, y: torch.Tensor, tolerance: float = 1e-6) -> float:
    """⟨A x, y⟩ = ⟨x, A* y⟩, linear, pure, and with A* as its gradient. Returns the adjoint gap.

    The gap is |⟨A x, y⟩ − ⟨x, A* y⟩| / (‖A x‖ ‖y‖), summed in double precision.
    """
    import torch

    x_before, y_before = x.clone(), y.clone()
    ax, aty = operator(x), operator.adjoint(y)
    if not torch.equal(x, x_before) or not torch.equal(y, y_before):
        raise ContractError(f"{operator!r} changed its input.")
    if not torch.equal(operator(x), ax):
        raise ContractError(f"{operator!r} gives two results for one input.")
    forward, backward = (ax.double() * y.double()).sum(), (x.double() * aty.double()).sum()
    gap = float((forward - backward).abs() / (ax.double().norm() * y.double().norm()).clamp_min(1e-300))
    if gap > tolerance:
        raise ContractError(f"{operator!r}: adjoint gap {gap:.2e} exceeds {tolerance:.0e}.")
    other = x.flip(tuple(range(x.dim())))
    combined, expected = operator(x - 3 * other), ax - 3 * operator(other)
    if not torch.allclose(combined, expected, rtol=1e-4, atol=1e-5 * float(ax.abs().max())):
        raise ContractError(f"{operator!r} is not linear.")
    probe = x.clone().requires_grad_(True)
    torch.autograd.backward((operator(probe) * y).sum())
    if probe.grad is None or not torch.allclose(probe.grad, aty, rtol=1e-4, atol=1e-5 * float(aty.abs().max())):
        raise ContractError(f"{operator!r}: its gradient is not its adjoint.")
    return gap


def check_step(step: Step, study: Study) -> Study:
    """A Step is a frozen, picklable dataclass, declares what it needs and gives, and repeats itself."""
    parameters = getattr(type(step), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise ContractError(f"{type(step).__qualname__} is not a frozen dataclass.")
    for name, kind in {**step.needs, **step.gives}.items():
        if not kind.admits(kind_of(name)):
            raise ContractError(f"{type(step).__qualname__}: {name!r} is declared as {kind_of(name)}, not {kind}.")
    try:
        again = pickle.loads(pickle.dumps(step))
    except Exception as error:  # whatever a class of a stranger raises
        raise ContractError(f"{type(step).__qualname__} does not survive pickling: {error}") from error
    if again != step:
        raise ContractError(f"{type(step).__qualname__} does not survive pickling.")
    if not (type(step).__doc__ or "").strip():
        raise ContractError(f"{type(step).__qualname__} has no docstring; it is its help text.")
    before = {name: _digest(study[name]) for name in study}
    first, second = run(step, study), run(step, study)
    if before != {name: _digest(study[name]) for name in study}:
        raise ContractError(f"{type(step).__qualname__} changed its study.")
    for name in step.gives:
        if _digest(first[name]) != _digest(second[name]):
            raise ContractError(f"{type(step).__qualname__} gives two results for one study ({name}).")
    return first


def check_network(make: Callable[[], Any], example: torch.Tensor) -> None:
    """A network is made anew by ``make``, runs on a batch, is finite, has gradients and keeps its state."""
    import torch

    torch.manual_seed(0)
    network = make().eval()
    with torch.no_grad():
        alone, batch = network(example[:1]), network(example)
    outputs = [alone] if isinstance(alone, torch.Tensor) else list(alone.values())
    if not all(torch.isfinite(o).all() for o in outputs):
        raise ContractError(f"{type(network).__qualname__} gives values that are not finite.")
    if isinstance(alone, torch.Tensor) and not torch.allclose(alone, batch[:1], rtol=1e-3, atol=1e-4):
        raise ContractError(f"{type(network).__qualname__}: a sample's output depends on its batch in eval mode.")
    again = make().eval()
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        repeated = again(example[:1])
    repeats = [repeated] if isinstance(repeated, torch.Tensor) else list(repeated.values())
    if not all(torch.equal(a, b) for a, b in zip(outputs, repeats, strict=True)):
        raise ContractError(f"{type(network).__qualname__}: its state_dict does not hold all its state.")
    network.train()
    result = network(example)
    trained = [result] if isinstance(result, torch.Tensor) else list(result.values())
    torch.autograd.backward(torch.stack([o.square().mean() for o in trained]).sum())
    silent = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    if silent:
        raise ContractError(f"{type(network).__qualname__}: no gradient reaches {', '.join(silent[:5])}.")


def check_source(source: Sequence[Study]) -> None:
    """A source has a length, gives Studies, and gives the same one for the same index."""
    if len(source) == 0:
        raise ContractError("the source is empty.")
    for index in {0, len(source) - 1}:
        first, second = source[index], source[index]
        if not isinstance(first, Study):
            raise ContractError(f"the source gives a {type(first).__qualname__} at {index}, not a Study.")
        if {n: _digest(first[n]) for n in first} != {n: _digest(second[n]) for n in second}:
            raise ContractError(f"the source gives two studies for index {index}.")
    try:
        source[len(source)]
    except IndexError:
        return
    raise ContractError("the source does not end where its length says (no IndexError).")


def _digest(entry: Entry) -> object:
    """Something equal for equal entries."""
    if isinstance(entry, Image):
        return _bits(entry.values), None if entry.sd is None else _bits(entry.sd), entry.grid, entry.unit
    if isinstance(entry, Mask):
        return _bits(entry.values), entry.grid, dict(entry.names)
    return repr(entry)  # numbers and words; unlike ==, one not-a-number equals another


def _bits(values: NDArray[Any]) -> tuple[str, bytes]:
    return values.dtype.str, np.ascontiguousarray(values).tobytes()

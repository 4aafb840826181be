"""The contracts: what keeps them passes, and each way of breaking them is caught."""

import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from photopeak.core import ContractError, Grid, Image, Kind, Mask, Measurement, Study, Text
from photopeak.core.contracts import check_network, check_operator, check_source, check_step

GRID = Grid.planar(("anterior",), (2, 2), (1.0, 1.0))
STUDY = Study({"counts": Image(np.arange(4.0).reshape(1, 2, 2), GRID, "{counts}")})


# --- operators ------------------------------------------------------------------------------------


class Matrix:
    """y = A x, the smallest operator there is."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    def __call__(self, x):
        return self.matrix @ x

    def adjoint(self, y):
        return self.matrix.T @ y


class WrongAdjoint(Matrix):
    def adjoint(self, y):
        return 1.01 * self.matrix.T @ y


class Changes(Matrix):
    def __call__(self, x):
        result = self.matrix @ x
        with torch.no_grad():
            x.mul_(2.0)
        return result


class Moody(Matrix):
    calls = 0

    def __call__(self, x):
        self.calls += 1
        return self.matrix @ x * self.calls


class Absolute(Matrix):
    """Right on x, adjoint and all, as long as nothing is negative."""

    def __call__(self, x):
        return self.matrix @ x.abs()


class NoGradient(Matrix):
    def __call__(self, x):
        return self.matrix @ (0.5 * x + 0.5 * x.detach())


GENERATOR = torch.Generator().manual_seed(1)
MATRIX = torch.rand(5, 3, generator=GENERATOR, dtype=torch.float64)
X, Y = torch.rand(3, generator=GENERATOR, dtype=torch.float64), torch.rand(5, generator=GENERATOR, dtype=torch.float64)


def test_a_matrix_is_an_operator() -> None:
    assert check_operator(Matrix(MATRIX), X, Y) < 1e-12


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (WrongAdjoint, "adjoint gap"),
        (Changes, "changed its input"),
        (Moody, "two results"),
        (Absolute, "not linear"),
        (NoGradient, "gradient is not its adjoint"),
    ],
)
def test_a_broken_operator_is_caught(operator, message) -> None:
    with pytest.raises(ContractError, match=message):
        check_operator(operator(MATRIX), X.clone(), Y.clone())


# --- steps ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Total:
    """All counts of a study, as a share of a thousand."""

    needs: ClassVar = {"counts": Kind("image", "{counts}")}
    gives: ClassVar = {"reader/bsi": Kind("measurement", "%")}

    def __call__(self, study):
        return {"reader/bsi": Measurement(float(study["counts"].values.sum()) / 10, "%")}


@dataclass
class NotFrozen:
    """Its fields can change under way."""

    needs: ClassVar = Total.needs
    gives: ClassVar = Total.gives
    __call__ = Total.__call__


@dataclass(frozen=True)
class Undocumented(Total):
    pass


Undocumented.__doc__ = ""


@dataclass(frozen=True)
class OddKind(Total):
    """Gives a known name as something else."""

    gives: ClassVar = {"reader/bsi": Kind("mask")}


@dataclass(frozen=True)
class Random(Total):
    """Gives another number every time."""

    def __call__(self, study):
        return {"reader/bsi": Measurement(float(np.random.default_rng().random()), "%")}


@dataclass(frozen=True)
class RandomSpread(Total):
    """Gives an image whose spread alone changes."""

    needs: ClassVar = {}
    gives: ClassVar = {"uptake": Kind("image")}

    def __call__(self, study):
        return {"uptake": Image(np.ones((1, 2, 2)), GRID, "1", sd=np.random.default_rng().random((1, 2, 2)))}


@dataclass(frozen=True)
class Meddler(Total):
    """Writes into what it was given."""

    def __call__(self, study):
        study["counts"].values.base[:] += 1
        return super().__call__(study)


@dataclass(frozen=True)
class NotANumber(Total):
    """Says honestly that it does not know."""

    def __call__(self, study):
        return {"reader/bsi": Measurement(float("nan"), "%")}


@dataclass(frozen=True)
class EveryKind(Total):
    """Gives one entry of every other kind."""

    gives: ClassVar = {"truth/regions": Kind("mask"), "truth/report": Kind("text"), "reader/flags": Kind("table")}

    def __call__(self, study):
        mask = Mask(np.ones((1, 2, 2), dtype=np.uint8), GRID, {1: "rib"})
        return {"truth/regions": mask, "truth/report": Text("Well."), "reader/flags": (Measurement(1.0, "1"),)}


@pytest.mark.parametrize("step", [Total(), NotANumber(), EveryKind()])
def test_a_good_step_passes_and_gives(step) -> None:
    assert set(check_step(step, STUDY)) == {"counts", *step.gives}


def unpicklable() -> Total:
    @dataclass(frozen=True)
    class Local(Total):
        """Lives inside a function, where pickle cannot find it."""

    return Local()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (NotFrozen(), "frozen"),
        (Undocumented(), "docstring"),
        (OddKind(), "declared as"),
        (Random(), "two results"),
        (RandomSpread(), "two results"),
        (Meddler(), "changed its study"),
        (unpicklable(), "pickling"),
    ],
)
def test_a_broken_step_is_caught(step, message) -> None:
    study = Study({"counts": Image(STUDY["counts"].values.copy(), GRID, "{counts}")})
    with pytest.raises(ContractError, match=message):
        check_step(step, study)


# --- networks -------------------------------------------------------------------------------------


class TwoHeads(torch.nn.Module):
    """Gives a dictionary of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Linear(3, 2), torch.nn.Linear(3, 1)

    def forward(self, x):
        return {"left": self.left(x), "right": self.right(x)}


class Neighbourly(torch.nn.Linear):
    """Looks at the other samples of its batch."""

    def forward(self, x):
        return super().forward(x) + x.mean()


class Forgetful(torch.nn.Linear):
    """Keeps a part of its state where no state_dict finds it."""

    def __init__(self) -> None:
        super().__init__(3, 2)
        self.hidden = torch.rand(2)

    def forward(self, x):
        return super().forward(x) + self.hidden


class Infinite(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) / 0.0


class Idle(torch.nn.Linear):
    """Has a weight that nothing uses."""

    def __init__(self) -> None:
        super().__init__(3, 2)
        self.unused = torch.nn.Parameter(torch.ones(1))


EXAMPLE = torch.rand(4, 3, generator=GENERATOR)


@pytest.mark.parametrize("make", [lambda: torch.nn.Linear(3, 2), TwoHeads])
def test_a_good_network_passes(make) -> None:
    check_network(make, EXAMPLE)
    assert make()(EXAMPLE) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Neighbourly(3, 2), "depends on its batch"),
        (Forgetful, "state_dict"),
        (lambda: Infinite(3, 2), "not finite"),
        (Idle, "no gradient reaches unused"),
    ],
)
def test_a_broken_network_is_caught(make, message) -> None:
    with pytest.raises(ContractError, match=message):
        check_network(make, EXAMPLE)


# --- sources --------------------------------------------------------------------------------------


class Endless(list):
    def __getitem__(self, index):
        return super().__getitem__(index % len(self))


class Fickle(list):
    def __getitem__(self, index):
        number = np.random.default_rng().random((1, 2, 2))
        return super().__getitem__(index) and Study({"counts": Image(number, GRID, "{counts}")})


def test_a_list_of_studies_is_a_source() -> None:
    check_source([STUDY, STUDY])
    check_source((pickle.loads(pickle.dumps(STUDY)),))
    assert len(STUDY) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "empty"),
        (["no study"], "gives a str|Expected type"),  # the checker of types may see it first
        (Endless([STUDY]), "does not end"),
        (Fickle([STUDY]), "two studies"),
    ],
)
def test_a_broken_source_is_caught(source, message) -> None:
    with pytest.raises((ContractError, TypeCheckError), match=message):
        check_source(source)

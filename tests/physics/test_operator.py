"""The operator base: adjoints, composition, batches, gradients, refusals."""

import pytest
import torch

from photopeak.core import Grid, PhotopeakError, scaling
from photopeak.core.contracts import check_operator
from photopeak.core.errors import ContractError
from photopeak.physics.operator import Operator

SMALL = Grid.volume((2, 3, 4), scaling((1.0, 1.0, 1.0)))
WIDE = Grid.volume((2, 3, 5), scaling((1.0, 1.0, 1.0)))


class Matrix(Operator):
    """A dense matrix along x."""

    def __init__(self, matrix, domain=SMALL, range_=WIDE, fault=0.0):
        self.matrix, self.domain, self.range, self.fault = matrix, domain, range_, fault

    def apply(self, x):
        return x @ self.matrix.T

    def apply_adjoint(self, y):
        return y @ self.matrix * (1 + self.fault)


@pytest.fixture
def operator():
    return Matrix(torch.rand((5, 4), generator=torch.Generator().manual_seed(1)))


def tensors(operator):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(operator.domain.shape, generator=generator), torch.rand(operator.range.shape, generator=generator)


def test_contract_holds_for_operator_adjoint_and_composition(operator):
    back = Matrix(torch.rand((4, 5), generator=torch.Generator().manual_seed(3)), WIDE, SMALL)
    for a in (operator, operator.H, back @ operator, (back @ operator).H, operator @ back):
        assert check_operator(a, *tensors(a)) < 1e-6
    assert operator.H.H is operator


def test_the_contract_catches_a_wrong_adjoint(operator):
    wrong = Matrix(operator.matrix, fault=1e-3)
    with pytest.raises(ContractError, match="adjoint gap"):
        check_operator(wrong, *tensors(wrong))


def test_batches_are_carried_along(operator):
    x = torch.rand((2, 3, *SMALL.shape))
    y = operator(x)
    assert y.shape == (2, 3, *WIDE.shape)
    assert torch.allclose(y[1, 2], operator(x[1, 2]))
    assert operator.adjoint(y).shape == x.shape
    assert operator(x[:0]).shape == (0, 3, *WIDE.shape)


def test_gradients_of_gradients(operator):
    x = torch.rand(SMALL.shape, dtype=torch.float64, requires_grad=True)
    double = Matrix(operator.matrix.double())
    assert torch.autograd.gradcheck(double, (x,))
    assert torch.autograd.gradgradcheck(lambda v: double(v).square(), (x,))


def test_refusals_name_shapes_and_remedy(operator):
    with pytest.raises(PhotopeakError, match=r"\(2, 3, 5\).*domain.*Remedy"):
        operator(torch.zeros(WIDE.shape))
    with pytest.raises(PhotopeakError, match="range"):
        operator.adjoint(torch.zeros(SMALL.shape))
    with pytest.raises(PhotopeakError, match="compose operators whose grids meet"):
        operator @ operator
    with pytest.raises(PhotopeakError, match="cannot be split into 2"):
        operator.subset(0, 2)
    assert operator.subset(0, 1) is operator


def test_a_composition_takes_the_subsets_of_its_outer_operator(operator):
    back = Matrix(operator.matrix.T.contiguous(), WIDE, SMALL)
    whole = (back @ operator).subset(0, 1)
    x, _ = tensors(operator)
    assert torch.equal(whole(x), back(operator(x)))
    assert "Matrix" in repr(operator)

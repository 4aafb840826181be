"""The family for cropped scans: what its kinds share, and where they differ."""

import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.networks.family import BLOCKS, WIDTHS, FamilyCnn


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_kind_judges_a_crop_of_any_even_size(kind: str) -> None:
    network = FamilyCnn(kind).eval()
    for size in ((96, 96), (64, 80)):
        assert network(torch.rand(2, 1, *size)).shape == (2, 2)
    assert sum(p.numel() for p in network.parameters()) < 100_000


def test_a_plain_block_has_two_convolutions_and_a_dense_one_keeps_its_input() -> None:
    plain, dense = (BLOCKS[k](4, WIDTHS[0]) for k in ("plain", "dense"))
    convolutions = [m for m in plain.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.in_channels for c in convolutions] == [4, WIDTHS[0]]
    last = [m for m in dense.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    assert last.in_channels == 4 + 3 * 8  # its input, and what each of three layers added


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="Remedy: plain, residual, dense"):
        FamilyCnn("recurrent")
